"""Concerts made by the admin call: what it takes, that it is durable and all or nothing, and its limits."""

import concurrent.futures
import os
import signal
import threading

import pytest

from boxoffice import bearer, expect_problem

PATH = "/api/v1/admin/concerts"


def section(rows=2, seats_per_row=5, name="Floor", amount=1000):
    return {"name": name, "rows": rows, "seatsPerRow": seats_per_row, "amount": amount}


def schedule(*sections, **changes):
    return {"openDate": "2027-02-28", "startTime": "19:30", "endTime": "22:00",
            "sections": list(sections) or [section()]} | changes


def concert(*schedules, title="The Night Bus"):
    return {"title": title, "schedules": list(schedules) or [schedule()]}


def create(server, body, key=None, client=None):
    return (client or server.client()).post(PATH, body, key=key, token=bearer(server.admin_key))


def made(server, body, **options):
    answer = create(server, body, **options)
    assert answer.status == 201, answer
    return answer.data


def schedules_of(server, concert_id):
    return server.client().get(f"/api/v1/concerts/{concert_id}/schedules").data


def concerts(server):
    return {c["concertId"]: c["title"] for c in server.client().get("/api/v1/concerts").data}


def test_a_concert_is_on_sale_when_the_answer_comes(server):
    data = made(server, concert(
        schedule(section(2, 3, "Front", 500), section(1, 4, "Rear ü", 300)),
        schedule(section(1, 1), openDate="2028-02-29", startTime="00:00", endTime="23:59"),
        title="Räuber & \"Söhne\" 🎻"))
    assert concerts(server)[data["concertId"]] == "Räuber & \"Söhne\" 🎻"
    first, second = schedules_of(server, data["concertId"])
    assert [first["scheduleId"], second["scheduleId"]] == data["scheduleIds"]
    assert (first["openDate"], first["startTime"], first["endTime"]) == \
        ("2027-02-28", "19:30", "22:00")
    assert (first["seatCount"], first["availableSeats"], first["seatStatus"]) == \
        (10, 10, "AVAILABLE")
    assert second["openDate"] == "2028-02-29"
    user = server.user()
    seats = user.seats(first["scheduleId"])
    assert [(s["section"], s["amount"]) for s in seats] == \
        [("Front", 500)] * 6 + [("Rear ü", 300)] * 4
    held = user.hold(first["scheduleId"], seats[5]["seatId"], seats[6]["seatId"])
    assert held.status == 201 and held.data["amount"] == 800
    assert schedules_of(server, data["concertId"])[0]["availableSeats"] == 8


def test_without_the_admin_key_nothing_is_made(server, user):
    before = concerts(server)
    for token in (None, user.token, bearer("wrong"), server.admin_key):
        expect_problem(server.client().post(PATH, concert(), token=token), 401, "unauthorized")
    assert concerts(server) == before


def without(value, name):
    return {k: v for k, v in value.items() if k != name}


