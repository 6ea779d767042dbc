"""kill -9 of the supervisor, and so of everything, under load: what was acknowledged is there, what
was not is there once or not at all, and a retry under the same key says which."""

import asyncio
import random

from storm import Connection, Wallet, as_tuples, choose_seed, compare, kill_count

CLIENTS = 24
WALLETS_EACH = 4
HOLDS = 5000


class Client:
    """Charges and uses its wallets, half of them under a key, and confirms demo holds."""

    def __init__(self, seed, number, server, confirmed):
        self.random = random.Random(f"{seed}/{number}")
        self.number = number
        self.wallets = [Wallet(server.new_user_id()) for _ in range(WALLETS_EACH)]
        self.confirmed = confirmed
        self.keys = 0
        self.unknown = None  # (wallet, kind, amount, key): sent, and never answered

    async def run(self, port, answered):
        """Until the connection breaks."""
        connection = Connection(port)
        try:
            await connection.open()
            for wallet in self.wallets:
                if wallet.token is None:
                    await wallet.begin(connection)
            while True:
                await self.step(connection)
                answered()
        except (OSError, asyncio.IncompleteReadError):
            pass

    async def step(self, connection):
        if self.random.random() < 0.3:
            return await self.confirm(connection)
        wallet = self.random.choice(self.wallets)
        kind = "CHARGE" if self.random.random() < 0.6 or wallet.balance == 0 else "USE"
        amount = self.random.randint(1, 10 ** 6 if kind == "CHARGE" else wallet.balance)
        self.keys += 1
        key = f"{self.number}-{self.keys}" if self.random.random() < 0.5 else None
        self.unknown = (wallet, kind, amount, key)
        await wallet.change(connection, kind, amount, key)
        self.unknown = None

    async def confirm(self, connection):
        reservation_id = self.random.randint(1, HOLDS)
        status, body = await connection.request("POST", "/reservations/confirm",
                                                {"reservationId": reservation_id})
        assert status == 200, (status, body)
        assert self.confirmed.setdefault(reservation_id, body) == body

    def resolve(self, server, client):
        """Finds out what became of the request that was never answered."""
        if self.unknown is None:
            return
        wallet, kind, amount, key = self.unknown
        self.unknown = None
        user = server.user(wallet.user_id, client)
        if key is not None:
            answer = user.charge(amount, key) if kind == "CHARGE" else user.use(amount, key)
            assert answer.status == 201, answer
            wallet.note(kind, answer.data["transactionId"], amount, answer.data["balance"])
            return
        listed = as_tuples(user.transactions(limit=1000))
        if len(listed) == len(wallet.transactions) + 1:
            transaction_id, found, found_amount, balance, _ = listed[0]
            assert (found, found_amount) == (kind, amount)
            wallet.note(kind, transaction_id, amount, balance)


async def load_until_killed(server, clients, answers):
    """Kills the supervisor after so many answers; returns when every client has noticed."""
    count = 0
    enough = asyncio.Event()

    def answered():
        nonlocal count
        count += 1
        if count >= answers:
            enough.set()

    async def killer():
        async with asyncio.timeout(60):
            await enough.wait()
        server.process.kill()

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(server.port, answered))
        group.create_task(killer())
    return count


def check_confirmed(server, confirmed, count):
    client = server.client()
    for reservation_id in sorted(confirmed)[:count]:
        again = client.post("/reservations/confirm", {"reservationId": reservation_id})
        assert (again.status, again.body) == (200, confirmed[reservation_id])
        owner = server.user(reservation_id, client)
        assert [t["type"] for t in owner.transactions()] == ["USE", "CHARGE"]


def test_what_was_acknowledged_survives_the_death_of_everything(start):
    seed = choose_seed()
    choices = random.Random(seed)
    rounds = max(3, kill_count() // 4)
    arguments = ("--demo", "--demo-holds", HOLDS, "--open-confirm")
    server = start(*arguments)
    confirmed, total = {}, 0
    clients = [Client(seed, number, server, confirmed) for number in range(CLIENTS)]
    wallets = [wallet for client in clients for wallet in client.wallets]
    for _ in range(rounds):
        total += asyncio.run(load_until_killed(server, clients, choices.randint(300, 2000)))
        server.end()
        server = start(*arguments, data=server.data)
        resolver = server.client()
        for client in clients:
            client.resolve(server, resolver)
        compare(server, wallets)
        check_confirmed(server, confirmed, 300)
    check_confirmed(server, confirmed, HOLDS)
    print(f"{rounds} deaths of everything, {total} answers, {len(confirmed)} sales: all there")
    server.stop()
