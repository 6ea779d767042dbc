"""Seat maps, answered from the seat workers' read snapshots: what they show, and when."""

import concurrent.futures
import os
import signal
import threading

import pytest

from boxoffice import bearer, expect_problem, query

INDEX = (1 << 17) - 1


def create(server, *schedules):
    """Each schedule is a list of sections (name, rows, seats per row, amount)."""
    body = {"title": "Maps", "schedules": [
        {"openDate": "2027-02-28", "startTime": "19:30", "endTime": "22:00",
         "sections": [dict(zip(("name", "rows", "seatsPerRow", "amount"), s)) for s in sections]}
        for sections in schedules]}
    answer = server.client().post("/api/v1/admin/concerts", body, token=bearer(server.admin_key))
    assert answer.status == 201, answer
    return answer.data["scheduleIds"]


def path(schedule_id, **parameters):
    base = f"/api/v1/schedules/{schedule_id}/seats"
    return query(base, **parameters) if parameters else base


def one(client, seat_id):
    seats = client.get(f"/concerts/seat?={seat_id}").data
    assert len(seats) == 1
    return seats[0]


@pytest.fixture(scope="module")
def hall(tmp_path_factory):
    from fixtures import Starter
    starter = Starter(tmp_path_factory.mktemp)
    yield starter("--demo", "--fronts", 2, "--seat-workers", 2)
    starter.finish()


def test_a_change_shows_before_its_answer(hall):
    """Other connections, most of them at the other front, read right after each answer."""
    schedule_id, = create(hall, [("A", 1, 100, 10)])
    user = hall.user()
    user.charge(10**6)
    readers = [hall.client() for _ in range(6)]
    viewer = hall.user()  # who buys is not admitted any more

    def shown(status):
        for reader in readers:
            assert one(reader, seat_id)["seatStatus"] == status
            seats = reader.get(path(schedule_id, limit=100), token=viewer.token).data["seats"]
            assert seats[(seat_id & INDEX) - 1]["seatStatus"] == status
        free = [s for s in readers[0].get("/concerts/schedule").data
                if s["scheduleId"] == schedule_id]
        assert not free or free[0]["seatId"] != seat_id or status == "AVAILABLE"

    for index in range(1, 31):
        seat_id = (schedule_id << 17) + index
        shown("AVAILABLE")
        held = user.hold(schedule_id, seat_id)
        shown("TEMP_RESERVED")
        assert user.delete(f"/api/v1/reservations/{held.data['reservationId']}").status == 204
        shown("AVAILABLE")
        held = user.hold(schedule_id, seat_id).data["reservationId"]
        assert user.confirm(held).status == 200
        shown("RESERVED")
        if index % 3 == 0:
            assert user.post(f"/api/v1/reservations/{held}/cancel").status == 200
            shown("AVAILABLE")


def test_seats_held_together_are_seen_together(hall):
    first, last = 1, 2000  # far apart in the map
    schedule_id, = create(hall, [("A", 20, 100, 10)])
    user, done = hall.user(), threading.Event()
    pair = [(schedule_id << 17) + index for index in (first, last)]

    def read():
        client, reads = hall.client(), 0
        while not done.is_set() or reads == 0:
            seats = client.get(path(schedule_id, limit=2000), token=user.token).data["seats"]
            assert seats[first - 1]["seatStatus"] == seats[last - 1]["seatStatus"]
            reads += 1

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for _ in range(150):
                reservation = user.hold(schedule_id, *pair).data["reservationId"]
                assert user.delete(f"/api/v1/reservations/{reservation}").status == 204
        finally:
            done.set()
        for reader in readers:
            reader.result()


def test_an_etag_saves_the_map_until_it_changes(hall):
    schedule_id, = create(hall, [("A", 1, 50, 10)])
    user = hall.user()
    first = user.get(path(schedule_id))
    tag = first.headers["ETag"]
    assert len(first.data["seats"]) == 50
    for client in [hall.client() for _ in range(4)]:  # both fronts agree
        again = client.get(path(schedule_id), token=user.token, headers={"If-None-Match": tag})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert user.get(path(schedule_id, limit=49), headers={"If-None-Match": tag}).status == 200
    assert user.hold(schedule_id, first.data["seats"][7]["seatId"]).status == 201
    changed = user.get(path(schedule_id), headers={"If-None-Match": tag})
    assert changed.status == 200 and changed.headers["ETag"] != tag
    head = user.client.request("HEAD", path(schedule_id), token=user.token)
    assert head.status == 200 and head.headers["ETag"] == changed.headers["ETag"]


def test_concerts_and_schedules_have_etags_too(hall):
    schedule_id, = create(hall, [("A", 1, 5, 10)])
    user = hall.user()
    concert_id = max(c["concertId"] for c in user.get("/api/v1/concerts").data)
    for where in ("/api/v1/concerts", f"/api/v1/concerts/{concert_id}/schedules"):
        tag = user.get(where).headers["ETag"]
        assert user.get(where, headers={"If-None-Match": tag}).status == 304
        assert user.get(where, headers={"If-None-Match": f'"x", W/{tag}'}).status == 304
    user.hold(schedule_id, (schedule_id << 17) + 1)
    assert user.get(where, headers={"If-None-Match": tag}).status == 200
    create(hall, [("A", 1, 5, 10)])
    tag = user.get("/api/v1/concerts").headers["ETag"]
    create(hall, [("A", 1, 5, 10)])
    assert user.get("/api/v1/concerts", headers={"If-None-Match": tag}).status == 200


