"""Workers that hang or crash by themselves: what the supervisor does, and what clients see of it."""

import contextlib
import os
import signal
import threading

import pytest

from boxoffice import wait_until


def restarts(server, role):
    return server.worker(role)["restarts"]


def in_background(call):
    """Runs call() in a thread; returns a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()

    def result():
        thread.join(60)
        return results[0]
    return result


# ---- hanging ----


def test_a_stopped_worker_is_replaced_and_others_go_on_meanwhile(start):
    server = start("--demo")
    user, other = server.user(), server.user()
    user.charge(5)
    wallet = server.worker("wallet")
    os.kill(wallet["pid"], signal.SIGSTOP)
    charged = in_background(lambda: user.charge(7))
    while server.worker("wallet")["generation"] == wallet["generation"]:
        assert other.get("/api/v1/concerts").status == 200
        assert other.get("/api/v1/queue/tokens/me").status == 200
        held = other.hold(1, 131073)
        assert held.status in (200, 201), held
    server.wait_replaced(wallet)
    answer = charged()
    assert answer.status in (201, 503), answer
    assert user.balance() in ((12,) if answer.status == 201 else (5, 12))
    assert restarts(server, "wallet")["hang"] == 1
    assert restarts(server, "wallet")["total"] == 1
    log = server.log()
    assert f"event=hang name=wallet-0 generation={wallet['generation']} " in log
    assert "cause=hang" in log


@pytest.mark.parametrize("role", ["front", "relay", "queue", "seat"])
def test_every_role_is_watched(start, role):
    server = start()
    entry = server.worker(role)
    os.kill(entry["pid"], signal.SIGSTOP)
    wait_until(lambda: f" name={role}-0 on=ready from=starting to=ready "
               f"generation={entry['generation'] + 1} " in server.log(), "it was replaced", 30)
    server.disconnect()
    assert restarts(server, role)["hang"] == 1
    assert server.user().charge(1).status == 201


def test_a_supervisor_that_was_stopped_itself_blames_nobody(start):
    """As when a whole machine is suspended: nobody has missed anything."""
    server = start()
    pids = [server.pid] + [entry["pid"] for entry in server.processes() if entry["pid"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    threading.Event().wait(4)  # longer than the watchdog's patience
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    user = server.user()
    for _ in range(20):
        assert user.charge(1).status == 201
    assert all(entry["restarts"]["total"] == 0 for entry in server.processes())


# ---- crashing ----


def crash(server, role, signal_number=signal.SIGSEGV):
    """Ends the role's process by a fault of its own and waits for its death."""
    entry = wait_until(lambda: (lambda e: e if e["pid"] else None)(server.worker(role)),
                       f"a live {role}")
    with contextlib.suppress(ProcessLookupError):
        os.kill(entry["pid"], signal_number)
    wait_until(lambda: server.worker(role)["pid"] != entry["pid"], f"the death of {role}")


def test_a_worker_that_crashes_six_times_is_parked_and_probed(start):
    server = start()
    for _ in range(6):
        crash(server, "relay")
    assert " name=relay-0 on=park from=" in server.log()
    wait_until(lambda: server.worker("relay")["state"] == "READY", "a probe finds it well", 30)
    assert restarts(server, "relay")["crash"] == 6
    crash(server, "relay")  # soon afterwards: it was not well for long
    assert server.log().count(" name=relay-0 on=park from=") == 2
