"""The paths of the load-test scripts, with exactly the bytes that those scripts send."""

import json

import pytest

from boxoffice import expect_problem

HEAD = "Host: 127.0.0.1:8080\r\nUser-Agent: k6/0.47.0 (https://k6.io/)\r\n"
TAIL = "Accept-Encoding: gzip\r\n\r\n"


@pytest.fixture(scope="module")
def server(starter):
    return starter("--demo", "--demo-holds", 6000, "--open-confirm")


def send(server, text):
    with server.wire() as wire:
        wire.send(text)
        return wire.answer()


def post_json(path, body, token=None):
    text = json.dumps(body, separators=(",", ":"))
    authorization = f"Authorization: {token}\r\n" if token else ""
    return (f"POST {path} HTTP/1.1\r\n{HEAD}Content-Length: {len(text)}\r\n{authorization}"
            f"Content-Type: application/json\r\n{TAIL}{text}")


@pytest.mark.parametrize("path", ["/queue/token", "/api/v1/token"])
def test_a_token_is_always_200(server, path):
    user_id = server.new_user_id()
    answers = [send(server, post_json(path, {"userId": user_id})) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len({answer.data["queueToken"] for answer in answers}) == 1
    expect_problem(send(server, post_json(path, {"userId": str(user_id)})), 400, "invalid-field")


def test_a_check_has_the_raw_token_a_json_type_and_an_empty_body(server):
    token = send(server, post_json("/queue/token", {"userId": server.new_user_id()})) \
        .data["queueToken"]
    checked = send(server, f"POST /queue/token/check HTTP/1.1\r\n{HEAD}Content-Length: 0\r\n"
                           f"Authorization: {token}\r\nContent-Type: application/json\r\n{TAIL}")
    assert checked.status == 200
    assert checked.data["status"] == "SUCCESS"
    assert {"queuePosition", "etaSeconds", "nextPollMs", "admittedUntil"} <= checked.data.keys()
    refused = send(server, f"POST /queue/token/check HTTP/1.1\r\n{HEAD}Content-Length: 0\r\n"
                           f"Authorization: {token}x\r\nContent-Type: application/json\r\n{TAIL}")
    expect_problem(refused, 401, "unauthorized")


def get(path):
    return f"GET {path} HTTP/1.1\r\n{HEAD}{TAIL}"


def test_at_most_100_schedules_those_with_free_seats_first_and_a_seat_of_each(server):
    """6,000 holds fill 120 schedules besides those with free seats."""
    listed = send(server, get("/concerts/schedule")).data
    assert len(listed) == 100
    free = [schedule["availableSeats"] > 0 for schedule in listed]
    assert free == sorted(free, reverse=True) and any(free)
    for schedule in listed:
        assert (schedule["seatStatus"] == "AVAILABLE") == (schedule["availableSeats"] > 0)
        assert (schedule["seatId"] is None) == (schedule["availableSeats"] == 0)
        assert {"scheduleId", "concertId", "concertTitle", "openDate", "startTime", "endTime",
                "seatCount"} <= schedule.keys()


def test_a_seat_is_asked_for_by_a_parameter_without_a_name(server):
    schedule = send(server, get("/concerts/schedule")).data[0]
    seat_id = schedule["seatId"]
    for path in (f"/concerts/seat?={seat_id}", f"/concerts/seat?seatId={seat_id}",
                 f"/concerts/seat?x=1&={seat_id}"):
        (seat,) = send(server, get(path)).data
        assert (seat["seatId"], seat["seatStatus"]) == (seat_id, "AVAILABLE")
    seats = send(server, get(f"/concerts/seat?scheduleId={schedule['scheduleId']}")).data
    assert len(seats) == schedule["seatCount"]
    assert seat in seats
    for path in ("/concerts/seat", "/concerts/seat?", "/concerts/seat?=", "/concerts/seat?=x",
                 "/concerts/seat?=0", "/concerts/seat?seatId=9007199254740992",
                 "/concerts/seat?scheduleId=-1"):
        expect_problem(send(server, get(path)), 400, "invalid-field")
    expect_problem(send(server, get("/concerts/seat?=9007199254740991")), 404, "not-found")


def test_a_confirm_has_no_token_and_pays_once(server):
    first = send(server, post_json("/reservations/confirm", {"reservationId": 4711}))
    assert first.status == 200
    assert first.data["reservationId"] == 4711 and first.data["status"] == "CONFIRMED"
    again = send(server, post_json("/reservations/confirm", {"reservationId": 4711}))
    assert (again.status, again.body) == (200, first.body)
    owner = server.user(4711)
    assert [t["type"] for t in owner.transactions()] == ["USE", "CHARGE"]
    assert owner.confirm(4711).body == first.body, "the canonical path gives the same answer"
    expect_problem(send(server, post_json("/reservations/confirm", {"reservationId": 6001})),
                   404, "not-found")


def test_only_that_path_lets_anybody_confirm(server):
    expect_problem(server.client().post("/api/v1/reservations/4712/confirm"), 401, "unauthorized")
    expect_problem(server.user().confirm(4712), 403, "not-owner")


def test_without_open_confirm_the_owner_is_asked_for(start):
    server = start("--demo", "--demo-holds", 100)
    request = {"reservationId": 7}
    expect_problem(send(server, post_json("/reservations/confirm", request)), 401, "unauthorized")
    stranger, owner = server.user(), server.user(7)
    expect_problem(send(server, post_json("/reservations/confirm", request, stranger.token)), 403,
                   "not-owner")
    assert send(server, post_json("/reservations/confirm", request, owner.token)).status == 200
