"""The tests' side of crash points (src/base/crash_point.h): which there are, arming, counting."""

import mmap
import os
import pathlib
import re
import signal
import struct

ROOT = pathlib.Path(__file__).resolve().parents[2]
ORDERS_MAX, ORDER_SIZE, ROLE_SIZE, KEYS = 8, 64, 16, 128
POINT = re.compile(r'^POINT\((\w+),\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"\)', re.M)
EVENT = re.compile(r"^    EVENT\(\s*(\d+),\s*(\w+),", re.M)
REQUEST = re.compile(r"^    REQUEST\(\s*(\d+),\s*(\w+),\s*\w+,\s*(\w+),", re.M)


class Point:
    def __init__(self, number, name, roles, moment, key, text):
        self.number, self.name, self.text = number, name, text
        self.roles = roles.split()
        self.moment = moment
        self.key = key


def points():
    """{name: Point}, in the table's order."""
    table = (ROOT / "src" / "base" / "crash_points.def").read_text()
    found = [Point(number, *match) for number, match in enumerate(POINT.findall(table))]
    assert len(found) == table.count("\nPOINT("), "a line of crash_points.def is not understood"
    return {point.name: point for point in found}


def events():
    """{number: name} of the events in journals."""
    table = (ROOT / "storage" / "records.def").read_text()
    return {int(number): name for number, name in EVENT.findall(table)}


def requests():
    """{number: (name, role)} of the requests that workers answer."""
    table = (ROOT / "src" / "ipc" / "messages.def").read_text()
    return {int(number): (name, owner.lower()) for number, name, owner in REQUEST.findall(table)}


def binary():
    """A server with crash points."""
    path = pathlib.Path(os.environ.get("BOXOFFICE_CRASH_BIN", ROOT / "build/crash/boxoffice"))
    if not path.is_file():
        raise FileNotFoundError(f"no server with crash points at {path}: ./scripts/test fault "
                                "builds it, and so does cmake with -DBOXOFFICE_CRASH_POINTS=ON")
    return str(path.resolve())


class CrashControl:
    """The file that the server's processes share with the test."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.points = points()
        size = ORDERS_MAX * ORDER_SIZE + len(self.points) * KEYS * 8
        self.path.write_bytes(bytes(size))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)
        self.before = bytes(size)

    @property
    def environment(self):
        return {"BOXOFFICE_CRASH_CONTROL": str(self.path)}

    def _store(self, at, number):
        self.map[at:at + 8] = struct.pack("=Q", number)

    def _load(self, at):
        return struct.unpack_from("=Q", self.map, at)[0]

    def arm(self, name, hit=1, key=0, role="", with_signal=signal.SIGKILL, forever=False, order=0):
        """A process (of that role) dies when it passes the point (with that key) the hit-th time
        from now on, over all processes; forever: at that hit and at each later one."""
        at = order * ORDER_SIZE
        self._store(at, 0)  # nobody looks at the rest while it is written
        for offset, number in enumerate((hit, key, int(with_signal), int(forever), 0), 1):
            self._store(at + 8 * offset, number)
        self.map[at + 48:at + 48 + ROLE_SIZE] = role.encode().ljust(ROLE_SIZE, b"\0")
        self._store(at, self.points[name].number + 1)

    def disarm(self):
        for order in range(ORDERS_MAX):
            self._store(order * ORDER_SIZE, 0)

    def fired(self, order=0):
        return self._load(order * ORDER_SIZE + 40)

    def count_from_now(self):
        self.before = bytes(self.map)

    def hits(self, name, key):
        """How often the point was passed with that key since count_from_now."""
        at = (ORDERS_MAX * ORDER_SIZE + self.points[name].number * KEYS * 8) + key % KEYS * 8
        return self._load(at) - struct.unpack_from("=Q", self.before, at)[0]
