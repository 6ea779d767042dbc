"""The tests' side of fail_calls.c: which call of which role fails, and how many there were."""

import errno
import mmap
import pathlib
import struct

from write_log import built

CALLS = ("open", "mmap", "pread", "pwrite", "writev", "fdatasync", "fsync", "ftruncate", "rename",
         "unlink", "mkdir")
ROLE_SIZE = 16


class FailControl:
    def __init__(self, path, role):
        self.path = pathlib.Path(path)
        size = 5 * 8 + ROLE_SIZE + len(CALLS) * 8
        self.path.write_bytes(bytes(40) + role.encode().ljust(ROLE_SIZE, b"\0")
                              + bytes(len(CALLS) * 8))
        with open(self.path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)

    @property
    def environment(self):
        return {"LD_PRELOAD": built("fail_calls.so"), "FAIL_CONTROL": str(self.path)}

    def _word(self, number):
        return struct.unpack_from("=Q", self.map, 8 * number)[0]

    def arm(self, call, number=1, error=errno.EIO, forever=False):
        """The number-th call from now on fails; forever: those after it as well."""
        self.map[0:8] = bytes(8)
        self.map[8:40] = struct.pack("=4Q", number, error, int(forever), 0)
        self.map[0:8] = struct.pack("=Q", CALLS.index(call) + 1)

    def disarm(self):
        self.map[0:8] = bytes(8)

    def fired(self):
        return self._word(4)

    def seen(self):
        """{call: how often}, since the server was started."""
        at = (40 + ROLE_SIZE) // 8
        return {call: self._word(at + number) for number, call in enumerate(CALLS)}
