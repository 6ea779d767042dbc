"""`boxoffice audit`: sound data passes, every corruption of a copy is found and named, and a running
server can be audited."""

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import threading

import pytest

from boxoffice import bearer, binary, clean_environment, expect_problem, wait_until

SCHEDULE = 1


# ---- the data, as its environments' records ----

def crc32c(data):
    value = 0xffffffff
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
    return value ^ 0xffffffff


KIND_AT, AGGREGATE_AT, VERSION_AT, TIME_AT, PAYLOAD_AT = 8, 10, 18, 35, 43  # in a record


class Environment:
    """An LMDB environment of a data directory, read and written with LMDB's own tools."""

    def __init__(self, path):
        self.path = path
        dumped = subprocess.run(["mdb_dump", str(path)], capture_output=True, text=True, check=True)
        head, data = dumped.stdout.split("HEADER=END\n")
        self.head = head + "HEADER=END\n"
        lines = [bytes.fromhex(line) for line in data.splitlines() if line != "DATA=END"]
        self.records = dict(zip(lines[::2], lines[1::2]))

    def save(self):
        for file in ("data.mdb", "lock.mdb"):
            (self.path / file).unlink()
        lines = [f" {bytes_.hex()}\n" for record in sorted(self.records.items())
                 for bytes_ in record]
        subprocess.run(["mdb_load", str(self.path)], text=True, check=True, capture_output=True,
                       input=self.head + "".join(lines) + "DATA=END\n")

    def keys(self, prefix):
        return sorted(key for key in self.records if key.startswith(prefix))


class Rows(Environment):
    """A state environment: version, CRC of key and payload, payload."""

    def payload(self, key):
        return self.records[key][5:]

    def put(self, key, payload):
        self.records[key] = b"\x01" + struct.pack("<I", crc32c(key + payload)) + payload


class Journal:
    """Segments: magic(8) version(4) crc(4) number(8) first(8) previous(8), then records: crc(4) size(4)
    kind(2) aggregate(8) aggregate version(8) actor kind(1) actor(8) time(8) payload. They are written
    back as one segment. A trailer's payload: magic(4) count(4)
    segment(8) sequence(8) previous trailer(8) first record that counts(8)."""

    HEADER = struct.Struct("<8sIIQQQ")
    MAGIC = b"boxjrnl\n"
    TRAILER, TRAILER_MAGIC = struct.Struct("<4sIQQQQ"), bytes.fromhex("b00ff1ce")

    def __init__(self, path):
        self.path = path
        self.records = {}
        for file in sorted(path.glob("*.log")):
            self.load(file.read_bytes())

    def load(self, data):
        magic, _, _, _, sequence, _ = self.HEADER.unpack_from(data)
        at, pending = self.HEADER.size, {}
        while magic == self.MAGIC and at < len(data):
            size = struct.unpack_from("<I", data, at + 4)[0]
            key, record = struct.pack(">Q", sequence), data[at:at + size]
            if size < 43 or self.crc(key, record) != record[:4]:
                break
            pending[key] = record
            at, sequence = at + size, sequence + 1
            if struct.unpack_from("<H", record, KIND_AT)[0] == 0:  # what has no trailer does not count
                self.records.update(pending)
                pending = {}

    @staticmethod
    def crc(key, record):
        return struct.pack("<I", crc32c(key + bytes(record[4:])))

    def header(self, number, first):
        trailer = min(key for key in self.records if key >= struct.pack(">Q", first)
                      and self.kind(key) == 0)
        previous = self.TRAILER.unpack_from(self.records[trailer], PAYLOAD_AT)[4]
        rest = struct.pack("<QQQ", number, first, previous)
        version = struct.pack("<I", 1)
        return self.MAGIC + version + struct.pack("<I", crc32c(version + rest)) + rest

    def save(self):
        for file in self.path.glob("*.log"):
            file.unlink()
        first = min(self.records)
        for key in [key for key in self.records if self.kind(key) == 0]:
            said = self.TRAILER.unpack_from(self.records[key], PAYLOAD_AT)[5]
            said = max(said, int.from_bytes(first, "big"))
            self.patch(key, PAYLOAD_AT + 32, struct.pack("<Q", said))
        number = int.from_bytes(first, "big")
        body = b"".join(record for _, record in sorted(self.records.items()))
        (self.path / f"{1:016}.log").write_bytes(self.header(1, number) + body)

    def events(self):
        return [key for key in sorted(self.records) if self.kind(key) != 0]

    def trailers(self):
        return [key for key in sorted(self.records) if self.kind(key) == 0]

    def kind(self, key):
        return struct.unpack_from("<H", self.records[key], KIND_AT)[0]

    def aggregate(self, key):
        return struct.unpack_from("<QQ", self.records[key], AGGREGATE_AT)

    def patch(self, key, offset, data):
        value = bytearray(self.records[key])
        if value[:4] != self.crc(key, value):
            return  # damaged on purpose
        value[offset:offset + len(data)] = data
        value[:4] = self.crc(key, value)
        self.records[key] = bytes(value)


