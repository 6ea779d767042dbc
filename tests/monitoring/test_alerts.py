"""Each fault that an alert is for is made, and the alert arrives at Slack and by e-mail; the fault
ends, and that arrives too. Real Prometheus and Alertmanager with the configuration that
docker/compose.yml mounts, but for its durations, which are a twelfth."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest
import yaml

from boxoffice import ROOT, bearer, wait_until
from sinks import mail_sink, slack_sink
from stack import DOCKER

HASTE = 12
SECONDS = {"s": 1, "m": 60, "h": 3600}
ARRIVAL_S = 60

SERVER = ("--listen", "0.0.0.0:8080", "--journal-size", 16)


def hasten(text):
    """Every duration, and the bound of the only alert whose value is one, divided by HASTE."""
    text = re.sub(r"\b(\d+)([smh])\b",
                  lambda m: f"{max(1, int(m[1]) * SECONDS[m[2]] // HASTE)}s", text)
    return re.sub(r"(boxoffice_relay_backlog_age_seconds >) (\d+)",
                  lambda m: f"{m[1]} {int(m[2]) // HASTE}", text)


@pytest.fixture
def sinks():
    sinks = [slack_sink(8901), mail_sink(1025)]
    yield [sink.received for sink in sinks]
    for sink in sinks:
        sink.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own for the data directory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", disk]).returncode:
        pytest.skip("a tmpfs can't be mounted")
    yield disk
    subprocess.run(["umount", disk], check=True)


class Trouble:
    """What goes on in the background until it is told to stop: requests that are slow, because the
    seat worker is stopped most of the time (each pauses, so that most are sent while it is), and
    others that may be refused."""

    def __init__(self, server):
        self.server = server
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.hold_seat_worker)]
        self.threads += [threading.Thread(target=self.ask, args=(server.user(), call, pause_s))
                         for call, pause_s in [(self.reservation, 0.3)] * 8 + [(self.balance, 0.1)]]
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def hold_seat_worker(self):
        client = self.server.client()
        while not self.over.is_set():
            pid = self.server.worker("seat", 0, client)["pid"]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self.over.wait(0.8)
                os.kill(pid, signal.SIGCONT)
            self.over.wait(0.05)

    def reservation(self, user):
        user.reservation(1)

    def balance(self, user):
        user.get(user.points)

    def ask(self, user, call, pause_s):
        while not self.over.is_set():
            call(user)
            self.over.wait(pause_s)


def order_breaker(server, name, mode):
    answer = server.client().request("PATCH", f"/api/v1/admin/breakers/{name}", {"mode": mode},
                                     token=bearer(server.admin_key))
    assert answer.status == 200, answer


def unreclaimable(server):
    return next(value for (name, _), value in server.metrics().items()
                if name == "boxoffice_cgroup_memory_unreclaimable_bytes")


def alerts():
    rules = yaml.safe_load((DOCKER / "prometheus" / "rules" / "boxoffice.yml").read_text())
    return {rule["alert"] for group in rules["groups"] for rule in group["rules"]
            if "alert" in rule}


def expect(stack, sinks, status, names):
    missing = set()

    def arrived():
        missing.clear()
        missing.update(name for name in names
                       if not all(received.has(status, name) for received in sinks))
        return not missing

    try:
        wait_until(arrived, f"{status} at Slack and by mail", ARRIVAL_S, every_s=0.1)
    except AssertionError:
        titles = [received.titles for received in sinks]
        recorded = stack.promql('{__name__=~"boxoffice:.*|ALERTS"}')
        pytest.fail(f"{status} has not arrived for {sorted(missing)}: {titles}\n{recorded}")


def test_every_alert_arrives_and_so_does_its_end(stack, tmp_path, sinks, small_disk, memory,
                                                 start):
    prometheus = tmp_path / "prometheus-short"
    (prometheus / "rules").mkdir(parents=True)
    for name in ("prometheus.yml", "rules/boxoffice.yml"):
        (prometheus / name).write_text(hasten((DOCKER / "prometheus" / name).read_text()))
    alertmanager = tmp_path / "alertmanager-short"
    shutil.copytree(DOCKER / "alertmanager", alertmanager)
    (alertmanager / "slack-url").write_text("http://slack:8901/services/T/B/X\n")
    (alertmanager / "alertmanager.yml").write_text(
        hasten((DOCKER / "alertmanager" / "alertmanager.yml").read_text()))
    stack.alertmanager(alertmanager)
    stack.prometheus(prometheus / "prometheus.yml")

    # A journal that fills with demo data, and a broker that is not there.
    server = start(*SERVER, "--demo-holds", 140000, "--kafka", "kafka:9", data=small_disk / "data",
                   command_prefix=memory.prefix)
    order_breaker(server, "seat-0", "DISABLED")  # so that slow requests stay slow
    order_breaker(server, "wallet-0", "FORCED_OPEN")
    trouble = Trouble(server)
    wait_until(lambda: stack.promql("boxoffice:restarts:increase5m == 0"), "a scrape before the kills")
    for _ in range(3):
        server.wait_replaced(server.kill("queue"))
    filler = small_disk / "filler"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    filler.write_bytes(bytes(free - (12 << 20)))
    memory.set_limit(int(unreclaimable(server) / 0.92))
    while_it_runs = alerts() - {"BoxofficeTargetDown"}
    try:
        expect(stack, sinks, "FIRING", while_it_runs)
    finally:
        trouble.finish()

    filler.unlink()
    memory.set_limit(1 << 30)
    order_breaker(server, "wallet-0", "AUTO")
    until_restart = {"BoxofficeKafkaBacklog", "BoxofficeJournalFilling"}
    # Kafka's own breaker is open as long as there is no broker.
    expect(stack, sinks, "RESOLVED", while_it_runs - until_restart - {"BoxofficeBreakerOpen"})

    server.stop()
    expect(stack, sinks, "FIRING", {"BoxofficeTargetDown"})
    start(*SERVER, "--retention", 1, data=small_disk / "data", command_prefix=memory.prefix)
    expect(stack, sinks, "RESOLVED", alerts())


def test_every_alert_has_its_paragraph_for_operators():
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "OPERATIONS.md").read_text(), re.M)
    assert set(headings) == alerts()


def test_a_bound_that_is_kept_raises_nothing(tmp_path):
    """promtool runs the rules on made-up series, with the durations as they are."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    shutil.copy(DOCKER / "prometheus" / "rules" / "boxoffice.yml", tmp_path)
    shutil.copy(os.path.join(os.path.dirname(__file__), "rules_test.yml"), tmp_path)
    result = subprocess.run(["promtool", "test", "rules", "rules_test.yml"], cwd=tmp_path,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("command", [
    ["promtool", "check", "config", "--lint-fatal", DOCKER / "prometheus" / "prometheus.yml"],
    ["promtool", "check", "rules", "--lint-fatal", DOCKER / "prometheus" / "rules" / "boxoffice.yml"],
    ["amtool", "check-config", DOCKER / "alertmanager" / "alertmanager.yml"],
])
def test_the_tools_accept_the_configuration(command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    result = subprocess.run(list(map(str, command)), cwd=DOCKER / "alertmanager",
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
