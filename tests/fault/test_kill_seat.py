"""kill -9 of the seat worker, the wallet worker and both in turn, in the middle of sales: no
request fails, no seat is sold twice, nobody pays twice."""

import asyncio
import json

import pytest

from storm import Storm, Wallet, choose_seed, compare_after_restart, kill_count

CLIENTS = 24
HOLDS = 3300  # demo schedules come in steps of 3,200 seats: this leaves 3,100 free
CONTENDED = 16


class Sales:
    """What all clients together were told."""

    def __init__(self, server):
        user = server.user()
        self.looker = user
        free = [(schedule["scheduleId"], seat)
                for concert in user.client.get("/api/v1/concerts").data
                for schedule in user.client.get(
                    f"/api/v1/concerts/{concert['concertId']}/schedules").data
                for seat in user.seats(schedule["scheduleId"], "AVAILABLE")]
        self.contended = free[:CONTENDED]
        self.seats = free[CONTENDED:]
        self.sold = {}       # seat id → reservation id
        self.confirmed = {}  # demo reservation → the answer's bytes

    def check_seats(self):
        schedules = {schedule_id for schedule_id, _ in self.seats + self.contended}
        status = {seat["seatId"]: seat["seatStatus"]
                  for schedule_id in schedules for seat in self.looker.seats(schedule_id)}
        for _, seat in self.seats + self.contended:
            expected = "RESERVED" if seat["seatId"] in self.sold else "AVAILABLE"
            assert status[seat["seatId"]] == expected, seat

    def check_demo_holds(self, server):
        client = server.client()
        for reservation_id, body in self.confirmed.items():
            owner = server.user(reservation_id, client)
            paid = json.loads(body)["data"]
            kinds = [(t["type"], t["amount"], t.get("reservationId")) for t in owner.transactions()]
            assert kinds == [("USE", paid["paidAmount"], reservation_id),
                             ("CHARGE", paid["paidAmount"], None)]
            assert owner.balance() == 0


class Client:
    def __init__(self, storm, number, sales):
        self.random = storm.random_for(number)
        self.wallet = Wallet(storm.server.new_user_id())
        self.sales = sales
        self.seats = sales.seats[number::CLIENTS]

    async def begin(self, connection):
        await self.wallet.begin(connection)

    async def finish(self, connection):
        await self.wallet.read(connection)

    async def step(self, connection):
        await self.random.choices((self.sale, self.contend, self.confirm_demo_hold, self.give_up),
                                  (30, 15, 40, 15))[0](connection)

    async def hold(self, connection, schedule_id, seat):
        """Who has bought has left the waiting room and needs a new token to shop on."""
        body = {"scheduleId": schedule_id, "seatIds": [seat["seatId"]]}
        while True:
            status, answer = await connection.request("POST", "/api/v1/reservations", body,
                                                      self.wallet.token)
            if status != 403:
                return status, answer
            assert json.loads(answer)["code"] == "not-admitted", answer
            await self.wallet.begin(connection)

    async def hold_own(self, connection, schedule_id, seat):
        status, body = await self.hold(connection, schedule_id, seat)
        assert status == 201, (status, body)
        held = json.loads(body)["data"]
        assert (held["status"], held["amount"]) == ("HELD", seat["amount"])
        return held["reservationId"]

    async def release(self, connection, reservation_id):
        status, body = await connection.request("DELETE", f"/api/v1/reservations/{reservation_id}",
                                                token=self.wallet.token)
        assert status == 204, (status, body)

    async def confirm(self, connection, reservation_id):
        return await connection.request("POST", f"/api/v1/reservations/{reservation_id}/confirm",
                                        token=self.wallet.token)

    async def sale(self, connection):
        """Hold, too few points, charge what is missing and a little more, pay."""
        if not self.seats:
            return await self.confirm_demo_hold(connection)
        schedule_id, seat = self.seats.pop()
        reservation_id = await self.hold_own(connection, schedule_id, seat)
        short = seat["amount"] - self.wallet.balance
        if short > 0:
            status, body = await self.confirm(connection, reservation_id)
            problem = json.loads(body)
            assert (status, problem["code"]) == (409, "insufficient-points"), (status, body)
            assert problem["shortBy"] == short, body
            extra = self.random.randint(0, seat["amount"])
            await self.wallet.change(connection, "CHARGE", short + extra)
        status, first = await self.confirm(connection, reservation_id)
        assert status == 200, (status, first)
        paid = json.loads(first)["data"]
        assert (paid["status"], paid["paidAmount"]) == ("CONFIRMED", seat["amount"]), first
        self.wallet.note("USE", paid["paymentId"], seat["amount"], paid["balance"], reservation_id)
        self.sales.sold[seat["seatId"]] = reservation_id
        for _ in range(self.random.randint(0, 2)):
            assert await self.confirm(connection, reservation_id) == (200, first)

    async def give_up(self, connection):
        """Hold a seat and let it go."""
        if not self.seats:
            return await self.confirm_demo_hold(connection)
        schedule_id, seat = self.random.choice(self.seats)
        reservation_id = await self.hold_own(connection, schedule_id, seat)
        await self.release(connection, reservation_id)

    async def contend(self, connection):
        """A seat that all clients want: some get it and let it go, the others are refused."""
        schedule_id, seat = self.random.choice(self.sales.contended)
        status, body = await self.hold(connection, schedule_id, seat)
        if status == 409:
            problem = json.loads(body)
            assert (problem["code"], problem["seatIds"]) == ("seat-taken", [seat["seatId"]]), body
            return
        assert status == 201, (status, body)
        await self.release(connection, json.loads(body)["data"]["reservationId"])

    async def confirm_demo_hold(self, connection):
        """Anybody's, as the load-test scripts do; every answer for one reservation is the same."""
        reservation_id = self.random.randint(1, HOLDS)
        status, body = await connection.request("POST", "/reservations/confirm",
                                                {"reservationId": reservation_id})
        assert status == 200, (status, body)
        assert self.sales.confirmed.setdefault(reservation_id, body) == body


@pytest.mark.parametrize("victims", [["seat"], ["wallet"], ["seat", "wallet"]],
                         ids=lambda roles: "+".join(roles))
def test_killing_workers_in_the_middle_of_sales_costs_clients_nothing(start, victims):
    seed = choose_seed()
    server = start("--demo", "--demo-holds", HOLDS, "--open-confirm")
    sales = Sales(server)
    storm = Storm(server, seed)
    clients = [Client(storm, number, sales) for number in range(CLIENTS)]
    asyncio.run(storm.run(clients, victims, kill_count(), (50, 300)))
    assert len(sales.sold) > CLIENTS and len(sales.confirmed) > HOLDS // 10
    storm.verdict(f"{' and '.join(victims)} worker, {len(sales.sold)} seats sold, "
                  f"{len(sales.confirmed)} demo holds confirmed")
    sales.check_seats()
    sales.check_demo_holds(server)
    compare_after_restart(start, server, [client.wallet for client in clients])
