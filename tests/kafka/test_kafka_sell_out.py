"""A schedule is sold out while relay and broker are killed with SIGKILL; from the events alone come
the same balances, seats and reservations as the server has."""

import asyncio
import json
import random

from boxoffice import bearer, wait_until
from events import Book, wait_published
from storm import Connection, choose_seed

ROWS, SEATS_PER_ROW, PRICE = 12, 25, 700
BUYERS = 8
KILLS = 2  # of each


def make_concert(server):
    body = {"title": "Sold out", "schedules": [{
        "openDate": "2027-01-02", "startTime": "19:00", "endTime": "22:00",
        "sections": [{"name": "A", "rows": ROWS, "seatsPerRow": SEATS_PER_ROW, "amount": PRICE}]}]}
    answer = server.client().post("/api/v1/admin/concerts", body, token=bearer(server.admin_key))
    assert answer.status == 201, answer
    return answer.data["scheduleIds"][0]


class Sale:
    def __init__(self, server, schedule, seed):
        self.server = server
        self.schedule = schedule
        self.random = random.Random(seed)
        looker = server.user()
        self.seats = [seat["seatId"] for seat in looker.seats(schedule)]
        self.random.shuffle(self.seats)
        self.answered = 0
        self.over = False
        self.users = set()

    async def ask(self, connection, method, path, body=None, token=None, key=None):
        answer = await connection.request(method, path, body, token, key)
        self.answered += 1
        return answer[0], json.loads(answer[1]) if answer[1] else None

    async def buy(self, connection, user, token, seats):
        """In one of four ways: with a failed payment, cancelled and sold again, released, plainly."""
        points = f"/api/v1/users/{user}/points/charges"
        way = self.random.randrange(4)
        status, held = await self.ask(connection, "POST", "/api/v1/reservations",
                                      {"scheduleId": self.schedule, "seatIds": seats}, token,
                                      f"hold-{seats[0]}-{self.answered}")
        assert status == 201, held
        path = f"/api/v1/reservations/{held['data']['reservationId']}"
        if way == 0:
            assert (await self.ask(connection, "DELETE", path, token=token))[0] == 204
            self.seats.extend(seats)
            return
        status, paid = await self.ask(connection, "POST", path + "/confirm", token=token)
        if status == 409:
            missing = paid["shortBy"] + self.random.randrange(3) * PRICE
            assert (await self.ask(connection, "POST", points, {"amount": missing}, token))[0] == 201
            status, paid = await self.ask(connection, "POST", path + "/confirm", token=token)
        assert status == 200, paid
        if way == 1 and self.random.random() < 0.5:
            assert (await self.ask(connection, "POST", path + "/cancel", token=token))[0] == 200
            self.seats.extend(seats)

    async def buyer(self):
        connection = await Connection(self.server.port).open()
        while self.seats:
            user = self.server.new_user_id()
            self.users.add(user)
            _, issued = await self.ask(connection, "POST", "/queue/token", {"userId": user})
            token = issued["data"]["queueToken"]
            if self.seats:  # a ticket is good for one purchase
                count = min(len(self.seats), self.random.randint(1, 3))
                await self.buy(connection, user, token, [self.seats.pop() for _ in range(count)])
        connection.close()

    async def killer(self, broker):
        """Relay and broker in turn, each when something has been sold since its last start."""
        for _ in range(KILLS):
            for kill in (lambda: self.server.kill("relay"), broker.kill):
                wanted = self.answered + 40
                while self.answered < wanted and not self.over:
                    await asyncio.sleep(0.005)
                await asyncio.to_thread(kill)
            await asyncio.to_thread(broker.start)

    async def run(self, broker):
        killer = asyncio.create_task(self.killer(broker))
        await asyncio.gather(*(self.buyer() for _ in range(BUYERS)))
        self.over = True
        await killer


def test_a_sold_out_schedule_is_rebuilt_from_its_events(start, own_broker):
    seed = choose_seed()
    broker = own_broker().start()
    server = start("--kafka", broker.address, "--kafka-conf", "compression.codec=lz4")
    schedule = make_concert(server)
    sale = Sale(server, schedule, seed)
    asyncio.run(sale.run(broker))
    wait_until(lambda: broker.answers(()), "the broker is back", 90, 0.2)
    wait_published(server, 120)
    book = Book(broker.address, server).check()
    print(f"{len(book.by_id)} events, {book.repeats} repeats")

    client = server.client()
    for user, (balance, transactions) in book.wallets().items():
        owner = server.user(user, client)
        assert owner.balance() == balance
        assert [(t["transactionId"], t["type"], t["amount"], t["balance"], t.get("reservationId"))
                for t in reversed(owner.transactions())] == transactions
    assert set(book.wallets()) <= sale.users
    seats = {seat["seatId"]: seat["seatStatus"] for seat in server.user().seats(schedule)}
    assert len(seats) == ROWS * SEATS_PER_ROW
    assert book.seats() == {seat: "RESERVED" for seat in seats}
    assert set(seats.values()) == {"RESERVED"}
    reservations = book.reservations()
    for reservation, (status, held, _) in reservations.items():
        now = server.user(held["userId"], client).reservation(reservation).data
        assert (now["status"], now["seatIds"], now["amount"], now["scheduleId"]) == \
            (status, held["seatIds"], held["amount"], held["scheduleId"])
    server.stop()  # with its audit
    counted = {kind: sum(status == kind for status, _, _ in reservations.values())
               for kind in ("CONFIRMED", "CANCELLED", "RELEASED")}
    line = next(line for line in server.audit().splitlines() if line.startswith("reservations:"))
    for kind, count in counted.items():
        assert f"{kind.lower()} {count}" in line, (line, counted)
