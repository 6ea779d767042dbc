"""What consumers do with the events: read them with kcat, drop repeats, check, rebuild."""

import collections
import json
import pathlib
import re
import subprocess
import warnings

from boxoffice import ROOT, wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import jsonschema

TOPICS = {"reservation": "boxoffice.reservations", "points": "boxoffice.points",
          "queue": "boxoffice.queue"}
SCHEMAS = pathlib.Path(ROOT) / "docs" / "events"
KEY_OF = {"reservation": "reservationId", "points": "userId", "queue": "ticketId"}
SUBJECT_OF = {"reservation": "reservations", "points": "users", "queue": "tickets"}

Message = collections.namedtuple("Message", "topic key headers payload")


def incarnation(server):
    return re.search(r"^incarnation (\d+)$", (server.data / "layout").read_text(), re.M)[1]


def consume(address, topic, properties=(), timeout_s=60):
    """Everything in a topic, as an independent client reads it; a topic that is missing is empty."""
    options = [word for item in properties for word in ("-X", item)]
    result = subprocess.run(
        ["kcat", "-C", "-e", "-q", "-J", "-b", address, "-t", topic, "-o", "beginning", *options],
        capture_output=True, timeout=timeout_s, check=False)
    if b"Unknown topic or partition" in result.stderr or \
            b"Topic authorization failed" in result.stderr:
        return []
    assert result.returncode == 0, result.stderr[-2000:]
    messages = []
    for line in result.stdout.decode().splitlines():
        record = json.loads(line)
        names = record.get("headers") or []
        messages.append(Message(topic, record["key"], tuple(zip(names[::2], names[1::2])),
                                record["payload"]))
    return messages


class Schemas:
    def __init__(self):
        self.validators = {}
        for path in SCHEMAS.glob("*.json"):
            schema = json.loads(path.read_text())
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["title"] == path.stem
            self.validators[path.stem] = jsonschema.Draft202012Validator(
                schema, format_checker=jsonschema.FormatChecker())

    def check(self, kind, data):
        validator = self.validators[kind]
        validator.validate(data)
        undocumented = set(data) - set(validator.schema["properties"])
        assert not undocumented, (kind, undocumented)


class Book:
    """The events of one server, in the order of each key, after dropping repeats by ce_id."""

    def __init__(self, address, server, properties=()):
        self.prefix = incarnation(server) + "-"
        self.by_id = {}
        self.by_key = collections.defaultdict(list)
        self.repeats = 0
        for topic in TOPICS.values():
            for message in consume(address, topic, properties):
                self.take(message)
        self.schemas = Schemas()

    def take(self, message):
        headers = dict(message.headers)
        event_id = headers["ce_id"]
        if not event_id.startswith(self.prefix):
            return  # of another server that used the same broker
        if event_id in self.by_id:
            assert self.by_id[event_id] == message, "a repeat is not the same bytes"
            self.repeats += 1
            return
        self.by_id[event_id] = message
        self.by_key[message.topic, message.key].append(message)

    def check(self):
        """Every message against the contract; versions of each key are 1..n in order."""
        for (topic, key), messages in self.by_key.items():
            for number, message in enumerate(messages, 1):
                headers = dict(message.headers)
                assert len(headers) == len(message.headers)
                data = json.loads(message.payload)
                kind = headers["ce_type"]
                group = kind.split(".")[0]
                assert topic == TOPICS[group], (topic, kind)
                assert headers["ce_specversion"] == "1.0"
                assert headers["ce_source"] == "/boxoffice"
                assert headers["content-type"] == "application/json"
                assert headers["ce_subject"] == f"{SUBJECT_OF[group]}/{key}"
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", headers["ce_time"])
                assert str(data[KEY_OF[group]]) == key
                assert data["version"] == number, (topic, key, number, data)
                self.schemas.check(kind, data)
        return self

    def kinds(self):
        return {dict(message.headers)["ce_type"] for message in self.by_id.values()}

    def events(self, group):
        for (topic, key), messages in self.by_key.items():
            if topic == TOPICS[group]:
                yield int(key), [(dict(m.headers)["ce_type"].split(".")[1], json.loads(m.payload))
                                 for m in messages]

    def wallets(self):
        """user → (balance, [(transaction, type, amount, balance, reservation), …]), from events."""
        types = {"charged": "CHARGE", "used": "USE", "refunded": "REFUND"}
        wallets = {}
        for user, events in self.events("points"):
            balance, transactions = 0, []
            for kind, data in events:
                balance += -data["amount"] if kind == "used" else data["amount"]
                assert data["balance"] == balance
                transactions.append((data["transactionId"], types[kind], data["amount"], balance,
                                     data.get("reservationId")))
            wallets[user] = balance, transactions
        return wallets

    def reservations(self):
        """id → (status, held event's data, last expiry)."""
        status_of = {"held": "HELD", "payment-failed": "HELD", "confirmed": "CONFIRMED",
                     "released": "RELEASED", "expired": "EXPIRED", "cancelled": "CANCELLED"}
        found = {}
        for reservation, events in self.events("reservation"):
            assert events[0][0] == "held"
            expires = events[0][1]["expiresAt"]
            for kind, data in events[1:]:
                expires = data.get("expiresAt", expires)
            found[reservation] = status_of[events[-1][0]], events[0][1], expires
        return found

    def seats(self):
        """seat → RESERVED or TEMP_RESERVED, of those that are not available."""
        taken = {}
        for status, held, _ in self.reservations().values():
            if status in ("HELD", "CONFIRMED"):
                for seat in held["seatIds"]:
                    assert seat not in taken, "a seat has two holders"
                    taken[seat] = "RESERVED" if status == "CONFIRMED" else "TEMP_RESERVED"
        return taken


def wait_published(server, timeout_s=90):
    """Until every event so far is delivered, as the relay says after having looked again."""
    looked = metric(server, "boxoffice_relay_backlog_looks_total")

    def published():
        now = server.metrics()
        return now["boxoffice_relay_backlog_looks_total", RELAY] >= looked + 2 and \
            now["boxoffice_relay_backlog_records", RELAY] == 0 and \
            now["boxoffice_relay_in_flight", RELAY] == 0

    wait_until(published, "every event is delivered", timeout_s, 0.05)


RELAY = (("instance", "0"), ("role", "relay"))


def metric(server, name):
    return server.metrics()[name, RELAY]
