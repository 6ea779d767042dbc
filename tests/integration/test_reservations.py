"""Reservations as API.md says: all or nothing, limits, expiry, release, owners, grace."""

import datetime

import pytest

from boxoffice import User, expect_problem, query, wait_until

PATH = "/api/v1/reservations"


def free(user, schedule_id, count):
    page = user.get(query(f"/api/v1/schedules/{schedule_id}/seats", status="AVAILABLE", limit=count))
    seats = [s["seatId"] for s in page.data["seats"]]
    assert len(seats) == count
    return seats


def state_of_seat(user, seat_id):
    return user.get(f"/concerts/seat?={seat_id}").data[0]["seatStatus"]


def hold(user, schedule_id, *seats):
    answer = user.hold(schedule_id, *(seats or free(user, schedule_id, 1)))
    assert answer.status == 201, answer
    return answer.data


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_taken_seats_are_named_and_the_others_stay_free(server):
    first, second = server.user(), server.user()
    seats = free(first, 4, 4)
    hold(first, 4, seats[1], seats[3])
    problem = expect_problem(second.hold(4, seats[3], seats[0], seats[1]), 409, "seat-taken")
    assert problem["seatIds"] == [seats[3], seats[1]]
    assert state_of_seat(first, seats[0]) == state_of_seat(first, seats[2]) == "AVAILABLE"
    data = hold(second, 4, seats[2], seats[0])
    assert data["seatIds"] == [seats[2], seats[0]] and data["status"] == "HELD"


def test_holding_the_same_seats_again_is_the_same_reservation(server):
    user = server.user()
    seats = free(user, 4, 3)
    made = hold(user, 4, *seats)
    again = user.hold(4, *reversed(seats))
    assert (again.status, again.data) == (200, made)
    problem = expect_problem(user.hold(4, seats[0]), 409, "seat-taken")
    assert problem["seatIds"] == [seats[0]]


def test_both_seat_limits(start):
    server = start("--demo", "--seat-limit", 3, "--user-seat-limit", 5)
    user = server.user()
    seats = free(user, 1, 7)
    expect_problem(user.hold(1, *seats[:4]), 422, "seat-limit")
    assert state_of_seat(user, seats[0]) == "AVAILABLE"
    three = hold(user, 1, *seats[:3])
    hold(user, 1, *seats[3:5])
    expect_problem(user.hold(1, seats[5]), 422, "seat-limit")
    assert user.hold(1, *seats[:3]).status == 200  # what he has already is no more
    hold(user, 2)  # each schedule for itself
    assert user.delete(f"{PATH}/{three['reservationId']}").status == 204
    hold(user, 1, *seats[5:7])
    hold(server.user(), 1, *seats[:3])


def test_release_is_repeatable_and_ends_with_the_payment(server):
    user = server.user()
    data = hold(user, 4)
    released = f"{PATH}/{data['reservationId']}"
    assert [user.delete(released).status for _ in range(3)] == [204] * 3
    assert user.get(released).data["status"] == "RELEASED"
    assert state_of_seat(user, data["seatIds"][0]) == "AVAILABLE"
    expect_problem(user.confirm(data["reservationId"]), 409, "reservation-state")
    user.charge(10**6)
    paid = hold(user, 4)["reservationId"]
    assert user.confirm(paid).status == 200
    expect_problem(user.delete(f"{PATH}/{paid}"), 409, "reservation-state")
    assert user.post(f"{PATH}/{paid}/cancel").status == 200
    expect_problem(user.delete(f"{PATH}/{paid}"), 409, "reservation-state")


def test_a_reservation_is_its_owners(server):
    owner, other = server.user(), server.user()
    reservation = hold(owner, 4)["reservationId"]
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/confirm"), ("POST", "/cancel")):
        where = f"{PATH}/{reservation}{path}"
        refused = other.client.request(method, where, token=other.token)
        expect_problem(refused, 403, "not-owner")
        unknown = other.client.request(method, f"{PATH}/{2**52}{path}", token=other.token)
        expect_problem(unknown, 404, "not-found")
    assert owner.reservation(reservation).data["status"] == "HELD"


def test_a_hold_ends_by_itself(start):
    server = start("--demo", "--hold-ttl", 1, "--hold-grace", 0)
    user, other = server.user(), server.user()
    data = hold(user, 1, *free(user, 1, 2))
    seat = data["seatIds"][1]
    wait_until(lambda: state_of_seat(user, seat) == "AVAILABLE", "the seat is free again")
    assert user.reservation(data["reservationId"]).data["status"] == "EXPIRED"
    expect_problem(user.confirm(data["reservationId"]), 410, "hold-expired")
    assert user.delete(f"{PATH}/{data['reservationId']}").status == 204
    hold(other, 1, seat)


def test_a_hold_ends_by_itself_after_a_restart(start):
    server = start("--demo", "--hold-ttl", 2)
    user = server.user()
    data = hold(user, 1)
    server.end()
    server = start("--hold-ttl", 2, data=server.data)
    user = User(server.client(), user.id, token=user.token)
    seat = data["seatIds"][0]
    wait_until(lambda: state_of_seat(user, seat) == "AVAILABLE", "the seat is free again")
    assert user.reservation(data["reservationId"]).data["status"] == "EXPIRED"


@pytest.mark.parametrize("restart", [False, True])
def test_failed_payments_extend_a_hold_once_by_the_grace(start, restart):
    """Whoever never pays loses the seat at the first expiry + grace, however often he tries."""
    arguments = ("--hold-ttl", 2, "--hold-grace", 2)
    server = start("--demo", *arguments)
    user = server.user()
    data = hold(user, 1)
    reservation, first = data["reservationId"], time_of(data["expiresAt"])
    last = first + datetime.timedelta(seconds=2)
    seen = []
    if restart:
        expect_problem(user.confirm(reservation), 409, "insufficient-points")
        server.end()
        server = start(*arguments, data=server.data)
        user = User(server.client(), user.id, token=user.token)

    def refused():
        answer = user.confirm(reservation)
        if answer.status == 410:
            return True
        seen.append(time_of(expect_problem(answer, 409, "insufficient-points")["holdExpiresAt"]))
        return False

    wait_until(refused, "the hold is over")
    assert seen and seen == sorted(seen)
    assert first <= seen[0] and seen[-1] <= last
    wait_until(lambda: state_of_seat(user, data["seatIds"][0]) == "AVAILABLE", "a free seat")
    assert user.reservation(reservation).data["status"] == "EXPIRED"
