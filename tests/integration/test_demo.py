"""What --demo and --demo-holds put into an empty data directory."""

import time

from boxoffice import query


def test_the_demo_has_concerts_with_50_seat_schedules(client, user):
    concerts = client.get("/api/v1/concerts").data
    assert concerts
    assert all(set(concert) == {"concertId", "title"} and concert["title"] for concert in concerts)
    for concert in concerts:
        path = f"/api/v1/concerts/{concert['concertId']}/schedules"
        for schedule in client.get(path).data:
            assert schedule["concertId"] == concert["concertId"]
            assert schedule["concertTitle"] == concert["title"]
            assert schedule["seatCount"] == 50
            assert (schedule["availableSeats"] > 0) == (schedule["seatStatus"] == "AVAILABLE")
            assert len(schedule["openDate"]) == 10 and len(schedule["startTime"]) == 5
    seats = user.seats(schedule["scheduleId"])
    assert len({seat["seatId"] for seat in seats}) == 50
    assert {"seatId", "position", "section", "amount", "seatStatus"} <= set(seats[0])
    assert all(seat["amount"] > 0 for seat in seats)


def test_lists_have_etags_that_change_with_what_they_show(client, user):
    concert_id = client.get("/api/v1/concerts").data[0]["concertId"]
    path = f"/api/v1/concerts/{concert_id}/schedules"
    for each in ("/api/v1/concerts", path):
        etag = client.get(each).headers["ETag"]
        unchanged = client.get(each, headers={"If-None-Match": etag})
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged.headers["ETag"] == etag
        assert client.get(each, headers={"If-None-Match": '"other"'}).status == 200
    before = client.get(path)
    schedule = before.data[0]
    user.hold(schedule["scheduleId"], user.seats(schedule["scheduleId"], "AVAILABLE")[0]["seatId"])
    after = client.get(path, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status == 200
    assert after.data[0]["availableSeats"] == schedule["availableSeats"] - 1


def test_seats_are_paged(user):
    schedule_id = user.client.get("/concerts/schedule").data[-1]["scheduleId"]
    path = f"/api/v1/schedules/{schedule_id}/seats"
    whole = user.get(path).data
    assert len(whole["seats"]) == 50 and whole["nextCursor"] is None
    found, cursor = [], None
    while True:
        parameters = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        page = user.get(query(path, **parameters)).data
        found += page["seats"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
        assert len(page["seats"]) == 7
    assert found == whole["seats"]


def test_demo_holds_belong_to_funded_owners_and_do_not_expire(start):
    count = 200
    server = start("--demo", "--demo-holds", count)
    client = server.client()
    seats = set()
    for reservation_id in (*range(1, 66), count - 1, count):
        owner = server.user(reservation_id, client)
        reservation = owner.reservation(reservation_id).data
        assert reservation["reservationId"] == reservation_id
        assert reservation["status"] == "HELD"
        assert reservation["expiresAt"] is None
        assert owner.balance() == reservation["amount"] > 0
        assert len(reservation["seatIds"]) == 1
        seats.update(reservation["seatIds"])
    assert len(seats) == 67
    assert server.user(count + 1, client).reservation(count + 1).status == 404


def test_holds_are_ignored_with_a_warning_when_there_is_data(start, tmp_path):
    server = start("--demo", data=tmp_path / "data")
    server.stop()
    server = start("--demo", "--demo-holds", 100, data=tmp_path / "data")
    assert server.user(1).reservation(1).status == 404
    assert any("demo" in line.lower() and "warn" in line.lower()
               for line in server.log().splitlines()), server.log()


def test_demo_data_is_made_once(start, tmp_path):
    server = start("--demo", "--demo-holds", 100, "--open-confirm", data=tmp_path / "data")
    paid = server.client().post("/reservations/confirm", {"reservationId": 7})
    assert paid.status == 200
    server.stop()
    server = start("--demo", "--demo-holds", 100, "--open-confirm", data=tmp_path / "data")
    assert server.client().post("/reservations/confirm", {"reservationId": 7}).body == paid.body
    assert server.user(7).balance() == 0
    assert server.user(8).balance() > 0


def test_without_demo_there_is_nothing_on_sale(start):
    client = start().client()
    assert client.get("/api/v1/concerts").data == []
    assert client.get("/concerts/schedule").data == []


def test_100000_holds_are_ready_within_10_seconds(start):
    started = time.monotonic()
    server = start("--demo", "--demo-holds", 100_000, "--open-confirm")
    seconds = time.monotonic() - started
    client = server.client()
    for reservation_id in (1, 50_000, 100_000):
        answer = client.post("/reservations/confirm", {"reservationId": reservation_id})
        assert answer.status == 200, answer
    assert seconds < 10
