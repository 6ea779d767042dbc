"""docs/openapi.yaml against the running server, both ways: every documented status is produced here,
and every answer's status, code, headers and body are documented (contract.py judges each)."""

import fcntl
import json
import os
import re
import signal

import pytest

import boxoffice
import contract
from boxoffice import ROOT, bearer, wait_until
from operations import CONCERT, UNKNOWN, Buyer, ask, is_admins, is_documented
from small_disk import fill

if contract.yaml is None:
    if os.environ.get("CI") == "true":
        raise ImportError("the document is read with PyYAML and jsonschema")
    pytest.skip("the document is read with PyYAML and jsonschema", allow_module_level=True)

ME = "/api/v1/queue/tokens/me"
ROUTE = re.compile(r'^ROUTE\(\w+,\s+(\w+),\s+"([^"]+)"', re.MULTILINE)


@pytest.fixture
def judge(monkeypatch):
    """A contract that has seen nothing yet and sees what this test's clients get."""
    fresh = contract.Contract()
    monkeypatch.setattr(boxoffice, "CONTRACT", fresh)
    return fresh


# ---- the document by itself ----

def references(item):
    if isinstance(item, dict):
        yield from [item["$ref"]] if "$ref" in item else []
        for value in item.values():
            yield from references(value)
    elif isinstance(item, list):
        for value in item:
            yield from references(value)


def test_the_document_hangs_together(judge):
    used = set(references(judge.document))
    for reference in used:
        judge.resolve({"$ref": reference})
    for kind, items in judge.document["components"].items():
        if kind != "securitySchemes":
            unused = {f"#/components/{kind}/{name}" for name in items} - used
            assert not unused
    names = [operation.name for operation in judge.operations]
    assert len(names) == len(set(names))
    schemas = judge.document["components"]["schemas"]
    for name, schema in schemas.items():
        contract.jsonschema.Draft202012Validator.check_schema(schema), name
    for operation in judge.operations:
        item = judge.document["paths"][operation.template]
        declared = [judge.resolve(parameter) for parameter in
                    item.get("parameters", []) + operation.definition.get("parameters", [])]
        in_path = {parameter["name"] for parameter in declared if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", operation.template)), operation.name
        assert "default" in operation.definition["responses"], operation.name


def test_every_route_is_documented_and_every_documented_one_is_there(judge):
    routes = (ROOT / "src" / "front" / "routes.def").read_text(encoding="utf-8")
    served = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in ROUTE.findall(routes)}
    documented = {(operation.method.upper(), re.sub(r"\{\w+\}", "{}", operation.template))
                  for operation in judge.operations}
    assert served == documented


def test_every_code_of_the_server_is_documented(judge):
    problems = (ROOT / "src" / "front" / "problem.def").read_text(encoding="utf-8")
    table = re.findall(r'^PROBLEM\(\w+, (\d+), "([a-z-]+)"', problems, re.MULTILINE)
    assert {code for _, code in table} == judge.codes


def test_the_served_document_is_this_one(server):
    assert server.client().get("/openapi.yaml").body == contract.DOCUMENT.read_bytes()


# ---- the document against the server ----

def faulty_requests(judge, operation, buyer, stranger):
    """What can be wrong about a request to any operation."""
    def wrong(**changes):
        return ask(operation, buyer, **changes)

    if is_documented(operation, 401):
        wrong(token=None)
        wrong(token="of nobody")
    if "requestBody" in operation.definition:
        wrong(body=None)
    if operation.method in ("post", "patch"):
        wrong(body=b"{")
        wrong(body=b'{"unknown":1,"unknown":2}')
        wrong(content_type="text/plain", body={"x": 1})
    else:
        wrong(body={"x": 1})
    wrong(body=b"{" + b" " * 20000 + b"}")
    names = [judge.resolve(parameter)["name"]
             for parameter in operation.definition.get("parameters", ())]
    for name in ("limit", "cursor", "status", "after"):
        if name in names:
            wrong(path=f"{buyer.path(operation).split('?')[0]}?{name}=!")
    if "Idempotency-Key" in names:
        wrong(key="k" * 65)
    if is_documented(operation, 403) and not is_admins(operation):
        wrong(token=stranger.token)
    if is_documented(operation, 404):
        wrong(path=re.sub(r"\{\w+\}", str(UNKNOWN), operation.template))


def happy_requests(operation, buyer):
    answer = ask(operation, buyer)
    if "ETag" in answer.headers:
        ask(operation, buyer, headers={"If-None-Match": answer.headers["ETag"]})


