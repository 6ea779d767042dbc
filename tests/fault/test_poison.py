"""A request that its worker dies of each time is given up on after the second death; the worker goes
on. A death that somebody outside has caused makes no request suspect."""

import signal

import pytest

import crash_control
from boxoffice import expect_problem, wait_until
from crash_control import CrashControl


@pytest.fixture
def control(tmp_path):
    return CrashControl(tmp_path / "control")


@pytest.fixture
def server(start, control):
    return start("--demo", program=crash_control.binary(), environment=control.environment)


def poison(control, user):
    """Whatever a wallet worker is asked for that user, it dies of."""
    control.arm("REQUEST_TAKEN", key=user.id, role="wallet", with_signal=signal.SIGSEGV,
                forever=True)


def dead_letters(server):
    return server.admin("/api/v1/admin/dead-letters").data


def restarts(server, role):
    return server.worker(role)["restarts"]


def test_a_poison_request_is_given_up_on_and_its_worker_goes_on(server, control):
    victim, other = server.user(), server.user()
    assert victim.charge(100).status == other.charge(100).status == 201
    poison(control, victim)
    expect_problem(victim.charge(5, key="k"), 500, "dead-lettered")
    assert other.charge(1).status == 201
    assert restarts(server, "wallet")["crash"] == 2
    listed = dead_letters(server)
    assert listed["total"] == 1
    letter = listed["deadLetters"][0]
    assert letter["at"]
    assert {name: letter[name] for name in ("role", "index", "request", "actorId", "senderRole",
                                            "senderIndex", "cause")} == \
        {"role": "wallet", "index": 0, "request": "charge", "actorId": victim.id,
         "senderRole": "front", "senderIndex": 0, "cause": "crash"}
    assert f"request_id={letter['requestId']} " in server.log()
    assert " event=dead-letter name=wallet-0 request=charge " in server.log()
    control.disarm()
    assert victim.balance() == 100  # it had no effect, and its key is free
    assert victim.charge(5, key="k").status == 201
    assert dead_letters(server)["total"] == 1


def test_a_kill_from_outside_makes_no_request_suspect(server, control):
    user = server.user()
    for round_number in range(1, 5):
        control.arm("REQUEST_TAKEN", key=user.id, role="wallet")
        assert user.charge(1).data["balance"] == round_number
        assert control.fired() == 1
    assert dead_letters(server) == {"total": 0, "deadLetters": []}
    assert restarts(server, "wallet")["killed"] == 4


def test_a_poison_debit_stays_owed(server, control):
    """The buyer keeps the seat, and pays when the wallet worker can bear it."""
    victim, other = server.user(), server.user()
    assert victim.charge(10 ** 7).status == 201
    held = victim.hold(1, victim.seats(1, "AVAILABLE")[0]["seatId"]).data["reservationId"]
    poison(control, victim)
    expect_problem(victim.confirm(held), 503, "unavailable")
    letter = wait_until(lambda: dead_letters(server)["deadLetters"], "it is given up for now")[0]
    assert (letter["request"], letter["senderRole"]) == ("debit", "seat")
    assert other.charge(1).status == 201
    assert victim.reservation(held).data["status"] == "CONFIRMING"
    control.disarm()
    server.wait_replaced(server.kill("seat"))  # which owes, and asks at once when it starts
    wait_until(lambda: victim.reservation(held).data["status"] == "CONFIRMED", "it is paid")
    assert victim.confirm(held).status == 200
