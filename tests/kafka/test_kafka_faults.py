"""A real broker that is not there yet, dies, hangs, lacks a topic or wants to know who asks; and a
journal that is full meanwhile. Selling goes on, and afterwards every event is there."""

import subprocess
import threading

from boxoffice import expect_problem, wait_until
from brokers import create_topic
from events import Book, metric, wait_published


def readiness(server):
    ready = server.client().get("/readyz")
    assert ready.status == 200
    return ready.data["status"]


def sell(user, count):
    for _ in range(count):
        assert user.charge(3).status == 201


def check(server, broker, user, properties=()):
    wait_published(server)
    book = Book(broker.address, server, properties).check()
    assert book.wallets()[user.id][0] == user.balance()
    return book


def test_a_broker_that_comes_late_dies_and_hangs(start, own_broker):
    broker = own_broker()
    server = start("--kafka", broker.address)
    user = server.user()
    sell(user, 50)
    wait_until(lambda: readiness(server) == "degraded", "it is known that Kafka is away", 60, 0.1)
    wait_until(lambda: server.admin("/api/v1/admin/breakers/kafka").data["state"] != "CLOSED",
               "its breaker opens", 60, 0.1)
    wait_until(lambda: metric(server, "boxoffice_relay_backlog_age_seconds") > 1, "the age", 30)
    assert metric(server, "boxoffice_relay_backlog_records") >= 50
    assert metric(server, "boxoffice_relay_backlog_bytes") > 0
    broker.start()
    check(server, broker, user)
    wait_until(lambda: readiness(server) == "ready", "ready again", 60, 0.1)
    broker.kill()
    sell(user, 50)
    broker.start()
    check(server, broker, user)
    broker.pause()
    sell(user, 50)
    wait_until(lambda: readiness(server) == "degraded", "it is known that Kafka hangs", 60, 0.1)
    sell(user, 50)
    broker.resume()
    check(server, broker, user)
    assert user.balance() == 600


def test_a_missing_topic_keeps_no_other_from_being_published(start, own_broker):
    broker = own_broker("auto.create.topics.enable=false").start()
    for topic in ("boxoffice.reservations", "boxoffice.queue"):
        create_topic(broker.address, topic)
    server = start("--demo", "--kafka", broker.address)
    user = server.user()
    sell(user, 20)
    schedule = user.client.get("/concerts/schedule").data[0]
    user.hold(schedule["scheduleId"], schedule["seatId"])
    wait_until(lambda: dict(Book(broker.address, server).events("reservation")),
               "reservations are delivered", 60, 0.3)
    wait_until(lambda: metric(server, "boxoffice_relay_journals_failing") == 1,
               "the journal without a topic is counted", 60, 0.1)
    assert readiness(server) == "degraded"
    create_topic(broker.address, "boxoffice.points")
    book = check(server, broker, user)
    assert len(book.reservations()) == 1
    wait_until(lambda: readiness(server) == "ready", "ready again", 60, 0.1)


def certificate(directory):
    """A key and a certificate of its own for 127.0.0.1, in one PEM file."""
    key, made, both = directory / "key.pem", directory / "made.pem", directory / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-keyout", key, "-out", made, "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    both.write_text(key.read_text() + made.read_text())
    return made, both


def test_tls_and_sasl(start, own_broker, tmp_path):
    authority, keystore = certificate(tmp_path)
    login = ('org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" '
             'password="broker-word" user_broker="broker-word" user_boxoffice="right-word";')
    broker = own_broker(
        "listener.security.protocol.map=PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms=PLAIN", "sasl.mechanism.inter.broker.protocol=PLAIN",
        f"listener.name.plaintext.plain.sasl.jaas.config={login}",
        "ssl.keystore.type=PEM", f"ssl.keystore.location={keystore}",
        "ssl.truststore.type=PEM", f"ssl.truststore.location={authority}")
    properties = ["security.protocol=sasl_ssl", f"ssl.ca.location={authority}",
                  "sasl.mechanisms=PLAIN", "sasl.username=boxoffice"]
    broker.start(wait=False)
    broker.wait([*properties, "sasl.password=right-word"])
    arguments = [word for item in properties for word in ("--kafka-conf", item)]
    server = start("--kafka", broker.address, *arguments, "--kafka-conf",
                   "sasl.password=wrong-word")
    user = server.user()
    sell(user, 5)
    wait_until(lambda: "_AUTHENTICATION" in server.log(), "the wrong password is refused", 30)
    wait_until(lambda: readiness(server) == "degraded", "it is known that Kafka refuses", 60, 0.1)
    assert "wrong-word" not in server.log()
    server.stop()
    server = start("--kafka", broker.address, *arguments, "--kafka-conf",
                   "sasl.password=right-word", data=server.data)
    user = server.user(user.id)
    sell(user, 5)
    check(server, broker, user, [*properties, "sasl.password=right-word"])
    assert "right-word" not in server.log()


class Charger(threading.Thread):
    """Charges as fast as one connection goes, many requests at a time, until one is refused."""

    AT_A_TIME = 16

    def __init__(self, server, user):
        super().__init__(daemon=True)
        self.charged, self.refusal = 0, None
        body = b'{"amount":1}'
        self.request = (f"POST {user.points}/charges HTTP/1.1\r\nHost: h\r\n"
                        f"Authorization: {user.token}\r\nIdempotency-Key: KEY\r\n"
                        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                        ).encode() + body
        self.wire = server.wire()

    def run(self):
        number = 0
        while self.refusal is None:
            block = b""
            for _ in range(self.AT_A_TIME):
                number += 1
                block += self.request.replace(b"KEY", b"%064d" % number)
            self.wire.send(block)
            for _ in range(self.AT_A_TIME):
                answer = self.wire.answer()
                if answer.status == 201:
                    self.charged += 1
                elif answer.status != 429:
                    self.refusal = self.refusal or answer
        self.wire.close()


def test_a_full_journal_refuses_loses_nothing_and_heals(start, own_broker):
    broker = own_broker()
    server = start("--journal-size", 16, "--kafka", broker.address)
    users = [server.user() for _ in range(12)]
    chargers = [Charger(server, user) for user in users]
    for charger in chargers:
        charger.start()
    for charger in chargers:
        charger.join(240)
        assert charger.refusal is not None, "the journal did not fill up"
        expect_problem(charger.refusal, 503, "overloaded")
    for user, charger in zip(users, chargers):
        assert user.balance() == charger.charged
    wait_until(lambda: readiness(server) == "degraded", "it is known that Kafka is away", 60, 0.1)
    broker.start()
    wait_until(lambda: users[0].charge(1).status == 201, "charges are taken again", 120, 0.2)
    wait_published(server)
    book = Book(broker.address, server).check()
    wallets = book.wallets()
    for user, charger in zip(users, chargers):
        assert wallets[user.id][0] == user.balance() == charger.charged + (user is users[0])
