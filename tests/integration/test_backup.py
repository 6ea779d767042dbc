"""`boxoffice backup` of a server under load, and what a server on the copy says."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import pytest

from boxoffice import binary, clean_environment, wait_until

BUYERS = 6
AMOUNT_OF_SEAT = 150_000


def backup(data, to, **options):
    return subprocess.run([binary(), "backup", "--data", str(data), "--to", str(to)], timeout=120,
                          capture_output=True, text=True, env=clean_environment(), **options)


def incarnation(data):
    layout = (pathlib.Path(data) / "layout").read_text()
    return int(re.search(r"^incarnation (\d+)$", layout, re.M)[1])


class Buyer(threading.Thread):
    """Charges, holds, confirms, each seat of a schedule of its own; keeps what was answered."""

    def __init__(self, server, schedule_id):
        super().__init__()
        self.user = server.user()
        self.schedule_id = schedule_id
        self.seats = [seat["seatId"] for seat in self.user.seats(schedule_id)]
        self.charged = []  # amounts, in order, of charges that were answered 201
        self.sent = 0
        self.sold = []  # reservations that were answered CONFIRMED
        self.stop = threading.Event()
        self.error = None

    def run(self):
        try:
            for seat in self.seats:
                if self.stop.is_set():
                    return
                self.buy(seat)
            self.error = "no seat is left"
        except Exception as error:  # shown by the test: a thread's own end is silent
            self.error = error

    def buy(self, seat):
        self.sent += 1
        amount = 1_000_000 + self.sent  # tells one charge from another
        assert self.user.charge(amount).status == 201
        self.charged.append(amount)
        hold = self.user.hold(self.schedule_id, seat)
        assert hold.status == 201, hold
        confirmed = self.user.confirm(hold.data["reservationId"])
        assert confirmed.status == 200, confirmed
        self.sold.append(hold.data["reservationId"])


def generations(server):
    return {(p["role"], p["index"]): p["generation"] for p in server.processes()}


def charges_of(user):
    return [t["amount"] for t in reversed(user.transactions()) if t["type"] == "CHARGE"]


def test_a_backup_under_load_restores_to_one_instant(start, tmp_path):
    server = start("--demo", "--seat-workers", 2, "--wallet-workers", 2)
    schedules = server.client().get("/concerts/schedule").data[:BUYERS]
    buyers = [Buyer(server, schedule["scheduleId"]) for schedule in schedules]
    for buyer in buyers:
        buyer.start()
    wait_until(lambda: all(len(buyer.sold) >= 3 for buyer in buyers), "sales before the backup")
    before = [(len(buyer.charged), list(buyer.sold)) for buyer in buyers]
    result = backup(server.data, tmp_path / "copy")
    sold_at_end = [len(buyer.sold) for buyer in buyers]
    for buyer in buyers:
        buyer.stop.set()
    for buyer in buyers:
        buyer.join()
    assert result.returncode == 0, result
    assert [buyer.error for buyer in buyers] == [None] * BUYERS
    assert sum(sold_at_end) > sum(len(sold) for _, sold in before), "it sold meanwhile"
    server.stop()

    restored = start("--seat-workers", 2, "--wallet-workers", 2, data=tmp_path / "copy")
    for buyer, (charges, sold) in zip(buyers, before):
        user = restored.user(buyer.user.id)
        found = charges_of(user)
        assert found[:charges] == buyer.charged[:charges], "answered before the backup began"
        assert found == [1_000_000 + n for n in range(1, len(found) + 1)]
        assert len(found) <= buyer.sent
        for reservation in sold:
            assert user.reservation(reservation).data["status"] == "CONFIRMED"
        # A token of before is good, and the sale goes on.
        buyer.user.client = restored.client()
        assert buyer.user.balance() == user.balance()
        assert user.charge(5).status == 201
    assert incarnation(restored.data) not in (0, incarnation(server.data))
    restored.stop()  # with an audit


def test_a_backup_that_is_killed_costs_the_server_nothing(start, tmp_path):
    server = start("--demo")
    user = server.user()
    before = generations(server)
    for number in range(20):
        process = subprocess.Popen([binary(), "backup", "--data", str(server.data),
                                    "--to", str(tmp_path / f"copy-{number}")],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env=clean_environment())
        wait_until(lambda: (tmp_path / f"copy-{number}.tmp").exists() or
                   process.poll() is not None, "a backup that has begun", every_s=0.0005)
        assert user.charge(10).status == 201
        process.kill()
        process.wait()
        assert user.charge(10).status == 201
    assert user.balance() == 400
    assert generations(server) == before
    result = backup(server.data, tmp_path / "whole")
    assert result.returncode == 0, result


def test_a_stopped_server_can_be_backed_up(start, tmp_path):
    server = start("--demo")
    server.user().charge(10)
    server.stop()
    assert backup(server.data, tmp_path / "copy").returncode == 0
    audited = subprocess.run([binary(), "audit", "--data", str(tmp_path / "copy")], timeout=60,
                             capture_output=True, text=True, env=clean_environment())
    assert audited.returncode == 0, audited
    restored = start(data=tmp_path / "copy")
    restored.stop()


def test_sigterm_stops_it_and_leaves_nothing(start, tmp_path):
    server = start("--demo")
    to = tmp_path / "copy"
    process = subprocess.Popen([binary(), "backup", "--data", str(server.data), "--to", str(to)],
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=clean_environment())
    wait_until(lambda: pathlib.Path(f"{to}.tmp").exists() or process.poll() is not None, "its start",
               every_s=0.0005)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    # Either it was stopped, or it was quicker; never half of one.
    assert (process.returncode == 75 and not to.exists()) or \
        (process.returncode == 0 and to.exists())
    assert not pathlib.Path(f"{to}.tmp").exists()


@pytest.mark.parametrize("arguments, code", [
    ([], 64),
    (["--data", "{data}"], 64),
    (["--data", "{data}", "--to"], 64),
    (["--data", "{data}", "--to", "{to}", "--fast"], 64),
    (["--data", "{to}", "--to", "{data}-2"], 66),
    (["--data", "{data}", "--to", "{data}"], 73),
    (["--data={data}", "--to={to}"], 0),
])
def test_its_options(start, tmp_path, arguments, code):
    server = start()
    filled = [a.format(data=server.data, to=tmp_path / "copy") for a in arguments]
    result = subprocess.run([binary(), "backup", *filled], capture_output=True, text=True,
                            timeout=60, env=clean_environment())
    assert result.returncode == code, result
    assert bool(result.stderr) == (code != 0)


def test_no_room_for_the_copy(start, tmp_path):
    server = start("--demo")
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs",
                                            str(small)], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        result = backup(server.data, small / "copy")
        assert result.returncode == 74, result
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert server.user().charge(1).status == 201


def test_a_copy_of_the_copy_is_restored_as_another_incarnation(start, tmp_path):
    server = start("--demo")
    server.stop()
    assert backup(server.data, tmp_path / "copy").returncode == 0
    shutil.copytree(tmp_path / "copy", tmp_path / "second")
    found = set()
    for name in ("copy", "second"):
        start(data=tmp_path / name).stop()
        found.add(incarnation(tmp_path / name))
    assert len(found) == 2
