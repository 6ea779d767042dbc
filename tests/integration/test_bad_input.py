"""Bad input of every kind gets its code, and changes nothing. Framing is test_http_framing.py's."""

import pytest

from boxoffice import expect_problem, query

FIELD = (400, "invalid-field")
JSON = (400, "invalid-json")
DEEP = b'{"amount":' + b"[" * 5000 + b"]" * 5000 + b"}"

AMOUNTS = [
    # body, (status, code)
    (b"", (None, None)),  # either code: no body at all
    (b"{", JSON),
    (b"{}", FIELD),
    (b"[]", JSON),
    (b"null", JSON),
    (b"5", JSON),
    (b'"amount"', JSON),
    (b'{"amount":}', JSON),
    (b'{"amount":1}}', JSON),
    (b'{"amount":1} x', JSON),
    (b'{"amount":1}{"amount":1}', JSON),
    (b'{"amount":1,}', JSON),
    (b"{'amount':1}", JSON),
    (b'{"amount":1,"amount":1}', JSON),
    (b'{"amount":1,"amount":2}', JSON),
    (b'{"amount":1,"x":{"y":1,"y":2}}', JSON),
    (b'{"amount":01}', JSON),
    (b'{"amount":+1}', JSON),
    (b'{"amount":.5}', JSON),
    (b'{"amount":0x10}', JSON),
    (b'{"amount":NaN}', JSON),
    (b'{"amount":Infinity}', JSON),
    (b'{"amount":1 // one\n}', JSON),
    (b'\xef\xbb\xbf{"amount":1}', JSON),
    (b'{"amount":1,"note":"\xff"}', JSON),
    (b'{"amount":1,"note":"\xc0\xaf"}', JSON),
    (b'{"amount":1,"note":"\xed\xa0\x80"}', JSON),
    (b'{"amount":1,"note":"\xf4\x90\x80\x80"}', JSON),
    (b'{"amount":1,"note":"\\ud800"}', JSON),
    (b'{"amount":1,"note":"\x01"}', JSON),
    (b'{"amount":1\x00}', JSON),
    (b'\x00', JSON),
    ('{"amount":1}'.encode("utf-16"), JSON),
    (DEEP, JSON),
    (b'{"amount":null}', FIELD),
    (b'{"amount":true}', FIELD),
    (b'{"amount":"5"}', FIELD),
    (b'{"amount":1.5}', FIELD),
    (b'{"amount":1.0}', FIELD),
    (b'{"amount":1e3}', FIELD),
    (b'{"amount":[5]}', FIELD),
    (b'{"amount":{}}', FIELD),
    (b'{"Amount":5}', FIELD),
    (b'{"amount ":5}', FIELD),
    (b'{"amount":0}', (422, "amount-out-of-range")),
    (b'{"amount":-5}', (422, "amount-out-of-range")),
    (b'{"amount":1000000000001}', (422, "amount-out-of-range")),
    (b'{"amount":18446744073709551616}', (422, "amount-out-of-range")),
    (b'{"amount":18446744073709551617}', (422, "amount-out-of-range")),
    (b'{"amount":-18446744073709551615}', (422, "amount-out-of-range")),
    (b'{"amount":' + b"9" * 300 + b"}", (422, "amount-out-of-range")),
]


@pytest.fixture
def rich(server):
    """A user with points, for whom nothing may change."""
    user = server.user()
    assert user.charge(1000).status == 201
    before = (user.balance(), user.transactions())
    yield user
    assert (user.balance(), user.transactions()) == before


@pytest.mark.parametrize("path", ["charges", "uses"])
@pytest.mark.parametrize("body,expected", AMOUNTS, ids=[repr(a[0])[:48] for a in AMOUNTS])
def test_bad_amounts(rich, path, body, expected):
    answer = rich.post(f"{rich.points}/{path}", body)
    if expected == (None, None):
        assert answer.status == 400 and answer.code in ("invalid-json", "invalid-field")
        return
    problem = expect_problem(answer, *expected)
    if expected == FIELD:
        assert problem["field"] == "amount"


def test_unknown_fields_are_ignored(server):
    user = server.user()
    body = b' {"extra":[1,{"a":null}],"amount":5,"\xc3\xa9":1} '
    answer = user.post(user.points + "/charges", body)
    assert answer.status == 201
    assert user.balance() == 5


IDS = [b"null", b"0", b"-1", b"9007199254740992", b"99999999999999999999", b"1.5", b'"1"', b"[1]",
       b"{}", b"true", b""]


@pytest.mark.parametrize("path", ["/api/v1/queue/tokens", "/queue/token", "/api/v1/token"])
@pytest.mark.parametrize("value", IDS)
def test_bad_users_get_no_token(client, path, value):
    if value == b"":
        problem = expect_problem(client.post(path, b"{}"), *FIELD)
    else:
        problem = expect_problem(client.post(path, b'{"userId":' + value + b"}"), *FIELD)
    assert problem["field"] == "userId"


@pytest.mark.parametrize("value", IDS)
def test_bad_reservation_ids_confirm_nothing(user, value):
    body = b'{"reservationId":' + (value or b"null") + b"}"
    problem = expect_problem(user.post("/reservations/confirm", body), *FIELD)
    assert problem["field"] == "reservationId"