def the_sale(server):
    """Statuses that need a history."""
    buyer, other = Buyer(server), server.user()
    client = buyer.client
    confirm, alias = f"/api/v1/reservations/{buyer.reservation_id}/confirm", "/reservations/confirm"
    named = {"reservationId": buyer.reservation_id}
    taken = buyer.seat_id
    other.hold(1, taken)                                                      # 409 seat-taken
    buyer.hold(1, taken)                                                      # 200
    buyer.hold(1, buyer.free_seat(), key="k")                                 # 201
    buyer.hold(1, buyer.free_seat(), key="k")                                 # 422 …-reused
    buyer.hold(1, *[seat["seatId"] for seat in buyer.seats(1)[-5:]])          # 422 seat-limit
    buyer.hold(UNKNOWN, UNKNOWN)                                              # 404
    buyer.post(f"/api/v1/reservations/{buyer.reservation_id}/cancel")         # 409 …-state
    buyer.confirm(buyer.reservation_id)                                       # 409 insufficient
    buyer.post(alias, named)                                                  # the same
    client.post(alias, {"reservationId": UNKNOWN}, token=buyer.token)         # 404
    buyer.use(1)                                                              # 409 insufficient
    buyer.charge(0)                                                           # 422
    buyer.charge(10 ** 6, key="k")                                            # 201
    buyer.charge(10 ** 6 + 1, key="k")                                        # 422 …-reused
    buyer.use(1, key="k")                                                     # 201
    buyer.use(2, key="k")                                                     # 422 …-reused
    assert buyer.post(confirm).data == buyer.post(alias, named).data          # 200
    buyer.delete(f"/api/v1/reservations/{buyer.reservation_id}")              # 409 …-state
    buyer.get(f"/api/v1/reservations/{buyer.reservation_id}")                 # 200
    buyer.post(f"/api/v1/reservations/{buyer.reservation_id}/cancel")         # 200
    buyer.confirm(buyer.reservation_id)                                       # 409 …-state
    for path in ("", "/transactions"):
        buyer.get(buyer.points + path)
    held = buyer.hold(1, buyer.free_seat()).data["reservationId"]
    buyer.delete(f"/api/v1/reservations/{held}")                              # 204
    client.post("/api/v1/queue/tokens", {"userId": server.new_user_id()})     # 201
    client.get(f"/concerts/seat?seatId={UNKNOWN}")                            # 404


def the_waiting(start):
    server = start("--demo", "--active-limit", 1)
    server.user()
    waiting = server.user()
    waiting.get("/api/v1/schedules/1/seats")                                  # 403 not-admitted
    waiting.hold(1, 1 << 17 | 1)                                              # the same


def the_expired(start):
    server = start("--demo", "--hold-ttl", 1, "--hold-grace", 0)
    buyer = Buyer(server)
    wait_until(lambda: buyer.confirm(buyer.reservation_id).status == 410, "the hold expires")
    buyer.post("/reservations/confirm", {"reservationId": buyer.reservation_id})


def the_unidentified(judge, start, directory):
    (directory / "identity.key").write_text("0123456789abcdef" * 2)
    server = start("--identity-key", directory / "identity.key")
    for operation in judge.operations:
        if {"identityToken": []} in operation.definition.get("security", []):
            server.client().post(operation.template, {"userId": 1})


def the_unready(start):
    """503 of /readyz: a worker that can not start again."""
    server = start()
    journal = server.data / "wallet-0" / "journal"
    journal.rename(journal.with_name("aside"))
    journal.write_text("not a directory")
    os.kill(server.worker("wallet")["pid"], signal.SIGKILL)
    client = server.client()
    wait_until(lambda: client.get("/readyz").status == 503, "the wallets' absence is told")
    server.end()


def pipelined(server, request, count, together=16):
    """Sends request(n) for n in range(count); every answer is a success."""
    with server.wire() as wire:
        for first in range(0, count, together):
            wire.send("".join(request(n) for n in range(first, first + together)))
            for _ in range(together):
                answer = wire.answer()
                assert answer.status in (200, 201), answer


def keyed(path, token, body):
    text = json.dumps(body, separators=(",", ":"))
    return lambda n: (f"POST {path} HTTP/1.1\r\nHost: b\r\nAuthorization: {token}\r\n"
                      f"Idempotency-Key: k{n}\r\nContent-Type: application/json\r\n"
                      f"Content-Length: {len(text)}\r\n\r\n{text}")


