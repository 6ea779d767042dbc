"""Buyers: the whole way from a token to a paid seat, and what each was told on it.

Every answer is checked against what its buyer knows, and kept; at the end everything is compared
with the server's books. A buyer is used for one journey; a client makes one journey after another.
"""

import array
import asyncio
import bisect
import json
import time

from storm import Connection, Wallet, as_tuples

ADMIT_ALL = ("--active-limit", 1_000_000)
RETRY_S = 0.01
RESOLVE_TIMEOUT_S = 120
COMPARE_CONNECTIONS = 8


class PersistentConnection:
    """Repeats a request until it is answered: for deaths that clients notice, a front's or
    everybody's. A repetition must end as if it had been the only one, so writes carry a key.
    `server.port` is looked up each time, for it changes with a restart."""

    def __init__(self, server):
        self.server = server
        self.connection = None
        self.slowest_s = 0.0
        self.repeated = 0

    async def open(self):
        return self

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    async def request(self, method, path, body=None, token=None, key=None):
        started = time.monotonic()
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            while True:
                answer = await self._once(method, path, body, token, key)
                if answer is not None:
                    break
                self.repeated += 1
                await asyncio.sleep(RETRY_S)
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        return answer

    async def _once(self, method, path, body, token, key):
        """None: nothing is known about it."""
        try:
            if self.connection is None:
                self.connection = await Connection(self.server.port).open()
            status, answer = await self.connection.request(method, path, body, token, key)
            return None if status in (503, 507) else (status, answer)
        except (OSError, TypeError, asyncio.IncompleteReadError):  # TypeError: no port yet
            self.close()
            return None


class Sale:
    """What all buyers of a test share."""

    def __init__(self, server):
        looker = server.user()
        self.server = server
        self.free = [(schedule["scheduleId"], seat)
                     for concert in looker.client.get("/api/v1/concerts").data
                     for schedule in looker.client.get(
                         f"/api/v1/concerts/{concert['concertId']}/schedules").data
                     if schedule["availableSeats"] > 0
                     for seat in looker.seats(schedule["scheduleId"], "AVAILABLE")]
        self.places = {seat["seatId"]: schedule for schedule, seat in self.free}
        self.contended, self.free = self.free[:4], self.free[4:]
        self.sold = {}      # seat id → reservation id
        self.buyers = []    # whose journeys have ended
        self.started = array.array("d")  # when each request was sent (monotonic clock)
        self.seconds = array.array("d")  # and how long its answer took

    def take_seat(self, random):
        """A seat that no other buyer of this test asks for meanwhile."""
        at = random.randrange(len(self.free))
        self.free[at], self.free[-1] = self.free[-1], self.free[at]
        return self.free.pop()

    async def compare(self):
        """The books of the server with all histories, to the last transaction."""
        waiting = list(self.buyers)
        looker = self.server.user()
        async with asyncio.TaskGroup() as group:
            for _ in range(COMPARE_CONNECTIONS):
                group.create_task(self._compare_some(waiting))
        for schedule in set(self.places.values()):
            for seat in looker.seats(schedule):
                if seat["seatId"] not in self.places:
                    continue  # a demo hold's
                expected = "RESERVED" if seat["seatId"] in self.sold else "AVAILABLE"
                assert seat["seatStatus"] == expected, (seat, expected)

    async def _compare_some(self, waiting):
        connection = await Connection(self.server.port).open()
        while waiting:
            await waiting.pop().compare(connection)
        connection.close()

    def delays(self, windows):
        """Sorted: how long the answers took that were waited for in one of the windows (from, to),
        which are in order."""
        ends = [end for _, end in windows]
        found = []
        for started, seconds in zip(self.started, self.seconds):
            at = bisect.bisect_left(ends, started)  # the first window that ends later
            if at < len(windows) and windows[at][0] <= started + seconds:
                found.append(seconds)
        return sorted(found)

    def verdict(self):
        outcomes = [state for buyer in self.buyers for state in buyer.reservations.values()]
        return (f"{len(self.buyers)} buyers, {len(outcomes)} reservations "
                f"({', '.join(f'{outcomes.count(s)} {s}' for s in sorted(set(outcomes)))}), "
                f"{sum(len(b.wallet.transactions) for b in self.buyers)} transactions: "
                "all as the clients were told")


