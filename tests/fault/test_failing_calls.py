"""Calls of the operating system that fail: writes, syncs, opens and the like, once or for good.

Nothing that was acknowledged is lost, nothing is acknowledged that is not there, and the process
starts afresh once the call works again. A commit that may or may not have reached the disk is a
5xx; buyers repeat the request and are told one outcome."""

import asyncio
import errno
import os
import random
import shutil
import subprocess

import pytest

from boxoffice import wait_until
from fail_control import FailControl
from sale import ADMIT_ALL, Client, Sale
from storm import Connection, Storm, choose_seed

WORKERS = ("queue", "seat", "wallet")
CLIENTS = 8
START_CALLS = int(os.environ.get("FAULT_START_CALLS", 12))  # of each kind that are tried
SERVE = ("--demo", *ADMIT_ALL, "--retention", 0)
# With a fault a minute a worker is not parked, which others test.
IN_A_SALE = [("pwrite", errno.EIO), ("fdatasync", errno.EIO), ("pwrite", errno.ENOSPC),
             ("writev", errno.EIO)]
GIVES_UP = (os.EX_DATAERR, os.EX_OSERR, os.EX_IOERR, os.EX_TEMPFAIL, os.EX_CONFIG)
WITH_LIBFIU = ["posix/io/sync/fdatasync", "posix/io/rw/pwrite", "posix/io/rw/pwrite/reduce"]


class Failing(Storm):
    """Lets calls fail while buyers buy."""

    async def _settled(self, connection, role, wait_for=60):
        """The role is ready, and clients are being served."""
        async with asyncio.timeout(wait_for):
            while (await self._worker(connection, role))["state"] != "READY":
                await asyncio.sleep(0.02)
        await self._wait_for_answers(30)

    async def counted(self, control, role, faults):
        connection = await Connection(self.server.port).open()
        try:
            await self._wait_for_answers(30)
            for call, error in faults:
                before = await self._worker(connection, role)
                control.arm(call, self.random.randint(1, 20), error)
                async with asyncio.timeout(60):
                    while control.fired() == 0:
                        await asyncio.sleep(0.005)
                await self._settled(connection, role)
                now = await self._worker(connection, role)
                print(f"{call} {errno.errorcode[error]} in {role}: generation "
                      f"{before['generation']} → {now['generation']}")
                control.disarm()
        finally:
            self.over = True
            connection.close()

    async def for_good(self, control, role, call):
        """Fails over all restarts until it is told to work again."""
        connection = await Connection(self.server.port).open()
        try:
            await self._wait_for_answers(30)
            control.arm(call, self.random.randint(1, 5), forever=True)
            async with asyncio.timeout(60):
                while control.fired() < 4:
                    await asyncio.sleep(0.01)
            control.disarm()
            await self._settled(connection, role)
        finally:
            self.over = True
            connection.close()

    async def by_libfiu(self, path, role, faults):
        connection = await Connection(self.server.port).open()
        try:
            for name in faults:
                await self._wait_for_answers(30)
                victim = await self._worker(connection, role)
                enable = f"enable name={name},failinfo={errno.EIO}"
                await asyncio.to_thread(
                    subprocess.run, ["fiu-ctrl", "-f", path, "-c", enable, str(victim["pid"])],
                    check=True, capture_output=True, timeout=20)
                await self._until_ready(connection, victim, 60)
                print(f"{name} in {role}: a new generation")
            await self._settled(connection, role)
        finally:
            self.over = True
            connection.close()


def sell(server, seed, trouble_of):
    """Buyers buy while trouble_of(storm) goes on; then everything is compared."""
    storm = Failing(server, seed)
    sale = Sale(server)
    clients = [Client(sale, storm.random_for(number), persistent=True)
               for number in range(CLIENTS)]
    asyncio.run(storm.run_beside(clients, trouble_of(storm)))
    asyncio.run(sale.compare())
    print(sale.verdict())
    server.stop()


@pytest.mark.parametrize("role", WORKERS)
def test_a_failed_write_or_sync_in_a_sale_loses_nothing(start, tmp_path, role):
    seed = choose_seed()
    control = FailControl(tmp_path / "control", role)
    server = start(*SERVE, environment=control.environment)
    sell(server, seed, lambda storm: storm.counted(control, role, IN_A_SALE))


@pytest.mark.parametrize("role,call", [("wallet", "fdatasync"), ("seat", "pwrite")])
def test_a_call_that_fails_for_a_while_loses_nothing(start, tmp_path, role, call):
    seed = choose_seed()
    control = FailControl(tmp_path / "control", role)
    server = start(*SERVE, environment=control.environment)
    sell(server, seed, lambda storm: storm.for_good(control, role, call))


@pytest.mark.parametrize("role", ["seat", "wallet"])
def test_failures_by_libfiu_lose_nothing(start, tmp_path, role):
    if shutil.which("fiu-run") is None:
        if os.environ.get("CI"):
            pytest.fail("fiu-run is needed")
        pytest.skip("fiu-run is not installed")
    seed = choose_seed()
    path = str(tmp_path / "fiu")
    server = start(*SERVE, command_prefix=("fiu-run", "-x", "-f", path))
    sell(server, seed, lambda storm: storm.by_libfiu(path, role, WITH_LIBFIU))


def numbers(count, choices):
    """Which of a start's calls fail: all, or as many as FAULT_START_CALLS says."""
    every = range(1, count + 1)
    return every if count <= START_CALLS else sorted(choices.sample(every, START_CALLS))


@pytest.mark.parametrize("role", ["wallet", "supervisor"])
def test_any_call_of_a_first_start_may_fail_once(start, tmp_path, role):
    """A worker starts again by itself; a server that gives up says so with its exit code, leaves
    nothing behind that harms, and the next start succeeds."""
    choices = random.Random(choose_seed())
    control = FailControl(tmp_path / "count", role)
    undisturbed = start("--demo", data=tmp_path / "undisturbed", environment=control.environment)
    calls = control.seen()
    undisturbed.stop()
    tried = gave_up = 0
    for call, count in calls.items():
        for number in numbers(count, choices):
            tried += 1
            data = tmp_path / f"data-{tried}"
            control = FailControl(tmp_path / f"control-{tried}", role)
            control.arm(call, number)
            try:
                server = start("--demo", data=data, environment=control.environment)
            except AssertionError:
                code = start.servers[-1].process.returncode
                assert code in GIVES_UP, f"exit code {code}, {call} number {number}"
                gave_up += 1
                server = start("--demo", data=data)
            control.disarm()  # what is done behind the start is others' to test
            assert control.fired() <= 1
            assert server.user().charge(5).status == 201
            server.stop()
            shutil.rmtree(data)
    print(f"{role}: {tried} calls failed, one at a time; {gave_up} starts gave up, and the next "
          "one succeeded")
    assert tried > 20


def test_on_a_disk_that_never_syncs_nothing_is_acknowledged_until_it_does(start, tmp_path):
    control = FailControl(tmp_path / "control", "wallet")
    control.arm("fdatasync", forever=True)
    server = start("--demo", environment=control.environment)
    user = server.user()
    for _ in range(20):
        assert user.charge(5).status in (503, 507)
        assert user.balance() == 0
    control.disarm()
    wait_until(lambda: user.charge(5).status == 201, "a charge succeeds again")
    assert [t["amount"] for t in user.transactions()] == [5]
    server.stop()