def test_eighty_thousand_seats_in_pages_and_by_state(hall):
    schedule_id, = create(hall, [("Floor", 100, 400, 90), ("Stand", 100, 400, 50)])
    user = hall.user()
    taken = [(schedule_id << 17) + index for index in (1, 32, 33, 39_999, 40_000, 40_001, 80_000)]
    for seat_id in taken:
        assert user.hold(schedule_id, seat_id).status == 201
    seats = user.seats(schedule_id)
    assert [s["position"] for s in seats] == list(range(1, 80_001))
    assert [s["seatId"] for s in seats] == [(schedule_id << 17) + i for i in range(1, 80_001)]
    assert {(s["section"], s["amount"]) for s in seats[:40_000]} == {("Floor", 90)}
    assert {(s["section"], s["amount"]) for s in seats[40_000:]} == {("Stand", 50)}
    assert [s["seatId"] for s in user.seats(schedule_id, status="TEMP_RESERVED")] == taken
    assert user.seats(schedule_id, status="RESERVED") == []
    page = user.get(path(schedule_id, limit=10_000, status="AVAILABLE")).data
    assert len(page["seats"]) == 10_000 and page["nextCursor"] is not None
    assert len(user.seats(schedule_id, status="AVAILABLE")) == 80_000 - len(taken)
    assert len(user.get(path(schedule_id)).data["seats"]) == 1000


def test_what_is_wrong_is_named(hall):
    user = hall.user()
    other = user.get(path(1, limit=1)).data["nextCursor"]
    for schedule_id, name, value in ((1, "limit", "0"), (1, "limit", "10001"), (1, "status", "x"),
                                     (1, "cursor", "x"), (2, "cursor", other)):
        answer = user.get(path(schedule_id, **{name: value}))
        assert expect_problem(answer, 400, "invalid-field")["field"] == name
    expect_problem(user.get(path(999_999)), 404, "not-found")
    expect_problem(hall.client().get(path(1)), 401, "unauthorized")
    for target in (1 << 17, (1 << 17) + 51, (999_999 << 17) + 1):
        expect_problem(hall.client().get(f"/concerts/seat?seatId={target}"), 404, "not-found")


def test_open_schedules_come_first_with_their_first_free_seat(start):
    server = start("--seat-workers", 2)
    ids = [i for _ in range(3) for i in create(server, *[[("A", 1, 2, 10)]] * 60)]
    user = server.user()
    listed = server.client().get("/concerts/schedule").data
    assert len(listed) == 100
    assert all(s["seatId"] == (s["scheduleId"] << 17) + 1 for s in listed)
    sold = [s["scheduleId"] for s in listed[:90]]
    for schedule_id in sold:
        assert user.hold(schedule_id, (schedule_id << 17) + 1, (schedule_id << 17) + 2).status == 201
    one_left = listed[95]["scheduleId"]
    assert user.hold(one_left, (one_left << 17) + 1).status == 201
    listed = server.client().get("/concerts/schedule").data
    assert [s["seatStatus"] for s in listed] == ["AVAILABLE"] * 90 + ["SOLD_OUT"] * 10
    assert {s["scheduleId"] for s in listed[:90]} == set(ids) - set(sold)
    assert all(s["seatId"] is None and s["availableSeats"] == 0 for s in listed[90:])
    assert [s["seatId"] for s in listed if s["scheduleId"] == one_left] == [(one_left << 17) + 2]


def test_maps_are_read_while_their_worker_stands_still(start):
    """No read needs the seat worker, so one that is stopped delays none."""
    server = start("--demo")
    user = server.user()
    seat = user.get(path(1)).data["seats"][4]
    assert user.hold(1, seat["seatId"]).status == 201
    expected = user.get(path(1))
    pid = server.worker("seat")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(20):
            assert user.get(path(1)).body == expected.body
            assert one(server.client(), seat["seatId"])["seatStatus"] == "TEMP_RESERVED"
            assert server.client().get("/concerts/schedule").status == 200
    finally:
        os.kill(pid, signal.SIGCONT)


def test_maps_stay_readable_and_right_over_kills_and_a_restart(start):
    server = start("--demo", "--hold-ttl", 600)
    user, done = server.user(), threading.Event()
    taken = set()
    for schedule_id in (1, 2, 3):
        for seat in user.get(path(schedule_id)).data["seats"][::7]:
            assert user.hold(schedule_id, seat["seatId"]).status == 201
            taken.add(seat["seatId"])

    def taken_now(reader):
        return {s["seatId"] for schedule_id in (1, 2, 3)
                for s in reader.get(path(schedule_id), token=user.token).data["seats"]
                if s["seatStatus"] != "AVAILABLE"}

    def read():
        client = server.client()
        while not done.is_set():
            assert taken_now(client) == taken

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for _ in range(4):
                server.wait_replaced(server.kill("seat"))
        finally:
            done.set()
        reader.result()
    server.end()
    server = start("--hold-ttl", 600, data=server.data)
    assert taken_now(server.client()) == taken