class Buyer:
    """One user on his way; every choice is made by `random`."""

    def __init__(self, sale, random, user_id):
        self.sale = sale
        self.random = random
        self.wallet = Wallet(user_id)
        self.keys = 0
        self.reservations = {}  # id → what became of it

    def key(self):
        self.keys += 1
        return f"{self.wallet.user_id}-{self.keys}"

    async def ask(self, connection, method, path, body=None, key=None):
        started = time.monotonic()
        status, answer = await connection.request(method, path, body, self.wallet.token, key)
        self.sale.started.append(started)
        self.sale.seconds.append(time.monotonic() - started)
        return status, json.loads(answer) if answer else None, answer

    async def admitted(self, connection):
        await self.wallet.begin(connection)
        while True:
            status, answer, _ = await self.ask(connection, "POST", "/queue/token/check")
            assert status == 200, answer
            if answer["data"]["status"] == "SUCCESS":
                return
            await asyncio.sleep(0.02)

    async def hold(self, connection, schedule, seat, key):
        body = {"scheduleId": schedule, "seatIds": [seat["seatId"]]}
        return await self.ask(connection, "POST", "/api/v1/reservations", body, key)

    async def hold_own(self, connection, schedule, seat):
        key = self.key()
        status, answer, first = await self.hold(connection, schedule, seat, key)
        assert status == 201, answer
        held = answer["data"]
        assert (held["status"], held["amount"]) == ("HELD", seat["amount"]), answer
        if self.random.random() < 0.2:
            status, _, again = await self.hold(connection, schedule, seat, key)
            assert (status, again) == (201, first)
        if self.random.random() < 0.2:  # the hold that he has already, under another key
            status, answer, _ = await self.hold(connection, schedule, seat, self.key())
            assert (status, answer["data"]["reservationId"]) == (200, held["reservationId"])
        self.reservations[held["reservationId"]] = "HELD"
        return held["reservationId"]

    async def release(self, connection, reservation):
        for _ in range(self.random.randint(1, 2)):
            status, answer, _ = await self.ask(connection, "DELETE",
                                               f"/api/v1/reservations/{reservation}")
            assert status == 204, answer
        self.reservations[reservation] = "RELEASED"

    async def act(self, connection, reservation, what):
        return await self.ask(connection, "POST", f"/api/v1/reservations/{reservation}/{what}")

    async def confirm_short(self, connection, reservation, amount):
        """With too few points: the seat stays his, and he learns what is missing."""
        status, answer, _ = await self.act(connection, reservation, "confirm")
        assert (status, answer["code"]) == (409, "insufficient-points"), answer
        assert (answer["required"], answer["balance"], answer["shortBy"]) == \
            (amount, self.wallet.balance, amount - self.wallet.balance), answer
        return answer["shortBy"]

    async def confirm(self, connection, second, reservation, seat):
        """Sometimes over two connections at once, so that one joins the other's saga."""
        ways = [connection, second][:self.random.randint(1, 2)]
        answers = await asyncio.gather(*[self.act(way, reservation, "confirm") for way in ways])
        status, answer, first = answers[0]
        assert status == 200, answer
        assert all((s, body) == (200, first) for s, _, body in answers), answers
        paid = answer["data"]
        assert (paid["status"], paid["paidAmount"]) == ("CONFIRMED", seat["amount"]), answer
        self.wallet.note("USE", paid["paymentId"], seat["amount"], paid["balance"], reservation)
        self.reservations[reservation] = "CONFIRMED"
        if self.random.random() < 0.3:
            status, _, again = await self.act(connection, reservation, "confirm")
            assert (status, again) == (200, first)

    async def cancel(self, connection, second, reservation, seat):
        ways = [connection, second][:self.random.randint(1, 2)]
        answers = await asyncio.gather(*[self.act(way, reservation, "cancel") for way in ways])
        status, answer, first = answers[0]
        assert status == 200, answer
        assert all((s, body) == (200, first) for s, _, body in answers), answers
        back = answer["data"]
        assert (back["status"], back["refundedAmount"]) == ("CANCELLED", seat["amount"]), answer
        self.wallet.note("REFUND", None, seat["amount"], back["balance"], reservation)
        self.reservations[reservation] = "CANCELLED"
        if self.random.random() < 0.3:
            status, _, again = await self.act(connection, reservation, "cancel")
            assert (status, again) == (200, first)
        status, answer, _ = await self.act(connection, reservation, "confirm")
        assert (status, answer["code"]) == (409, "reservation-state"), answer

    async def contend(self, connection):
        """A seat that everybody wants: who gets it lets it go."""
        schedule, seat = self.random.choice(self.sale.contended)
        status, answer, _ = await self.hold(connection, schedule, seat, self.key())
        if status == 201:
            reservation = answer["data"]["reservationId"]
            self.reservations[reservation] = "HELD"
            return await self.release(connection, reservation)
        assert (status, answer["code"], answer["seatIds"]) == \
            (409, "seat-taken", [seat["seatId"]]), answer

    async def look(self, connection, schedule, seat, expected):
        """A seat map shows a change before its answer is sent. Who has bought queues anew to look."""
        path = f"/api/v1/schedules/{schedule}/seats"
        status, answer, _ = await self.ask(connection, "GET", path)
        if status == 403:
            assert answer["code"] == "not-admitted", answer
            await self.admitted(connection)
            status, answer, _ = await self.ask(connection, "GET", path)
        assert status == 200, answer
        shown = {s["seatId"]: s["seatStatus"] for s in answer["data"]["seats"]}
        assert shown[seat["seatId"]] == expected, (seat, shown[seat["seatId"]], expected)

    async def journey(self, connection, second):
        """Over two connections of his."""
        await self.admitted(connection)
        if self.random.random() < 0.2:
            await self.contend(connection)
        schedule, seat = self.sale.take_seat(self.random)
        reservation = await self.hold_own(connection, schedule, seat)
        await self.look(connection, schedule, seat, "TEMP_RESERVED")
        ending = self.random.choices(("give up", "keep", "cancel"), (20, 40, 40))[0]
        if len(self.sale.free) < len(self.sale.places) // 4 and ending == "keep":
            ending = "cancel"  # seats for those who come
        if ending == "give up":
            await self.release(connection, reservation)
        else:
            await self.pay(connection, second, reservation, seat)
            if ending == "cancel":
                await self.cancel(connection, second, reservation, seat)
        if ending == "keep":
            self.sale.sold[seat["seatId"]] = reservation
            await self.look(connection, schedule, seat, "RESERVED")
        else:
            self.sale.free.append((schedule, seat))
        await self.read_reservations(connection)
        self.sale.buyers.append(self)

    async def pay(self, connection, second, reservation, seat):
        short = await self.confirm_short(connection, reservation, seat["amount"])
        extra = self.random.randint(1, 1000)
        await self.wallet.change(connection, "CHARGE", short + extra, self.key())
        if self.random.random() < 0.3:
            await self.wallet.change(connection, "USE", self.random.randint(1, extra), self.key())
        await self.confirm(connection, second, reservation, seat)
        await self.wallet.read(connection)

    async def compare(self, connection):
        await self.wallet.read(connection)
        listed = await self.listed(connection)
        told = self.wallet.transactions[::-1]
        assert len(listed) == len(told), (self.wallet.user_id, listed[:5], told[:5])
        for found, known in zip(listed, told):
            # A cancel's answer does not say the refund's number.
            assert found[1:] == known[1:] and known[0] in (None, found[0]), (found, known)
        await self.read_reservations(connection)

    async def listed(self, connection):
        """All transactions in the books, newest first."""
        found, cursor = [], ""
        while cursor is not None:
            status, answer, _ = await self.ask(
                connection, "GET", f"{self.wallet.path}/transactions?limit=1000{cursor}")
            assert status == 200, answer
            found += as_tuples(answer["data"]["transactions"])
            following = answer["data"]["nextCursor"]
            cursor = following and f"&cursor={following}"
        return found

    async def read_reservations(self, connection):
        for reservation, state in self.reservations.items():
            status, answer, _ = await self.ask(connection, "GET",
                                               f"/api/v1/reservations/{reservation}")
            assert (status, answer["data"]["status"]) == (200, state), (answer, state)


class Client:
    """Makes one journey after another, each as a new user, with a pause between. With `persistent`,
    its requests are repeated until they are answered."""

    def __init__(self, sale, random, persistent=False, pause_s=0):
        self.sale = sale
        self.pause_s = pause_s
        self.random = random
        self.persistent = persistent
        self.second = None

    def connect(self):
        server = self.sale.server
        return PersistentConnection(server) if self.persistent else Connection(server.port)

    async def begin(self, connection):
        self.second = await self.connect().open()

    async def finish(self, connection):
        self.second.close()

    async def step(self, connection):
        buyer = Buyer(self.sale, self.random, self.sale.server.new_user_id())
        await buyer.journey(connection, self.second)
        if self.pause_s > 0:
            await asyncio.sleep(self.pause_s)
