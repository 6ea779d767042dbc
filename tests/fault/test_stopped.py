"""SIGSTOP: a process that neither runs nor dies. The watchdog ends it; who does not need it notices
nothing; whoever waited for it repeats, and late answers reach nobody."""

import asyncio
import json
import os
import signal

import pytest

from sale import ADMIT_ALL, Buyer, Client, Sale
from storm import Connection, Storm, choose_seed

CLIENTS = 12
END_TIMEOUT_S = 60
# Which part of buyers' way goes on without that role, by those who repeat nothing.
UNAFFECTED = {"queue": "reads", "seat": "charges", "wallet": "holds", "relay": "holds"}


class Bystander(Client):
    """Does only what the stopped process has no part in, and repeats no request."""

    def __init__(self, sale, random, what):
        super().__init__(sale, random)
        self.what = what
        self.done = 0
        self.buyer = None

    async def begin(self, connection):
        await super().begin(connection)
        self.buyer = Buyer(self.sale, self.random, self.sale.server.new_user_id())
        await self.buyer.admitted(connection)
        self.sale.buyers.append(self.buyer)

    async def step(self, connection):
        if self.what == "charges":
            await self.buyer.wallet.change(connection, "CHARGE", self.random.randint(1, 1000))
        elif self.what == "holds":
            schedule, seat = self.sale.take_seat(self.random)
            reservation = await self.buyer.hold_own(connection, schedule, seat)
            await self.buyer.release(connection, reservation)
            self.sale.free.append((schedule, seat))
        else:
            status, body = await connection.request("GET", "/api/v1/concerts")
            assert status == 200 and json.loads(body)["data"]
            await self.buyer.wallet.read(connection)
        self.done += 1


class Stopping(Storm):
    async def stop_one(self, role, watched):
        connection = await Connection(self.server.port).open()
        try:
            await self._wait_for_answers(50)
            victim = await self._worker(connection, role)
            before = [client.done for client in watched]
            os.kill(victim["pid"], signal.SIGSTOP)
            await self._until_ready(connection, victim, END_TIMEOUT_S)
            after = [client.done for client in watched]
            now = await self._worker(connection, role)
            assert now["restarts"]["hang"] == victim["restarts"]["hang"] + 1, now
            assert all(a > b for a, b in zip(after, before)), "a bystander had to wait"
            await self._wait_for_answers(100)
        finally:
            self.over = True
            connection.close()

    async def pause_one(self, role, seconds):
        """Too short a stop for the watchdog: the same process goes on."""
        connection = await Connection(self.server.port).open()
        try:
            await self._wait_for_answers(50)
            victim = await self._worker(connection, role)
            os.kill(victim["pid"], signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(victim["pid"], signal.SIGCONT)
            await self._wait_for_answers(100)
            now = await self._worker(connection, role)
            assert (now["pid"], now["generation"]) == (victim["pid"], victim["generation"]), now
        finally:
            self.over = True
            connection.close()


def stand(start):
    seed = choose_seed()
    server = start("--demo", *ADMIT_ALL)
    return server, Stopping(server, seed), Sale(server)


@pytest.mark.parametrize("role", UNAFFECTED)
def test_a_stopped_worker_is_ended_and_nobody_else_notices(start, role):
    server, storm, sale = stand(start)
    buyers = [Client(sale, storm.random_for(number), persistent=True)
              for number in range(CLIENTS)]
    watched = [Bystander(sale, storm.random_for(f"bystander {number}"), UNAFFECTED[role])
               for number in range(4)]
    asyncio.run(storm.run_beside(buyers + watched, storm.stop_one(role, watched)))
    asyncio.run(sale.compare())
    print(f"{role} stopped: its bystanders went on ({', '.join(str(w.done) for w in watched)} "
          f"steps); {sale.verdict()}")
    server.stop()


@pytest.mark.parametrize("role", ["queue", "seat", "wallet"])
def test_a_short_stop_is_a_delay(start, role):
    server, storm, sale = stand(start)
    buyers = [Client(sale, storm.random_for(number)) for number in range(CLIENTS)]
    asyncio.run(storm.run_beside(buyers, storm.pause_one(role, 1)))
    asyncio.run(sale.compare())
    print(f"{role} stopped for 1 s: the slowest answer took {max(sale.seconds) * 1000:.0f} ms; "
          f"{sale.verdict()}")
    server.stop()
