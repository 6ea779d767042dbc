"""kill -9 of the wallet worker under load costs no client a request, and no wallet a point."""

import asyncio
import json

from storm import Storm, Wallet, as_tuples, choose_seed, compare_after_restart, kill_count

CLIENTS = 32
WALLETS_EACH = 8
SHARED = 4


class Shared:
    """Wallets that all clients charge: what was acknowledged, by transaction."""

    def __init__(self, users):
        self.users = users
        self.acknowledged = {user: {} for user in users}


class Client:
    def __init__(self, storm, number, shared):
        self.random = storm.random_for(number)
        self.number = number
        self.wallets = [Wallet(storm.server.new_user_id()) for _ in range(WALLETS_EACH)]
        self.shared = shared
        self.keys = 0

    async def begin(self, connection):
        for wallet in self.wallets:
            await wallet.begin(connection)

    async def finish(self, connection):
        for wallet in self.wallets:
            await wallet.read(connection)

    async def step(self, connection):
        wallet = self.random.choice(self.wallets)
        await self.random.choices(
            (self.charge, self.use, self.read, self.repeat, self.read_last, self.charge_shared),
            (40, 25, 10, 10, 5, 10))[0](connection, wallet)

    def key(self):
        self.keys += 1
        return f"{self.number}-{self.keys}" if self.random.random() < 0.5 else None

    async def charge(self, connection, wallet):
        await wallet.change(connection, "CHARGE", self.random.randint(1, 10 ** 6), self.key())

    async def use(self, connection, wallet):
        amount = self.random.randint(1, wallet.balance * 5 // 4 + 1)
        await wallet.change(connection, "USE", amount, self.key())

    async def read(self, connection, wallet):
        await wallet.read(connection)

    async def repeat(self, connection, wallet):
        if wallet.keyed:
            await wallet.repeat(connection, self.random.choice(wallet.keyed))

    async def read_last(self, connection, wallet):
        await wallet.read_last(connection)

    async def charge_shared(self, connection, _):
        user = self.random.choice(self.shared.users)
        amount = self.random.randint(1, 1000)
        status, body = await connection.request(
            "POST", f"{user.points}/charges", {"amount": amount}, user.token)
        assert status == 201, body
        data = json.loads(body)["data"]
        self.shared.acknowledged[user][data["transactionId"]] = (data["amount"], data["balance"])


def compare_shared(shared):
    """Exactly what was acknowledged, and balances that add up."""
    for user in shared.users:
        listed = user.transactions()
        assert {t["transactionId"]: (t["amount"], t["balance"]) for t in listed} == \
            shared.acknowledged[user]
        balance = 0
        for _, kind, amount, after, _ in reversed(as_tuples(listed)):
            balance += amount
            assert (kind, after) == ("CHARGE", balance)
        assert user.balance() == balance


def test_killing_the_wallet_worker_costs_clients_nothing(start):
    seed = choose_seed()
    server = start()
    shared = Shared([server.user() for _ in range(SHARED)])
    storm = Storm(server, seed)
    clients = [Client(storm, number, shared) for number in range(CLIENTS)]
    asyncio.run(storm.run(clients, ["wallet"], kill_count()))
    compare_shared(shared)
    storm.verdict("wallet worker")
    compare_after_restart(start, server, [w for client in clients for w in client.wallets])
