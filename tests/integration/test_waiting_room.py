"""The waiting room over HTTP: order, limits, claims, sessions, leaving, rooms of concerts."""

import pytest

from boxoffice import bearer, expect_problem, wait_until

ME = "/api/v1/queue/tokens/me"


class Ticket:
    """A user's ticket; nothing is asked with it but what a test asks."""

    def __init__(self, server, concert_id=None, user_id=None):
        self.client = server.client()
        self.user_id = user_id or server.new_user_id()
        body = {"userId": self.user_id} | ({"concertId": concert_id} if concert_id else {})
        answer = self.client.post("/api/v1/queue/tokens", body)
        self.issued_status, self.issued = answer.status, answer.data
        self.token = self.issued["queueToken"]

    def me(self):
        return self.client.get(ME, token=self.token).data

    def status(self):
        return self.me()["status"]

    def leave(self):
        assert self.client.delete(ME, token=self.token).status == 204

    def seats(self, schedule_id=1):
        return self.client.get(f"/api/v1/schedules/{schedule_id}/seats", token=self.token)

    def hold(self, schedule_id, seat_id):
        return self.client.post("/api/v1/reservations",
                                {"scheduleId": schedule_id, "seatIds": [seat_id]}, token=self.token)

    def becomes(self, status):
        wait_until(lambda: self.status() == status, f"user {self.user_id} is {status}")


def room(server, concert_id=0, **changes):
    method = "PATCH" if changes else "GET"
    return server.client().request(method, f"/api/v1/admin/rooms/{concert_id}", changes or None,
                                   token=bearer(server.admin_key))


def counts(server, concert_id=0):
    data = room(server, concert_id).data
    return {name: data[name] for name in ("waiting", "admitted", "issued", "done", "expired")}


@pytest.fixture
def small(start):
    """Two at a time, and nothing ends by itself."""
    return start("--demo", "--active-limit", 2, "--claim-ttl", 86400, "--session-ttl", 86400)


def test_the_first_are_admitted_at_once_and_the_others_wait_in_order(small):
    first, second, third, fourth = (Ticket(small) for _ in range(4))
    for ticket in (first, second):
        assert ticket.issued_status == 201
        assert (ticket.issued["status"], ticket.issued["queuePosition"]) == ("SUCCESS", 0)
        me = ticket.me()
        assert (me["status"], me["queuePosition"], me["etaSeconds"]) == ("SUCCESS", 0, 0)
        assert me["admittedUntil"] is not None
        assert ticket.seats().status == 200
    for position, ticket in enumerate((third, fourth), 1):
        assert (ticket.issued["status"], ticket.issued["queuePosition"]) == ("WAITING", position)
        me = ticket.me()
        assert (me["status"], me["queuePosition"]) == ("WAITING", position)
        assert me["admittedUntil"] is None and me["nextPollMs"] > 0 and me["etaSeconds"] > 0
        expect_problem(ticket.seats(), 403, "not-admitted")
        expect_problem(ticket.hold(1, 1 << 17 | 1), 403, "not-admitted")
    first.leave()
    third.becomes("SUCCESS")
    assert fourth.me()["queuePosition"] == 1
    assert counts(small) == {"waiting": 1, "admitted": 2, "issued": 4, "done": 0, "expired": 1}


def test_asking_again_gives_the_same_ticket(small):
    ticket = Ticket(small)
    again = Ticket(small, user_id=ticket.user_id)
    assert (again.issued_status, again.token) == (200, ticket.token)
    assert again.issued["status"] == "SUCCESS"


def test_who_leaves_the_line_makes_those_behind_move_up(small):
    tickets = [Ticket(small) for _ in range(8)]
    tickets[4].leave()
    tickets[4].leave()
    assert tickets[4].status() == "EXPIRED"
    assert [t.me()["queuePosition"] for t in tickets if t is not tickets[4]] == \
        [0, 0, 1, 2, 3, 4, 5]
    anew = Ticket(small, user_id=tickets[4].user_id)
    assert anew.issued_status == 201 and anew.token != tickets[4].token
    assert anew.issued["queuePosition"] == 6


def test_a_place_that_is_not_claimed_goes_to_the_next(start):
    server = start("--demo", "--active-limit", 1, "--claim-ttl", 1)
    unclaimed, following = Ticket(server), Ticket(server)
    assert unclaimed.issued["status"] == "SUCCESS" and unclaimed.issued["nextPollMs"] <= 500
    following.becomes("SUCCESS")  # and has claimed it with that call
    assert unclaimed.status() == "EXPIRED"
    third = Ticket(server)
    assert following.status() == "SUCCESS" and third.status() == "WAITING"
    assert counts(server)["expired"] == 1


def test_any_call_with_the_token_claims(start):
    server = start("--demo", "--active-limit", 1, "--claim-ttl", 1)
    ticket, following = Ticket(server), Ticket(server)
    ticket.client.get(f"/api/v1/users/{ticket.user_id}/points", token=ticket.token)
    room(server, activeLimit=2)
    wait_until(lambda: counts(server)["expired"] >= 1, "the one that did not claim has expired")
    assert (ticket.status(), following.status()) == ("SUCCESS", "EXPIRED")


def test_a_session_ends_at_its_time(start):
    server = start("--demo", "--active-limit", 1, "--session-ttl", 1)
    ticket, following = Ticket(server), Ticket(server)
    assert ticket.status() == "SUCCESS"
    ticket.becomes("EXPIRED")
    expect_problem(ticket.seats(), 403, "not-admitted")
    wait_until(lambda: following.status() in ("SUCCESS", "EXPIRED"), "the place goes on")


