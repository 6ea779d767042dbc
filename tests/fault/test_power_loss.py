"""The power goes at thousands of moments of one sale, with some, all or none of what was not synced
on the disk, also in part: what clients had been told by then is there, and every invariant holds.

The sale is recorded once (record_writes.c), with its checkpoints, trims, deaths and restarts; the
moments are made from the record (power_loss.c). FAULT_STATES says how many are looked at."""

import asyncio
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from sale import ADMIT_ALL, Client, PersistentConnection, Sale
from storm import Storm, choose_seed
from write_log import TOLD, WriteLog, built

ORDERS = 1000
CLIENTS = 12
STATES = int(os.environ.get("FAULT_STATES", 10_000))
STARTED_STATES = 12  # are given to a real server besides
ARGUMENTS = ("--demo", *ADMIT_ALL, "--journal-size", 16, "--state-size", 64, "--retention", 0)


@pytest.fixture
def memory():
    """A directory, in memory where there is room."""
    shm = pathlib.Path("/dev/shm")
    roomy = shm.is_dir() and os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 512 << 20
    with tempfile.TemporaryDirectory(dir=shm if roomy else None, prefix="boxoffice-") as path:
        yield pathlib.Path(path)


def wait_for_the_last(data):
    """The directory's lock lives as long as any process of the server."""
    with open(data / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


class Recording(Storm):
    """A sale that lasts until enough was sold, checkpointed and trimmed, with deaths in it."""

    def __init__(self, server, seed, log):
        super().__init__(server, seed)
        self.log = log
        self.sale = None
        self.checkpoints = self.trimmed = 0

    def orders(self):
        return sum("CONFIRMED" in buyer.reservations.values() or
                   "CANCELLED" in buyer.reservations.values() for buyer in self.sale.buyers)

    async def _held(self):
        self.log.hold()
        async with asyncio.timeout(20):
            while self.log.busy > 0:
                await asyncio.sleep(0.001)

    async def _everybody_dies(self):
        await self._note_progress()
        await self._held()
        self.server.process.kill()
        await asyncio.to_thread(self.server.process.wait)
        await asyncio.to_thread(wait_for_the_last, self.log.data)
        self.log.go_on(everybody_died=True)
        await asyncio.to_thread(self.server.start)

    async def _one_dies(self, role):
        connection = await PersistentConnection(self.server).open()
        victim = await self._worker(connection, role)
        await self._held()
        os.kill(victim["pid"], signal.SIGKILL)
        self.log.go_on()
        connection.close()

    async def _note_progress(self):
        """Of the workers that live now."""
        samples = await asyncio.to_thread(self.server.metrics)

        def least(name):
            return min(value for (found, labels), value in samples.items()
                       if found == name and ("role", "wallet") in labels or
                       found == name and ("role", "seat") in labels)

        self.checkpoints = max(self.checkpoints, least("boxoffice_checkpoints_total"))
        kept = least("boxoffice_journal_last_sequence") - least("boxoffice_journal_records")
        self.trimmed = max(self.trimmed, kept)

    async def _trouble(self):
        try:
            await self._wait_for_answers(100)
            await self._one_dies("wallet")
            await self._wait_for_answers(100)
            await self._everybody_dies()
            await self._wait_for_answers(100)
            await self._one_dies("seat")
            while self.orders() < ORDERS or self.checkpoints < 3 or self.trimmed < 500:
                await self._wait_for_answers(20)
                await self._note_progress()
            await self._everybody_dies()
            await self._wait_for_answers(50)
        finally:
            self.over = True

    async def record(self):
        clients = [Client(self.sale, self.random_for(number), persistent=True, pause_s=0.05)
                   for number in range(CLIENTS)]
        await self.run_beside(clients, self._trouble())
        await self.sale.compare()


def record(start, directory, seed):
    data = directory / "data"
    log = WriteLog(directory / "log", data)
    server = start(*ARGUMENTS, data=data, environment=log.environment)
    recording = Recording(server, seed, log)
    recording.sale = Sale(server)
    asyncio.run(recording.record())
    server.stop()
    assert log.lost == 0, "the log does not say what was done"
    print(f"recorded {log.end >> 20} MiB: {recording.orders()} orders, at least "
          f"{recording.checkpoints:.0f} checkpoints and {recording.trimmed:.0f} trimmed events "
          f"of a worker; {recording.sale.verdict()}")
    return log


def test_whenever_the_power_goes_all_that_was_acknowledged_is_there(start, tmp_path, memory):
    seed = choose_seed()
    log = record(start, tmp_path, seed)
    told = sorted(log.told())
    assert len(told) > 5 * ORDERS
    (tmp_path / "told").write_bytes(b"".join(TOLD.pack(*line) for line in told))
    result = subprocess.run(
        [built("power_loss"), log.path, tmp_path / "told", log.data, memory, str(STATES),
         str(seed), str(STATES // STARTED_STATES)], capture_output=True, text=True)
    print(result.stdout[-8000:])
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-4000:]
    kept = sorted(memory.glob("kept-*"))
    assert len(kept) >= STARTED_STATES - 2
    for data in kept:
        start(*ARGUMENTS, data=data).stop()
    print(f"a server started on {len(kept)} of them, and its audit found nothing")
