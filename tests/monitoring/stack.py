"""The services of docker/compose.yml, started from Debian's packages with the configuration that
compose mounts. They meet in a network namespace of the test's own, where every port is free and the
services' names lead to 127.0.0.1."""

import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import urllib.parse

import pytest

from boxoffice import ROOT, wait_until

DOCKER = ROOT / "docker"
NAMES = ("app", "prometheus", "alertmanager", "influxdb", "mail", "slack", "kafka")
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC_PRIVATE, MS_BIND = 0x44000, 0x1000


def _raise_loopback():
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, 0x8913, request))[1]
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))


@pytest.fixture(scope="session")
def hosts(tmp_path_factory):
    """Moves this process, and all that it starts, into namespaces of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
        pytest.skip("a network namespace needs root")
    names = tmp_path_factory.mktemp("hosts") / "hosts"
    names.write_text(f"127.0.0.1 localhost {' '.join(NAMES)}\n")
    assert libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0, os.strerror(ctypes.get_errno())
    assert libc.mount(str(names).encode(), b"/etc/hosts", None, MS_BIND, None) == 0
    _raise_loopback()


class Stack:
    """Starts services and ends them; ask() talks to them."""

    def __init__(self, directory):
        self.directory = directory
        self.processes = []

    def run(self, name, command, **options):
        program = shutil.which(command[0])
        if program is None:
            pytest.skip(f"{command[0]} is not installed")
        log = open(self.directory / f"{name}.log", "wb")
        process = subprocess.Popen([program, *map(str, command[1:])], stdout=log,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
        self.processes.append(process)
        return process

    def finish(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def prometheus(self, config=DOCKER / "prometheus" / "prometheus.yml"):
        self.run("prometheus", ["prometheus", f"--config.file={config}",
                                f"--storage.tsdb.path={self.directory / 'prometheus'}"])
        wait_until(lambda: self.answers(9090, "/-/ready"), "Prometheus", 60)

    def alertmanager(self, directory):
        """`directory` has alertmanager.yml, and is the working directory as in compose.yml."""
        self.run("alertmanager", ["prometheus-alertmanager", "--config.file=alertmanager.yml",
                                  f"--storage.path={self.directory / 'alertmanager'}",
                                  "--cluster.listen-address="], cwd=directory)
        wait_until(lambda: self.answers(9093, "/-/ready"), "Alertmanager", 60)

    def influxdb(self):
        data = self.directory / "influxdb"
        config = self.directory / "influxdb.conf"
        config.write_text(f'reporting-disabled = true\nbind-address = "127.0.0.1:8088"\n'
                          f'[meta]\ndir = "{data}/meta"\n[data]\ndir = "{data}/data"\n'
                          f'wal-dir = "{data}/wal"\n[http]\nbind-address = ":8086"\n')
        self.run("influxdb", ["influxd", "-config", str(config)])
        wait_until(lambda: self.answers(8086, "/ping", 204), "InfluxDB", 60)
        self.ask(8086, "/query?" + urllib.parse.urlencode({"q": "CREATE DATABASE k6"}), "POST")

    def ask(self, port, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answers(self, port, path, status=200):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask(port, path)[0] == status
        return False

    def promql(self, expression):
        """The samples of an instant query, without those that are no number."""
        status, body = self.ask(9090, "/api/v1/query?" +
                                urllib.parse.urlencode({"query": expression}))
        assert status == 200, body
        return [(sample["metric"], float(sample["value"][1]))
                for sample in json.loads(body)["data"]["result"] if sample["value"][1] != "NaN"]

    def influxql(self, query):
        """The values of a query's first series, without nulls."""
        status, body = self.ask(8086, "/query?" + urllib.parse.urlencode({"db": "k6", "q": query}))
        assert status == 200, body
        result = json.loads(body)["results"][0]
        assert "error" not in result, result
        return [value for series in result.get("series", []) for _, value in series["values"]
                if value is not None]


@pytest.fixture
def stack(hosts, tmp_path):
    stack = Stack(tmp_path)
    yield stack
    stack.finish()


class MemoryGroup:
    """A control group with a memory limit, v1 or v2; for a server's command_prefix."""

    def __init__(self, limit):
        version_1 = pathlib.Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
        base = pathlib.Path("/sys/fs/cgroup/memory" if version_1 else "/sys/fs/cgroup")
        self.path = base / f"boxoffice-test-{os.getpid()}"
        self.limit_file = self.path / ("memory.limit_in_bytes" if version_1 else "memory.max")
        try:
            self.path.mkdir()
            self.set_limit(limit)
        except OSError as error:
            pytest.skip(f"no control group can be made: {error}")

    def set_limit(self, limit):
        self.limit_file.write_text(str(limit))

    @property
    def prefix(self):
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def remove(self):
        wait_until(lambda: not (self.path / "cgroup.procs").read_text(), "an empty control group")
        self.path.rmdir()


@pytest.fixture
def memory():
    """1 GiB. To be asked for before `start`, so that its servers end first."""
    group = MemoryGroup(1 << 30)
    yield group
    group.remove()
