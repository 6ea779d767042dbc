"""A process dies at every crash point in turn (src/base/crash_points.def), in the middle of sales.

A worker's death costs no client a request: the buyers send each one once. A front's breaks
connections and the supervisor's ends everything: there the buyers repeat what was not answered.
Either way every reservation has one outcome, and it is the one that its buyer was told.
"""

import asyncio
import os

import pytest

import crash_control
from boxoffice import User, expect_problem, wait_until
from crash_control import CrashControl, points
from deaths import Deaths, Scenario
from sale import ADMIT_ALL, Client, Sale
from storm import choose_seed

WORKERS = ("queue", "seat", "wallet")
OTHERS = ("front", "relay", "supervisor")
CLIENTS = 12
WARM_UP_JOURNEYS = 40
ROLE_OF_EVENT = {1: "wallet", 2: "queue", 3: "seat", 4: "seat", 5: "seat"}  # by the number's tens
# What a sale must come past; what it comes past often besides is died at as well.
OFTEN = 5
EVENTS = {"WALLET_CHARGED", "WALLET_USED", "WALLET_DEBITED", "WALLET_REFUSED", "WALLET_REFUNDED",
          "TICKET_ISSUED", "TICKET_ADMITTED", "RESERVATION_HELD", "RESERVATION_CONFIRMING",
          "RESERVATION_CONFIRMED", "PAYMENT_FAILED", "RESERVATION_RELEASED",
          "RESERVATION_CANCELLING", "RESERVATION_CANCELLED",
          "HOLD_REPEATED"}
REQUESTS = {"TOKEN_ISSUE", "BALANCE_GET", "CHARGE", "USE", "DEBIT", "REFUND", "HOLD",
            "RESERVATION_GET", "CONFIRM", "RELEASE", "CANCEL"}
OBLIGATIONS = {"DEBIT", "REFUND"}
WAITING = {"CONFIRM", "CANCEL"}


def hits_wanted(choices):
    """The first hit, and later ones as FAULT_ROUNDS says."""
    return [1] + [choices.randint(2, 6) for _ in range(int(os.environ.get("FAULT_ROUNDS", 0)))]


