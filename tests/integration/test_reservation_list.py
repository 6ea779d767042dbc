"""A user's own reservations: order, pages, filter, and what is not in it."""

import pytest

from boxoffice import User, bearer, expect_problem, query

PATH = "/api/v1/reservations"


@pytest.fixture(scope="module", params=[1, 3])
def hall(request, tmp_path_factory):
    """A server with schedules in every one of its seat workers."""
    from fixtures import Starter
    starter = Starter(tmp_path_factory.mktemp)
    yield starter("--demo", "--seat-workers", request.param)
    starter.finish()


def listed(user, **parameters):
    return user.get(query(PATH, **parameters) if parameters else PATH).data


def pages(user, **parameters):
    cursor, found = None, []
    while True:
        page = listed(user, **parameters, **({"cursor": cursor} if cursor else {}))
        found.append(page["reservations"])
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def assert_newest_first(found, made):
    """`made` in the order of the holds. Those of one millisecond are in the order of their ids, which is that of the
    holds only within a seat worker, so each partition's are compared."""
    assert sorted(found) == sorted(made)
    for partition in {r % 64 for r in made}:
        assert [r for r in found if r % 64 == partition] == \
            [r for r in made[::-1] if r % 64 == partition]


def hold(user, schedule_id):
    seat = user.seats(schedule_id, status="AVAILABLE")[0]["seatId"]
    answer = user.hold(schedule_id, seat)
    assert answer.status == 201, answer
    return answer.data


def test_a_new_user_has_none(hall):
    assert listed(hall.user()) == {"reservations": [], "nextCursor": None}


def test_all_of_ones_own_newest_first_as_get_shows_them(hall):
    user, other = hall.user(), hall.user()
    made = []
    for schedule_id in (1, 2, 3, 2, 1, 3):
        made.append(hold(user, schedule_id)["reservationId"])
        hold(other, schedule_id)
    assert user.delete(f"{PATH}/{made[1]}").status == 204
    user.charge(10**6)
    assert user.confirm(made[2]).status == 200
    found = listed(user)
    assert found["nextCursor"] is None
    assert_newest_first([r["reservationId"] for r in found["reservations"]], made)
    assert found["reservations"] == \
        [user.reservation(r["reservationId"]).data for r in found["reservations"]]
    status = {r["reservationId"]: r["status"] for r in found["reservations"]}
    assert [status[r] for r in made] == \
        ["HELD", "RELEASED", "CONFIRMED", "HELD", "HELD", "HELD"]


def test_pages_give_each_once_in_order(hall):
    user = hall.user()
    made = []
    for number in range(23):
        data = hold(user, number % 5 + 1)
        made.append(data["reservationId"])
        assert user.delete(f"{PATH}/{data['reservationId']}").status == 204
    whole = listed(user)["reservations"]
    assert_newest_first([r["reservationId"] for r in whole], made)
    for limit in (1, 4, 23, 1000):
        found = pages(user, limit=limit)
        assert [r for page in found for r in page] == whole
        assert all(len(page) <= limit for page in found)
        assert len(found) <= -(-23 // limit) + 1


def test_fifty_unless_said_and_new_ones_do_not_disturb_a_walk(hall):
    user = hall.user()
    made = []
    for number in range(60):
        data = hold(user, 6 + number % 3)
        made.append(data["reservationId"])
        assert user.delete(f"{PATH}/{data['reservationId']}").status == 204
    first = listed(user)
    assert len(first["reservations"]) == 50
    newest = hold(user, 6)["reservationId"]
    rest = listed(user, cursor=first["nextCursor"])
    assert_newest_first([r["reservationId"] for r in first["reservations"] + rest["reservations"]],
                        made)
    assert newest in [r["reservationId"] for r in listed(user, limit=4)["reservations"]]


def test_a_schedule_filters(hall):
    user = hall.user()
    made = {s: [hold(user, s)["reservationId"] for _ in range(3)] for s in (9, 10)}
    for schedule_id, ids in made.items():
        found = pages(user, scheduleId=schedule_id, limit=2)
        assert [r["reservationId"] for page in found for r in page] == ids[::-1]
        assert all(r["scheduleId"] == schedule_id for page in found for r in page)
    assert listed(user, scheduleId=12)["reservations"] == []
    assert listed(user, scheduleId=10**9)["reservations"] == []


def test_what_is_wrong_is_named(hall):
    user = hall.user()
    for name, value in (("limit", "0"), ("limit", "1001"), ("limit", "x"), ("cursor", "x"),
                        ("cursor", "AQwAAAAAAAAAAAAA"), ("scheduleId", "0"), ("scheduleId", "-1"),
                        ("scheduleId", str(2**53))):
        problem = expect_problem(user.get(query(PATH, **{name: value})), 400, "invalid-field")
        assert problem["field"] == name
    expect_problem(hall.client().get(PATH), 401, "unauthorized")
    expect_problem(hall.client().get(PATH, token=bearer(hall.admin_key)), 401, "unauthorized")


def test_the_list_survives_everything(start):
    server = start("--demo", "--seat-workers", 2)
    user = server.user()
    made = [hold(user, number % 4 + 1)["reservationId"] for number in range(12)]
    server.wait_replaced(server.kill("seat", 0))
    before = listed(user)["reservations"]
    assert_newest_first([r["reservationId"] for r in before], made)
    server.end()
    server = start("--seat-workers", 2, data=server.data)
    user = User(server.client(), user.id, token=user.token)
    assert [r for page in pages(user, limit=5) for r in page] == before
