#!/usr/bin/env python3
"""A wallet worker crashes by itself six times within 30 s, second by second.

    BOXOFFICE_BIN=build/release/boxoffice tests/fault/park_report.py

Requests arrive on a schedule, whatever became of those before: charges of wallets, holds of seats
(released again), the catalogue. Each is sent once. The exit code is 1 when another worker's requests
suffered, an answer was anything but 2xx or 503, or traffic did not return.
"""

import concurrent.futures
import itertools
import os
import pathlib
import queue
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from boxoffice import Server  # noqa: E402

CRASHES = 6
QUIET_BEFORE_S, QUIET_AFTER_S, LONGEST_S = 2, 4, 60
PER_SECOND = {"charge": 100, "hold": 20, "read": 20}
CLIENTS = 400  # at a time: what a stop of some seconds leaves waiting


class Second:
    """What was answered in one second."""

    def __init__(self):
        self.answers = {name: [] for name in PER_SECOND}  # (status, seconds)
        self.crashes = 0
        self.worker = self.breaker = ""

    def count(self, name, *statuses):
        return sum(status in statuses for status, _ in self.answers[name])

    def slowest_ms(self, name, *statuses):
        times = [took for status, took in self.answers[name] if status in statuses]
        return f"{1000 * max(times):.1f}" if times else "–"


class Report:
    def __init__(self, server):
        self.server = server
        self.began = time.monotonic()
        self.seconds = []
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.users = queue.SimpleQueue()
        for _ in range(CLIENTS):
            self.users.put(server.user())
        seats = server.user().seats(1, "AVAILABLE")
        self.seats = itertools.cycle([seat["seatId"] for seat in seats])

    def now(self):
        """The current second's line."""
        number = int(time.monotonic() - self.began)
        with self.lock:
            while len(self.seconds) <= number:
                self.seconds.append(Second())
            return self.seconds[number]

    def call(self, name):
        """One request on a connection of its own; counted in the second in which it is answered."""
        user = self.users.get()
        began = time.monotonic()
        if name == "charge":
            answer = user.charge(1)
        elif name == "hold":
            answer = user.hold(1, next(self.seats))
        else:
            answer = user.get("/api/v1/concerts")
        took = time.monotonic() - began
        if name == "hold" and answer.status == 201:
            user.delete(f"/api/v1/reservations/{answer.data['reservationId']}")
        line = self.now()
        with self.lock:
            line.answers[name].append((answer.status, took))
        self.users.put(user)

    def arrivals(self, name, pool):
        due = self.began
        while not self.over.wait(max(0, due - time.monotonic())):
            pool.submit(self.call, name)
            due += 1 / PER_SECOND[name]

    def watch(self, client):
        worker = self.server.worker("wallet", client=client)
        breaker = self.server.admin("/api/v1/admin/breakers/wallet-0", client).data
        line = self.now()
        line.worker = self.worst(line.worker, worker["state"],
                                 ("READY", "STARTING", "BACKOFF", "PARKED"))
        line.breaker = self.worst(line.breaker, breaker["state"],
                                  ("CLOSED", "HALF_OPEN", "OPEN"))
        return worker, breaker["state"]

    @staticmethod
    def worst(before, now, order):
        known = [state for state in (before, now) if state in order]
        return max(known, key=order.index, default=now)

    def crash_and_watch(self):
        """True when the worker and its breaker were well again for a while."""
        client = self.server.client()
        crashes, last_generation, well_since = 0, 0, None
        while time.monotonic() - self.began < LONGEST_S:
            worker, breaker = self.watch(client)
            quiet = time.monotonic() - self.began < QUIET_BEFORE_S
            again = worker["state"] == "READY" and worker["generation"] > last_generation
            if crashes < CRASHES and again and not quiet:
                os.kill(worker["pid"], signal.SIGSEGV)
                last_generation = worker["generation"]
                crashes += 1
                self.now().crashes += 1
            well = crashes == CRASHES and again and breaker == "CLOSED"
            well_since = (well_since or time.monotonic()) if well else None
            if well_since and time.monotonic() - well_since > QUIET_AFTER_S:
                return True
            time.sleep(0.02)
        return False

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            self.began = time.monotonic()
            arrivals = [threading.Thread(target=self.arrivals, args=(name, pool))
                        for name in PER_SECOND]
            for thread in arrivals:
                thread.start()
            try:
                return self.crash_and_watch()
            finally:
                self.over.set()
                for thread in arrivals:
                    thread.join()

    def print(self):
        print("| second | crashes | worker | breaker | charges: done | refused (503) | slowest done, ms "
              "| slowest refused, ms | holds done | catalogue read |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for number, line in enumerate(self.seconds[:-1]):  # the last one was cut short
            print(f"| {number} | {line.crashes or ''} | {line.worker} | {line.breaker} "
                  f"| {line.count('charge', 201)} | {line.count('charge', 503)} "
                  f"| {line.slowest_ms('charge', 201)} | {line.slowest_ms('charge', 503)} "
                  f"| {line.count('hold', 201)} | {line.count('read', 200)} |")

    def refusals_took_ms(self):
        """What the server says: all refusals were answered within this."""
        name, route = "boxoffice_http_request_duration_seconds_bucket", \
            "POST /api/v1/users/{userId}/points/charges"
        buckets = sorted((float(dict(labels)["le"]), count)
                         for (sample, labels), count in self.server.metrics().items()
                         if sample == name and {("route", route), ("status", "503")} <= set(labels))
        return next((1000 * bound for bound, count in buckets if count == buckets[-1][1]), 0)

    def unexpected(self):
        for line in self.seconds:
            for name, answers in line.answers.items():
                allowed = {"charge": (201, 503), "hold": (201,), "read": (200,)}[name]
                yield from (f"{name}: {status}" for status, _ in answers if status not in allowed)


def main():
    with tempfile.TemporaryDirectory() as directory:
        server = Server(directory, "--demo")
        try:
            server.start()
            report = Report(server)
            returned = report.run()
            report.print()
            unexpected = list(report.unexpected())
            print(f"\n{CRASHES} crashes; the server answered each refusal within "
                  f"{report.refusals_took_ms():.2g} ms")
            server.stop()
        finally:
            server.end()
    if unexpected or not returned:
        print(f"traffic returned: {returned}; unexpected answers: {unexpected[:10]}")
    return 0 if returned and not unexpected else 1


if __name__ == "__main__":
    sys.exit(main())
