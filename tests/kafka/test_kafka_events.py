"""Every change becomes an event in Kafka: what consumers get, and that it is the whole truth."""

import pytest

from boxoffice import wait_until
from events import Book, Schemas, metric, wait_published


def first_seats(user, count):
    schedule = user.client.get("/concerts/schedule").data[0]["scheduleId"]
    return schedule, [seat["seatId"] for seat in user.seats(schedule, "AVAILABLE")[:count]]


def one_of_each(server):
    """Brings about every kind of event of reservations and points."""
    buyer, other = server.user(), server.user()
    schedule, seats = first_seats(buyer, 6)
    held = buyer.hold(schedule, seats[0], seats[1], key="hold-1").data
    assert buyer.confirm(held["reservationId"]).status == 409
    assert buyer.charge(held["amount"] + 100, key="charge \"1\"").status == 400
    assert buyer.charge(held["amount"] + 100, key="charge-1").status == 201
    assert buyer.use(60).status == 201
    assert buyer.confirm(held["reservationId"]).status == 200
    assert buyer.post(f"/api/v1/reservations/{held['reservationId']}/cancel").status == 200
    released = other.hold(schedule, seats[2]).data["reservationId"]
    assert other.delete(f"/api/v1/reservations/{released}").status == 204
    other.hold(schedule, seats[3])
    leaver = server.user()
    assert leaver.delete("/api/v1/queue/tokens/me").status == 204
    return buyer, other, held["reservationId"]


def test_each_kind_of_event_is_as_documented(start, broker):
    server = start("--demo", "--kafka", broker.address, "--hold-ttl", 1, "--hold-grace", 30)
    buyer, other, _ = one_of_each(server)
    wait_until(lambda: {"reservation.expired", "queue.done"} <=
               Book(broker.address, server).kinds(), "the second hold expires", 30, 0.3)
    wait_published(server)
    book = Book(broker.address, server).check()
    assert book.kinds() == set(Schemas().validators)
    assert book.repeats == 0
    reservation, events = next((r, e) for r, e in book.events("reservation")
                               if e[-1][0] == "cancelled")
    assert [kind for kind, _ in events] == ["held", "payment-failed", "confirmed", "cancelled"]
    held, failed, confirmed, cancelled = [data for _, data in events]
    assert held["idempotencyKey"] == "hold-1"
    assert (failed["required"], failed["balance"]) == (held["amount"], 0)
    wallet = dict(book.events("points"))[buyer.id]
    assert [kind for kind, _ in wallet] == ["charged", "used", "used", "refunded"]
    paid = wallet[2][1]
    assert (paid["reservationId"], paid["transactionId"], paid["amount"]) == \
        (reservation, confirmed["paymentId"], held["amount"])
    assert wallet[3][1]["balance"] == cancelled["balance"] == buyer.balance()
    assert book.wallets()[buyer.id] == (buyer.balance(), [
        (t["transactionId"], t["type"], t["amount"], t["balance"], t.get("reservationId"))
        for t in reversed(buyer.transactions())])


def test_a_restart_goes_on_where_it_was(start, broker):
    server = start("--demo", "--kafka", broker.address)
    user = server.user()
    for _ in range(20):
        user.charge(5)
    wait_published(server)
    server.stop()
    before = Book(broker.address, server)
    server = start("--demo", "--kafka", broker.address, data=server.data)
    user = server.user(user.id)
    for _ in range(20):
        user.charge(7)
    wait_published(server)
    book = Book(broker.address, server).check()
    assert set(before.by_id) < set(book.by_id)
    assert book.repeats == 0
    assert book.wallets()[user.id][0] == user.balance() == 240


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_properties_of_the_library_pass_through(start, broker, codec):
    server = start("--demo-holds", 200, "--kafka", broker.address, "--kafka-conf",
                   f"compression.codec={codec}", "--kafka-conf", "client.id=a-client")
    wait_published(server)
    book = Book(broker.address, server).check()
    assert len(book.wallets()) == 200 and len(book.reservations()) == 200


def test_kafka_that_was_configured_later_gets_what_is_kept(start, broker):
    server = start("--demo-holds", 100)
    user = server.user()
    user.charge(5)
    server.stop()
    server = start("--kafka", broker.address, data=server.data)
    wait_published(server)
    book = Book(broker.address, server).check()
    assert book.wallets()[user.id][0] == 5 and len(book.reservations()) == 100


def test_what_is_delivered_is_trimmed(start, broker):
    server = start("--kafka", broker.address)
    user = server.user()
    for _ in range(1500):
        user.charge(1)
    wait_published(server)
    records = ("boxoffice_journal_records", (("instance", "0"), ("role", "wallet")))
    wait_until(lambda: server.metrics()[records] < 1500, "the journal is trimmed", 60, 0.2)
    assert metric(server, "boxoffice_events_published_total") >= 1500


def test_a_quiet_queue_makes_events_of_ends_only(start, broker):
    server = start("--quiet-queue", "--kafka", broker.address)
    users = [server.user() for _ in range(5)]
    assert users[0].delete("/api/v1/queue/tokens/me").status == 204
    wait_published(server)
    book = Book(broker.address, server).check()
    assert book.kinds() == {"queue.expired"}
    (_, [(_, data)]), = book.events("queue")
    assert (data["userId"], data["version"], data["reason"]) == (users[0].id, 1, "left")
