"""Deaths at crash points, one after another, while buyers buy."""

import asyncio
import os
import signal
import time

from sale import PersistentConnection
from storm import Storm

FIRE_TIMEOUT_S = 40


class Scenario:
    """A process of a role dies at a hit of a point. `before`: an order (point, key, role) that must
    come true earlier, so that this one can."""

    def __init__(self, point, role, key=0, key_text="", hit=1, before=None):
        self.point, self.role, self.key, self.key_text = point, role, key, key_text
        self.hit = hit
        self.before = before

    def __str__(self):
        return f"{self.point.name} {self.role} {self.key_text}".rstrip() + f" at hit {self.hit}"


class Deaths(Storm):
    """A Storm whose killer goes through a list of scenarios."""

    def __init__(self, server, seed, control):
        super().__init__(server, seed)
        self.control = control
        self.current = None
        self.calm = asyncio.Event()  # clients go on
        self.calm.set()
        self.lines = []

    def _arm(self, scenario):
        if scenario.before is not None:
            point, key, role = scenario.before
            self.control.arm(point, key=key, role=role, order=1)
        self.control.arm(scenario.point.name, scenario.hit, scenario.key, scenario.role)

    async def _until_fired(self, scenario):
        deadline = time.monotonic() + FIRE_TIMEOUT_S
        while not self.control.fired():
            assert time.monotonic() < deadline, f"never died at {scenario}"
            await asyncio.sleep(0.002)

    async def _die(self, connection, scenario):
        role = scenario.role
        victim = await self._worker(connection, "relay" if role == "supervisor" else role)
        armed = time.monotonic()
        self._arm(scenario)
        if scenario.point.moment == "recovery" and scenario.before is None:
            os.kill(victim["pid"], signal.SIGKILL)
        if scenario.point.moment == "idle":
            await self._wait_for_answers(60)
            self.calm.clear()
        await self._until_fired(scenario)
        died = time.monotonic()
        self.calm.set()
        if role == "supervisor":
            await self._restart()
        else:
            await self._until_ready(connection, victim)
        return died - armed, time.monotonic() - died

    async def go_through(self, scenarios):
        connection = PersistentConnection(self.server)
        try:
            for scenario in scenarios:
                await self._wait_for_answers(1)
                self.current = scenario
                lived, took = await self._die(connection, scenario)
                self.kills += 1
                self.lines.append(f"{scenario}: died after {lived * 1000:.0f} ms, "
                                  f"ready again after {took * 1000:.0f} ms")
            await self._wait_for_answers(50)
        finally:
            self.over = True
            self.calm.set()
            self.control.disarm()
            connection.close()

    async def note_answer(self):
        await super().note_answer()
        await self.calm.wait()
