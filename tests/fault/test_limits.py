"""Too little of something: descriptors, memory, room in the maps, time. The server refuses what it
cannot do, loses nothing of what it has promised, and is as before when there is enough again."""

import asyncio
import contextlib
import os
import pathlib
import re
import resource
import socket
import time

import pytest

from boxoffice import wait_until
from overload import Overload
from sale import ADMIT_ALL, Client, Sale
from storm import Connection, Storm, choose_seed

DESCRIPTORS = 64
CLIENTS = 8


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_front_out_of_descriptors_serves_who_is_connected_does_not_spin_and_recovers(start):
    server = start("--demo", command_prefix=("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"))
    user = server.user()
    front = server.worker("front")
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                 for _ in range(2 * DESCRIPTORS)]
        assert user.charge(7).status == 201  # it was there before them
        used, began = processor_seconds(front["pid"]), time.monotonic()
        wait_until(lambda: time.monotonic() > began + 2, "two seconds of it")
        share = (processor_seconds(front["pid"]) - used) / (time.monotonic() - began)
        assert share < 0.5, f"the front spins: {share:.0%} of a core"
        assert user.balance() == 7
        assert len(crowd) == 2 * DESCRIPTORS
    # Whoever waited in the backlog and left is dealt with; then there is room for others.
    other = server.user()
    assert other.charge(1).status == 201
    assert server.worker("front")["generation"] == front["generation"]
    server.stop()


def test_a_sale_with_small_maps_refuses_and_loses_nothing(start):
    """A journal of 16 MiB that may keep its events for a day: appends stop at 80 %."""
    seed = choose_seed()
    server = start("--demo", *ADMIT_ALL, "--journal-size", 16, "--retention-size", 65536)
    overload = Overload(server, server.data.parent, users=64)
    statuses = {"good": 0, "busy": 0}
    for _ in range(30):
        figures = overload.run(20_000, 1, connections=200)
        assert figures["other"] == 0
        statuses["good"] += figures["good"]
        statuses["busy"] += figures["busy"]
        if figures["good"] == 0:
            break
    print(f"seed {seed}: {statuses['good']} charges fitted, {statuses['busy']} were refused")
    assert statuses["good"] > 1000 and statuses["busy"] > 1000
    overload.check()
    server.stop()
    again = start("--demo", *ADMIT_ALL, "--journal-size", 16, "--retention", 0, data=server.data)
    user = again.user()
    wait_until(lambda: user.charge(1).status == 201, "a charge fits again", 30)
    again.stop()


class Cgroup:
    """A memory cgroup of the test's own, version 1 or 2."""

    def __init__(self, name):
        if pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists():
            root = pathlib.Path("/sys/fs/cgroup")
            (root / "cgroup.subtree_control").write_text("+memory")
            self.path, self.limit = root / name, "memory.max"
            self.events, self.current = "memory.events", "memory.current"
        else:
            own = re.search(r"^\d+:[^:]*\bmemory\b[^:]*:(.*)$",
                            pathlib.Path("/proc/self/cgroup").read_text(), re.M)[1]
            parent = pathlib.Path("/sys/fs/cgroup/memory" + own)
            parent = parent if parent.is_dir() else pathlib.Path("/sys/fs/cgroup/memory")
            self.path, self.limit = parent / name, "memory.limit_in_bytes"
            self.events, self.current = "memory.oom_control", "memory.usage_in_bytes"
        self.path.mkdir()
        if self.limit == "memory.max" and (self.path / "memory.swap.max").exists():
            (self.path / "memory.swap.max").write_text("0")

    @property
    def prefix(self):
        """Enters it, then becomes the command."""
        return ("sh", "-c", f'echo $$ > "{self.path}/cgroup.procs" && exec "$@"', "sh")

    def set_limit(self, size):
        (self.path / self.limit).write_text(str(size))

    def used(self):
        return int((self.path / self.current).read_text())

    def kills(self):
        found = re.search(r"^oom_kill (\d+)$", (self.path / self.events).read_text(), re.M)
        return int(found[1]) if found else 0

    def remove(self):
        def gone():
            with contextlib.suppress(OSError):
                self.path.rmdir()
            return not self.path.exists()
        wait_until(gone, "the cgroup is empty")


@pytest.fixture
def cgroup():
    try:
        made = Cgroup(f"boxoffice-test-{os.getpid()}")
    except OSError as error:
        if os.environ.get("CI") and os.geteuid() == 0:
            pytest.fail(f"no memory cgroup: {error}")
        pytest.skip(f"no memory cgroup here: {error}")
    yield made
    made.remove()


class Squeezed(Storm):
    """A server whose memory limit sinks below what it needs, and rises again."""

    async def squeeze(self, cgroup):
        connection = await Connection(self.server.port).open()
        try:
            await self._wait_for_answers(50)
            before = await self._worker(connection, "wallet")
            # Lower and lower: what can be reclaimed goes first, then somebody has to die.
            size = cgroup.used()
            async with asyncio.timeout(60):
                while cgroup.kills() == 0:
                    size = size * 9 // 10
                    with contextlib.suppress(OSError):  # busy: it cannot be reclaimed
                        await asyncio.to_thread(cgroup.set_limit, size)
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(cgroup.set_limit, 4 << 30)
            await self._until_ready(connection, before, 60)
            now = await self._worker(connection, "wallet")
            assert now["restarts"]["outOfMemory"] > before["restarts"]["outOfMemory"], now
            await self._wait_for_answers(50)
        finally:
            cgroup.set_limit(4 << 30)
            self.over = True
            connection.close()


def test_a_worker_killed_for_want_of_memory_comes_back_and_nothing_is_lost(cgroup, start):
    """The wallet worker is the largest process, having filled its memory with other wallets."""
    if os.geteuid() != 0:
        pytest.skip("a memory cgroup needs root")
    seed = choose_seed()
    server = start("--demo", "--demo-holds", 20000, *ADMIT_ALL, command_prefix=cgroup.prefix)
    wallet = server.worker("wallet")["pid"]
    pathlib.Path(f"/proc/{wallet}/oom_score_adj").write_text("1000")
    storm = Squeezed(server, seed)
    sale = Sale(server)
    clients = [Client(sale, storm.random_for(number), persistent=True)
               for number in range(CLIENTS)]
    asyncio.run(storm.run_beside(clients, storm.squeeze(cgroup)))
    asyncio.run(sale.compare())
    print(f"{cgroup.kills()} killed for want of memory; {sale.verdict()}")
    server.stop()


def test_more_load_than_it_can_take_is_refused_and_not_one_answer_is_untrue(start):
    """In an open model, far above what it can do; how fast it is then, overload.py measures."""
    server = start("--connections", 4000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    overload = Overload(server, server.data.parent, users=500)
    generations = {(p["role"], p["generation"]) for p in server.processes()}
    figures = overload.run(100_000, 1, connections=3000)
    print(figures)
    assert figures["other"] == 0 and figures["good"] > 0
    assert figures["good"] + figures["busy"] == figures["sent"] == 100_000
    overload.check()
    calm = overload.run(200, 1, connections=50)
    assert calm["good"] == calm["sent"]
    assert {(p["role"], p["generation"]) for p in server.processes()} == generations
    server.stop()
