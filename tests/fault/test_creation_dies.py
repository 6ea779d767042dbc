"""The seat worker dies at each crash point of a concert's creation: the caller gets its answer all the
same, and the concert is there whole, once."""

import crash_control
from boxoffice import bearer, wait_until
from crash_control import CrashControl, points

SCHEDULES = 5
EVENTS = ("CATALOGUE_GROWN", "CONCERT_CREATED", "SCHEDULE_CREATED")
REQUEST = "CONCERT_CREATE"


def number_of(name, names):
    return next(number for number, found in names.items() if found == name)


def creation(title):
    return {"title": title, "schedules": [
        {"openDate": "2027-02-28", "startTime": "19:30", "endTime": "22:00",
         "sections": [{"name": "Hall", "rows": 100, "seatsPerRow": 80, "amount": 10}]}] * SCHEDULES}


def deaths():
    """[(point, key, hit, text)] that a creation comes past."""
    requests = {number: name for number, (name, _) in crash_control.requests().items()}
    found = []
    for point in points().values():
        if point.moment != "load" or "seat" not in point.roles:
            continue
        if point.key == "event":
            for name in EVENTS:
                key = number_of(name, crash_control.events())
                each = point.name == "EVENT_APPLIED" and name == "SCHEDULE_CREATED"
                hits = (1, 3, SCHEDULES) if each else (1,)
                found += [(point.name, key, hit, f"{name} {hit}") for hit in hits]
        elif point.key == "request" and not point.name.startswith(("OBLIGATION", "ANSWER")) \
                and point.name != "REQUEST_DEFERRED":
            found.append((point.name, number_of(REQUEST, requests), 1, REQUEST))
        elif point.name in ("BATCH_DECIDED", "BATCH_SHOWN", "TAIL_MOVED"):
            found.append((point.name, 0, 1, ""))
    return found


def test_a_death_at_any_point_of_a_creation_makes_it_once_and_whole(start, tmp_path):
    control = CrashControl(tmp_path / "control")
    server = start(program=crash_control.binary(), environment=control.environment)
    client, expected = server.client(), {}
    for point, key, hit, text in deaths():
        title = f"{point} {text}".strip()
        control.arm(point, key=key, hit=hit, role="seat")
        answer = client.post("/api/v1/admin/concerts", creation(title),
                             token=bearer(server.admin_key))
        assert answer.status == 201, (title, answer)
        wait_until(control.fired, f"a death at {title}")
        expected[answer.data["concertId"]] = (title, answer.data["scheduleIds"])
        print(f"{title}: died once")
    assert len(expected) >= 15
    for _ in range(2):
        concerts = {c["concertId"]: c["title"] for c in server.client().get("/api/v1/concerts").data}
        assert concerts == {i: title for i, (title, _) in expected.items()}
        for concert_id, (title, schedule_ids) in expected.items():
            schedules = server.client().get(f"/api/v1/concerts/{concert_id}/schedules").data
            assert [s["scheduleId"] for s in schedules] == schedule_ids, title
            assert all(s["availableSeats"] == 8000 for s in schedules)
        server.stop()
        server = start(data=server.data)