def row_key(table, number, tag="", *rest):
    return table.encode() + struct.pack(">Q", number) + tag.encode() + \
        b"".join(struct.pack(">Q", part) for part in rest)


def number(value):
    """As the rows write it, when it is one of 32 bits or fewer."""
    return bytes([value]) if value < 128 else b"\xce" + struct.pack(">I", value)


class Data:
    """A copy of a sale's data directory."""

    def __init__(self, path, facts):
        self.path = path
        self.__dict__.update(facts)
        self.wallets = Rows(path / "wallet-0" / "state")
        self.seats = Rows(path / "seat-0" / "state")
        self.wallet_journal = Journal(path / "wallet-0" / "journal")
        self.seat_journal = Journal(path / "seat-0" / "journal")

    def save(self):
        for environment in (self.wallets, self.seats, self.wallet_journal, self.seat_journal):
            environment.save()


def audit(path, *options):
    return subprocess.run([binary(), "audit", "--data", str(path), *options], timeout=120,
                          capture_output=True, text=True, env=clean_environment())


def all_saved(server, roles=("seat", "wallet"), obligations=0):
    """By figures that a worker renews together now and then."""
    samples = server.metrics()

    def of(name, role):
        return samples[f"boxoffice_{name}", (("instance", "0"), ("role", role))]

    return all(of("unsaved_rows", role) == 0 and of("journal_last_sequence", role) > 1
               for role in roles) and of("obligations_open", "seat") == obligations


@pytest.fixture(scope="module")
def sale(starter, tmp_path_factory):
    """(data directory, facts): every state of a reservation, a confirm that waits for its wallet
    among them, all of it in rows."""
    for tool in ("mdb_dump", "mdb_load"):
        if shutil.which(tool) is None:
            assert os.environ.get("CI") != "true", f"{tool} is not installed"
            pytest.skip(f"{tool} is not installed")
    path = tmp_path_factory.mktemp("sale") / "data"
    server = starter("--demo", data=path)
    user = server.user()
    price = user.seats(SCHEDULE)[0]["amount"]
    user.charge(10 * price, key="first")
    user.use(1)
    free = [seat["seatId"] for seat in user.seats(SCHEDULE)]
    held, other, paid, released, cancelled, waiting = (
        user.hold(SCHEDULE, seat, key=f"hold-{seat}").data["reservationId"] for seat in free[:6])
    for reservation in (paid, cancelled):
        assert user.confirm(reservation).status == 200
    user.delete(f"/api/v1/reservations/{released}")
    user.post(f"/api/v1/reservations/{cancelled}/cancel")
    wait_until(lambda: all_saved(server), "checkpoints have all rows")
    journal = path / "wallet-0" / "journal"
    journal.rename(journal.with_name("aside"))
    journal.write_text("so that the wallet worker can not start again")
    os.kill(server.worker("wallet")["pid"], signal.SIGKILL)
    with server.wire() as wire:
        wire.send(f"POST /api/v1/reservations/{waiting}/confirm HTTP/1.1\r\nHost: b\r\n"
                  f"Authorization: {user.token}\r\n\r\n")
        wait_until(lambda: user.reservation(waiting).data["status"] == "CONFIRMING",
                   "the confirm waits for its wallet")
    wait_until(lambda: all_saved(server, ["seat"], 1), "a checkpoint has the obligation")
    server.end()
    journal.unlink()
    journal.with_name("aside").rename(journal)
    return path, {"user": user.id, "price": price, "held": held, "other": other, "paid": paid,
                  "waiting": waiting}


