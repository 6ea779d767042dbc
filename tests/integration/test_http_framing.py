"""Framing is strict: whatever two readers could understand differently is one answer, Connection:
close, and nothing after it is read. Every example is sent raw, in front of a genuine charge that
must not happen."""

import pytest

from boxoffice import expect_problem

CODES = {400: "bad-request", 413: "body-too-large", 414: "uri-too-long", 431: "headers-too-large",
         501: "not-implemented", 505: "http-version"}

HOST = "Host: boxoffice\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
GET = "GET /livez HTTP/1.1\r\n"
POST = "POST {charges} HTTP/1.1\r\n{credentials}"
BODY = '{{"amount":1}}'  # 12 bytes; the braces are for str.format


def post(fields, body="", host=HOST):
    return POST + host + fields + "\r\n" + body


def chunks(text):
    return post(CHUNKED, text)


# What http-parser 2.9.4 would have taken (RELIABILITY.md, "Pitfalls").
PITFALLS = {
    "space before the colon of Content-Length": (400, post("Content-Length : 12\r\n", BODY)),
    "tab before a colon": (400, GET + HOST + "X\t: 1\r\n\r\n"),
    "space in a field name": (400, GET + HOST + "X Y: 1\r\n\r\n"),
    "leading space on the first field": (400, GET + " X: 1\r\n" + HOST + "\r\n"),
    "leading tab on the first field": (400, GET + "\tX: 1\r\n" + HOST + "\r\n"),
    "any byte after CR at the end of the head": (400, GET + HOST + "\rX"),
    "any two bytes after chunk data": (400, chunks("c\r\n" + BODY + "XY0\r\n\r\n")),
    "CR and another byte after chunk data": (400, chunks("c\r\n" + BODY + "\rY0\r\n\r\n")),
    "bare LF after chunk data": (400, chunks("c\r\n" + BODY + "\n0\r\n\r\n")),
    "bare LF after the request line": (400, "GET /livez HTTP/1.1\n" + HOST + "\r\n"),
    "bare LF after a field": (400, GET + "Host: b\n\r\n"),
    "bare LF at the end of the head": (400, GET + HOST + "\n"),
    "bare LF everywhere": (400, "GET /livez HTTP/1.1\nHost: b\n\n"),
    "bare LF after a chunk size": (400, chunks("c\n" + BODY + "\r\n0\r\n\r\n")),
    "bare LF after the last chunk": (400, chunks("c\r\n" + BODY + "\r\n0\n\r\n")),
    "bare LF after the trailers": (400, chunks("c\r\n" + BODY + "\r\n0\r\n\n")),
    "bare CR in a value": (400, GET + HOST + "X: a\rb\r\n\r\n"),
    "obs-fold": (400, GET + HOST + "X: a\r\n b\r\n\r\n"),
    "obs-fold with a tab": (400, GET + HOST + "X: a\r\n\tb\r\n\r\n"),
    "obs-fold on Content-Length": (400, post("Content-Length:\r\n 12\r\n", BODY)),
    "obs-fold on Transfer-Encoding": (
        400, post("Transfer-Encoding:\r\n chunked\r\n", "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "chunk extension": (400, chunks("c;a=b\r\n" + BODY + "\r\n0\r\n\r\n")),
    "chunk extension with a line end": (400, chunks("c;a=\"\r\n\"\r\n" + BODY + "\r\n0\r\n\r\n")),
    "chunk extension of the last chunk": (400, chunks("c\r\n" + BODY + "\r\n0;a\r\n\r\n")),
    "space after a chunk size": (400, chunks("c \r\n" + BODY + "\r\n0\r\n\r\n")),
    "identity, chunked": (
        400, post("Transfer-Encoding: identity, chunked\r\n", "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "identity": (400, post("Transfer-Encoding: identity\r\nContent-Length: 12\r\n", BODY)),
    "gzip, chunked": (
        400, post("Transfer-Encoding: gzip, chunked\r\n", "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "chunked twice": (400, post(CHUNKED + CHUNKED, "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "chunked, chunked": (
        400, post("Transfer-Encoding: chunked, chunked\r\n", "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "vertical tab before chunked": (
        400, post("Transfer-Encoding: \x0bchunked\r\n", "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "chunked on HTTP/1.0": (
        400, "POST {charges} HTTP/1.0\r\n{credentials}" + HOST + CHUNKED + "\r\nc\r\n" + BODY
        + "\r\n0\r\n\r\n"),
    "chunked and Content-Length": (
        400, post(CHUNKED + "Content-Length: 12\r\n", "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "Content-Length and chunked": (
        400, post("Content-Length: 4\r\n" + CHUNKED, "c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "no Host": (400, GET + "\r\n"),
    "two Hosts": (400, GET + HOST + HOST + "\r\n"),
    "HTTP/0.9": (505, "GET /livez HTTP/0.9\r\n" + HOST + "\r\n"),
    "HTTP/2.0": (505, "GET /livez HTTP/2.0\r\n" + HOST + "\r\n"),
    "HTTP/9.9": (505, "GET /livez HTTP/9.9\r\n" + HOST + "\r\n"),
    "no version": (400, "GET /livez\r\n\r\n"),
    "Content-Length 2^64 - 1": (413, post("Content-Length: 18446744073709551615\r\n")),
    "Content-Length 2^64 + 12": (413, post("Content-Length: 18446744073709551628\r\n", BODY)),
    "chunk size 2^64 - 1": (413, chunks("ffffffffffffffff\r\n" + BODY)),
    "chunk size 2^64 + 12": (413, chunks("1000000000000000c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "Content-Length in the trailers": (
        400, chunks("c\r\n" + BODY + "\r\n0\r\nContent-Length: 12\r\n\r\n")),
    "a request in the trailers": (
        400, chunks("c\r\n" + BODY + "\r\n0\r\nGET /livez HTTP/1.1\r\n\r\n")),
    "CONNECT": (501, "CONNECT boxoffice:443 HTTP/1.1\r\n" + HOST + "\r\n"),
}

OTHERS = {
    "an unknown method": (501, "BREW /livez HTTP/1.1\r\n" + HOST + "\r\n"),
    "a method in small letters": (501, "get /livez HTTP/1.1\r\n" + HOST + "\r\n"),
    "a method that is no token": (400, "G@T /livez HTTP/1.1\r\n" + HOST + "\r\n"),
    "the preface of HTTP/2": (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "two empty lines before": (400, "\r\n\r\n" + GET + HOST + "\r\n"),
    "two spaces in the request line": (400, "GET  /livez HTTP/1.1\r\n" + HOST + "\r\n"),
    "a tab in the request line": (400, "GET\t/livez HTTP/1.1\r\n" + HOST + "\r\n"),
    "a space after the version": (400, "GET /livez HTTP/1.1 \r\n" + HOST + "\r\n"),
    "http in small letters": (400, "GET /livez http/1.1\r\n" + HOST + "\r\n"),
    "HTTP/1.10": (400, "GET /livez HTTP/1.10\r\n" + HOST + "\r\n"),
    "a fragment in the target": (400, "GET /livez#a HTTP/1.1\r\n" + HOST + "\r\n"),
    "a byte above 0x7e in the target": (400, "GET /livez?\xe9 HTTP/1.1\r\n" + HOST + "\r\n"),
    "a zero byte in the target": (400, "GET /livez?\0 HTTP/1.1\r\n" + HOST + "\r\n"),
    "a target without slash": (400, "GET livez HTTP/1.1\r\n" + HOST + "\r\n"),
    "a field without colon": (400, GET + HOST + "X\r\n\r\n"),
    "a field without name": (400, GET + HOST + ": x\r\n\r\n"),
    "a zero byte in a value": (400, GET + HOST + "X: \0\r\n\r\n"),
    "a zero byte in a name": (400, GET + HOST + "X\0: 1\r\n\r\n"),
    "an empty Host": (400, GET + "Host:\r\n\r\n"),
    "a user in Host": (400, GET + "Host: a@b\r\n\r\n"),
    "a path in Host": (400, GET + "Host: b/livez\r\n\r\n"),
    "a list in Host": (400, GET + "Host: a, b\r\n\r\n"),
    "a port that is no number": (400, GET + "Host: b:http\r\n\r\n"),
    "Content-Length twice, equal": (
        400, post("Content-Length: 12\r\nContent-Length: 12\r\n", BODY)),
    "Content-Length twice, different": (
        400, post("Content-Length: 12\r\nContent-Length: 2\r\n", BODY)),
    "Content-Length as a list": (400, post("Content-Length: 12, 12\r\n", BODY)),
    "Content-Length with a plus": (400, post("Content-Length: +12\r\n", BODY)),
    "a negative Content-Length": (400, post("Content-Length: -12\r\n", BODY)),
    "Content-Length in hexadecimal": (400, post("Content-Length: 0xc\r\n", BODY)),
    "Content-Length with a fraction": (400, post("Content-Length: 12.0\r\n", BODY)),
    "an empty Content-Length": (400, post("Content-Length: \r\n", BODY)),
    "an empty chunk size": (400, chunks("\r\n" + BODY + "\r\n0\r\n\r\n")),
    "a chunk size with 0x": (400, chunks("0xc\r\n" + BODY + "\r\n0\r\n\r\n")),
    "a negative chunk size": (400, chunks("-c\r\n" + BODY + "\r\n0\r\n\r\n")),
    "chunk data longer than its size": (400, chunks("2\r\n" + BODY + "\r\n0\r\n\r\n")),
    "the start of TLS": (400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
}

REFUSED = PITFALLS | OTHERS


def fill(text, user):
    credentials = f"Authorization: {user.token}\r\nContent-Type: application/json\r\n"
    return text.format(charges=f"{user.points}/charges", credentials=credentials).encode("latin-1")


def charge(user, fields="Content-Length: 12\r\n", body=BODY):
    return fill(post(fields, body), user)


def assert_refused(wire, status):
    answer = wire.answer()
    expect_problem(answer, status, CODES[status])
    assert answer.headers["Connection"].lower() == "close"
    assert answer.headers["Date"]
    assert wire.at_end()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_once_and_nothing_after_it_is_read(server, user, name):
    status, text = REFUSED[name]
    with server.wire() as wire:
        wire.send(fill(text, user) + charge(user))
        assert_refused(wire, status)
    assert user.balance() == 0


@pytest.mark.parametrize("name", PITFALLS)
def test_refused_the_same_when_it_trickles(server, user, name):
    status, text = REFUSED[name]
    with server.wire() as wire:
        for byte in fill(text, user):
            try:
                wire.send(bytes([byte]))
            except OSError:
                break  # answered already; the rest is not wanted
        assert_refused(wire, status)
    assert user.balance() == 0


def test_requests_before_a_fault_are_answered_first(server, user):
    with server.wire() as wire:
        wire.send(charge(user) + charge(user) + fill(GET + "\r\n", user) + charge(user))
        assert wire.answer().data["balance"] == 1
        assert wire.answer().data["balance"] == 2
        assert_refused(wire, 400)
    assert user.balance() == 2


def test_the_answer_arrives_though_the_client_goes_on_sending(server, user):
    for _ in range(20):
        with server.wire() as wire:
            wire.send(fill(post("Content-Length: 150000\r\n"), user) + b"x" * 150000)
            assert_refused(wire, 413)


ACCEPTED = {
    "one empty line before": (GET + HOST + "\r\n", "\r\n"),
    "an IPv6 Host": (GET + "Host: [::1]:8080\r\n\r\n", ""),
    "a Host with a port": (GET + "Host: 127.0.0.1:8080\r\n\r\n", ""),
    "spaces around a value": (GET + "Host: \t boxoffice \t\r\n\r\n", ""),
    "names in any case": (GET + "hOST: boxoffice\r\n\r\n", ""),
    "an empty value": (GET + HOST + "X:\r\n\r\n", ""),
    "bytes above 0x7f in a value": (GET + HOST + "X: \xe9\r\n\r\n", ""),
    "HTTP/1.0 without Host": ("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ""),
    "absolute form": ("GET http://boxoffice:8080/livez HTTP/1.1\r\n" + HOST + "\r\n", ""),
    "an upgrade that is not wanted": (
        GET + HOST + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", ""),
    "an upgrade to HTTP/2": (
        GET + HOST + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
        "\r\n", ""),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_and_the_next_request_is_found(server, user, name):
    text, before = ACCEPTED[name]
    with server.wire() as wire:
        wire.send(before.encode() + fill(text, user) + charge(user))
        assert wire.answer().status == 200
        assert wire.answer().data["balance"] == 1


@pytest.mark.parametrize("fields,body", [
    (CHUNKED, "c\r\n" + BODY + "\r\n0\r\n\r\n"),
    ("transfer-encoding: ChUnKeD\r\n", "C\r\n" + BODY + "\r\n0\r\n\r\n"),
    (CHUNKED, "000c\r\n" + BODY + "\r\n000\r\n\r\n"),
    (CHUNKED, "1\r\n{{\r\nb\r\n\"amount\":1}}\r\n0\r\n\r\n"),
    (CHUNKED, "c\r\n" + BODY + "\r\n0\r\nX-Sum: 1\r\nAuthorization: nobody\r\n\r\n"),
    ("Content-Length: 0012\r\n", BODY),
    ("Content-Length:12\r\n", BODY),
])
def test_bodies_are_framed_as_sent(server, user, fields, body):
    with server.wire() as wire:
        wire.send(charge(user, fields, body) + charge(user))
        assert wire.answer().data["balance"] == 1
        assert wire.answer().data["balance"] == 2


def test_the_body_of_a_call_that_takes_none_is_not_the_next_request(server, user):
    with server.wire() as wire:
        wire.send(fill(GET + HOST + "Content-Length: 23\r\n\r\nGET /livez HTTP/1.1\r\n\r\n", user)
                  + charge(user))
        assert wire.answer().status in (200, 400)
        assert wire.answer().data["balance"] == 1


def test_half_closed_clients_get_their_answers(server, user):
    with server.wire() as wire:
        wire.send(charge(user) + charge(user)[:-1])
        wire.socket.shutdown(1)
        assert wire.answer().data["balance"] == 1
        assert wire.at_end()
    assert user.balance() == 1