def test_after_a_purchase_the_ticket_is_done_and_the_place_goes_to_the_next(start):
    server = start("--demo", "--active-limit", 1)
    ticket, following = Ticket(server), Ticket(server)
    seat = next(s for s in ticket.seats().data["seats"] if s["seatStatus"] == "AVAILABLE")
    held = ticket.hold(1, seat["seatId"]).data
    points = f"/api/v1/users/{ticket.user_id}/points/charges"
    ticket.client.post(points, {"amount": held["amount"]}, token=ticket.token)
    confirm = f"/api/v1/reservations/{held['reservationId']}/confirm"
    assert ticket.client.post(confirm, token=ticket.token).status == 200
    ticket.becomes("DONE")
    following.becomes("SUCCESS")
    assert ticket.me()["queuePosition"] == 0
    expect_problem(ticket.hold(1, seat["seatId"]), 403, "not-admitted")
    assert ticket.client.post(confirm, token=ticket.token).status == 200
    assert Ticket(server, user_id=ticket.user_id).issued["status"] == "WAITING"
    assert counts(server) == {"waiting": 1, "admitted": 1, "issued": 3, "done": 1, "expired": 0}


def test_a_room_is_changed_while_it_runs_and_keeps_that(start):
    server = start("--demo", "--active-limit", 1)
    tickets = [Ticket(server) for _ in range(6)]
    assert room(server, paused=True).data["paused"] is True
    room(server, activeLimit=4)
    tickets[0].leave()
    assert [t.status() for t in tickets[1:]] == ["WAITING"] * 5
    changed = room(server, paused=False, sessionTtlSeconds=500, claimTtlSeconds=60).data
    assert (changed["activeLimit"], changed["paused"]) == (4, False)
    tickets[4].becomes("SUCCESS")
    assert tickets[5].me()["queuePosition"] == 1
    server.stop()
    again = start("--active-limit", 9, "--session-ttl", 9, "--admit-per-second", 77,
                  data=server.data)
    data = room(again).data
    assert (data["activeLimit"], data["sessionTtlSeconds"], data["claimTtlSeconds"],
            data["admitPerSecond"], data["waiting"], data["admitted"]) == (4, 500, 60, 77, 1, 4)


def test_a_rate_admits_no_faster(start):
    server = start("--demo", "--admit-per-second", 1)
    tickets = [Ticket(server) for _ in range(4)]
    admitted_until = []
    for ticket in tickets:
        ticket.becomes("SUCCESS")
        admitted_until.append(ticket.me()["admittedUntil"])
    assert admitted_until == sorted(admitted_until)
    seconds = [float(text[-7:-1]) for text in admitted_until]
    assert all((b - a) % 60 >= 0.999 for a, b in zip(seconds, seconds[1:])), admitted_until


def test_a_concert_gets_a_room_of_its_own(start):
    server = start("--demo", "--demo-holds", 3200)
    client = server.client()
    concert, other = [c["concertId"] for c in client.get("/api/v1/concerts").data][:2]
    schedule, elsewhere = [
        client.get(f"/api/v1/concerts/{c}/schedules").data[0]["scheduleId"]
        for c in (concert, other)]
    before = Ticket(server, concert)
    assert before.seats(schedule).status == 200
    assert room(server, concert).data["concertId"] == 0
    assert room(server, concert, activeLimit=1).data["concertId"] == concert
    expect_problem(before.seats(schedule), 403, "not-admitted")
    assert before.seats(elsewhere).status == 200
    first, second = Ticket(server, concert), Ticket(server, concert)
    assert (first.status(), second.status()) == ("SUCCESS", "WAITING")
    assert first.seats(schedule).status == 200
    expect_problem(first.seats(elsewhere), 403, "not-admitted")
    assert counts(server, concert)["issued"] == 2
    server.stop()
    again = start(data=server.data)
    client = again.client()
    assert client.get(ME, token=second.token).data["queuePosition"] == 1
    assert Ticket(again, concert, first.user_id).token == first.token


def test_the_admin_calls_refuse_what_is_wrong(start):
    server = start("--demo")
    for field, value in (("activeLimit", 0), ("activeLimit", 1_000_001), ("admitPerSecond", -1),
                         ("paused", 1), ("sessionTtlSeconds", 0), ("claimTtlSeconds", 86401),
                         ("activeLimit", "5")):
        problem = expect_problem(room(server, **{field: value}), 400, "invalid-field")
        assert problem["field"] == field
    expect_problem(room(server, 99_999), 404, "not-found")
    expect_problem(room(server, 99_999, paused=True), 404, "not-found")
    client = server.client()
    expect_problem(client.get("/api/v1/admin/rooms/0"), 401, "unauthorized")


def test_everything_survives_the_death_of_everything(start):
    server = start("--demo", "--active-limit", 3, "--claim-ttl", 3600)
    tickets = [Ticket(server) for _ in range(30)]
    tickets[0].status()
    tickets[1].leave()
    tickets[20].leave()
    tickets[3].becomes("SUCCESS")
    before = [t.me() for t in tickets]
    server.process.kill()
    server.process.wait()
    server.start()
    for ticket, was in zip(tickets, before):
        now = server.client().get(ME, token=ticket.token).data
        assert (now["status"], now["queuePosition"]) == (was["status"], was["queuePosition"])
    assert counts(server) == {"waiting": 25, "admitted": 3, "issued": 30, "done": 0, "expired": 2}
