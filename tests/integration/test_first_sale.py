"""The story of a sale: a hold, a payment that fails, points, the payment that succeeds."""

import datetime
import re

import pytest

from boxoffice import expect_problem, query

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
RESERVATION = {"reservationId", "status", "scheduleId", "seatIds", "amount", "expiresAt"}


def parse_time(text):
    assert re.fullmatch(TIME, text), text
    return datetime.datetime.fromisoformat(text).timestamp()


def now_of(answer):
    """The server's clock, to the second."""
    date = datetime.datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
    return date.replace(tzinfo=datetime.timezone.utc).timestamp()


@pytest.fixture
def free_seat(user):
    """(schedule, seat) of a seat that nobody has."""
    schedules = user.client.get("/concerts/schedule").data
    schedule_id = next(s for s in schedules if s["seatStatus"] == "AVAILABLE")["scheduleId"]
    return schedule_id, user.seats(schedule_id, "AVAILABLE")[0]


def seat_of(user, schedule_id, seat_id):
    return next(s for s in user.seats(schedule_id) if s["seatId"] == seat_id)


def debits(user):
    return [t for t in user.transactions() if t["type"] == "USE"]


def test_a_sale_with_a_payment_that_first_fails(user, free_seat):
    schedule_id, seat = free_seat
    held = user.hold(schedule_id, seat["seatId"])
    assert held.status == 201
    reservation = held.data
    assert RESERVATION <= set(reservation)
    assert (reservation["status"], reservation["scheduleId"]) == ("HELD", schedule_id)
    assert reservation["seatIds"] == [seat["seatId"]]
    assert reservation["amount"] == seat["amount"]
    assert 298 <= parse_time(reservation["expiresAt"]) - now_of(held) <= 301
    assert seat_of(user, schedule_id, seat["seatId"])["seatStatus"] == "TEMP_RESERVED"

    reservation_id = reservation["reservationId"]
    refused = user.confirm(reservation_id)
    problem = expect_problem(refused, 409, "insufficient-points")
    assert (problem["required"], problem["balance"], problem["shortBy"]) == \
        (seat["amount"], 0, seat["amount"])
    assert parse_time(problem["holdExpiresAt"]) - now_of(refused) >= 119
    assert user.reservation(reservation_id).data["status"] == "HELD"

    user.charge(1)
    problem = expect_problem(user.confirm(reservation_id), 409, "insufficient-points")
    assert problem["shortBy"] == seat["amount"] - 1
    assert user.balance() == 1
    assert user.charge(problem["shortBy"] + 500).status == 201

    confirmed = user.confirm(reservation_id)
    assert confirmed.status == 200
    assert set(confirmed.data) == {"reservationId", "paymentId", "status", "paidAmount", "balance"}
    assert confirmed.data["reservationId"] == reservation_id
    assert (confirmed.data["status"], confirmed.data["paidAmount"]) == ("CONFIRMED", seat["amount"])
    assert confirmed.data["balance"] == 500 == user.balance()

    again = user.confirm(reservation_id)
    assert (again.status, again.body) == (200, confirmed.body)
    assert user.reservation(reservation_id).data["status"] == "CONFIRMED"
    assert seat_of(user, schedule_id, seat["seatId"])["seatStatus"] == "RESERVED"
    paid = debits(user)
    assert [(t["reservationId"], t["amount"], t["transactionId"]) for t in paid] == \
        [(reservation_id, seat["amount"], confirmed.data["paymentId"])]


def test_a_held_seat_is_nobody_elses(server, user, free_seat):
    schedule_id, seat = free_seat
    other = server.user()
    reservation = user.hold(schedule_id, seat["seatId"]).data
    problem = expect_problem(other.hold(schedule_id, seat["seatId"]), 409, "seat-taken")
    assert problem["seatIds"] == [seat["seatId"]]
    same = user.hold(schedule_id, seat["seatId"])
    assert same.status == 200
    assert same.data["reservationId"] == reservation["reservationId"]
    expect_problem(other.reservation(reservation["reservationId"]), 403, "not-owner")
    expect_problem(other.confirm(reservation["reservationId"]), 403, "not-owner")
    expect_problem(user.client.get(f"/api/v1/reservations/{reservation['reservationId']}"),
                   401, "unauthorized")


def test_a_reservation_repeats_under_its_key(user, free_seat):
    schedule_id, seat = free_seat
    first = user.hold(schedule_id, seat["seatId"], key="r1")
    assert first.status == 201
    again = user.hold(schedule_id, seat["seatId"], key="r1")
    assert (again.status, again.body) == (201, first.body)
    free = user.seats(schedule_id, "AVAILABLE")[0]["seatId"]
    expect_problem(user.hold(schedule_id, free, key="r1"), 422, "idempotency-key-reused")
    assert seat_of(user, schedule_id, free)["seatStatus"] == "AVAILABLE"


