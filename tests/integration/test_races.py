"""Requests that meet: one of them wins, and the others get the answer that is true for them.

All connections are open and each request is sent but for its last byte before a barrier lets several
threads send those. The servers' stop ends each test's server with the audit.
"""

import collections
import datetime
import json
import threading
import time

import pytest

from boxoffice import expect_problem

SENDERS = 8


@pytest.fixture(scope="module", params=["one of each", "two of each"])
def server(request, starter):
    workers = ("--fronts", 2, "--seat-workers", 2, "--wallet-workers", 2)
    return starter("--demo", *(workers if request.param == "two of each" else ()))


def post(path, token, body=None, key=None, method="POST"):
    body = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: boxoffice", f"Authorization: {token}"]
    lines += [f"Idempotency-Key: {key}"] if key else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def hold(user, schedule_id, *seat_ids, key=None):
    body = {"scheduleId": schedule_id, "seatIds": list(seat_ids)}
    return post("/api/v1/reservations", user.token, body, key)


def confirm(user, reservation_id):
    return post(f"/api/v1/reservations/{reservation_id}/confirm", user.token)


def at_once(server, requests, at=None):
    """The answers to requests that arrive together; at: when, by the wall clock."""
    wires = [server.wire() for _ in requests]
    try:
        for wire, request in zip(wires, requests):
            wire.send(request[:-1])
        barrier = threading.Barrier(min(SENDERS, len(wires)))

        def send_last_bytes(first):
            barrier.wait()
            if at is not None:
                time.sleep(max(0.0, at - time.time()))
            for number in range(first, len(wires), barrier.parties):
                wires[number].send(requests[number][-1:])

        threads = [threading.Thread(target=send_last_bytes, args=(first,))
                   for first in range(barrier.parties)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [wire.answer() for wire in wires]
    finally:
        for wire in wires:
            wire.close()


def schedule_with(server, count):
    """(schedule, seats, price): a schedule with that many free seats of one price."""
    user = server.user()
    for schedule in user.client.get("/concerts/schedule").data:
        seats = collections.defaultdict(list)
        for seat in user.seats(schedule["scheduleId"], "AVAILABLE"):
            seats[seat["amount"]].append(seat["seatId"])
        for price, found in seats.items():
            if len(found) >= count:
                return schedule["scheduleId"], found[:count], price
    raise AssertionError(f"no schedule with {count} free seats")


def statuses(answers):
    return dict(collections.Counter(answer.status for answer in answers))


def states(server, schedule_id):
    return {seat["seatId"]: seat["seatStatus"] for seat in server.user().seats(schedule_id)}


def debits(user):
    return [t for t in user.transactions() if t["type"] == "USE"]


def test_500_buyers_of_one_seat_find_one_winner(server):
    schedule_id, (seat_id,), _ = schedule_with(server, 1)
    client = server.client()
    users = [server.user(client=client) for _ in range(500)]
    answers = at_once(server, [hold(user, schedule_id, seat_id) for user in users])
    assert statuses(answers) == {201: 1, 409: 499}
    for answer in answers:
        if answer.status == 409:
            assert expect_problem(answer, 409, "seat-taken")["seatIds"] == [seat_id]
    winner = next(user for user, answer in zip(users, answers) if answer.status == 201)
    held = next(answer for answer in answers if answer.status == 201).data
    assert winner.reservation(held["reservationId"]).data == held
    assert states(server, schedule_id)[seat_id] == "TEMP_RESERVED"


def test_200_confirms_of_one_reservation_are_one_payment(server):
    schedule_id, (seat_id,), price = schedule_with(server, 1)
    user = server.user()
    user.charge(3 * price)
    reservation_id = user.hold(schedule_id, seat_id).data["reservationId"]
    answers = at_once(server, [confirm(user, reservation_id)] * 200)
    assert statuses(answers) == {200: 200}
    assert len({answer.body for answer in answers}) == 1
    assert user.balance() == 2 * price
    assert [t["reservationId"] for t in debits(user)] == [reservation_id]


@pytest.mark.parametrize("confirms_each", [1, 20])
def test_one_balance_pays_for_one_of_two_reservations(server, confirms_each):
    for _ in range(5):
        schedule_id, seats, price = schedule_with(server, 2)
        user = server.user()
        user.charge(2 * price - 1)
        both = [user.hold(schedule_id, seat).data["reservationId"] for seat in seats]
        answers = at_once(server, [confirm(user, number) for number in both * confirms_each])
        paid = {answer.data["reservationId"] for answer in answers if answer.status == 200}
        assert len(paid) == 1, answers
        for number, answer in zip(both * confirms_each, answers):
            if number in paid:
                assert answer.status == 200
                continue
            problem = expect_problem(answer, 409, "insufficient-points")
            assert (problem["required"], problem["balance"], problem["shortBy"]) == \
                (price, price - 1, 1)
        assert user.balance() == price - 1
        assert {t["reservationId"] for t in debits(user)} == paid
        assert {user.reservation(number).data["status"] for number in both} == \
            {"CONFIRMED", "HELD"}


def parse_time(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def test_a_confirm_meets_the_expiry_at_the_same_millisecond(start):
    """Whichever comes first wins; rounds go on until each has won once."""
    server = start("--demo", "--hold-ttl", 1, "--hold-grace", 0)
    won = collections.Counter()
    for round_number in range(30):
        schedule_id, seats, price = schedule_with(server, 8)
        users = [server.user() for _ in seats]
        for user in users:
            user.charge(price)
        held = [user.hold(schedule_id, seat).data for user, seat in zip(users, seats)]
        at = parse_time(held[0]["expiresAt"]) + (round_number % 5 - 2) / 1000
        numbers = [reservation["reservationId"] for reservation in held]
        answers = at_once(server, [confirm(user, number)
                                   for user, number in zip(users, numbers)], at)
        for user, number, seat, answer in zip(users, numbers, seats, answers):
            won[answer.status] += 1
            if answer.status == 200:
                expected = ("CONFIRMED", 0, "RESERVED")
            else:
                expect_problem(answer, 410, "hold-expired")
                expected = ("EXPIRED", price, "AVAILABLE")
            state = user.reservation(number).data["status"]
            assert (state, user.balance(), states(server, schedule_id)[seat]) == expected
            assert user.confirm(number).status == answer.status
        if len(won) == 2:
            break
    assert set(won) == {200, 410}, won


def test_one_key_200_times_at_once_charges_once(server):
    user = server.user()
    request = post(user.points + "/charges", user.token, {"amount": 250}, key="once")
    answers = at_once(server, [request] * 200)
    assert statuses(answers) == {201: 200}
    assert len({answer.body for answer in answers}) == 1
    assert user.balance() == 250
    assert len(user.transactions()) == 1


def test_one_key_200_times_at_once_holds_once(server):
    schedule_id, (seat_id,), _ = schedule_with(server, 1)
    user = server.user()
    answers = at_once(server, [hold(user, schedule_id, seat_id, key="once")] * 200)
    assert statuses(answers) == {201: 200}
    assert len({answer.body for answer in answers}) == 1


def test_one_key_with_two_bodies_at_once_has_the_effect_of_one(server):
    user = server.user()
    bodies = [{"amount": 3}, {"amount": 5}] * 100
    answers = at_once(server, [post(user.points + "/charges", user.token, body, key="two")
                               for body in bodies])
    first = user.balance()
    assert first in (3, 5)
    for body, answer in zip(bodies, answers):
        if body["amount"] == first:
            assert (answer.status, answer.data["balance"]) == (201, first)
        else:
            expect_problem(answer, 422, "idempotency-key-reused")


def test_requests_for_several_seats_that_overlap_crosswise_are_all_or_nothing(server):
    """Each wants a seat, the next but one and so on around a ring, in either order."""
    schedule_id, seats, _ = schedule_with(server, 12)
    count = len(seats)
    wanted = [[seats[(first + step) % count] for step in steps]
              for first in range(count) for steps in ((0, 1, 3), (3, 1, 0), (0, 5), (5, 0))]
    client = server.client()
    users = [server.user(client=client) for _ in wanted]
    answers = at_once(server, [hold(user, schedule_id, *mine) for user, mine in zip(users, wanted)])
    assert set(statuses(answers)) == {201, 409}
    owners = {}
    for user, mine, answer in zip(users, wanted, answers):
        if answer.status == 201:
            assert sorted(answer.data["seatIds"]) == sorted(mine)
            assert not owners.keys() & set(mine), "a seat has two holders"
            owners.update(dict.fromkeys(mine, user))
    for mine, answer in zip(wanted, answers):
        if answer.status == 409:
            taken = expect_problem(answer, 409, "seat-taken")["seatIds"]
            assert taken and set(taken) <= set(mine) & owners.keys()
    now = states(server, schedule_id)
    assert {seat for seat in seats if now[seat] == "TEMP_RESERVED"} == owners.keys()


def test_a_confirm_and_a_release_at_once_have_one_outcome(server):
    for _ in range(10):
        schedule_id, (seat_id,), price = schedule_with(server, 1)
        user = server.user()
        user.charge(price)
        number = user.hold(schedule_id, seat_id).data["reservationId"]
        release = post(f"/api/v1/reservations/{number}", user.token, method="DELETE")
        paid, released = at_once(server, [confirm(user, number), release])
        if paid.status == 200:
            expect_problem(released, 409, "reservation-state")
            expected = ("CONFIRMED", 0, "RESERVED")
        else:
            expect_problem(paid, 409, "reservation-state")
            assert released.status == 204
            expected = ("RELEASED", price, "AVAILABLE")
        state = user.reservation(number).data["status"]
        assert (state, user.balance(), states(server, schedule_id)[seat_id]) == expected


def test_100_cancels_of_one_reservation_are_one_refund(server):
    schedule_id, (seat_id,), price = schedule_with(server, 1)
    user = server.user()
    user.charge(price)
    number = user.hold(schedule_id, seat_id).data["reservationId"]
    assert user.confirm(number).status == 200
    cancel = post(f"/api/v1/reservations/{number}/cancel", user.token)
    answers = at_once(server, [cancel] * 100)
    assert statuses(answers) == {200: 100}
    assert len({answer.body for answer in answers}) == 1
    assert user.balance() == price
    assert [t["type"] for t in user.transactions()] == ["REFUND", "USE", "CHARGE"]
    assert states(server, schedule_id)[seat_id] == "AVAILABLE"


def test_a_users_seat_limit_holds_against_his_own_requests(start):
    server = start("--demo", "--user-seat-limit", 3)
    schedule_id, seats, _ = schedule_with(server, 20)
    user = server.user()
    answers = at_once(server, [hold(user, schedule_id, seat) for seat in seats])
    assert statuses(answers) == {201: 3, 422: 17}
    for answer in answers:
        if answer.status == 422:
            expect_problem(answer, 422, "seat-limit")
    assert sorted(states(server, schedule_id).values()).count("TEMP_RESERVED") == 3
