"""What every route owes to HTTP and to the API's conventions, route by route from docs/openapi.yaml."""

import email.utils
import json
import os
import re

import pytest

import contract
from boxoffice import bearer, expect_problem
from operations import Buyer, ask, is_admins

if contract.yaml is None:
    if os.environ.get("CI") == "true":
        raise ImportError("the document is read with PyYAML and jsonschema")
    pytest.skip("the document is read with PyYAML and jsonschema", allow_module_level=True)

CONTRACT = contract.CONTRACT
OPERATIONS = CONTRACT.operations
METHODS = {"get": {"GET", "HEAD"}, "post": {"POST"}, "put": {"PUT"}, "patch": {"PATCH"},
           "delete": {"DELETE"}}


def every(condition=lambda operation: True):
    chosen = [operation for operation in OPERATIONS if condition(operation)]
    return pytest.mark.parametrize("operation", chosen, ids=lambda operation: operation.name)


def takes_body(operation):
    return "requestBody" in operation.definition


def parameters(operation):
    item = CONTRACT.document["paths"][operation.template]
    return [CONTRACT.resolve(parameter) for parameter in
            item.get("parameters", []) + operation.definition.get("parameters", [])]


def takes(name):
    return lambda operation: any(p["name"] == name for p in parameters(operation))


def id_fields(operation):
    """The fields of the body that hold one id."""
    schema = CONTRACT.resolve(operation.definition["requestBody"])["content"]["application/json"]
    properties = CONTRACT.resolve(schema["schema"])["properties"]
    return [name for name, value in properties.items()
            if value.get("$ref", "").endswith("/Id")]


@pytest.fixture(scope="module")
def buyer(server):
    return Buyer(server)


@pytest.fixture
def spoil(buyer):
    """spoil(operation, …): the answer to a request of the buyer's that differs by what is given."""
    return lambda operation, **changes: ask(operation, buyer, **changes)


def raw(server, buyer, operation, method=None, body=b"", lines=()):
    """One request in bytes, with a token; its answer."""
    head = [f"{method or operation.method.upper()} {buyer.path(operation)} HTTP/1.1",
            "Host: boxoffice", f"Authorization: {buyer.token_for(operation)}", *lines]
    with server.wire() as wire:
        wire.send("\r\n".join([*head, "", ""]).encode() + body)
        return wire.answer(head=method == "HEAD")


# ---- methods and paths ----

@every(lambda operation: operation.method == "get" and operation.name != "audit")
def test_head_is_get_without_its_body(server, buyer, operation):
    got, head = raw(server, buyer, operation), raw(server, buyer, operation, "HEAD")
    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    if operation.name not in ("metrics", "listProcesses", "listBreakers", "getBreaker"):  # they move
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize("template", sorted({o.template for o in OPERATIONS}))
def test_other_methods_are_405_with_allow(server, buyer, template):
    here = [operation for operation in OPERATIONS if operation.template == template]
    allowed = set().union(*(METHODS[operation.method] for operation in here))
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
        answer = raw(server, buyer, here[0], method, lines=["Content-Length: 0"])
        if method == "HEAD":
            assert answer.status == 405
        else:
            expect_problem(answer, 405, "method-not-allowed")
        assert {word.strip() for word in answer.headers["Allow"].split(",")} == allowed, method


@every()
def test_paths_are_exact(buyer, spoil, operation):
    path = buyer.path(operation).split("?")[0]
    for other in (path + "/", "/" + path, path.upper(), path + "%20", path + "/x"):
        if other != path:
            expect_problem(spoil(operation, path=other), 404, "not-found")


@every(lambda operation: re.search(r"\{\w+Id\}", operation.template))
def test_an_id_in_a_path_is_an_id_or_there_is_no_such_path(spoil, operation):
    for wrong in ("0", "-1", "+1", "1.0", "1e0", "0x1", "%31", "9007199254740992",
                  "18446744073709551617", "", "abc"):
        if wrong == "0" and operation.template.endswith("/rooms/{concertId}"):
            continue  # the default room
        path = re.sub(r"\{\w+Id\}", wrong, operation.template)
        expect_problem(spoil(operation, path=path), 404, "not-found")