def keys_used_up(server):
    """429: charges and uses share a user's 10,000 keys, holds count by schedule, the admin's are
    creations."""
    buyer = Buyer(server, schedule_id=2)
    hold = {"scheduleId": 2, "seatIds": [buyer.seat_id]}
    admin = bearer(server.admin_key)
    pipelined(server, keyed(buyer.points + "/charges", buyer.token, {"amount": 1}), 10_000)
    pipelined(server, keyed("/api/v1/reservations", buyer.token, hold), 10_000)
    pipelined(server, keyed("/api/v1/admin/concerts", admin, CONCERT), 10_000)
    buyer.charge(1, key="one-more")
    buyer.use(1, key="one-more")
    buyer.hold(2, buyer.seat_id, key="one-more")
    for key, body in (("one-more", CONCERT), ("k1", CONCERT | {"title": "Another"})):  # 429, 422
        buyer.client.post("/api/v1/admin/concerts", body, token=admin, key=key)


def the_closed_off(judge, server):
    """503: every worker's circuit breaker is open."""
    buyer, leaver, gone = Buyer(server), server.user(), server.user()
    gone.delete(ME)
    key = server.admin_key

    def order(mode):
        for name in ("queue-0", "seat-0", "wallet-0"):
            answer = server.client().request("PATCH", f"/api/v1/admin/breakers/{name}",
                                             {"mode": mode}, token=bearer(key))
            assert answer.data["mode"] == mode

    order("FORCED_OPEN")
    with open(server.data / "audit.lock") as lock:  # and an audit is under way
        fcntl.flock(lock, fcntl.LOCK_EX)
        for operation in judge.operations:
            if is_documented(operation, 503) and operation.name != "leaveQueue":
                ask(operation, buyer)
        leaver.delete(ME)
        gone.get(ME)  # how a ticket ended is its room's to say
        gone.post("/queue/token/check")
        # Seat maps are read from shared memory, where there is none of a schedule that is not.
        buyer.get(f"/api/v1/schedules/{UNKNOWN}/seats")
        buyer.get(f"/concerts/seat?scheduleId={UNKNOWN}")
    order("AUTO")


def the_followers(server):
    """503: a front lets 16 follow the events, and not one more."""
    follow = {"Accept": "text/event-stream"}
    admin = bearer(server.admin_key)
    wires = [server.wire() for _ in range(16)]
    for wire in wires:
        wire.send("GET /api/v1/admin/events HTTP/1.1\r\nHost: b\r\n"
                  f"Authorization: {admin}\r\nAccept: text/event-stream\r\n\r\n")
        assert b" 200 " in wire.file.readline()
    assert server.client().get("/api/v1/admin/events", token=admin, headers=follow).status == 503
    for wire in wires:
        wire.close()


def the_full_disk(judge, start, small_disk):
    """507: a worker without space takes no writes."""
    server = start("--demo", data=small_disk / "data")
    buyer, leaver = Buyer(server), server.user()
    ballast = fill(small_disk)
    try:
        wait_until(lambda: {process["state"] for role in ("queue", "seat", "wallet")
                            for process in server.processes(role)} == {"READ_ONLY"},
                   "every worker sees that the disk is full")
        for operation in judge.operations:
            if is_documented(operation, 507) and operation.name != "leaveQueue":
                changes = {"body": {"userId": server.new_user_id()}} \
                    if operation.name.startswith("issueToken") else {}
                if operation.name == "makeReservation":
                    changes["body"] = {"scheduleId": 1, "seatIds": [buyer.free_seat()]}
                ask(operation, buyer, **changes)
        leaver.delete(ME)
    finally:
        ballast.unlink()
    wait_until(lambda: buyer.charge(1).status == 201, "it heals")


def test_documented_and_produced_statuses_are_the_same(small_disk, judge, start,
                                                         tmp_path):
    server = start("--demo")
    buyer = Buyer(server, schedule_id=3)
    stranger = server.user()
    for operation in judge.operations:
        faulty_requests(judge, operation, buyer, stranger)
    the_sale(server)
    the_waiting(start)
    the_expired(start)
    the_unidentified(judge, start, tmp_path)
    the_unready(start)
    keys_used_up(server)
    for operation in judge.operations:
        happy_requests(operation, buyer)
    the_followers(server)
    the_full_disk(judge, start, small_disk)
    the_closed_off(judge, server)
    produced = {(name, status) for name, status, _ in judge.seen}
    missing = judge.documented() - produced
    assert not missing, f"documented, but not produced: {sorted(missing)}"
