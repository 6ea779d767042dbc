"""The limits and time-outs of API.md: the last value that passes and the first that does not."""

import contextlib
import time

import pytest

from boxoffice import expect_problem, wait_until

HOST = "Host: boxoffice\r\n"


def refuse(wire, status, code):
    answer = wire.answer()
    expect_problem(answer, status, code)
    assert answer.headers["Connection"].lower() == "close"
    assert wire.at_end()


def exchange(server, text):
    with server.wire() as wire:
        wire.send(text)
        return wire.answer()


# ---- sizes ----

def request_line(size):
    path = "/" + "a" * (size - len("GET / HTTP/1.1"))
    return f"GET {path} HTTP/1.1\r\n{HOST}\r\n"


def test_request_line_of_8000_bytes(server):
    assert exchange(server, request_line(8000)).status == 404
    with server.wire() as wire:
        wire.send(request_line(8001))
        refuse(wire, 414, "uri-too-long")


def test_request_line_without_end(server):
    with server.wire() as wire:
        wire.send("GET /" + "a" * 100000)
        refuse(wire, 414, "uri-too-long")


def head(size):
    start = f"GET /livez HTTP/1.1\r\n{HOST}X: "
    return start + "a" * (size - len(start) - 4) + "\r\n\r\n"


def test_head_of_16_kib(server):
    assert exchange(server, head(16384)).status == 200
    with server.wire() as wire:
        wire.send(head(16385))
        refuse(wire, 431, "headers-too-large")


def test_head_without_end(server):
    with server.wire() as wire:
        wire.send(f"GET /livez HTTP/1.1\r\n{HOST}X: " + "a" * 100000)
        refuse(wire, 431, "headers-too-large")


def fields(count):
    return f"GET /livez HTTP/1.1\r\n{HOST}" + "".join(
        f"X{n}: a\r\n" for n in range(count - 1)) + "\r\n"


def test_64_fields(server):
    assert exchange(server, fields(64)).status == 200
    with server.wire() as wire:
        wire.send(fields(65))
        refuse(wire, 431, "headers-too-large")


def charge_head(user, framing):
    return (f"POST {user.points}/charges HTTP/1.1\r\n{HOST}Authorization: {user.token}\r\n"
            f"Content-Type: application/json\r\n{framing}\r\n")


def body(size):
    text = '{"amount":1,"x":""}'
    return text[:-2] + "a" * (size - len(text)) + text[-2:]


def test_body_of_16_kib(server, user):
    with server.wire() as wire:
        wire.send(charge_head(user, "Content-Length: 16384\r\n") + body(16384))
        assert wire.answer().data["balance"] == 1
        wire.send(charge_head(user, "Content-Length: 16385\r\n"))
        refuse(wire, 413, "body-too-large")
    assert user.balance() == 1


def test_chunked_body_of_16_kib(server, user):
    chunked = "Transfer-Encoding: chunked\r\n"
    with server.wire() as wire:
        wire.send(charge_head(user, chunked) + "2000\r\n" + body(16384)[:8192] + "\r\n2000\r\n"
                  + body(16384)[8192:] + "\r\n0\r\n\r\n")
        assert wire.answer().data["balance"] == 1
        wire.send(charge_head(user, chunked) + "".join(
            f"1\r\n{byte}\r\n" for byte in body(16384)) + "0\r\n\r\n")
        assert wire.answer().data["balance"] == 2
        wire.send(charge_head(user, chunked) + "4000\r\n" + body(16384) + "\r\n1\r\n")
        refuse(wire, 413, "body-too-large")
    assert user.balance() == 2


def test_a_body_that_is_too_large_is_not_asked_for(server, user):
    with server.wire() as wire:
        wire.send(charge_head(user, "Expect: 100-continue\r\nContent-Length: 16385\r\n"))
        refuse(wire, 413, "body-too-large")


def test_expect_100_continue(server, user):
    with server.wire() as wire:
        wire.send(charge_head(user, "Expect: 100-continue\r\nContent-Length: 12\r\n"))
        assert wire.answer().status == 100
        wire.send('{"amount":1}')
        assert wire.answer().data["balance"] == 1


# ---- pipelining ----

def test_many_pipelined_requests_are_all_answered_in_order(server, user):
    """More than 16, so that reading stops and goes on; charges wait for their fsync."""
    count = 500
    one = charge_head(user, "Content-Length: 12\r\n") + '{"amount":1}'
    with server.wire() as wire:
        wire.send(one * count)
        for number in range(1, count + 1):
            assert wire.answer().data["balance"] == number
    assert user.balance() == count


# ---- time-outs (absolute, not between reads) ----

def trickle(wire, byte, seconds):
    """A byte every 100 ms, until the server answers or the time is up; returns how long it took."""
    begun = time.monotonic()
    wire.socket.settimeout(0.1)
    while time.monotonic() < begun + seconds:
        with contextlib.suppress(OSError):
            wire.socket.sendall(byte)
        try:
            if wire.socket.recv(1, 2):  # MSG_PEEK
                break
        except TimeoutError:
            continue
    took = time.monotonic() - begun
    wire.socket.settimeout(10)
    return took


def test_the_head_has_5_seconds(server):
    with server.wire() as wire:
        wire.send(f"GET /livez HTTP/1.1\r\n{HOST}X: ")
        assert 4.5 < trickle(wire, b"a", 8) < 6.5
        refuse(wire, 408, "request-timeout")


def test_the_body_has_10_seconds(server, user):
    with server.wire() as wire:
        wire.send(charge_head(user, "Content-Length: 10000\r\n"))
        assert 9.5 < trickle(wire, b"a", 14) < 11.5
        refuse(wire, 408, "request-timeout")
    assert user.balance() == 0


def test_idle_connections_are_closed_after_60_seconds(server):
    with server.wire(timeout_s=75) as wire:
        wire.send(f"GET /livez HTTP/1.1\r\n{HOST}\r\n")
        assert wire.answer().status == 200
        begun = time.monotonic()
        assert wire.at_end()
        assert 59 < time.monotonic() - begun < 63


# ---- connections ----

def test_connections_beyond_the_limit_wait_for_one_to_close(start):
    server = start("--connections", 8)
    wires = [server.wire() for _ in range(10)]
    try:
        for wire in wires:
            wire.send(f"GET /livez HTTP/1.1\r\n{HOST}\r\n")
        for wire in wires[:8]:
            assert wire.answer().status == 200
        wires[8].socket.settimeout(0.5)
        with pytest.raises(TimeoutError):
            wires[8].socket.recv(1)
        wires[8].socket.settimeout(10)
        wires[0].close()
        wires[1].close()
        answers = [wire.answer() for wire in wires[8:]]
        assert [answer.status for answer in answers] == [200, 200]
    finally:
        for wire in wires:
            wire.close()


def test_hundreds_of_slow_heads_leave_the_service_alone(server):
    """And all of them are gone when their time is up."""
    wires = []
    try:
        for _ in range(500):
            wires.append(server.wire())
            wires[-1].send(f"GET /livez HTTP/1.1\r\n{HOST}")
        assert exchange(server, f"GET /livez HTTP/1.1\r\n{HOST}\r\n").status == 200
        for wire in wires:
            refuse(wire, 408, "request-timeout")
    finally:
        for wire in wires:
            wire.close()

    def closed():
        samples = server.metrics()
        open_now = sum(value for (name, _), value in samples.items()
                       if name == "boxoffice_http_connections")
        return open_now < 10

    wait_until(closed, "the connections to be gone")
