"""kill -9 of the queue worker, and of everything, while buyers wait, are admitted, shop and leave:
the order, the limit and the numbers hold in what the clients themselves saw."""

import asyncio
import base64
import json
import time

import pytest

from sale import PersistentConnection
from storm import Connection, Storm, choose_seed, kill_count

CLIENTS = 40
LIMIT = 5
ME = "/api/v1/queue/tokens/me"


def number_of(token):
    """Bytes 17…24 of a token are its number."""
    return int.from_bytes(base64.urlsafe_b64decode(token + "==")[17:25], "big")


class Line:
    """What all clients together saw, on one clock."""

    def __init__(self):
        self.numbers = {}    # number → user
        self.admitted = []   # (when it was known, number)
        self.waiting = []    # (when it was asked, number)
        self.sessions = []   # (from, to): surely admitted between the two
        self.abandoned = 0

    def check(self):
        assert len(self.admitted) > 10 * LIMIT
        self.check_order()
        self.check_limit()

    def check_order(self):
        """Nobody still waits when somebody behind is known to be admitted."""
        events = sorted([(when, 0, number) for when, number in self.admitted] +
                        [(when, 1, number) for when, number in self.waiting])
        furthest = 0
        for _, waits, number in events:
            if not waits:
                furthest = max(furthest, number)
            else:
                assert number > furthest, f"{number} waits, and {furthest} was admitted before"

    def check_limit(self):
        ends = sorted([(when, 1) for when, _ in self.sessions] +
                      [(when, -1) for _, when in self.sessions])
        inside = most = 0
        for _, change in ends:
            inside += change
            most = max(most, inside)
        assert most <= LIMIT, f"{most} were admitted at once"
        assert most > 1


class Client:
    """One user after another: queues, waits, shops for a moment, leaves. Some never come back."""

    def __init__(self, storm, number, line, persistent):
        self.storm, self.line, self.persistent = storm, line, persistent
        self.random = storm.random_for(number)

    def connect(self):
        server = self.storm.server
        return PersistentConnection(server) if self.persistent else Connection(server.port)

    async def begin(self, connection):
        pass

    async def finish(self, connection):
        pass

    async def step(self, connection):
        user_id = self.storm.server.new_user_id()
        status, body = await connection.request("POST", "/queue/token", {"userId": user_id})
        assert status == 200, body
        issued = json.loads(body)["data"]
        token = issued["queueToken"]
        number = number_of(token)
        assert self.line.numbers.setdefault(number, user_id) == user_id, f"{number} twice"
        if self.random.random() < 0.1:
            self.line.abandoned += 1
            return  # its place goes to the next when it is not claimed
        await self.wait_and_shop(connection, token, number)

    async def wait_and_shop(self, connection, token, number):
        position, gives_up = None, self.random.random() < 0.1
        while not self.storm.over:
            asked = time.monotonic()
            status, body = await connection.request("GET", ME, token=token)
            known = time.monotonic()
            assert status == 200, body
            me = json.loads(body)["data"]
            if me["status"] == "SUCCESS":
                self.line.admitted.append((known, number))
                await asyncio.sleep(self.random.random() * 0.01)
                await self.leave(connection, token, known)
                return
            assert me["status"] == "WAITING", body
            self.line.waiting.append((asked, number))
            assert position is None or me["queuePosition"] <= position, (position, me)
            position = me["queuePosition"]
            if gives_up and self.random.random() < 0.1:
                await self.leave(connection, token, None)
                return
            await asyncio.sleep(0.002)

    async def leave(self, connection, token, admitted):
        """Twice; it is given up when the first answer is there, perhaps before."""
        left = time.monotonic()
        for _ in range(2):
            status, body = await connection.request("DELETE", ME, token=token)
            assert status == 204, body
        status, body = await connection.request("GET", ME, token=token)
        assert json.loads(body)["data"]["status"] == "EXPIRED", body
        if admitted is not None:
            self.line.sessions.append((admitted, left))


async def kill_everything(storm, kills):
    try:
        for _ in range(kills):
            await storm._wait_for_answers(storm.random.randint(20, 60))
            storm.server.process.kill()
            await storm._restart()
            storm.kills += 1
        await storm._wait_for_answers(100)
    finally:
        storm.over = True


@pytest.mark.parametrize("victim", ["queue", "everything"])
def test_order_and_limit_outlive_every_kill(start, victim):
    seed = choose_seed()
    server = start("--active-limit", LIMIT, "--claim-ttl", 1)
    storm, line = Storm(server, seed), Line()
    clients = [Client(storm, n, line, victim == "everything") for n in range(CLIENTS)]
    if victim == "queue":
        asyncio.run(storm.run(clients, ["queue"], kill_count(), (5, 40)))
    else:
        asyncio.run(storm.run_beside(clients, kill_everything(storm, max(1, kill_count() // 4))))
    line.check()
    storm.verdict(f"{victim}: {len(line.numbers)} tickets, {len(line.sessions)} sessions, "
                  f"{line.abandoned} abandoned")
    server.stop()  # with its audit
