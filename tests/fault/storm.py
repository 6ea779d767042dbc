"""Load by clients that never retry, while workers are killed with SIGKILL.

Every client keeps the history of what it was told, which is compared with the server's books
afterwards. All choices come from one seed, which is printed: FAULT_SEED repeats them (the interleaving with the
kills is the machine's). FAULT_KILLS sets the number of kills.
"""

import asyncio
import json
import os
import random
import signal
import time

from boxoffice import User, bearer

ANSWER_TIMEOUT_S = 20
READY_TIMEOUT_S = 20


def kill_count(initial=20):
    return int(os.environ.get("FAULT_KILLS", initial))


def choose_seed():
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}: FAULT_SEED={seed} repeats the choices")
    return seed


class Connection:
    """One keep-alive connection. A request is sent once; whatever goes wrong is raised."""

    def __init__(self, port):
        self.port = port
        self.slowest_s = 0.0

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    def close(self):
        self.writer.close()

    async def request(self, method, path, body=None, token=None, key=None):
        lines = [f"{method} {path} HTTP/1.1", "Host: boxoffice"]
        if token:
            lines.append(f"Authorization: {token}")
        if key:
            lines.append(f"Idempotency-Key: {key}")
        payload = b""
        if body is not None:
            payload = json.dumps(body, separators=(",", ":")).encode()
            lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
        started = time.monotonic()
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + payload)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer = await self._answer()
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        return answer

    async def _answer(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await self.reader.readexactly(int(fields.get("content-length", 0)))
        return int(lines[0].split()[1]), body


class Storm:
    """Clients at full speed and, in between, kills: the next one only when the last victim's
    successor is ready and has been under load."""

    def __init__(self, server, seed):
        self.server = server
        self.random = random.Random(seed)
        self.answered = 0
        self.over = False
        self.kills = 0
        self.slowest_s = 0.0
        self.windows = []  # (when somebody was killed, when the successor was ready)
        self._grown = asyncio.Condition()

    def random_for(self, name):
        return random.Random(f"{self.random.random()}/{name}")

    async def note_answer(self):
        self.answered += 1
        async with self._grown:
            self._grown.notify_all()

    async def _wait_for_answers(self, count):
        wanted = self.answered + count
        async with asyncio.timeout(60), self._grown:
            await self._grown.wait_for(lambda: self.answered >= wanted)

    async def _worker(self, connection, role):
        status, body = await connection.request("GET", "/api/v1/admin/processes",
                                                token=bearer(self.server.admin_key))
        assert status == 200, body
        return next(p for p in json.loads(body)["data"]["processes"]
                    if p["role"] == role and p["index"] == 0)

    async def _kill_one(self, connection, role):
        victim = await self._worker(connection, role)
        killed = time.monotonic()
        os.kill(victim["pid"], signal.SIGKILL)
        self.kills += 1
        await self._until_ready(connection, victim)
        self.windows.append((killed, time.monotonic()))

    async def _until_ready(self, connection, victim, timeout_s=READY_TIMEOUT_S):
        """Until a successor of this line of the process table is ready."""
        async with asyncio.timeout(timeout_s):
            while True:
                now = await self._worker(connection, victim["role"])
                if now["generation"] > victim["generation"] and now["state"].upper() == "READY":
                    return
                await asyncio.sleep(0.005)

    async def _restart(self):
        """The supervisor's death is everybody's."""
        await asyncio.to_thread(self.server.process.wait)
        await asyncio.to_thread(self.server.start)

    async def _killer(self, clients, victims, kills, answers_between):
        connection = await self._connect(clients[0]).open()
        try:
            for number in range(kills):
                await self._wait_for_answers(self.random.randint(*answers_between))
                await self._kill_one(connection, victims[number % len(victims)])
            await self._wait_for_answers(answers_between[1])
        finally:
            self.over = True
            connection.close()

    async def _client(self, client):
        connection = await self._connect(client).open()
        try:
            await client.begin(connection)
            while not self.over:
                await client.step(connection)
                await self.note_answer()
            await client.finish(connection)
        finally:
            self.slowest_s = max(self.slowest_s, connection.slowest_s)
            connection.close()

    def _connect(self, client):
        return client.connect() if hasattr(client, "connect") else Connection(self.server.port)

    async def run(self, clients, victims, kills, answers_between=(100, 600)):
        await self.run_beside(clients, self._killer(clients, victims, kills, answers_between))

    async def run_beside(self, clients, trouble):
        """Until `trouble` sets self.over. Any client's failure ends it all."""
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(self._client(client))
            group.create_task(trouble)

    def verdict(self, what):
        print(f"{what}: {self.kills} kills, {self.answered} steps answered, none failed; "
              f"the slowest answer took {self.slowest_s * 1000:.0f} ms")


class Wallet:
    """What one client knows of a wallet that nobody else changes."""

    def __init__(self, user_id):
        self.user_id = user_id
        self.token = None
        self.balance = 0
        self.transactions = []  # (id, type, amount, balance, reservation), oldest first
        self.keyed = []         # (path, amount, key, body of the answer)
        self.path = f"/api/v1/users/{user_id}/points"

    async def begin(self, connection):
        """Gets a token: of a live ticket, so a new one after a purchase or the end of a session."""
        status, body = await connection.request("POST", "/queue/token", {"userId": self.user_id})
        assert status == 200, body
        self.token = json.loads(body)["data"]["queueToken"]

    def note(self, kind, transaction_id, amount, balance, reservation=None):
        signed = -amount if kind == "USE" else amount
        assert balance == self.balance + signed, (self.user_id, self.balance, kind, amount, balance)
        self.balance = balance
        self.transactions.append((transaction_id, kind, amount, balance, reservation))

    async def change(self, connection, kind, amount, key=None):
        """A charge or a use, which must end as the balance says."""
        path = self.path + ("/charges" if kind == "CHARGE" else "/uses")
        status, body = await connection.request("POST", path, {"amount": amount}, self.token, key)
        answer = json.loads(body)
        if kind == "USE" and amount > self.balance:
            assert (status, answer["code"]) == (409, "insufficient-points"), body
            assert (answer["balance"], answer["shortBy"]) == (self.balance, amount - self.balance)
            return
        assert status == 201, (status, body)
        data = answer["data"]
        assert (data["userId"], data["amount"]) == (self.user_id, amount), body
        self.note(kind, data["transactionId"], amount, data["balance"])
        if key:
            self.keyed.append((path, amount, key, body))

    async def repeat(self, connection, chosen):
        path, amount, key, first = chosen
        status, body = await connection.request("POST", path, {"amount": amount}, self.token, key)
        assert (status, body) == (201, first)

    async def read(self, connection):
        status, body = await connection.request("GET", self.path, token=self.token)
        assert status == 200, body
        assert json.loads(body)["data"] == {"userId": self.user_id, "balance": self.balance}

    async def read_last(self, connection):
        status, body = await connection.request("GET", self.path + "/transactions?limit=5",
                                                token=self.token)
        assert status == 200, body
        assert as_tuples(json.loads(body)["data"]["transactions"]) == self.transactions[:-6:-1]


def as_tuples(transactions):
    return [(t["transactionId"], t["type"], t["amount"], t["balance"], t.get("reservationId"))
            for t in transactions]


def compare(server, wallets):
    """Each wallet's history with the books, to the last transaction."""
    client = server.client()
    for wallet in wallets:
        user = User(client, wallet.user_id, wallet.token)
        assert user.balance() == wallet.balance, wallet.user_id
        assert as_tuples(user.transactions()) == wallet.transactions[::-1], wallet.user_id


def compare_after_restart(start, server, wallets):
    """Stops (with its audit), starts again on the same data and compares once more."""
    compare(server, wallets)
    server.stop()
    again = start(*server.arguments, data=server.data)
    compare(again, wallets)