@pytest.fixture
def data(sale, tmp_path):
    path, facts = sale
    shutil.copytree(path, tmp_path / "data")
    return Data(tmp_path / "data", facts)


def test_sound_data_passes_and_is_counted(data):
    data.save()
    result = audit(data.path)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert "wallets 1, transactions 5" in lines
    assert "reservations: held 2 confirming 1 confirmed 1 released 1 expired 0 cancelling 0 " \
        "cancelled 1" in lines
    assert any(line.startswith("schedules 16, seats 800, open obligations 1") for line in lines)
    assert lines[-1] == "violations 0"
    assert any("rebuilt workers 3" in line for line in lines), "rows are made anew and compared"


# Each: what is done to the data, and what must be said about it.

def flip_a_rows_byte(data):
    key = row_key("w", data.user)
    value = bytearray(data.wallets.records[key])
    value[-1] ^= 1
    data.wallets.records[key] = bytes(value)
    return f"wallet-0: row w {data.user} is damaged"


def flip_a_records_byte(data):
    key = data.seat_journal.events()[3]
    value = bytearray(data.seat_journal.records[key])
    value[-1] ^= 1
    data.seat_journal.records[key] = bytes(value)
    return f"seat-0: record {int.from_bytes(key, 'big')} is damaged"


def lose_a_seat(data):
    key = data.seats.keys(row_key("s", SCHEDULE, "p"))[0]
    del data.seats.records[key]
    return "does not have its seat", f"seat-0: row s {SCHEDULE} {key[9:].hex()} is lost"


def change_a_balance(data):
    key = row_key("w", data.user)
    payload = data.wallets.payload(key)
    balance = 10 * data.price - 1 - data.price
    assert payload.count(number(balance)) == 1
    data.wallets.put(key, payload.replace(number(balance), number(balance + 1)))
    return (f"user {data.user}: transactions sum to {balance}, the balance is {balance + 1}",
            "points are not conserved", f"wallet-0: row w {data.user} is not what its events make")


def sell_a_seat_twice(data):
    mine, others = row_key("r", data.held), row_key("r", data.other)
    one, two = (data.seats.payload(key) for key in (mine, others))
    seat, sold = (b"\x91" + number(SCHEDULE << 17 | index) for index in (1, 2))  # lists of one
    assert (one.count(seat), two.count(sold)) == (1, 1)
    data.seats.put(others, two.replace(sold, seat))
    return (f"reservation {data.other}: does not have its seat {SCHEDULE << 17 | 1}",
            f"seat 2 is reservation {data.other}'s, which does not have it")


def drop_an_obligation(data):
    (key,) = data.seats.keys(b"o")
    del data.seats.records[key]
    return f"reservation {data.waiting}: state 2 with no open obligation"


def drop_a_timer(data):
    key = data.seats.keys(b"t")[0]
    del data.seats.records[key]
    return f"schedule {SCHEDULE}: its timer is at 0"


def drop_an_idempotency_key(data):
    key = data.wallets.keys(row_key("w", data.user, "i"))[0]
    del data.wallets.records[key]
    return "0 idempotency keys, 1 indexed, 1 counted", "the key of transaction"