# ---- every answer ----

@every(lambda operation: operation.name != "audit")
def test_every_answer_has_a_date_and_a_length(server, buyer, operation):
    for answer in (raw(server, buyer, operation), raw(server, buyer, operation, "PUT")):
        assert email.utils.parsedate_to_datetime(answer.headers["Date"]) is not None
        assert int(answer.headers["Content-Length"] or 0) == len(answer.body)
        assert answer.headers["Access-Control-Allow-Origin"] is None, "CORS is off"


@every(lambda operation: {} not in operation.definition.get("security", [{"queueToken": []}]) and
       operation.definition.get("security", [{"queueToken": []}]))
def test_a_call_without_a_genuine_token_is_401(server, buyer, spoil, operation):
    other = buyer.token if is_admins(operation) else bearer(server.admin_key)
    for token in (None, "", "Bearer", "Bearer ", "x", "Basic eDp5", other, "Bearer " + other):
        answer = spoil(operation, token=token)
        expect_problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@every()
def test_repeated_fields_of_the_head_are_400(server, buyer, operation):
    for line in (f"Authorization: {buyer.token}", "Content-Type: text/plain\r\nContent-Type: x/y",
                 "Idempotency-Key: a\r\nIdempotency-Key: a"):
        expect_problem(raw(server, buyer, operation, lines=[line, "Content-Length: 0"]), 400,
                       "bad-request")


@every()
def test_faults_of_the_head_end_the_connection(server, buyer, operation):
    path = buyer.path(operation)
    long = path + ("&" if "?" in path else "?") + "x=" + "y" * 8000
    token, method = buyer.token_for(operation), operation.method.upper()
    for head, status, code in (
            (f"{method} {long} HTTP/1.1\r\nHost: b\r\n\r\n", 414, "uri-too-long"),
            (f"{method} {path} HTTP/1.1\r\nHost: b\r\nX: {'y' * 16384}\r\n\r\n", 431,
             "headers-too-large"),
            (f"{method} {path} HTTP/2.0\r\nHost: b\r\n\r\n", 505, "http-version"),
            (f"{method} {path} HTTP/1.1\r\n\r\n", 400, "bad-request"),
            (f"BREW {path} HTTP/1.1\r\nHost: b\r\n\r\n", 501, "not-implemented"),
            (f"{method} {path} HTTP/1.1\r\nHost: b\r\nAuthorization: {token}\r\n"
             "Content-Type: application/json\r\nContent-Length: 16385\r\n\r\n", 413,
             "body-too-large")):
        with server.wire() as wire:
            wire.send(head)
            answer = wire.answer()
            expect_problem(answer, status, code)
            assert answer.headers["Connection"] == "close"
            assert wire.at_end()


# ---- bodies ----

@every(takes_body)
def test_a_body_needs_a_length_and_the_type_of_json(server, buyer, spoil, operation):
    expect_problem(raw(server, buyer, operation, lines=["Content-Type: application/json"]), 411,
                   "length-required")
    for kind in (None, "", "text/plain", "application/jsonp", "application/x-www-form-urlencoded"):
        expect_problem(spoil(operation, content_type=kind), 415, "unsupported-media-type")


@every(takes_body)
def test_bodies_are_one_sound_object(buyer, spoil, operation):
    sound = json.dumps(buyer.body(operation)).encode()
    for broken in (b"", b" ", b"{", sound[:-1], sound + b"x", sound + sound, sound + b",", b"[]",
                   b"null", b'"text"', b"1", b"[" + sound + b"]", b"\xef\xbb\xbf" + sound,
                   sound[:-1] + b',"x":"\xff"}', sound[:-1] + b',"x":1,"x":1}',
                   sound[:-1] + b',"x":{"y":1,"y":2}}', sound[:-1] + b',"x":"\xed\xa0\x80"}',
                   sound[:-1] + b",}", sound.replace(b'"', b"'"), sound[:-1] + b',"x":01}',
                   sound + b"\x00", sound[:-1] + b" // note\n}"):
        expect_problem(spoil(operation, body=broken), 400, "invalid-json")


