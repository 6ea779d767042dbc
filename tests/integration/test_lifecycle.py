"""Start, processes, inheritance, stop, deaths and restarts of a whole server."""

import contextlib
import mmap
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from boxoffice import binary, clean_environment, wait_until

ROLES = ("front", "queue", "seat", "wallet", "relay")


def stat_of(pid):
    """State and parent of a process; None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, parent = text.rsplit(")", 1)[1].split()[:2]
    return state, int(parent)


def is_alive(pid):
    found = stat_of(pid)
    return found is not None and found[0] not in "ZX"


def children(parent):
    """{(role, instance): pid} of a supervisor's workers, as ps shows them."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or (stat_of(entry.name) or (None, None))[1] != parent:
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")[:-1]
            if len(arguments) != 4 or arguments[1] != b"worker":
                continue  # between fork and exec
            key = (arguments[2].decode(), int(arguments[3]))
            assert key not in found, f"two processes of {key}"
            found[key] = int(entry.name)
    return found


def descriptors(pid):
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[int(entry.name)] = os.readlink(entry)
    return found


def run(*arguments, timeout_s=30, environment=None):
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout_s, stdin=subprocess.DEVNULL,
                          env=clean_environment() | (environment or {}))


def expect_refusal(result, code, *words):
    assert result.returncode == code, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1, f"one line, not: {result.stderr}"
    assert lines[0].startswith("boxoffice: ")
    for word in words:
        assert word in lines[0], lines[0]


# ---- start ----


def test_says_where_it_listens_once_it_is_ready(start):
    server = start("--demo")
    assert f"listening on 127.0.0.1:{server.port}\n" in server.log()
    answer = server.client().get("/readyz")
    assert answer.status == 200, answer


def test_ipv6_address_is_printed_in_brackets(tmp_path):
    with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    process = subprocess.Popen([binary(), "serve", "--listen", "[::1]:0", "--data",
                                str(tmp_path / "data")], stderr=subprocess.PIPE, text=True,
                               env=clean_environment())
    try:
        line = next(line for line in process.stderr if line.startswith("listening on"))
        assert re.fullmatch(r"listening on \[::1\]:\d+\n", line)
    finally:
        process.terminate()
        process.stderr.read()
        assert process.wait(10) == 0
        process.stderr.close()


def test_every_process_is_a_child_of_the_supervisor(start):
    server = start("--fronts", "2", "--seat-workers", "2", "--wallet-workers", "3")
    expected = {("front", 0), ("front", 1), ("queue", 0), ("seat", 0), ("seat", 1),
                ("wallet", 0), ("wallet", 1), ("wallet", 2), ("relay", 0)}
    assert set(children(server.pid)) == expected
    shown = {(p["role"], p["index"]): p["pid"] for p in server.processes()
             if p["role"] != "supervisor"}
    assert shown == children(server.pid)
    for (role, instance), pid in shown.items():
        assert pathlib.Path(f"/proc/{pid}/comm").read_text() == f"{role}-{instance}\n"


def test_relay_gives_way_to_the_others(start):
    server = start()
    pids = children(server.pid)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pids["wallet", 0]) == own
    assert os.getpriority(os.PRIO_PROCESS, pids["relay", 0]) == min(own + 10, 19)