def drop_a_transaction(data):
    key = data.wallets.keys(row_key("w", data.user, "x"))[0]
    del data.wallets.records[key]
    return f"user {data.user}: transaction", "is not what record"


def skip_a_version(data):
    versions = [key for key in data.wallet_journal.events()
                if data.wallet_journal.aggregate(key)[1] == 3]
    data.wallet_journal.patch(versions[0], VERSION_AT, struct.pack("<Q", 4))
    return f"wallet-0: version 4 of {data.user} follows version 2"


def lose_a_record(data):
    key = data.wallet_journal.events()[1]
    del data.wallet_journal.records[key]
    at = int.from_bytes(key, "big")
    return f"wallet-0: record {at} is damaged"  # something else stands there


def lose_a_trailer(data):
    trailer = data.seat_journal.trailers()[-2]
    del data.seat_journal.records[trailer]
    return f"seat-0: record {int.from_bytes(trailer, 'big')} is damaged"


def flip_a_trailers_byte(data):
    trailer = data.seat_journal.trailers()[1]
    value = bytearray(data.seat_journal.records[trailer])
    value[PAYLOAD_AT] ^= 1
    data.seat_journal.records[trailer] = bytes(value)
    return f"seat-0: record {int.from_bytes(trailer, 'big')} is damaged"


def lose_the_journals_end(data):
    """All that came after the rows were saved last, and a bit more."""
    records = data.wallet_journal.records
    for key in [key for key in records if key > data.wallet_journal.trailers()[1]]:
        del records[key]
    return "wallet-0: its rows cover", "the journal ends at"


def turn_back_the_clock(data):
    events = data.wallet_journal.events()
    data.wallet_journal.patch(events[1], TIME_AT, struct.pack("<Q", 1))
    return f"wallet-0: record {int.from_bytes(events[1], 'big')} is older than the one before it"


def change_an_event(data):
    """The amount of a charge, in the journal only."""
    key = data.wallet_journal.events()[0]
    value = data.wallet_journal.records[key]
    amount = number(10 * data.price)
    at = value.index(amount)
    data.wallet_journal.patch(key, at, number(10 * data.price + 1))
    return "is not what record"


def forget_that_rows_are_saved(data):
    """The mark says less than what the journal still has behind it."""
    trimmed = data.seat_journal.events()[3]
    for key in [key for key in data.seat_journal.records if key <= trimmed]:
        del data.seat_journal.records[key]
    mark = b"m" + struct.pack(">Q", 1)
    data.seats.put(mark, struct.pack("<Q", 1))
    return "are neither in rows nor there"


def cover_what_never_was(data):
    mark = b"m" + struct.pack(">Q", 1)
    data.seats.put(mark, struct.pack("<Q", 1 << 20))
    return f"seat-0: its rows cover {1 << 20}, the journal ends at"


def go_back_in_a_row(data):
    """A wallet whose head was saved by an earlier checkpoint than the mark says."""
    key = row_key("w", data.user)
    payload = data.wallets.payload(key)
    data.wallets.put(key, payload[:1] + b"\x02" + payload[2:])
    return f"wallet-0: the rows of {data.user} are at record 2, the journal at"


@pytest.mark.parametrize("corrupt", [
    flip_a_rows_byte, flip_a_records_byte, lose_a_seat, change_a_balance, sell_a_seat_twice,
    drop_an_obligation, drop_a_timer, drop_an_idempotency_key, drop_a_transaction, skip_a_version,
    lose_a_record, lose_a_trailer, flip_a_trailers_byte, lose_the_journals_end, turn_back_the_clock, change_an_event,
    forget_that_rows_are_saved, cover_what_never_was, go_back_in_a_row,
], ids=lambda function: function.__name__)
def test_a_corruption_is_found(data, corrupt):
    expected = corrupt(data)
    data.save()
    result = audit(data.path)
    assert result.returncode == 65, result.stdout + result.stderr
    for words in (expected,) if isinstance(expected, str) else expected:
        assert words in result.stdout + result.stderr, (words, result.stdout, result.stderr)


