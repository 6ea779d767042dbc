"""Kafka brokers for tests: a real one (scripts/kafka) and librdkafka's mock cluster."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest

from boxoffice import ROOT, binary, clean_environment, wait_until

ANSWERS_TIMEOUT_S = 90
END_TIMEOUT_S = 30


def needs(*commands):
    """A component that is not installed: a visible skip, which CI=true makes a failure."""
    for command in commands:
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """Apache Kafka as a process of the test's own."""

    def __init__(self, directory, *properties):
        needs("java", "kcat")
        fetched = subprocess.run([ROOT / "scripts" / "kafka", "libraries"], capture_output=True,
                                 text=True)
        if fetched.returncode != 0:
            pytest.skip(f"no Kafka broker: {fetched.stderr.strip()[-300:]}")
        self.directory = pathlib.Path(directory)
        self.properties = properties
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None

    def start(self, wait=True):
        log = open(self.directory / "broker.log", "ab")
        self.process = subprocess.Popen(
            [ROOT / "scripts" / "kafka", "serve", self.directory / "kafka", str(self.port),
             *self.properties],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment())
        log.close()
        if wait:
            self.wait()
        return self

    def answers(self, properties):
        assert self.process.poll() is None, (self.directory / "broker.log").read_text()[-3000:]
        options = [word for item in properties for word in ("-X", item)]
        return subprocess.run(["kcat", "-L", "-m", "5", "-b", self.address, *options],
                              capture_output=True).returncode == 0

    def wait(self, properties=()):
        wait_until(lambda: self.answers(properties), "an answer of the broker",
                   ANSWERS_TIMEOUT_S, 0.2)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Existing:
    """A broker that is there already: BOXOFFICE_TEST_KAFKA=HOST:PORT."""

    def __init__(self, address):
        needs("kcat")
        self.address = address

    def end(self):
        pass


def shared_broker(directory):
    address = os.environ.get("BOXOFFICE_TEST_KAFKA")
    return Existing(address) if address else Broker(directory).start()


def helper():
    """The program of mock_broker.c, built beside the server."""
    return pathlib.Path(binary()).parent / "mock_broker"


def create_topic(address, topic):
    subprocess.run([helper(), "create", address, topic], check=True, timeout=60)


class MockBroker:
    def __init__(self):
        needs("kcat")
        self.process = subprocess.Popen([helper()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address, "the mock cluster did not start"

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", text

    def end(self):
        self.process.stdin.close()
        self.process.wait(END_TIMEOUT_S)