WRONG = {
    "title": [without(concert(), "title"), concert(title=""), concert(title="  "),
              concert(title="x" * 201), concert(title="ä" * 101), concert(title="a\tb"),
              concert(title=None), concert(title=7)],
    "schedules": [without(concert(), "schedules"), {"title": "x", "schedules": []},
                  {"title": "x", "schedules": {}}, {"title": "x", "schedules": [{}] * 129}],
    "schedules[0]": [{"title": "x", "schedules": [7]}, {"title": "x", "schedules": [[schedule()]]}],
    "schedules[1].openDate": [
        concert(schedule(), schedule(openDate=date)) for date in
        ("2027-02-29", "2100-02-29", "2027-13-01", "2027-00-10", "2027-04-31", "2027-01-00",
         "27-01-01", "2027-1-01", "2027/01/01", "2027-01-01T", "", 20270101, None, "0000-01-01")],
    "schedules[0].startTime": [concert(schedule(startTime=time)) for time in
                               ("24:00", "19:60", "9:00", "19:00:00", "", 19, None)],
    "schedules[0].endTime": [concert(schedule(endTime="25:00")),
                             concert(without(schedule(), "endTime"))],
    "schedules[0].sections": [concert(schedule(sections=[])), concert(schedule(sections="x")),
                              concert(without(schedule(), "sections")),
                              concert(schedule(*[section(1, 1)] * 33)),
                              concert(schedule(section(2, 65536))),
                              concert(schedule(section(1, 131071), section(1, 1)))],
    "schedules[0].sections[1]": [concert(schedule(section(), None))],
    "schedules[0].sections[1].name": [
        concert(schedule(section(), section(name=name))) for name in ("", "y" * 65, 5, "a\x7f")],
    "schedules[0].sections[0].rows": [
        concert(schedule(section(rows=rows))) for rows in (0, -1, 131072, 1.5, "1", None, 10**30)],
    "schedules[0].sections[0].seatsPerRow": [
        concert(schedule(section(seats_per_row=seats))) for seats in (0, 131072, True)],
    "schedules[0].sections[0].amount": [
        concert(schedule(section(amount=amount))) for amount in (0, 10**12 + 1, -5, "7")],
    "schedules[8].sections": [concert(*[schedule(*[section(1, 1, "s", 1)] * 32)] * 8,
                                      schedule(section()))],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_field_is_named_by_its_path(server, field):
    client, before = server.client(), concerts(server)
    for body in WRONG[field]:
        answer = create(server, body, client=client)
        problem = expect_problem(answer, 400, "invalid-field")
        assert problem["field"] == field, body
    assert concerts(server) == before


def test_the_largest_values_are_taken(server):
    data = made(server, concert(schedule(section(1, 131071, "n" * 64, 10**12)), title="t" * 200))
    assert schedules_of(server, data["concertId"])[0]["seatCount"] == 131071
    data = made(server, concert(*[schedule(section(1, 1, "s", 1))] * 128, title="t"))
    assert len(data["scheduleIds"]) == len(set(data["scheduleIds"])) == 128
    assert [s["scheduleId"] for s in schedules_of(server, data["concertId"])] == \
        data["scheduleIds"]


def test_a_repeated_key_gives_the_same_bytes_and_one_concert(server):
    body = concert(schedule(), schedule(), title="Only Once")
    first = create(server, body, key="once")
    made(server, concert(title="Between"))
    again = create(server, body, key="once")
    assert (again.status, again.body) == (201, first.body)
    expect_problem(create(server, concert(title="Another"), key="once"), 422,
                   "idempotency-key-reused")
    assert list(concerts(server).values()).count("Only Once") == 1


def test_two_hundred_at_once_with_one_key_make_one(server):
    body = concert(title="Rush")
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: create(server, body, key="rush"), range(200)))
    assert {a.status for a in answers} <= {201, 409}
    assert len({a.body for a in answers if a.status == 201}) == 1
    assert list(concerts(server).values()).count("Rush") == 1


def test_a_million_seats_in_one_call_and_the_limit_of_two(start):
    server = start()
    hall = schedule(section(200, 400, "Hall", 10))  # 80,000
    million = made(server, concert(*[hall] * 12, schedule(section(100, 400))))
    assert sum(s["seatCount"] for s in schedules_of(server, million["concertId"])) == 1_000_000
    user = server.user()
    last = million["scheduleIds"][11]
    seat = user.get(f"/api/v1/schedules/{last}/seats?limit=1").data["seats"][0]
    assert user.hold(last, seat["seatId"]).status == 201
    expect_problem(create(server, concert(*[hall] * 13)), 507, "storage-full")
    made(server, concert(*[hall] * 12, schedule(section(100, 400))))
    expect_problem(create(server, concert(schedule(section(1, 1)))), 507, "storage-full")
    assert len(concerts(server)) == 2
    server.stop()
    server = start(data=server.data)
    assert len(schedules_of(server, million["concertId"])) == 13
    expect_problem(create(server, concert(schedule(section(1, 1)))), 507, "storage-full")


def test_the_limit_is_one_for_all_seat_workers(start):
    """Calls at once, through every worker: together they make two million seats and no more."""
    server = start("--seat-workers", 3)
    hall = concert(*[schedule(section(200, 400))] * 3)  # 240,000

    def make(_):
        client = server.client()
        while True:
            answer = create(server, hall, client=client)
            if answer.status != 201:
                return answer

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        ends = list(pool.map(make, range(6)))
    for answer in ends:
        expect_problem(answer, 507, "storage-full")
    while create(server, hall).status == 201:  # two that met near the limit may both have been refused
        pass
    made_seats = sum(s["seatCount"] for c in concerts(server) for s in schedules_of(server, c))
    assert made_seats == 8 * 240_000
    made(server, concert(schedule(section(200, 400))))
    server.stop()
    server = start("--seat-workers", 3, data=server.data)
    for _ in range(3):
        expect_problem(create(server, concert(schedule(section(1, 1)))), 507, "storage-full")


