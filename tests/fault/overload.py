#!/usr/bin/env python3
"""More load than the server can take, in an open model: tests/fault/overload.py [SECONDS]

Finds the server's peak with ever more charges a second, then offers 0.5 to 5 times that, and prints
a table: what was answered with 201 and with 503, and how fast, counted from when each request was
due. Build first (./scripts/build)."""

import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from boxoffice import Server  # noqa: E402
from write_log import built  # noqa: E402

USERS = 2000
CONNECTIONS = 2000
FACTORS = (0.5, 0.9, 1, 1.5, 2, 3, 5)
CORES = {"server": "0", "generator": "1"}


class Overload:
    """Charges of many users on a server, at any rate."""

    def __init__(self, server, directory, users=USERS):
        client = server.client()
        self.server = server
        self.users = [server.user(client=client) for _ in range(users)]
        self.path = pathlib.Path(directory) / "requests"
        body = '{"amount":3}'
        self.path.write_text("".join(
            f"POST {user.points}/charges HTTP/1.1\r\nHost: boxoffice\r\n"
            f"Authorization: {user.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}\0" for user in self.users))
        self.charged = 0

    def run(self, rate, seconds, connections=CONNECTIONS, prefix=()):
        result = subprocess.run(
            [*prefix, built("open_load"), str(self.server.port), str(rate), str(seconds),
             str(connections), str(self.path)], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        figures = json.loads(result.stdout)
        self.charged += figures["good"]
        return figures

    def check(self):
        """Every 201 is in the books, and nothing else is."""
        client = self.server.client()
        for user in self.users:
            user.client = client  # theirs may have been idle for too long
        balance = sum(user.balance() for user in self.users)
        assert balance == 3 * self.charged, (balance, self.charged)


def peak_of(overload, seconds, prefix):
    """The most 201s a second that any rate got."""
    peak, rate = 0, 2000
    while True:
        figures = overload.run(rate, seconds, prefix=prefix)
        if figures["goodPerSecond"] < peak * 1.02 and rate > 2 * peak:
            return peak
        peak = max(peak, figures["goodPerSecond"])
        rate = int(rate * 1.5)


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="boxoffice-overload-") as directory:
        # With little to keep, the journal is trimmed from the beginning on, as in the long run.
        server = Server(directory, "--connections", 2 * CONNECTIONS, "--retention-size", 16,
                        command_prefix=("taskset", "-c", CORES["server"])).start()
        try:
            overload = Overload(server, directory)
            prefix = ("taskset", "-c", CORES["generator"])
            peak = peak_of(overload, seconds, prefix)
            print(f"peak {peak:.0f} charges/s: the server on one core, the generator on another")
            print("| offered | 201/s | of the peak | 503/s | 201 p50, p99 ms | 503 p50, p99 ms |")
            print("|---|---|---|---|---|---|")
            for factor in FACTORS:
                figures = overload.run(int(peak * factor), seconds, prefix=prefix)
                assert figures["other"] == 0, figures
                print(f"| {factor} × | {figures['goodPerSecond']:.0f} | "
                      f"{figures['goodPerSecond'] / peak:.2f} | {figures['busy'] / seconds:.0f} | "
                      f"{figures['goodP50'] / 1000:.1f}, {figures['goodP99'] / 1000:.1f} | "
                      f"{figures['busyP50'] / 1000:.1f}, {figures['busyP99'] / 1000:.1f} |",
                      flush=True)
            overload.check()
            server.stop()
            print("every 201 is in the books, nothing else is; the audit found nothing")
        finally:
            server.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
