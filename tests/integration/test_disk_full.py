"""A full disk: refusals instead of false promises, reads all the time, and a cure in seconds."""

import threading
import time

from boxoffice import User, wait_until
from small_disk import fill

HEAL_S = 5.0


class Reader(threading.Thread):
    """Reads a balance without pause and keeps every answer that is not 200."""

    def __init__(self, server, user_id):
        super().__init__(daemon=True)
        self.user = User(server.client(), user_id)
        self.stopped = threading.Event()
        self.count, self.wrong = 0, []

    def run(self):
        while not self.stopped.is_set():
            try:
                answer = self.user.get(self.user.points)
                if answer.status != 200:
                    self.wrong.append(answer)
            except Exception as error:  # a broken connection is a failed read as well
                self.wrong.append(error)
                return
            self.count += 1

    def finish(self):
        self.stopped.set()
        self.join(30)
        return self.wrong


def charge_until_refused(user, acknowledged):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = user.charge(1)
        if answer.status == 201:
            acknowledged.append(answer.data["transactionId"])
            continue
        assert answer.status in (503, 507), answer
        return answer
    raise AssertionError("charges went on for a minute on a full disk")


def test_a_full_disk_refuses_reads_on_and_heals(small_disk, start):
    server = start(data=small_disk / "data")
    user, other = server.user(), server.user()
    acknowledged = [user.charge(1).data["transactionId"] for _ in range(20)]
    reader = Reader(server, other.id)
    reader.start()

    ballast = fill(small_disk)
    refused = charge_until_refused(user, acknowledged)
    statuses = {refused.status}
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        answer = user.charge(1)
        statuses.add(answer.status)
        if answer.status == 201:
            acknowledged.append(answer.data["transactionId"])
        assert user.get(user.points).status == 200
        assert set(acknowledged) <= {t["transactionId"] for t in user.transactions()}
    assert statuses - {201} <= {503, 507}
    assert 507 in statuses

    ballast.unlink()
    freed = time.monotonic()

    def heals():
        answer = user.charge(1)
        if answer.status == 201:
            acknowledged.append(answer.data["transactionId"])
        return answer.status == 201

    wait_until(heals, "a charge succeeds after space came back", HEAL_S)
    print(f"healed after {time.monotonic() - freed:.2f} s")
    wait_until(lambda: all(p["state"].upper() == "READY" for p in server.processes()
                           if p["role"] in ("queue", "seat", "wallet")),
               "every worker is ready again", HEAL_S)
    assert reader.finish() == []
    assert reader.count > 100

    listed = {t["transactionId"] for t in user.transactions()}
    assert set(acknowledged) <= listed
    assert user.balance() == len(listed)
    server.stop()  # with its audit


def test_what_was_acknowledged_on_a_full_disk_survives_a_restart_on_it(small_disk, start):
    server = start(data=small_disk / "data")
    user = server.user()
    acknowledged = [user.charge(1).data["transactionId"]]
    ballast = fill(small_disk)
    charge_until_refused(user, acknowledged)
    server.end()

    server = start(data=small_disk / "data")
    again = User(server.client(), user.id, user.token)
    assert set(acknowledged) <= {t["transactionId"] for t in again.transactions()}
    assert again.charge(1).status in (503, 507, 201)
    ballast.unlink()
    wait_until(lambda: again.charge(1).status == 201, "it heals", HEAL_S)
