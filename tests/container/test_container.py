"""The image of docker/Dockerfile: built, run as compose.yml runs it, loaded, stopped, audited."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

from boxoffice import ROOT, expect_problem, parse_metrics, wait_until
from podman import IMAGE, Container, build_image, podman

USER = 10001


@pytest.fixture(scope="module")
def image():
    text = build_image()
    print(text)
    return json.loads(podman("image", "inspect", IMAGE).stdout)[0]


@pytest.fixture
def data(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, USER, USER)
    return data


@pytest.fixture
def run(image, data):
    made = []

    def run(*arguments, **limits):
        made.append(Container(data, *arguments, **limits))
        return made[-1]

    yield run
    for container in made:
        container.remove()


def audit(data):
    return podman("run", "--rm", "--read-only", "--network", "none", "--ulimit",
                  "nofile=20000:20000", "--ulimit", "nproc=10000:10000", "--volume",
                  f"{data}:/data", IMAGE, "audit", check=False)


def test_the_image_says_how_it_wants_to_be_run(image):
    config = image["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert list(config["Volumes"]) == ["/data"]
    assert config["Entrypoint"] == ["/usr/bin/boxoffice"] and config["Cmd"] == ["serve"]
    assert config["StopSignal"] in ("SIGTERM", "15")
    health = image.get("Healthcheck") or image["Config"]["Healthcheck"]
    assert health["Test"] == ["CMD", "/usr/bin/boxoffice", "health"], "no shell is needed"
    assert image["Size"] < 130e6


def test_it_is_ready_healthy_and_within_its_limits(run):
    container = run("--demo").wait_ready()
    assert podman("healthcheck", "run", container.id).returncode == 0
    processes = container.processes()
    assert {role for role, _, _ in processes.values()} == {
        "supervisor", "front", "queue", "seat", "wallet", "relay"}
    assert {uid for _, uid, _ in processes.values()} == {USER}
    root = next(line for line in
                pathlib.Path(f"/proc/{container.pid}/mountinfo").read_text().splitlines()
                if line.split()[4] == "/")
    assert "ro" in root.split()[5].split(",")
    samples = parse_metrics(container.client().get("/metrics").body.decode())
    assert samples["boxoffice_cgroup_memory_limit_bytes", ()] == 1 << 30
    assert samples["boxoffice_cgroup_cpus_limit", ()] == 1
    assert samples["boxoffice_cgroup_memory_unreclaimable_bytes", ()] < 100 << 20


def test_pid_1_replaces_its_workers_and_leaves_no_zombies(run):
    container = run("--demo").wait_ready()
    for role in ("wallet", "seat", "queue", "relay"):
        victim = next(pid for pid, (found, _, _) in container.processes().items() if found == role)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in container.processes() and any(
            found == role for found, _, _ in container.processes().values()), f"another {role}")
    container.wait_ready()
    # An orphan that no supervisor knows: PID 1 reaps it too.
    podman("exec", "--detach", container.id, "/usr/bin/boxoffice", "--version")
    wait_until(lambda: len(container.processes()) == 6 and
               all(state not in "ZX" for _, _, state in container.processes().values()),
               "six processes and no zombie")


def test_under_load_and_sigterm_nothing_is_lost(run, data):
    k6 = os.environ.get("K6")
    if k6 is None:
        pytest.skip("K6 says where k6 is (scripts/k6)")
    container = run("--demo", "--demo-holds", 2000, "--open-confirm").wait_ready()
    result = subprocess.run(
        [k6, "run", "--quiet", "--no-usage-report", "-e", f"BASE_URL=http://127.0.0.1:{container.port}",
         "-e", "VUS=50", "-e", "DURATION=5s", "-e", "IDS=2000", ROOT / "k6s" / "stressTest.js"],
        capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert container.oom_kills() == 0

    confirmed = []

    def confirm(first):
        client = container.client()
        for reservation in range(first, 2001, 4):
            try:
                answer = client.post("/reservations/confirm", {"reservationId": reservation})
            except OSError:
                return  # closed between two requests, or nothing listens any more
            if answer.status == 200:
                confirmed.append(reservation)
            else:
                expect_problem(answer, 503, "unavailable")

    threads = [threading.Thread(target=confirm, args=(first,)) for first in range(1, 5)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(confirmed) > 50, "confirms")
    podman("stop", "--time", "20", container.id)
    for thread in threads:
        thread.join()
    assert container.inspect("{{.State.ExitCode}}") == "0", container.logs()
    assert container.inspect("{{.State.OOMKilled}}") == "false"
    audited = audit(data)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert "violations 0" in audited.stdout
    stored = int(re.search(r" confirmed (\d+) ", audited.stdout)[1])
    assert stored >= len(confirmed), "what was answered is there"


def test_it_sells_in_128_mib_of_memory(run, data):
    container = run("--demo", "--demo-holds", 2000, "--open-confirm", memory="128m", cpus=0.5)
    container.wait_ready()
    client = container.client()
    samples = parse_metrics(client.get("/metrics").body.decode())
    assert samples["boxoffice_unsaved_limit_bytes", ()] == 12 << 20, "an eighth of the plan for 1 GiB"
    assert samples["boxoffice_connections_limit", ()] == 1250
    for reservation in range(1, 2001):
        answer = client.post("/reservations/confirm", {"reservationId": reservation})
        assert answer.status == 200, answer
    assert container.oom_kills() == 0
    podman("stop", "--time", "20", container.id)
    assert audit(data).returncode == 0
