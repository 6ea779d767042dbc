"""Workers that hang or crash by themselves: what the supervisor does, and what clients see of it."""

import contextlib
import os
import signal
import threading

import pytest

from boxoffice import bearer, expect_problem, wait_until


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


# ---- circuit breakers ----


def breaker(server, name):
    return server.admin(f"/api/v1/admin/breakers/{name}").data


def set_mode(server, name, mode):
    answer = server.client().request("PATCH", f"/api/v1/admin/breakers/{name}", {"mode": mode},
                                     token=bearer(server.admin_key))
    assert answer.data["mode"] == mode
    return answer.data


@contextlib.contextmanager
def parked(server, role):
    """The role's worker can not start, and is parked for that; well again at the end."""
    journal = server.data / f"{role}-0" / "journal"
    aside = journal.with_name("aside")
    journal.rename(aside)
    journal.write_text("not a directory")
    entry = server.kill(role)
    wait_until(lambda: server.worker(role)["state"] == "PARKED", f"{role} is parked", 30)
    try:
        yield entry
    finally:
        journal.unlink()
        aside.rename(journal)


def test_every_worker_and_kafka_has_a_breaker(start):
    server = start("--wallet-workers", "2", "--fronts", "2")
    listed = server.admin("/api/v1/admin/breakers").data["breakers"]
    assert [each["name"] for each in listed] == ["queue-0", "seat-0", "wallet-0", "wallet-1",
                                                 "kafka"]
    for each in listed:
        assert each == breaker(server, each["name"])
        assert each["mode"] == "AUTO" and each["state"] == "CLOSED"
        assert each["failureRate"] is None and each["nextProbeAt"] is None
    expect_problem(server.admin("/api/v1/admin/breakers/wallet-2"), 404, "not-found")
    expect_problem(server.client().get("/api/v1/admin/breakers"), 401, "unauthorized")


def test_a_forced_open_breaker_refuses_and_harms_nobody_else(start):
    server = start("--demo")
    user = server.user()
    user.charge(100)
    assert set_mode(server, "wallet-0", "FORCED_OPEN")["state"] == "FORCED_OPEN"
    for call in (lambda: user.charge(1), lambda: user.use(1), lambda: user.get(user.points)):
        expect_problem(call(), 503, "unavailable")
    assert breaker(server, "wallet-0")["notPermittedCalls"] == 3
    held = user.hold(1, user.seats(1, "AVAILABLE")[0]["seatId"]).data
    assert server.user().get("/api/v1/queue/tokens/me").status == 200
    # a confirm is begun, and ends although nobody waits for it
    expect_problem(user.confirm(held["reservationId"]), 503, "unavailable")
    wait_until(lambda: user.reservation(held["reservationId"]).data["status"] == "HELD",
               "the payment is refused for want of points")
    set_mode(server, "wallet-0", "AUTO")
    assert user.balance() == 100


def test_a_disabled_breaker_judges_nothing(start):
    server = start()
    assert set_mode(server, "wallet-0", "DISABLED")["state"] == "DISABLED"
    user = server.user()
    with parked(server, "wallet"):
        waiting = [in_background(lambda: server.user(user.id).charge(1)) for _ in range(3)]
        # it stays off although its worker is parked: requests wait for it
        assert breaker(server, "wallet-0")["state"] == "DISABLED"
    statuses = [answer().status for answer in waiting]
    assert set(statuses) <= {201, 503}
    wait_until(lambda: user.charge(1).status == 201, "the wallet is back", 30)
    assert set_mode(server, "wallet-0", "AUTO")["state"] == "CLOSED"


def test_a_mode_is_checked(start):
    server = start()
    for body in ({}, {"mode": "OPEN"}, {"mode": 1}, {"mode": None}):
        answer = server.client().request("PATCH", "/api/v1/admin/breakers/wallet-0", body,
                                         token=bearer(server.admin_key))
        assert expect_problem(answer, 400, "invalid-field")["field"] == "mode"


def test_with_the_wallets_away_the_sale_goes_on_and_confirms_end_when_they_return(start):
    server = start("--demo")
    user, late = server.user(), server.user()
    user.charge(10 ** 7)
    seat = user.seats(1, "AVAILABLE")[0]["seatId"]
    held = user.hold(1, seat).data["reservationId"]
    with parked(server, "wallet") as entry:
        assert breaker(server, "wallet-0")["state"] == "OPEN"
        expect_problem(user.charge(1), 503, "unavailable")
        expect_problem(user.confirm(held), 503, "unavailable")
        assert user.reservation(held).data["status"] == "CONFIRMING"
        assert late.get("/api/v1/concerts").status == 200
        assert late.get("/api/v1/queue/tokens/me").status == 200
        assert late.hold(1, late.seats(1, "AVAILABLE")[0]["seatId"]).status == 201
        assert server.client().get("/readyz").status == 503
    wait_until(lambda: user.reservation(held).data["status"] == "CONFIRMED",
               "the payment that was begun is made", 30)
    assert user.confirm(held).status == 200
    server.wait_replaced(entry, 30)
    wait_until(lambda: user.charge(1).status == 201, "traffic returns")
    for _ in range(5):  # what half-open lets through
        user.charge(1)
    assert breaker(server, "wallet-0")["state"] == "CLOSED"
    assert restarts(server, "wallet")["storage"] >= 6
    for change in ("from=closed to=open", "from=open to=half_open", "from=half_open to=closed"):
        assert f" event=breaker name=wallet-0 {change} " in server.log()


def test_breakers_are_in_the_metrics_under_resilience4js_names(start):
    server = start()
    server.user().charge(1)
    set_mode(server, "seat-0", "FORCED_OPEN")
    samples = server.metrics()
    prefix = "resilience4j_circuitbreaker_"

    def value(family, **labels):
        return samples[prefix + family, tuple(sorted(labels.items()))]

    for state in ("closed", "open", "half_open", "forced_open", "disabled"):
        assert value("state", name="wallet-0", state=state) == (state == "closed")
        assert value("state", name="seat-0", state=state) == (state == "forced_open")
    assert value("calls_seconds_count", name="wallet-0", kind="successful") == 1
    assert value("calls_seconds_count", name="wallet-0", kind="failed") == 0
    assert value("calls_seconds_sum", name="wallet-0", kind="successful") > 0
    assert value("failure_rate", name="wallet-0") == -1
    assert value("slow_call_rate", name="kafka") == -1
    assert value("not_permitted_calls_total", name="wallet-0", kind="not_permitted") == 0
