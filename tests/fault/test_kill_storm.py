"""kill -9 of every role, again and again at random moments, while buyers go their whole way.

Workers: no client is told anything but the right answer, and none repeats a request. A front, and
the supervisor with which everything dies: clients repeat, and whatever they learn at last is the one
outcome. FAULT_KILLS=1000 makes the long version of a thousand kills in all, with FAULT_HOLDS
wallets and funded holds in the data directory and wrk charging wallets beside the buyers."""

import asyncio
import os
import re
import shutil
import subprocess
import time

import pytest

from boxoffice import wait_until
from sale import ADMIT_ALL, Client, Sale
from storm import Storm, choose_seed, kill_count

KILLS = kill_count(70)
LONG = KILLS >= 500
HOLDS = int(os.environ.get("FAULT_HOLDS", 0))
CLIENTS = 24
WRK_CONNECTIONS = 64
WRK_USERS = 50
WORKERS = ("queue", "seat", "wallet", "relay")
# Each part of the kills, and who is killed.
PARTS = {"worker": (0.7, WORKERS), "front": (0.2, ("front",)), "everything": (0.1, ())}
WRK_SCRIPT = """
local requests, at = {}, 0
function init(arguments)
    for line in io.lines(arguments[1]) do
        local path, token = line:match("^(%S+) (%S+)$")
        requests[#requests + 1] = wrk.format("POST", path,
            {["Authorization"] = token, ["Content-Type"] = "application/json"}, '{"amount":7}')
    end
end
function request()
    at = at % #requests + 1
    return requests[at]
end
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("wrk: %d requests, %d refused, %d broken, p99.9 %.1f ms, max %.1f ms\\n",
        summary.requests, errors.status, errors.connect + errors.read + errors.write
        + errors.timeout, latency:percentile(99.9) / 1000, latency.max / 1000))
end
"""


def is_checkpointed(server):
    """Demo data has left the journals' tails, which would throttle a worker (503) by their length;
    a checkpoint that kills interrupt again and again does not get there."""
    samples = server.metrics()
    return all(samples["boxoffice_journal_last_sequence", labels] - covered < 10_000
               for (name, labels), covered in samples.items()
               if name == "boxoffice_checkpoint_sequence" and
               dict(labels)["role"] in ("seat", "wallet"))


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Wrk:
    """Charges a few wallets as fast as the server takes it; used in the long version."""

    def __init__(self, server, directory):
        self.users = [server.user() for _ in range(WRK_USERS)]
        (directory / "charge.lua").write_text(WRK_SCRIPT)
        (directory / "users").write_text(
            "".join(f"{user.points}/charges {user.token}\n" for user in self.users))
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{WRK_CONNECTIONS}", "-d3600s", "--timeout", "20s", "-s",
             directory / "charge.lua", f"http://127.0.0.1:{server.port}", "--",
             directory / "users"], stdout=subprocess.PIPE, text=True)

    def finish(self):
        """Ends it and compares what it was told with the books. Returns its own line."""
        self.process.send_signal(2)
        output = self.process.communicate(timeout=60)[0]
        line = next(line for line in output.splitlines() if line.startswith("wrk:"))
        told, refused, broken = map(int, re.findall(r"(\d+) (?:requests|refused|broken)", line))
        charged = sum(user.balance() for user in self.users)
        assert (refused, broken) == (0, 0), line
        assert charged % 7 == 0 and told <= charged // 7 <= told + WRK_CONNECTIONS, (line, charged)
        return line


class KillEverything(Storm):
    """The supervisor's death is everybody's."""

    def __init__(self, server, seed):
        super().__init__(server, seed)
        self.starts_s = []

    async def kill_everything(self, kills, answers_between):
        try:
            for _ in range(kills):
                await self._wait_for_answers(self.random.randint(*answers_between))
                self.server.process.kill()
                killed = time.monotonic()
                await self._restart()
                self.kills += 1
                self.starts_s.append(time.monotonic() - killed)
                self.windows.append((killed, time.monotonic()))
            await self._wait_for_answers(answers_between[1])
        finally:
            self.over = True


@pytest.mark.parametrize("who", PARTS)
def test_kills_under_the_load_of_buyers_end_in_what_was_told(start, tmp_path, who):
    seed = choose_seed()
    share, victims = PARTS[who]
    kills = max(1, round(KILLS * share))
    demo = ("--demo-holds", HOLDS) if HOLDS else ()
    server = start("--demo", *demo, *ADMIT_ALL, start_timeout_s=40 + HOLDS / 5000)
    wait_until(lambda: is_checkpointed(server), "the first checkpoint", 120)
    storm = KillEverything(server, seed)
    sale = Sale(server)
    clients = [Client(sale, storm.random_for(number), persistent=who != "worker")
               for number in range(CLIENTS)]
    wrk = Wrk(server, tmp_path) if LONG and who == "worker" and shutil.which("wrk") else None
    if victims:
        order = [storm.random.choice(victims) for _ in range(kills)]
        asyncio.run(storm.run(clients, order, kills, (2, 40)))
    else:
        asyncio.run(storm.run_beside(clients, storm.kill_everything(kills, (20, 100))))
    if wrk is not None:
        print(wrk.finish())
    asyncio.run(sale.compare())
    delays = sale.delays(storm.windows)
    print(f"{who}: {storm.kills} kills; {len(sale.seconds)} requests, {len(delays)} of them met a "
          f"death: half within {percentile(delays, .5) * 1000:.0f} ms, 99.9 % within "
          f"{percentile(delays, .999) * 1000:.0f} ms, all within {max(delays) * 1000:.0f} ms")
    if storm.starts_s:
        starts = sorted(storm.starts_s)
        print(f"ready again after the death of everything: half within "
              f"{percentile(starts, .5) * 1000:.0f} ms, all within {starts[-1] * 1000:.0f} ms")
    print(sale.verdict())
    server.stop()