LEAKY = """
import os, sys
os.dup2(os.open(sys.argv[1], os.O_CREAT | os.O_RDWR), 99, inheritable=True)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_children_inherit_exactly_what_they_need(start, tmp_path):
    """Not even a descriptor that whoever started the server has left open."""
    prefix = [sys.executable, "-c", LEAKY, str(tmp_path / "left-open")]
    server = start("--fronts", "2", command_prefix=prefix)
    inside = descriptors(server.pid)
    assert inside[99].endswith("left-open")
    pids = children(server.pid)
    count = 1 + len(pids)
    listening = set()
    for (role, _), pid in pids.items():
        fds = descriptors(pid)
        assert fds[0] == "/dev/null"
        assert fds[1] == inside[1] and fds[2] == inside[2]
        assert fds[3].startswith("/memfd:")
        assert fds[4] == str(server.data.resolve() / "lock")
        if role == "front":
            assert fds[5].startswith("socket:")
            listening.add(fds[5])
        else:
            assert fds[5] == "/dev/null"
        for doorbell in range(6, 6 + count):
            assert fds[doorbell] == "anon_inode:[eventfd]", fds
        own = {fd: to for fd, to in fds.items() if fd >= 6 + count}
        # these have no identity; all that has one must not be the supervisor's too
        common = {"/dev/null", "anon_inode:[eventfd]", "anon_inode:[eventpoll]"}
        assert not (set(own.values()) & set(inside.values())) - common, (role, fds, inside)
    assert len(listening) == 2, "a socket for each front"


def test_an_address_in_use_is_74(start, tmp_path):
    server = start()
    for fronts in (1, 2):
        result = run("serve", "--listen", f"127.0.0.1:{server.port}", "--fronts", fronts, "--data",
                     tmp_path / "other")
        assert result.returncode == 74, result
        assert f"boxoffice: cannot listen on 127.0.0.1:{server.port}: " in result.stderr


def test_the_same_data_directory_twice_is_75(start):
    server = start()
    began = time.monotonic()
    result = run("serve", "--listen", "127.0.0.1:0", "--data", server.data)
    assert result.returncode == 75, result
    assert "in use" in result.stderr
    assert 4.5 <= time.monotonic() - began < 10
    assert server.client().get("/readyz").status == 200


def test_a_start_waits_for_a_lock_that_is_about_to_be_released(start):
    first = start()
    data = first.data
    os.kill(first.pid, signal.SIGTERM)
    second = start(data=data)
    assert first.process.wait(10) == 0
    assert second.client().get("/readyz").status == 200


@pytest.mark.parametrize("option, made, given", [("--seat-workers", 1, 2),
                                                 ("--wallet-workers", 3, 1)])
def test_other_worker_counts_are_78_and_name_both(start, option, made, given):
    server = start(option, made)
    server.stop()
    result = run("serve", "--listen", "127.0.0.1:0", "--data", server.data, option, given)
    assert result.returncode == 78, result
    role = option.strip("-").split("-")[0]
    counts = {"seat": 1, "wallet": 1}
    before, after = counts | {role: made}, counts | {role: given}
    assert (f"made with {before['seat']} seat and {before['wallet']} wallet workers, "
            f"not {after['seat']} and {after['wallet']}") in result.stderr


def test_a_file_that_is_not_a_directory_is_74(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "file")
    assert result.returncode == 74, result


# ---- command line ----


@pytest.mark.parametrize("arguments", [
    [], ["sell"], ["serve", "--no-such-option"], ["serve", "--fronts"], ["serve", "--fronts", "0"],
    ["serve", "--fronts", "nine"], ["serve", "extra"], ["serve", "--listen", "8080"],
    ["serve", "--listen", "127.0.0.1:70000"], ["serve", "--listen", "nowhere:80"],
    ["serve", "--log-level", "loud"], ["serve", "--admitted-word", "two words"],
    ["serve", "--cors-origin", "example.org"], ["serve", "--kafka-conf", "novalue"],
    ["audit"], ["audit", "--data"], ["audit", "--port", "1"], ["worker"], ["worker", "front", "0"],
    ["worker", "nobody", "0"],
])
def test_a_wrong_command_or_option_is_64(arguments):
    expect_refusal(run(*arguments), 64)


def test_a_wrong_variable_is_64():
    expect_refusal(run("serve", environment={"BOXOFFICE_FRONTS": "many"}), 64, "BOXOFFICE_FRONTS")


@pytest.mark.parametrize("option", ["--admin-key-file", "--charge-key-file", "--identity-key"])
def test_a_key_file_that_cannot_be_read_is_66(tmp_path, option):
    expect_refusal(run("serve", "--data", tmp_path / "data", option, tmp_path / "missing"), 66,
                   option, "missing")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("option", ["--admin-key-file", "--charge-key-file"])
def test_an_empty_key_is_78(tmp_path, option):
    (tmp_path / "key").write_text("\n")
    result = run("serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "data", option,
                 tmp_path / "key")
    assert result.returncode == 78, result


@pytest.mark.parametrize("brokers", [
    "broker", "broker:", ":9092", "broker:0", "broker:65536", "broker:9x", "a:1,", ",a:1", "a:1,,b:2",
    "a:1, b:2", "kafka://a:1", "::1:9092", "[]:1", "[::1]", "a:1 "])
def test_brokers_that_are_none_are_64(tmp_path, brokers):
    expect_refusal(run("serve", "--data", tmp_path / "data", "--kafka", brokers), 64, "HOST:PORT")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("item, code, word", [
    ("no.such.property=secret", 64, "no.such.property"), ("acks=secret", 64, "acks"),
    ("secret", 64, "KEY=VALUE"), ("message.timeout.ms=1", 64, "message.timeout.ms"),
    ("enable.idempotence=false", 64, "enable.idempotence"),
    ("security.protocol=secret", 64, "security.protocol"),
    ("ssl.ca.location=/no/such/file", 78, "ssl.ca.location"),
])
def test_a_wrong_kafka_property_is_named_and_its_value_is_not(tmp_path, item, code, word):
    arguments = ["--kafka", "127.0.0.1:9", "--kafka-conf", "security.protocol=ssl",
                 "--kafka-conf", item]
    result = run("serve", "--data", tmp_path / "data", *arguments)
    expect_refusal(result, code, word)
    assert "secret" not in result.stderr
    assert not (tmp_path / "data").exists()


def test_kafka_properties_need_brokers(tmp_path):
    expect_refusal(run("serve", "--data", tmp_path / "data", "--kafka-conf", "linger.ms=5"), 64,
                   "--kafka")


def test_without_brokers_nothing_is_said_of_kafka(start):
    assert "kafka" not in start().log()


def test_help_and_version():
    text = run("--help")
    assert text.returncode == 0 and text.stderr == ""
    for word in ("serve", "audit", "--listen", "--wallet-workers", "BOXOFFICE_"):
        assert word in text.stdout
    assert run("serve", "--help").stdout == text.stdout
    assert re.fullmatch(r"boxoffice \d+\.\d+\.\d+\n", run("--version").stdout)
    assert "| `--listen" in run("--help-markdown").stdout


# ---- stop ----


def expect_all_gone(pids):
    wait_until(lambda: not any(is_alive(pid) for pid in pids), f"the end of {pids}", 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_within_5_s(start, number):
    server = start("--fronts", "2", "--wallet-workers", "2")
    pids = list(children(server.pid).values())
    began = time.monotonic()
    os.kill(server.pid, number)
    assert server.process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert not any(is_alive(pid) for pid in pids)
    server.audit()


def test_a_signal_to_the_whole_group_is_a_graceful_stop(start):
    """As of Ctrl-C in a terminal: the workers leave the decision to the supervisor."""
    server = start(command_prefix=["setsid"])
    assert os.getpgid(server.pid) == server.pid
    os.killpg(server.pid, signal.SIGINT)
    assert server.process.wait(10) == 0
    causes = re.findall(r" cause=(\S+)", server.log())
    assert causes == ["stopped"] * 5


def test_an_open_connection_does_not_hold_up_the_stop(start):
    server = start()
    client = server.client()
    assert client.get("/livez").status == 200
    began = time.monotonic()
    os.kill(server.pid, signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert time.monotonic() - began < 5


def test_a_worker_that_hangs_is_killed_at_the_stop(start):
    server = start()
    wallet = children(server.pid)["wallet", 0]
    os.kill(wallet, signal.SIGSTOP)
    os.kill(server.pid, signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert not is_alive(wallet)
    server.audit()


def test_a_second_signal_stops_at_once(start):
    server = start()
    pids = children(server.pid)
    os.kill(pids["front", 0], signal.SIGSTOP)  # has 5 s to drain and cannot
    os.kill(server.pid, signal.SIGTERM)
    wait_until(lambda: " event=stop " in server.log(), "the stop's begin")
    began = time.monotonic()
    os.kill(server.pid, signal.SIGTERM)
    assert server.process.wait(10) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 2
    assert not any(is_alive(pid) for pid in pids.values())


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_is_in_flight_is_answered_and_new_connections_are_refused(start):
    server = start()
    user = server.user()
    wallet = children(server.pid)["wallet", 0]
    body = b'{"amount":7}'
    free = ("boxoffice_slots_free", (("instance", "0"), ("role", "front")))
    all_free = wait_until(lambda: server.metrics()[free], "the gauge is set")
    os.kill(wallet, signal.SIGSTOP)
    with server.wire() as wire:
        wire.send(f"POST {user.points}/charges HTTP/1.1\r\nHost: x\r\nAuthorization: {user.token}\r\n"
                  f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        wire.send(body)
        wait_until(lambda: server.metrics()[free] < all_free, "it is on its way to the wallet")
        os.kill(server.pid, signal.SIGTERM)
        wait_until(lambda: refuses(server.port), "connections are refused", 2)
        assert server.running
        with contextlib.suppress(ProcessLookupError):  # unless it was replaced for not going on
            os.kill(wallet, signal.SIGCONT)
        answer = wire.answer()
        assert answer.status == 201, answer
        assert answer.headers["Connection"] == "close"
        assert wire.at_end()
    assert server.process.wait(10) == 0
    server.audit()
    again = start(data=server.data)
    assert again.user(user.id).balance() == 7


# ---- deaths ----


def test_children_die_with_the_supervisor_and_the_lock_is_free(start):
    server = start("--demo", "--demo-holds", "10")
    pids = list(children(server.pid).values())
    user = server.user()
    assert user.charge(500).status == 201
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    expect_all_gone(pids)
    again = start(data=server.data)
    assert again.user(user.id).balance() == 500


@pytest.mark.parametrize("role", ROLES)
def test_a_killed_worker_is_replaced_and_requests_go_on(start, role):
    server = start("--demo")
    user = server.user()
    assert user.charge(100).status == 201
    before = children(server.pid)
    generation = server.worker(role)["generation"]
    os.kill(before[role, 0], signal.SIGKILL)

    def replaced():
        now = children(server.pid)
        return now if now.get((role, 0), before[role, 0]) != before[role, 0] else None

    after = wait_until(replaced, f"a new {role}")
    server.disconnect()  # a front's connections die with it
    assert server.user(user.id).charge(11).status == 201
    assert server.user(user.id).balance() == 111
    wait_until(lambda: server.worker(role)["state"].upper() == "READY", f"the new {role} is ready")
    entry = server.worker(role)
    assert entry["generation"] == generation + 1
    assert entry["pid"] == after[role, 0]
    for key, pid in before.items():
        assert key == (role, 0) or after[key] == pid, f"{key} was restarted too"


def test_a_kill_from_outside_is_never_throttled(start):
    server = start()
    for _ in range(30):  # more than any intensity
        before = children(server.pid)["relay", 0]
        os.kill(before, signal.SIGKILL)
        began = time.monotonic()
        wait_until(lambda was=before: children(server.pid).get(("relay", 0), was) != was,
                   "a new relay", 5)
        assert time.monotonic() - began < 1
    # a child may be READY before its supervisor has taken note of its start
    wait_until(lambda: "READY" == server.worker("relay")["state"], "the last relay is ready", 10)


def test_a_child_that_is_ready_early_is_noticed(start):
    """One that is READY before its supervisor has taken note of its start; likely on one core."""
    server = start(command_prefix=["taskset", "-c", str(min(os.sched_getaffinity(0)))])
    for role in ("front", "relay"):
        for generation in range(1, 25):
            wait_until(lambda g=generation: f" name={role}-0 on=ready from=starting to=ready "
                       f"generation={g} " in server.log(), f"{role} {generation} is ready", 5)
            os.kill(children(server.pid)[role, 0], signal.SIGKILL)


def test_a_worker_that_is_replaced_loads_no_demo_data_again(start):
    """Not even when its journal, in which it counts what it has loaded, was trimmed."""
    server = start("--demo-holds", "2000", "--retention", "0", "--open-confirm")
    owner, other = server.user(1), server.user()
    balance = owner.balance()

    def is_trimmed():
        other.charge(1)
        return server.metrics()[("boxoffice_journal_records",
                                 (("instance", "0"), ("role", "wallet")))] < 1000

    wait_until(is_trimmed, "the demo data's events are gone")
    server.wait_replaced(server.kill("wallet"))
    assert owner.balance() == balance
    assert len(owner.transactions()) == 1


def test_crashes_in_a_row_are_slowed_down(start):
    server = start()
    for _ in range(4):
        before = wait_until(lambda: children(server.pid).get(("relay", 0)), "a relay")
        os.kill(before, signal.SIGABRT)
        wait_until(lambda was=before: not is_alive(was), "its death")
    wait_until(lambda: children(server.pid).get(("relay", 0)), "the last relay")
    delays = [int(ms) for ms in re.findall(r"name=relay-0 on=exit .* cause=crash .*"
                                           r" restart_in_ms=(\d+)", server.log())]
    assert len(delays) == 4
    assert delays[0] == 0
    for delay, mean in zip(delays[1:], (100, 200, 400)):
        assert 0.8 * mean <= delay <= 1.2 * mean


def test_clients_that_connect_while_the_front_is_down_are_served(start):
    """The listening socket is the supervisor's: nobody is refused."""
    server = start()
    front = children(server.pid)["front", 0]
    os.kill(front, signal.SIGSTOP)
    waiting = server.wire()
    os.kill(front, signal.SIGKILL)
    waiting.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    with contextlib.closing(waiting):
        # accepted by nobody yet, or by the one that died
        with contextlib.suppress(ConnectionResetError):
            answer = waiting.answer()
            assert answer is None or answer.status == 200
    for _ in range(20):
        assert server.client().get("/livez").status == 200


def test_garbage_in_the_process_table_does_not_bring_the_supervisor_down(start):
    server = start()
    before = children(server.pid)
    count = 1 + len(before)
    with open(f"/proc/{before['relay', 0]}/fd/3", "r+b") as segment:
        memory = mmap.mmap(segment.fileno(), 0)
        first = memory.find(struct.pack("<IIiI", 0, 0, server.pid, 1))
        front = memory.find(struct.pack("<iI", before["front", 0], 1), first) - 8
        assert 0 < first < front
        size = front - first  # fronts come second in the table
        memory[first:first + count * size] = b"\xff" * (count * size)
        memory.close()
    # garbage says `stop` to every worker: each of them ends and is started again
    wait_until(lambda: not set(before.values()) & set(children(server.pid).values()) and
               len(children(server.pid)) == count - 1, "new workers for all")
    os.kill(server.pid, signal.SIGTERM)
    assert server.process.wait(15) == 0
    server.audit()
