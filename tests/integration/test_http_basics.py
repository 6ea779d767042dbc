"""HTTP as every client relies on it. The rules of framing are test_http_framing.py's."""

import email.utils
import time

from boxoffice import expect_problem


def get(path, token=None, method="GET"):
    authorization = f"Authorization: {token}\r\n" if token else ""
    return f"{method} {path} HTTP/1.1\r\nHost: boxoffice\r\n{authorization}\r\n"


def charge(user, amount):
    body = f'{{"amount":{amount}}}'
    return (f"POST {user.points}/charges HTTP/1.1\r\nHost: boxoffice\r\nAuthorization: {user.token}"
            f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")


def test_a_connection_serves_many_requests(server, user):
    with server.wire() as wire:
        for n in range(1, 101):
            wire.send(charge(user, 1))
            answer = wire.answer()
            assert answer.status == 201
            assert answer.data["balance"] == n
            assert answer.headers.get("Connection", "keep-alive").lower() == "keep-alive"


def test_pipelined_answers_come_in_the_order_of_their_requests(server, user):
    """Answers made at once (livez, 404) wait for those that go through a worker and its fsync."""
    requests, expected = [], []
    for n in range(1, 101):
        requests += [charge(user, 1), get("/livez"), get(user.points, user.token), get("/nowhere")]
        expected += [(201, n), (200, None), (200, n), (404, None)]
    with server.wire() as wire:
        wire.send("".join(requests))
        for number, (status, balance) in enumerate(expected):
            answer = wire.answer()
            assert answer.status == status, number
            if balance is not None:
                assert answer.data["balance"] == balance, number


def test_requests_may_arrive_byte_by_byte(server, user):
    with server.wire() as wire:
        for byte in charge(user, 7) + get(user.points, user.token):
            wire.send(byte)
        assert wire.answer().status == 201
        assert wire.answer().data["balance"] == 7


def test_a_body_may_be_chunked(server, user):
    with server.wire() as wire:
        wire.send(f"POST {user.points}/charges HTTP/1.1\r\nHost: b\r\nAuthorization: {user.token}"
                  "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "5\r\n{\"amo\r\n007\r\nunt\":12\r\n1\r\n}\r\n0\r\n\r\n")
        answer = wire.answer()
        assert (answer.status, answer.data["amount"]) == (201, 12)
        wire.send(get(user.points, user.token))
        assert wire.answer().data["balance"] == 12


def test_connection_close_is_obeyed(server):
    with server.wire() as wire:
        wire.send("GET /livez HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n" + get("/livez"))
        answer = wire.answer()
        assert answer.status == 200
        assert answer.headers["Connection"].lower() == "close"
        assert wire.at_end()


def test_http_1_0_closes_unless_asked_to_keep_alive(server):
    with server.wire() as wire:
        wire.send("GET /livez HTTP/1.0\r\n\r\n")
        assert wire.answer().status == 200
        assert wire.at_end()
    with server.wire() as wire:
        wire.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert wire.answer().status == 200
        wire.send("GET /livez HTTP/1.0\r\n\r\n")
        assert wire.answer().status == 200


def test_head_is_get_without_the_body(server, user):
    user.charge(5)
    for path in ("/livez", "/readyz", "/openapi.yaml", user.points, user.points + "/transactions",
                 "/api/v1/concerts", "/api/v1/queue/tokens/me", "/nowhere"):
        with server.wire() as wire:
            wire.send(get(path, user.token) + get(path, user.token, "HEAD") + get("/livez"))
            full, head, after = wire.answer(), wire.answer(head=True), wire.answer()
            assert head.status == full.status, path
            for name in ("Content-Type", "Content-Length", "ETag"):
                assert head.headers[name] == full.headers[name], (path, name)
            assert after.data["status"] == "live", path


def test_another_method_on_a_known_path_is_405_with_allow(client, user):
    for method, path, allowed in (
            ("POST", "/livez", {"GET", "HEAD"}),
            ("DELETE", "/metrics", {"GET", "HEAD"}),
            ("GET", "/api/v1/queue/tokens", {"POST"}),
            ("PUT", "/queue/token", {"POST"}),
            ("PATCH", user.points, {"GET", "HEAD"}),
            ("GET", user.points + "/charges", {"POST"}),
            ("POST", "/api/v1/queue/tokens/me", {"GET", "HEAD", "DELETE"}),
            ("GET", "/reservations/confirm", {"POST"})):
        answer = client.request(method, path)
        expect_problem(answer, 405, "method-not-allowed")
        named = {word.strip() for word in answer.headers["Allow"].split(",")}
        assert named - {"OPTIONS"} == allowed, path


def test_every_answer_has_the_date(client):
    for path in ("/livez", "/nowhere", "/metrics"):
        date = client.get(path).headers["Date"]
        assert date.endswith(" GMT")
        seconds = email.utils.parsedate_to_datetime(date).timestamp()
        assert abs(seconds - time.time()) < 5


def test_answers_are_json_of_their_type(client, user):
    assert client.get("/livez").headers["Content-Type"].startswith("application/json")
    assert set(user.get(user.points).json) == {"data"}
    problem = expect_problem(client.get("/nowhere"), 404, "not-found")
    assert {"type", "title", "status", "detail", "code"} <= set(problem)


def test_a_401_says_what_to_send(client):
    answer = client.get("/api/v1/queue/tokens/me")
    expect_problem(answer, 401, "unauthorized")
    assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_readyz_names_every_role(client):
    answer = client.get("/readyz")
    assert answer.status == 200
    for role in ("front", "queue", "seat", "wallet", "relay"):
        assert role in answer.body.decode()


def test_the_openapi_document_is_served(client):
    answer = client.get("/openapi.yaml")
    assert answer.status == 200
    assert answer.body.startswith(b"openapi: 3.1")


# ---- CORS ----

ORIGIN = "https://shop.example"


def preflight(client, origin=ORIGIN, method="POST", path="/api/v1/users/1/points/charges"):
    return client.request("OPTIONS", path, headers={
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key"})


def words(answer, name):
    return {word.strip().lower() for word in (answer.headers[name] or "").split(",")} - {""}


def test_cors_is_off_unless_configured(client):
    assert client.get("/livez", headers={"Origin": ORIGIN}).headers[
        "Access-Control-Allow-Origin"] is None
    assert preflight(client).headers["Access-Control-Allow-Origin"] is None


def test_a_configured_origin_may_read_and_write(start):
    server = start("--cors-origin", "https://other.example", "--cors-origin", ORIGIN)
    user = server.user()
    answer = preflight(user.client)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"authorization", "content-type", "idempotency-key", "if-none-match"} <= \
        words(answer, "Access-Control-Allow-Headers")
    assert "post" in words(answer, "Access-Control-Allow-Methods")
    assert "origin" in words(answer, "Vary")

    answer = user.get(user.points, headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"etag", "retry-after", "date"} <= words(answer, "Access-Control-Expose-Headers")
    refused = user.client.get(user.points, headers={"Origin": ORIGIN})
    expect_problem(refused, 401, "unauthorized")
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN

    for stranger in ("https://evil.example", "null", ORIGIN + ".evil.example",
                     "http://shop.example"):
        answer = user.get(user.points, headers={"Origin": stranger})
        assert answer.headers["Access-Control-Allow-Origin"] is None, stranger
        assert preflight(user.client, stranger).headers["Access-Control-Allow-Origin"] is None