def test_it_says_the_same_as_json(data):
    change_a_balance(data)
    data.save()
    text = audit(data.path).stdout
    answer = subprocess.run([binary(), "audit", "--data", str(data.path), "--json"], timeout=120,
                            capture_output=True, text=True, env=clean_environment())
    assert answer.returncode == 65
    report = json.loads(answer.stdout)
    assert report["violations"] == len(report["findings"]) == text.count("violation: ")
    assert all(f"violation: {finding}\n" in text for finding in report["findings"])
    assert report["reservations"]["confirming"] == 1


# ---- of a running server ----

AUDIT = "/api/v1/admin/audit"


class Buyers:
    """Buyers who hold, fail to pay, charge, pay and cancel until they are told to stop."""

    def __init__(self, server, count):
        self.stopped, self.sales, self.wrong = threading.Event(), 0, []
        users = [server.user(client=server.client()) for _ in range(count)]
        schedules = [s["scheduleId"] for s in users[0].client.get("/concerts/schedule").data]
        self.threads = [threading.Thread(target=self._run, args=(user, schedule), daemon=True)
                        for user, schedule in zip(users, schedules)]

    def _run(self, user, schedule_id):
        try:
            while not self.stopped.is_set():
                seat = user.seats(schedule_id, "AVAILABLE")[0]
                held = user.hold(schedule_id, seat["seatId"]).data
                short = user.confirm(held["reservationId"])
                if short.status != 200:
                    user.charge(expect_problem(short, 409, "insufficient-points")["shortBy"])
                    assert user.confirm(held["reservationId"]).status == 200
                user.post(f"/api/v1/reservations/{held['reservationId']}/cancel").data
                self.sales += 1
        except BaseException as error:
            self.wrong.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(60)


def test_a_server_is_audited_while_it_sells(start):
    server = start("--demo", "--seat-workers", 2, "--wallet-workers", 2)
    with Buyers(server, 8) as buyers:
        wait_until(lambda: buyers.sales > 8 or buyers.wrong, "buyers buy")
        for count in range(5):
            before = buyers.sales
            report = server.admin(AUDIT).data
            assert report["violations"] == 0, report["findings"]
            assert report["rebuiltWorkers"] == 5
            points = report["points"]
            assert points["granted"] == points["balances"] + points["paid"] + points["inFlight"]
            wait_until(lambda: buyers.sales > before or buyers.wrong, "sales go on")
        assert audit(server.data).returncode == 0
    assert buyers.wrong == []


def test_a_server_that_has_lost_a_point_says_so(start, data):
    """The rows are sound by themselves, so that the server starts without a complaint."""
    change_a_balance(data)
    data.save()
    server = start(data=data.path)
    report = server.admin(AUDIT).data
    assert report["violations"] == len(report["findings"]) > 1
    assert "points are not conserved" in report["findings"]
    assert any("wallet-0: its events contradict each other" in finding
               for finding in report["findings"]), "the wallet has paid from the wrong balance"
    server.end()


def test_one_audit_at_a_time(start):
    server = start("--demo")
    assert server.admin(AUDIT).data["violations"] == 0
    with open(server.data / "audit.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        expect_problem(server.admin(AUDIT), 503, "overloaded")
        assert audit(server.data).returncode == 75
    assert server.admin(AUDIT).status == 200
    expect_problem(server.client().get(AUDIT), 401, "unauthorized")


def test_a_client_that_goes_ends_its_audit(start):
    server = start("--demo", "--demo-holds", 30_000)
    with server.wire() as wire:
        wire.send(f"GET {AUDIT} HTTP/1.1\r\nHost: b\r\n"
                  f"Authorization: {bearer(server.admin_key)}\r\n\r\n")
    wait_until(lambda: server.admin(AUDIT).status == 200, "the next one has its turn")
