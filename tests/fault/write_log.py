"""The log of a server that runs with record_writes.so (tests/fault/write_log.h): making one, holding
the server between two calls, and reading what its clients were told."""

import base64
import json
import mmap
import os
import pathlib
import re
import struct

HEAD_SIZE = 64
RECORD = struct.Struct("=IHHQQQQ")  # size, kind, durable, inode, offset, length, sync
RECEIVED, SENT = 12, 13
LOG_SIZE = 4 << 30  # sparse
TOLD = struct.Struct("=6Q")
TRANSACTION, RESERVATION, TICKET = 1, 2, 3
HELD, RELEASED, CONFIRMED, CANCELLED = 0, 1, 2, 3


def built(name):
    """What CMake has put beside the server."""
    path = pathlib.Path(os.environ.get("BOXOFFICE_BIN", "build/release/boxoffice")).resolve().parent
    return str(path / name)


class WriteLog:
    def __init__(self, path, data):
        self.path, self.data = pathlib.Path(path), pathlib.Path(data)
        with open(self.path, "wb") as file:
            file.truncate(LOG_SIZE)
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), LOG_SIZE)
        self.map[0:16] = struct.pack("=2Q", HEAD_SIZE, LOG_SIZE)
        self.breaks = []  # where everybody died: no connection goes on behind it

    @property
    def environment(self):
        return {"LD_PRELOAD": built("record_writes.so"), "RECORD_LOG": str(self.path),
                "RECORD_DATA": str(self.data)}

    def _word(self, number):
        return struct.unpack_from("=Q", self.map, 8 * number)[0]

    @property
    def end(self):
        return self._word(0)

    @property
    def busy(self):
        return self._word(3)

    @property
    def lost(self):
        return self._word(4)

    def hold(self):
        """From now on nobody begins a call; what is under way ends. Who dies now has nothing in
        the log that it did not do."""
        self.map[16:24] = struct.pack("=Q", 1)

    def go_on(self, everybody_died=False):
        if everybody_died:
            self.breaks.append(self.end)
            self.map[24:32] = bytes(8)  # who died while it looked at `hold`
        self.map[16:24] = bytes(8)

    def records(self):
        """(position, kind, inode, bytes) of what went over sockets."""
        at = HEAD_SIZE
        while at < self.end:
            size, kind, _, inode, _, length, _ = RECORD.unpack_from(self.map, at)
            if size == 0:
                return
            if kind in (RECEIVED, SENT):
                yield at, kind, inode, self.map[at + RECORD.size:at + RECORD.size + length]
            at += size

    def told(self):
        """What was told to clients: TOLD tuples, in order."""
        breaks = list(self.breaks)
        connections = {}
        for at, kind, inode, data in self.records():
            if breaks and at >= breaks[0]:
                breaks.pop(0)
                connections.clear()
            connection = connections.setdefault(inode, ([], [b""], [b""]))
            asked, coming, going = connection
            if kind == RECEIVED:
                asked += messages(coming, data)
            for head, body in messages(going, data) if kind == SENT else ():
                yield from meaning(at, *asked.pop(0), int(head[9:12]), body)


LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


def messages(pending, data):
    """[(head, body)] of the HTTP messages that `data` completes."""
    pending[0] += data
    found = []
    while True:
        head, separator, rest = pending[0].partition(b"\r\n\r\n")
        if not separator:
            return found
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            return found
        found.append((head, rest[:size]))
        pending[0] = rest[size:]


RELEASE = re.compile(rb"DELETE /api/v1/reservations/(\d+) ")
STATES = {"HELD": HELD, "CONFIRMED": CONFIRMED, "CANCELLED": CANCELLED, "RELEASED": RELEASED}


def meaning(at, request, _, status, body):
    release = RELEASE.match(request)
    if release and status == 204:
        yield at, RESERVATION, int(release[1]), RELEASED, 0, 0
    if status not in (200, 201) or not body.startswith(b'{"data":'):
        return
    data = json.loads(body)["data"]
    if not isinstance(data, dict):
        return
    if "transactionId" in data:
        yield (at, TRANSACTION, data["userId"], data["transactionId"], data["amount"],
               data["balance"])
    if data.get("status") in STATES and "reservationId" in data:
        yield at, RESERVATION, data["reservationId"], STATES[data["status"]], 0, 0
    if "queueToken" in data:
        token = base64.urlsafe_b64decode(data["queueToken"] + "==")
        _, room, _, number, _ = struct.unpack_from(">BQQQQ", token)
        yield at, TICKET, room, number, 0, 0
