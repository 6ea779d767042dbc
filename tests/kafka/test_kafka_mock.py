"""Errors that a real broker makes rarely, by librdkafka's mock cluster: whatever Kafka says, selling
goes on, and afterwards every event is there, in order, without gaps."""

from boxoffice import wait_until
from events import Book, metric, wait_published

# The protocol's codes, and librdkafka's own below zero.
# It does not check sequences as brokers do, so a request behind a failed one would succeed: one at a time.
ONE_AT_A_TIME = ("--kafka-conf", "max.in.flight=1")
RETRIED = {"transport": -195, "unknown topic": 3, "leader not available": 5, "timed out": 7,
           "not enough replicas": 19, "not enough replicas after append": 20, "storage error": 56}
FATAL = {"message too large": 10, "topic not authorized": 29, "out of order sequence": 45,
         "invalid producer epoch": 47, "cluster not authorized": 31, "invalid record": 87}


def sell(user, count):
    for _ in range(count):
        assert user.charge(3).status == 201


def breaker(server):
    return server.admin("/api/v1/admin/breakers/kafka").data["state"]


def check(server, mock, user, expected):
    wait_published(server)
    book = Book(mock.address, server).check()
    assert book.wallets()[user.id][0] == user.balance() == expected
    return book


def test_what_may_pass_is_waited_for(start, mock):
    server = start("--kafka", mock.address, *ONE_AT_A_TIME)
    user = server.user()
    sell(user, 5)
    wait_published(server)
    for number, (name, code) in enumerate(RETRIED.items(), 1):
        mock.order(f"fail {code} 2")
        sell(user, 50)
        check(server, mock, user, 15 + 150 * number)
        assert metric(server, "boxoffice_producers_discarded_total") == 0, name


def test_what_ends_a_producer_is_sent_again_by_the_next(start, mock):
    server = start("--kafka", mock.address, *ONE_AT_A_TIME)
    user = server.user()
    sell(user, 5)
    wait_published(server)
    for number, (name, code) in enumerate(FATAL.items(), 1):
        discarded = metric(server, "boxoffice_producers_discarded_total")
        mock.order(f"fail {code} 2")
        sell(user, 50)
        wait_until(lambda: metric(server, "boxoffice_producers_discarded_total") > discarded,
                   f"the producer is discarded: {name}", 30, 0.05)
        check(server, mock, user, 15 + 150 * number)


def test_who_is_refused_goes_on_selling_and_trying(start, mock):
    server = start("--kafka", mock.address)
    mock.order("fail 29 1000")
    user = server.user()
    sell(user, 20)

    def degraded():
        ready = server.client().get("/readyz")
        assert ready.status == 200
        return ready.data["status"] == "degraded"

    wait_until(lambda: degraded() and metric(server, "boxoffice_relay_journals_failing") > 0,
               "it is known that Kafka refuses", 60, 0.1)
    wait_until(lambda: breaker(server) in ("OPEN", "HALF_OPEN"), "the breaker opens", 60, 0.1)
    assert "TOPIC_AUTHORIZATION_FAILED" in server.log()
    sell(user, 20)
    mock.order("fail 29 0")
    check(server, mock, user, 120)
    wait_until(lambda: not degraded() and breaker(server) == "CLOSED", "all is well again", 60, 0.1)


def test_a_slow_broker_delays_nobody(start, mock):
    server = start("--kafka", mock.address)
    mock.order("rtt 1500")
    user = server.user()
    sell(user, 200)
    wait_until(lambda: metric(server, "boxoffice_relay_backlog_records") > 0, "a backlog", 20)
    mock.order("rtt 0")
    check(server, mock, user, 600)


def test_a_broker_that_comes_and_goes(start, mock):
    server = start("--kafka", mock.address)
    user = server.user()
    for number in range(1, 3):
        mock.order("down")
        sell(user, 30)
        mock.order("up")
        sell(user, 30)
        check(server, mock, user, 180 * number)


def test_a_full_queue_of_the_library_drops_nothing(start, mock):
    server = start("--kafka", mock.address, "--demo-holds", 300, "--kafka-conf",
                   "queue.buffering.max.messages=3")
    wait_published(server)
    book = Book(mock.address, server).check()
    assert len(book.reservations()) == len(book.wallets()) == 300


def test_a_killed_relay_repeats_and_leaves_nothing_out(start, mock):
    """Killed with events handed to the library that never left it, long enough for the cursor to
    have been stored, and with events that the broker has and has not acknowledged."""
    server = start("--kafka", mock.address)
    user = server.user()
    sell(user, 5)
    wait_published(server)
    for order, back in (("down", "up"), ("rtt 700", "rtt 0"), ("down", "up")):
        mock.order(order)
        sell(user, 30)
        wait_until(lambda: metric(server, "boxoffice_relay_in_flight") > 0, "events under way", 20)
        looked = metric(server, "boxoffice_relay_backlog_looks_total")
        wait_until(lambda: metric(server, "boxoffice_relay_backlog_looks_total") > looked + 8 or
                   metric(server, "boxoffice_relay_in_flight") == 0, "a round of the relay", 20)
        server.wait_replaced(server.kill("relay"))
        mock.order(back)
        wait_published(server)
    check(server, mock, user, 285)


def test_breaker_modes_are_obeyed(start, mock):
    server = start("--kafka", mock.address)
    user = server.user()

    def order(mode):
        answer = server.client().request("PATCH", "/api/v1/admin/breakers/kafka", {"mode": mode},
                                         token="Bearer " + server.admin_key)
        assert answer.status == 200, answer

    order("FORCED_OPEN")
    wait_until(lambda: server.client().get("/readyz").data["status"] == "degraded", "degraded")
    sell(user, 30)
    assert dict(Book(mock.address, server).events("points")) == {}
    order("DISABLED")
    check(server, mock, user, 90)
    order("AUTO")
    sell(user, 10)
    check(server, mock, user, 120)
    wait_until(lambda: server.client().get("/readyz").data["status"] == "ready", "ready")
