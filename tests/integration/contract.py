"""docs/openapi.yaml as a judge of answers: is the status documented, does the body have its shape?

Every Client (boxoffice.py) shows its answers to CONTRACT, so each test of the suite checks the document
too. What was seen is kept in CONTRACT.seen and, when OPENAPI_COVERAGE names a file, appended to it as
lines `operation status code`.
"""

import functools
import json
import os
import pathlib
import re

try:
    import jsonschema
    import yaml
except ImportError:  # test_openapi.py fails or is skipped without them; other tests go on
    jsonschema = yaml = None

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")
ID_MAX = 2 ** 53 - 1
CHECKED_SIZE_MAX = 256 * 1024  # of a body whose schema is checked
CHECKED_TIMES_MAX = 100        # for each operation, status and code in one process
PROBLEM_TYPE = "application/problem+json"


def media_type(headers):
    return (headers["Content-Type"] or "").split(";")[0].strip()


class Operation:
    def __init__(self, method, template, item):
        self.method, self.template, self.definition = method, template, item[method]
        self.name = self.definition["operationId"]
        self.least_id = min((p["schema"].get("minimum", 1) for p in item.get("parameters", ())
                             if p.get("in") == "path"), default=1)
        # As the router: {name} is any text, another {…} an id, 1 (or 0) … 2^53-1; a path with anything
        # else in its place is another (unknown) one.
        parts = re.split(r"\{\w+\}", template.replace("{name}", "\0"))
        pattern = r"(\d+)".join(map(re.escape, parts))
        self.pattern = re.compile(pattern.replace(re.escape("\0"), "[^/]+"))

    def takes(self, path):
        match = self.pattern.fullmatch(path)
        return match is not None and all(self.least_id <= int(number) <= ID_MAX for number in match.groups())


class Contract:
    def __init__(self, path=DOCUMENT):
        self.document = yaml.safe_load(path.read_text(encoding="utf-8"))
        self.operations = [Operation(method, template, item)
                           for template, item in self.document["paths"].items()
                           for method in METHODS if method in item]
        self.codes = set(self.document["components"]["schemas"]["Problem"]["properties"]["code"]
                         ["enum"])
        self.seen = {}  # (operation, status, code or "-"): how often; operation "-": none

    def resolve(self, item):
        while "$ref" in item:
            target = self.document
            for name in item["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            item = target
        return item

    # ---- what is documented ----

    def find(self, method, path):
        """(the operation, whether the path is known)"""
        known = [operation for operation in self.operations if operation.takes(path)]
        method = "get" if method == "HEAD" else method.lower()
        return next((o for o in known if o.method == method), None), bool(known)

    def documented(self):
        """Every (operation, status) that has a response of its own."""
        return {(operation.name, int(status)) for operation in self.operations
                for status in operation.definition["responses"] if status != "default"}

    def response(self, operation, status):
        """The documented response, or None. `default` is for the statuses that it names."""
        responses = operation.definition["responses"]
        if str(status) in responses:
            return self.resolve(responses[str(status)])
        default = self.resolve(responses.get("default", {}))
        return default if status in default.get("x-statuses", ()) else None

    def named_codes(self, response):
        return set(re.findall(r"`([a-z-]+)`", response["description"])) & self.codes

    # ---- judging an answer ----

    def observe(self, method, target, answer):
        """Fails when the document does not foresee this answer."""
        path = target.split("?")[0]
        operation, known = self.find(method, path)
        times = self._record(operation, answer)
        where = f"{method} {target[:200]}: {answer}"
        for name in ("Date", "Retry-After"):
            if name == "Date" or answer.status in (429, 503):
                assert answer.headers[name], f"no {name}: {where}"
        if operation is None:
            self._observe_stray(method, known, answer, where)
            return
        response = self.response(operation, answer.status)
        assert response is not None, f"a status that is not documented: {where}"
        for name in response.get("headers", {}):
            assert answer.headers[name] is not None, f"no {name}: {where}"
        if method != "HEAD" and times <= CHECKED_TIMES_MAX:
            self._observe_body(response, answer, where)

    def _observe_stray(self, method, known, answer, where):
        """No operation: an unknown path, another method, a preflight, or a fault in the head."""
        if method == "OPTIONS" and answer.status == 204:
            return
        expected = (405, "method-not-allowed") if known else (404, "not-found")
        faults = (400, 408, 413, 414, 431, 501, 503, 505)
        assert answer.status in faults or method == "HEAD" or \
            (answer.status, answer.code) == expected, f"not {expected}: {where}"

    def _observe_body(self, response, answer, where):
        content = response.get("content", {})
        kind = media_type(answer.headers)
        assert bool(content) == bool(answer.body), f"a body that is not documented: {where}"
        if not content:
            return
        assert kind in content, f"{kind} is not documented: {where}"
        schema = content[kind].get("schema")
        if kind.endswith("json") and len(answer.body) <= CHECKED_SIZE_MAX:
            self.check_schema(schema, answer.json, where)
        if kind == PROBLEM_TYPE:
            named = self.named_codes(response)
            assert answer.code in named, f"{answer.code} is not one of {sorted(named)}: {where}"

    def check_schema(self, schema, value, where):
        error = jsonschema.exceptions.best_match(self._validator(json.dumps(schema))
                                                 .iter_errors(value))
        assert error is None, f"{error and error.message} at {error and error.json_path}: {where}"
        stray = list(self._undocumented([schema], value, "$"))
        assert not stray, f"members that are not documented, {', '.join(stray)}: {where}"

    @functools.lru_cache(maxsize=None)  # noqa: B019: one contract lives as long as the process
    def _validator(self, schema):
        whole = json.loads(schema) | {"components": self.document["components"]}
        return jsonschema.Draft202012Validator(whole)

    def _undocumented(self, schemas, value, at):
        """The members of objects that no schema names: unknown to the reader of the document."""
        schemas = list(self._alternatives(schemas))
        if isinstance(value, list):
            items = [schema["items"] for schema in schemas if "items" in schema]
            for number, item in enumerate(value if items else []):
                yield from self._undocumented(items, item, f"{at}[{number}]")
        if not isinstance(value, dict):
            return
        named = [schema for schema in schemas if "properties" in schema]
        others = [schema["additionalProperties"] for schema in schemas
                  if isinstance(schema.get("additionalProperties"), dict)]
        for name, item in value.items():
            inner = [schema["properties"][name] for schema in named if name in schema["properties"]]
            if inner or others:
                yield from self._undocumented(inner or others, item, f"{at}.{name}")
            elif not any(schema.get("additionalProperties") is True for schema in schemas):
                yield f"{at}.{name}"

    def _alternatives(self, schemas):
        for schema in schemas:
            schema = self.resolve(schema)
            yield schema
            for word in ("allOf", "anyOf", "oneOf"):
                yield from self._alternatives(schema.get(word, ()))

    def _record(self, operation, answer):
        problem = answer.body and media_type(answer.headers) == PROBLEM_TYPE
        key = (operation.name if operation else "-", answer.status,
               answer.code if problem else "-")
        self.seen[key] = self.seen.get(key, 0) + 1
        coverage = os.environ.get("OPENAPI_COVERAGE")
        if coverage and self.seen[key] == 1:
            with open(coverage, "a", encoding="utf-8") as file:
                print(*key, file=file)
        return self.seen[key]


CONTRACT = Contract() if yaml is not None else None