@pytest.mark.parametrize("body,field", [
    (b"{}", None),
    (b'{"scheduleId":1}', "seatIds"),
    (b'{"seatIds":[131073]}', "scheduleId"),
    (b'{"scheduleId":1,"seatIds":[]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":131073}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":"131073"}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":["131073"]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":[131073.5]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":[null]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":[0]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":[-131073]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":[131073,131073]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":[9007199254740992]}', "seatIds"),
    (b'{"scheduleId":1,"seatIds":[262145]}', "seatIds"),  # a seat of schedule 2
    (b'{"scheduleId":0,"seatIds":[131073]}', "scheduleId"),
    (b'{"scheduleId":"1","seatIds":[131073]}', "scheduleId"),
])
def test_bad_reservations_hold_nothing(user, body, field):
    before = user.seats(1)
    answer = user.post("/api/v1/reservations", body)
    problem = expect_problem(answer, *FIELD)
    if field:
        assert problem["field"] == field
    assert user.seats(1) == before


def test_more_seats_than_the_limit_are_refused(user):
    seats = [seat["seatId"] for seat in user.seats(2)][:5]
    expect_problem(user.hold(2, *seats), 422, "seat-limit")
    expect_problem(user.hold(2, *(seats * 20)[:100]), 422, "seat-limit")


@pytest.mark.parametrize("parameters", [
    {"limit": 0}, {"limit": 1001}, {"limit": -1}, {"limit": "abc"}, {"limit": ""}, {"limit": "1.5"},
    {"limit": "0x10"}, {"limit": "+5"}, {"limit": " 5"}, {"limit": 10 ** 30},
    {"cursor": "abc"}, {"cursor": ""}, {"cursor": "A" * 16}, {"cursor": "A" * 1000},
    {"cursor": "../../etc"}, {"cursor": "%00"},
])
def test_bad_list_parameters(rich, parameters):
    answer = rich.get(query(rich.points + "/transactions", **parameters))
    problem = expect_problem(answer, *FIELD)
    assert problem["field"] in parameters


def test_a_cursor_of_another_list_is_refused(user):
    seats = user.get("/api/v1/schedules/3/seats?limit=1").data
    answer = user.get(query(user.points + "/transactions", cursor=seats["nextCursor"]))
    expect_problem(answer, *FIELD)


@pytest.mark.parametrize("path", [
    "/", "//", "/api", "/api/v1", "/api/v1/", "/api/v1/users", "/api/v1/users/1",
    "/api/v1/users/0/points", "/api/v1/users/01x/points", "/api/v1/users/-1/points",
    "/api/v1/users/9007199254740992/points", "/api/v1/users/18446744073709551617/points",
    "/api/v1/users//points", "/api/v1/users/1/points/", "/api/v1/users/1/points/charges/1",
    "/api/v1/users/1/../1/points", "/api/v1/users/%31/pointss", "/API/v1/concerts",
    "/api/v1/concerts/x/schedules", "/api/v1/reservations/abc", "/livez/", "/metrics/x",
    "/queue/token/check/x", "/%00", "/api/v1/users/1/points\\", "/favicon.ico",
])
def test_unknown_paths_are_404(client, path):
    expect_problem(client.get(path), 404, "not-found")


@pytest.mark.parametrize("path", [
    "/api/v1/reservations/999999999999", "/api/v1/reservations/9007199254740991",
])
def test_reservations_that_do_not_exist_are_404(user, path):
    expect_problem(user.get(path), 404, "not-found")
    expect_problem(user.post(path + "/confirm"), 404, "not-found")


def test_schedules_and_concerts_that_do_not_exist_are_404(user):
    expect_problem(user.get("/api/v1/schedules/999999/seats"), 404, "not-found")
    expect_problem(user.get("/api/v1/concerts/999999/schedules"), 404, "not-found")
    expect_problem(user.hold(999999, 999999 << 17 | 1), 404, "not-found")


@pytest.mark.parametrize("content_type", [
    "text/plain", "application/x-www-form-urlencoded", "application/json5", "application/jsonx",
    "text/json", "application/problem+json", "json", "", "application/ json", None,
])
def test_bodies_of_another_type_are_415(rich, content_type):
    answer = rich.post(rich.points + "/charges", {"amount": 5}, content_type=content_type)
    expect_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", [
    "application/json", "application/json;charset=utf-8", "Application/JSON; charset=\"UTF-8\"",
    "application/json ; x=y",
])
def test_json_types_in_any_spelling_are_fine(server, content_type):
    user = server.user()
    answer = user.post(user.points + "/charges", {"amount": 5}, content_type=content_type)
    assert answer.status == 201


def test_a_call_with_a_body_needs_its_length(server, rich):
    with server.wire() as wire:
        wire.send(f"POST {rich.points}/charges HTTP/1.1\r\nHost: b\r\nAuthorization: {rich.token}"
                  "\r\nContent-Type: application/json\r\n\r\n")
        expect_problem(wire.answer(), 411, "length-required")


def test_a_body_beyond_the_limit_is_413(rich):
    body = b'{"amount":5,"x":"' + b"x" * (16 * 1024) + b'"}'
    answer = rich.post(rich.points + "/charges", body)
    expect_problem(answer, 413, "body-too-large")


def test_a_body_of_exactly_the_limit_is_taken(server):
    user = server.user()
    body = b'{"amount":5,"x":"' + b"x" * (16 * 1024 - 19) + b'"}'
    assert len(body) == 16 * 1024
    assert user.post(user.points + "/charges", body).status == 201


def test_bad_idempotency_keys_hold_and_charge_nothing(server, rich):
    with server.wire() as wire:
        body = '{"amount":5}'
        wire.send(f"POST {rich.points}/charges HTTP/1.1\r\nHost: b\r\nAuthorization: {rich.token}"
                  "\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Type: application/json"
                  f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        assert wire.answer().status == 400


def test_two_authorizations_are_refused(server, rich):
    with server.wire() as wire:
        wire.send(f"GET {rich.points} HTTP/1.1\r\nHost: b\r\nAuthorization: {rich.token}\r\n"
                  f"Authorization: {rich.token}\r\n\r\n")
        assert wire.answer().status in (400, 401)