@pytest.mark.parametrize("workers", [1, 3])
def test_what_was_made_survives_and_ids_go_on(start, workers):
    server = start("--demo", "--seat-workers", workers)
    before = concerts(server)
    data = [made(server, concert(schedule(), schedule(), title=f"Tour {i}")) for i in range(6)]
    keyed = create(server, concert(title="Keyed"), key="kept")
    listing = server.client().get("/api/v1/concerts").body
    partitions = [{s % 64 % workers for s in d["scheduleIds"] + [d["concertId"]]} for d in data]
    assert all(len(p) == 1 for p in partitions)
    assert set.union(*partitions) == set(range(workers))
    server.end()
    server = start("--seat-workers", workers, data=server.data)
    assert server.client().get("/api/v1/concerts").body == listing
    for number, each in enumerate(data):
        assert [s["scheduleId"] for s in schedules_of(server, each["concertId"])] == \
            each["scheduleIds"]
        assert schedules_of(server, each["concertId"])[0]["concertTitle"] == f"Tour {number}"
    assert create(server, concert(title="Keyed"), key="kept").body == keyed.body
    more = [made(server, concert()) for _ in range(4)]
    ids = [i for d in data + more + [keyed.data] for i in d["scheduleIds"]]
    assert len(ids) == len(set(ids))
    assert not set(before) & {d["concertId"] for d in data + more}


def test_the_catalogue_stays_readable_while_a_seat_worker_starts_again(start):
    server = start("--demo", "--seat-workers", 2)
    expected = {}
    for number in range(10):
        data = made(server, concert(schedule(), schedule(), title=f"Tour {number}"))
        expected[data["concertId"]] = data["scheduleIds"]
    listing, done = concerts(server), threading.Event()

    def read():
        client, rounds = server.client(), 0
        while not done.is_set() or rounds == 0:
            found = client.get("/api/v1/concerts").data
            assert {c["concertId"]: c["title"] for c in found} == listing
            for concert_id, schedule_ids in expected.items():
                schedules = client.get(f"/api/v1/concerts/{concert_id}/schedules").data
                assert [s["scheduleId"] for s in schedules] == schedule_ids
            rounds += 1

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for worker in (0, 1):
            server.wait_replaced(server.kill("seat", worker))
        done.set()
        reader.result()


def test_a_killed_seat_worker_makes_all_of_a_call_or_none(start):
    """Every call gets its answer in spite of the kills, and nothing is there that no call made."""
    server = start()
    bodies = [concert(*[schedule(section(10, 80))] * 20, title=f"Show {i}") for i in range(60)]
    done = threading.Event()

    def kill():
        while not done.is_set():
            server.wait_replaced(server.kill("seat"))

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        killer = pool.submit(kill)
        answers = list(pool.map(lambda b: create(server, b, key=b["title"].replace(" ", "-")),
                                bodies))
        done.set()
        killer.result()
    assert {a.status for a in answers} == {201}, [a for a in answers if a.status != 201]
    assert sorted(concerts(server).values()) == sorted(b["title"] for b in bodies)
    for answer in answers:
        assert [s["scheduleId"] for s in schedules_of(server, answer.data["concertId"])] == \
            answer.data["scheduleIds"]


def test_a_crash_of_everything_leaves_whole_concerts_only(start):
    server = start()
    acknowledged, stopped = [], threading.Event()

    def work(number):
        client = server.client()
        for i in range(1000):
            try:
                answer = create(server, concert(*[schedule()] * 30, title=f"{number}-{i}"),
                                client=client)
            except OSError:
                stopped.set()
                return
            acknowledged.append(answer.data)
            if len(acknowledged) == 40:
                os.kill(server.pid, signal.SIGKILL)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert stopped.is_set()
    server.end()
    server = start(data=server.data)
    listed = concerts(server)
    for data in acknowledged:
        assert data["concertId"] in listed
    for concert_id in listed:
        assert len(schedules_of(server, concert_id)) == 30