def test_50_buyers_of_one_seat_find_one_winner(server, free_seat):
    schedule_id, seat = free_seat
    users = [server.user() for _ in range(50)]
    wires = [server.wire() for _ in users]
    body = f'{{"scheduleId":{schedule_id},"seatIds":[{seat["seatId"]}]}}'
    for user, wire in zip(users, wires):
        wire.send("POST /api/v1/reservations HTTP/1.1\r\nHost: b\r\n"
                  f"Authorization: {user.token}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
    statuses = [wire.answer().status for wire in wires]
    for wire in wires:
        wire.close()
    assert sorted(statuses) == [201] + [409] * 49


def test_confirms_at_once_share_one_payment(server, user, free_seat):
    schedule_id, seat = free_seat
    user.charge(3 * seat["amount"])
    reservation_id = user.hold(schedule_id, seat["seatId"]).data["reservationId"]
    wires = [server.wire() for _ in range(50)]
    for wire in wires:
        wire.send(f"POST /api/v1/reservations/{reservation_id}/confirm HTTP/1.1\r\nHost: b\r\n"
                  f"Authorization: {user.token}\r\nContent-Length: 0\r\n\r\n")
    answers = [wire.answer() for wire in wires]
    for wire in wires:
        wire.close()
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert user.balance() == 2 * seat["amount"]
    assert len(debits(user)) == 1


# ---- the paths of the load-test scripts ----

def test_the_scripts_calls_sell_a_seat(server, client):
    user_id = server.new_user_id()
    token = client.post("/queue/token", {"userId": user_id}).data["queueToken"]
    checked = client.request("POST", "/queue/token/check", b"", token=token)
    assert checked.data["status"] == "SUCCESS"
    schedules = client.get("/concerts/schedule").data
    assert 0 < len(schedules) <= 100
    first = schedules[0]
    assert {"scheduleId", "concertId", "concertTitle", "openDate", "startTime", "endTime",
            "seatCount", "availableSeats", "seatStatus", "seatId"} <= set(first)
    for path in (f"/concerts/seat?={first['seatId']}", f"/concerts/seat?seatId={first['seatId']}"):
        seats = client.get(path, token=token).data
        assert [seat["seatId"] for seat in seats] == [first["seatId"]]
        assert seats[0]["seatStatus"] == "AVAILABLE"
    whole = client.get(query("/concerts/seat", scheduleId=first["scheduleId"]), token=token).data
    assert len(whole) == first["seatCount"]

    body = {"scheduleId": first["scheduleId"], "seatIds": [first["seatId"]]}
    reservation = client.post("/api/v1/reservations", body, token=token).data
    charge = client.post(f"/api/v1/users/{user_id}/points/charges",
                         {"amount": reservation["amount"]}, token=token)
    assert charge.status == 201
    confirm = {"reservationId": reservation["reservationId"]}
    expect_problem(client.post("/reservations/confirm", confirm), 401, "unauthorized")
    confirmed = client.post("/reservations/confirm", confirm, token=token)
    assert confirmed.data["status"] == "CONFIRMED"
    assert confirmed.data["balance"] == 0


def test_the_schedules_seat_is_its_first_free_one(client, user):
    schedule = client.get("/concerts/schedule").data[0]
    free = user.seats(schedule["scheduleId"], "AVAILABLE")
    assert len(free) == schedule["availableSeats"]
    assert free[0]["seatId"] == schedule["seatId"]
    user.hold(schedule["scheduleId"], schedule["seatId"])
    now = next(s for s in client.get("/concerts/schedule").data
               if s["scheduleId"] == schedule["scheduleId"])
    assert now["availableSeats"] == schedule["availableSeats"] - 1
    assert now["seatId"] == free[1]["seatId"]


# ---- demo holds ----

def test_demo_holds_confirm_once_each(start):
    count = 300
    server = start("--demo", "--demo-holds", count, "--open-confirm")
    client = server.client()
    first = [client.post("/reservations/confirm", {"reservationId": r})
             for r in range(1, count + 1)]
    assert {answer.status for answer in first} == {200}
    again = [client.post("/reservations/confirm", {"reservationId": r})
             for r in range(1, count + 1)]
    assert [a.body for a in again] == [a.body for a in first]
    for reservation_id, answer in enumerate(first, 1):
        assert answer.data["reservationId"] == reservation_id
        assert answer.data["balance"] == 0
        owner = server.user(reservation_id, client)
        assert [(t["type"], t["amount"], t.get("reservationId")) for t in owner.transactions()] == [
            ("USE", answer.data["paidAmount"], reservation_id),
            ("CHARGE", answer.data["paidAmount"], None)]
        assert owner.balance() == 0
    expect_problem(client.post("/reservations/confirm", {"reservationId": count + 1}),
                   404, "not-found")


def test_sales_survive_the_death_of_everything(start, tmp_path):
    server = start("--demo", data=tmp_path / "data")
    user = server.user()
    schedule = user.client.get("/concerts/schedule").data[0]
    held = user.hold(schedule["scheduleId"], schedule["seatId"]).data
    other = next(s for s in user.seats(schedule["scheduleId"], "AVAILABLE"))
    user.charge(held["amount"] + 5)
    paid = user.confirm(held["reservationId"])
    unpaid = user.hold(schedule["scheduleId"], other["seatId"]).data
    server.end()

    server = start("--demo", data=tmp_path / "data")
    user = server.user(user.id)
    assert user.confirm(held["reservationId"]).body == paid.body
    assert user.reservation(unpaid["reservationId"]).data == unpaid
    assert user.balance() == 5
    seats = {s["seatId"]: s["seatStatus"] for s in user.seats(schedule["scheduleId"])}
    assert (seats[schedule["seatId"]], seats[other["seatId"]]) == ("RESERVED", "TEMP_RESERVED")
