"""The whole story of a sale, as a buyer lives it: the waiting room, a hold, a payment that fails for
want of points, the charge, the payment that succeeds, and the place that goes to the next."""

import datetime
import time

from boxoffice import expect_problem, query, wait_until

TOKENS = "/api/v1/queue/tokens"
ME = TOKENS + "/me"
HOLD_S, GRACE_S = 300, 120


def parse_time(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def now_of(answer):
    """The server's clock, to the second."""
    date = datetime.datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
    return date.replace(tzinfo=datetime.timezone.utc).timestamp()


def wait_for(user, status, patience_s=30):
    """Polls as often as the server asks for; the answer that says `status`."""
    deadline = time.monotonic() + patience_s
    while True:
        answer = user.get(ME)
        if answer.data["status"] == status:
            return answer.data
        assert time.monotonic() < deadline, answer
        time.sleep(min(answer.data["nextPollMs"] / 1000, 0.2))


def test_a_buyer_waits_holds_fails_to_pay_charges_and_pays(start):
    server = start("--demo", "--active-limit", 1)
    first, buyer, last = server.user(), server.user(), server.user()

    # wait: one is inside, two are in line
    assert first.get(ME).data["status"] == "SUCCESS"
    for position, user in ((1, buyer), (2, last)):
        waiting = user.get(ME).data
        assert (waiting["status"], waiting["queuePosition"]) == ("WAITING", position)
        assert waiting["nextPollMs"] > 0 and waiting["admittedUntil"] is None
    again = buyer.client.post(TOKENS, {"userId": buyer.id})
    assert (again.status, again.data["queueToken"]) == (200, buyer.token)
    schedule = buyer.client.get("/concerts/schedule").data[0]
    schedule_id = schedule["scheduleId"]
    expect_problem(buyer.hold(schedule_id, schedule["seatId"]), 403, "not-admitted")
    expect_problem(buyer.get(f"/api/v1/schedules/{schedule_id}/seats"), 403, "not-admitted")

    # admitted, when the one inside leaves
    assert first.delete(ME).status == 204
    admitted = wait_for(buyer, "SUCCESS")
    assert (admitted["queuePosition"], admitted["etaSeconds"]) == (0, 0)
    assert parse_time(admitted["admittedUntil"]) > time.time()
    assert last.get(ME).data["queuePosition"] == 1

    # schedule and seat
    concert_id = buyer.client.get("/api/v1/concerts").data[0]["concertId"]
    (listed,) = [s for s in buyer.client.get(f"/api/v1/concerts/{concert_id}/schedules").data
                 if s["scheduleId"] == schedule_id]
    assert listed["availableSeats"] == listed["seatCount"] == 50
    path = f"/api/v1/schedules/{schedule_id}/seats"
    seat = buyer.get(query(path, status="AVAILABLE", limit=1)).data["seats"][0]

    # hold
    held = buyer.hold(schedule_id, seat["seatId"], key="my-seat")
    assert held.status == 201
    reservation = held.data
    reservation_id = reservation["reservationId"]
    assert (reservation["status"], reservation["amount"]) == ("HELD", seat["amount"])
    assert HOLD_S - 2 <= parse_time(reservation["expiresAt"]) - now_of(held) <= HOLD_S + 1

    # confirm fails: the answer says what is missing, and until when the seat is kept
    refused = buyer.confirm(reservation_id)
    problem = expect_problem(refused, 409, "insufficient-points")
    assert (problem["required"], problem["balance"], problem["shortBy"]) == \
        (seat["amount"], 0, seat["amount"])
    assert parse_time(problem["holdExpiresAt"]) - now_of(refused) >= GRACE_S - 1
    assert buyer.reservation(reservation_id).data["status"] == "HELD"

    # balance, charge
    assert buyer.balance() == problem["balance"]
    charged = buyer.charge(problem["shortBy"], key="my-payment")
    assert (charged.status, charged.data["balance"]) == (201, seat["amount"])
    assert buyer.charge(problem["shortBy"], key="my-payment").body == charged.body

    # confirm succeeds, and the same confirm again gives the same answer
    paid = buyer.confirm(reservation_id)
    assert paid.status == 200
    assert paid.data["status"] == "CONFIRMED"
    assert (paid.data["paidAmount"], paid.data["balance"]) == (seat["amount"], 0)
    again = buyer.confirm(reservation_id)
    assert (again.status, again.body) == (200, paid.body)
    assert [(t["type"], t.get("reservationId")) for t in buyer.transactions()] == \
        [("USE", reservation_id), ("CHARGE", None)]

    # the ticket is done, and the place is the next one's
    wait_until(lambda: buyer.get(ME).data["status"] == "DONE", "the ticket is DONE")
    expect_problem(buyer.hold(schedule_id, seat["seatId"] + 1), 403, "not-admitted")
    wait_for(last, "SUCCESS")
    seen = {s["seatId"]: s["seatStatus"] for s in last.seats(schedule_id)}
    assert seen[seat["seatId"]] == "RESERVED"
    expect_problem(last.hold(schedule_id, seat["seatId"]), 409, "seat-taken")
    assert buyer.confirm(reservation_id).body == paid.body, "for ever"