@every(lambda operation: takes_body(operation) and operation.name != "createConcert")
def test_unknown_fields_are_ignored_and_the_order_is_free(buyer, spoil, operation):
    body = buyer.body(operation)
    plain = [spoil(operation) for _ in range(2)][1]
    more = {"zzz": [1, {"a": None}], **dict(reversed(body.items())), "": {}}
    assert spoil(operation, body=more).status == plain.status


@every(lambda operation: takes_body(operation) and id_fields(operation))
def test_ids_in_bodies_are_1_to_2_to_the_53_minus_1(buyer, spoil, operation):
    for name in id_fields(operation):
        for wrong in (0, -1, 2 ** 53, 2 ** 64, 2 ** 64 + 1, 1.5, 1.0, "1", True, [1], {}):
            problem = expect_problem(spoil(operation, body=buyer.body(operation) | {name: wrong}),
                                     400, "invalid-field")
            assert problem["field"] == name, wrong


@every(lambda operation: not takes_body(operation) and operation.method == "post")
def test_calls_without_a_body_take_an_empty_one_of_any_kind(buyer, spoil, operation):
    plain = spoil(operation)
    for body, kind in ((b"", "application/json"), (b"", None), (b"", "text/plain"),
                       (b"{}", "application/json"), (b'{"x":1}', "application/json")):
        assert spoil(operation, body=body, content_type=kind).status == plain.status
    expect_problem(spoil(operation, body=b"x", content_type="text/plain"), 415,
                   "unsupported-media-type")
    expect_problem(spoil(operation, body=b'{"x":1,"x":2}'), 400, "invalid-json")


@every(lambda operation: operation.method in ("get", "delete"))
def test_reading_and_deleting_take_no_body(spoil, operation):
    expect_problem(spoil(operation, body={"x": 1}), 400, "bad-request")


# ---- lists and keys ----

@every(takes("limit"))
def test_limits_are_numbers_within_their_bounds(buyer, spoil, operation):
    limit = next(p for p in parameters(operation) if p["name"] == "limit")["schema"]
    path = buyer.path(operation)
    for right in (limit["minimum"], limit["maximum"]):
        assert spoil(operation, path=f"{path}?limit={right}").status == 200
    for wrong in (0, limit["maximum"] + 1, -1, "x", "", "1.5", "0x10", "+1", "%20", 10 ** 30):
        problem = expect_problem(spoil(operation, path=f"{path}?limit={wrong}"), 400,
                                 "invalid-field")
        assert problem["field"] == "limit"


@every(takes("cursor"))
def test_cursors_are_those_of_the_list(buyer, spoil, operation):
    path = buyer.path(operation)
    for wrong in ("x", "", "A" * 16, "A" * 1000, "../x", "%00", "AgIAAgAAAAAAT-iB"):
        problem = expect_problem(spoil(operation, path=f"{path}?cursor={wrong}"), 400,
                                 "invalid-field")
        assert problem["field"] == "cursor"


@every(takes("Idempotency-Key"))
def test_keys_are_1_to_64_visible_characters(spoil, operation):
    for wrong in (b"", b"k" * 65, b"a b", "caf\u00e9".encode(), b"a\tb"):
        expect_problem(spoil(operation, key=wrong), 400, "bad-request")


@every(lambda operation: takes_body(operation) and not takes("Idempotency-Key")(operation))
def test_calls_that_repeat_safely_ignore_keys(spoil, operation):
    plain = spoil(operation)
    assert spoil(operation, key=b"k" * 65).status == plain.status
