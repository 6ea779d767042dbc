"""The image of docker/Dockerfile in containers, by podman and runc."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import zlib

import pytest

from boxoffice import ROOT, Client, wait_until

# Each checkout has its own, so that two can be tested at a time.
IMAGE = f"localhost/boxoffice-{zlib.crc32(str(ROOT).encode()):08x}:latest"


def podman(*arguments, check=True, timeout_s=120):
    result = subprocess.run(["podman", "--runtime", "runc", *map(str, arguments)], text=True,
                            capture_output=True, timeout=timeout_s)
    if check:
        assert result.returncode == 0, result.stderr
    return result


def build_image():
    if os.geteuid() != 0:
        pytest.skip("containers with limits need root")
    for program in ("podman", "runc", "debootstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    result = subprocess.run([ROOT / "docker" / "prove", "image"], text=True, timeout=800,
                            capture_output=True, env=os.environ | {"BOXOFFICE_IMAGE": IMAGE})
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Container:
    """A server as compose.yml runs it: 1 CPU, 1 GiB, read-only, without capabilities."""

    def __init__(self, data, *arguments, cpus=1, memory="1g"):
        self.data = data
        self.port = free_port()
        self.id = podman(
            "run", "--detach", "--network", "host", "--read-only", "--cap-drop", "all",
            "--security-opt", "no-new-privileges", "--ulimit", "nofile=20000:20000",
            "--ulimit", "nproc=10000:10000", "--cpus", cpus, "--memory", memory,
            "--volume", f"{data}:/data",
            "--health-cmd", json.dumps(["/usr/bin/boxoffice", "health", "--url",
                                        f"http://127.0.0.1:{self.port}/readyz"]),
            IMAGE, "serve", "--listen", f"127.0.0.1:{self.port}", *arguments).stdout.strip()
        self.pid = int(self.inspect("{{.State.Pid}}"))
        self.name = self.id[:12]

    def inspect(self, template):
        return podman("inspect", "--format", template, self.id).stdout.strip()

    def client(self):
        return Client(self.port)

    def wait_ready(self):
        def ready():
            try:
                return self.client().get("/readyz").status == 200
            except OSError:
                assert self.inspect("{{.State.Running}}") == "true", self.logs()
                return False
        wait_until(ready, "a server that is ready", 60, every_s=0.05)
        return self

    def logs(self):
        result = podman("logs", self.id)
        return result.stdout + result.stderr

    def processes(self):
        """{pid: (role, uid, state)} of all processes in the container, as the host sees them."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if self.id not in (entry / "cgroup").read_text():
                    continue
                status = (entry / "status").read_text()
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            role = arguments[2].decode() if arguments[1:2] == [b"worker"] else "supervisor"
            found[int(entry.name)] = (role, int(fields["Uid"].split()[0]), fields["State"][0])
        return found

    def oom_kills(self):
        group = next(line.split(":", 2)[2] for line in
                     pathlib.Path(f"/proc/{self.pid}/cgroup").read_text().splitlines()
                     if line.split(":")[1] in ("memory", ""))
        for path in (f"/sys/fs/cgroup/memory{group}/memory.oom_control",
                     f"/sys/fs/cgroup{group}/memory.events"):
            if os.path.exists(path):
                lines = pathlib.Path(path).read_text().splitlines()
                return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        raise AssertionError(f"no figures of {group}")

    def remove(self):
        podman("rm", "--force", "--time", "1", "--volumes", self.id)