def keys_of(point, role, control):
    """[(key, its name)] that this role was seen to pass the point with."""
    if point.key == "event":
        names = {number: name for number, name in crash_control.events().items()
                 if ROLE_OF_EVENT.get(number // 10) == role}
        wanted = EVENTS
    elif point.key == "request":
        names = crash_control.requests()
        asks = point.name.startswith(("OBLIGATION", "ANSWER"))
        names = {number: name for number, (name, owner) in names.items()
                 if (name in OBLIGATIONS if asks else owner == role)}
        wanted = OBLIGATIONS if asks else WAITING if point.name == "REQUEST_DEFERRED" else REQUESTS
    else:
        return [(0, "")]
    seen = {number: name for number, name in names.items()
            if control.hits(point.name, number) >= (1 if name in wanted else OFTEN)}
    missing = (wanted & set(names.values())) - set(seen.values())
    assert not missing, f"a sale never came past {point.name} with {sorted(missing)}"
    return sorted(seen.items())


def before(point, role):
    """What must happen so that a successor finds something to adopt."""
    if point.name == "ADOPTED_DECIDED":
        answered = {"queue": "TICKET_ISSUED", "seat": "RESERVATION_HELD",
                    "wallet": "WALLET_CHARGED"}[role]
        return ("EVENT_COMMITTED", number_of(answered, crash_control.events()), role)
    if point.name == "ADOPTED_DEFERRED":
        names = {number: name for number, (name, _) in crash_control.requests().items()}
        return ("OBLIGATION_SENT", number_of("DEBIT", names), role)
    return None


def number_of(name, names):
    return next(number for number, found in names.items() if found == name)


def scenarios_for(roles, moments, control, choices):
    found = [Scenario(point, role, key, text, hit, before(point, role))
             for point in points().values() if point.moment in moments
             for role in point.roles if role in roles
             for key, text in keys_of(point, role, control)
             for hit in hits_wanted(choices)]
    choices.shuffle(found)
    # Last, when the journal is long: an idle worker trims only what is worth a transaction.
    return sorted(found, key=lambda scenario: scenario.point.moment == "idle")


class Trial:
    """A server with crash points, buyers, and the list of deaths."""

    def __init__(self, start, tmp_path, seed, persistent):
        self.control = CrashControl(tmp_path / "control")
        # The smallest journal: so that its files fill, and are trimmed and used again.
        self.server = start("--demo", *ADMIT_ALL, "--retention", 0, "--journal-size", 16,
                            program=crash_control.binary(),
                            environment=self.control.environment)
        self.control.count_from_now()
        self.deaths = Deaths(self.server, seed, self.control)
        self.sale = Sale(self.server)
        self.clients = [Client(self.sale, self.deaths.random_for(number), persistent)
                        for number in range(CLIENTS)]

    async def _trouble(self, roles):
        await self.deaths._wait_for_answers(WARM_UP_JOURNEYS)
        scenarios = scenarios_for(roles, ("load", "idle", "recovery"), self.control,
                                  self.deaths.random_for("deaths"))
        await self.deaths.go_through(scenarios)

    async def _run(self, roles):
        try:
            await self.deaths.run_beside(self.clients, self._trouble(roles))
        except BaseException:
            print(f"failed at {self.deaths.current}")
            raise
        await self.sale.compare()

    def run(self, roles):
        asyncio.run(self._run(roles))
        print("\n".join(self.deaths.lines))
        print(f"{len(self.deaths.lines)} deaths; {self.sale.verdict()}; "
              f"the slowest answer took {max(self.sale.seconds) * 1000:.0f} ms")
        self.server.stop()


def test_every_line_of_the_table_belongs_to_a_test_of_this_file():
    under_load = {(moment, role) for moment in ("load", "idle", "recovery")
                  for role in (*WORKERS, *OTHERS)}
    first = {("first", role) for role in (*WORKERS, "supervisor")}
    table = {(point.moment, role) for point in points().values() for role in point.roles}
    assert table <= under_load | first | {("timer", "seat")}
    assert {point.key for point in points().values()} <= {"", "actor", "event", "request"}


@pytest.mark.parametrize("role", WORKERS)
def test_a_workers_death_at_any_point_costs_clients_nothing(start, tmp_path, role):
    Trial(start, tmp_path, choose_seed(), persistent=False).run((role,))


def test_the_death_of_a_front_or_of_everything_at_any_point_loses_nothing(start, tmp_path):
    Trial(start, tmp_path, choose_seed(), persistent=True).run(OTHERS)


def test_the_seat_workers_death_while_holds_expire_ends_each_hold_once(start, tmp_path):
    expired = number_of("RESERVATION_EXPIRED", crash_control.events())
    control = CrashControl(tmp_path / "control")
    server = start("--demo", "--hold-ttl", 1, program=crash_control.binary(),
                   environment=control.environment)
    user = server.user()
    free = iter(user.seats(1, "AVAILABLE"))
    held = []
    for point in points().values():
        if point.moment != "timer" and (point.key != "event" or "seat" not in point.roles):
            continue
        control.arm(point.name, key=expired if point.key == "event" else 0, role="seat")
        for _ in range(4):
            seat = next(free)["seatId"]
            held.append((user.hold(1, seat).data["reservationId"], seat))
        wait_until(control.fired, f"a death at {point.name}")
        wait_until(lambda: all(user.reservation(r).data["status"] == "EXPIRED" for r, _ in held),
                   "every hold has expired")
        print(f"{point.name} seat: died once, {len(held)} holds expired")
    for reservation, _ in held:
        expect_problem(user.confirm(reservation), 410, "hold-expired")
    shown = {seat["seatId"]: seat["seatStatus"] for seat in user.seats(1)}
    assert all(shown[seat] == "AVAILABLE" for _, seat in held)
    server.stop()


DEMO = ("--demo", "--demo-holds", 1500, "--open-confirm")


class FirstStart:
    """A start on an empty data directory in which a process dies."""

    def __init__(self, start, directory):
        self.start, self.directory = start, directory
        self.made = 0

    def server(self, control, data):
        return self.start(*DEMO, data=data, program=crash_control.binary(),
                          environment=control.environment)

    def control(self):
        self.made += 1
        control = CrashControl(self.directory / f"control-{self.made}")
        return control, self.directory / f"data-{self.made}"

    def undisturbed(self):
        """What a start comes past, and what it has made then."""
        control, data = self.control()
        server = self.server(control, data)
        made = self.contents(server)
        server.stop()
        return control, made

    def contents(self, server):
        """The demo data: free seats, and a few of the holds, which can be paid."""
        client = server.client()
        free = [schedule["availableSeats"] for concert in client.get("/api/v1/concerts").data
                for schedule in client.get(
                    f"/api/v1/concerts/{concert['concertId']}/schedules").data]
        paid = []
        for reservation in (1, 64, 777, 1500):
            answer = client.post("/reservations/confirm", {"reservationId": reservation})
            owner = User(client, reservation)
            paid.append((answer.data["paidAmount"], owner.balance()))
        return free, paid

    def with_a_death(self, point, role, hit):
        control, data = self.control()
        control.arm(point, hit, role=role)
        if role == "supervisor":
            with pytest.raises(AssertionError, match="no `listening on`"):
                self.server(control, data)
        server = self.server(control, data)
        assert control.fired() == 1, f"nobody died at {point} {role} at hit {hit}"
        made = self.contents(server)
        server.stop()
        return made


def test_a_death_in_the_first_start_leaves_a_data_directory_that_a_next_start_completes(
        start, tmp_path):
    first = FirstStart(start, tmp_path)
    control, expected = first.undisturbed()
    deaths = 0
    for point in points().values():
        if point.moment != "first":
            continue
        passed = control.hits(point.name, 0)
        assert passed >= len(point.roles), f"a first start did not pass {point.name}"
        for role in point.roles:
            for hit in range(1, passed // len(point.roles) + 1):
                assert first.with_a_death(point.name, role, hit) == expected
                deaths += 1
                print(f"{point.name} {role} at hit {hit}: the next start completed it")
    assert deaths >= 15
