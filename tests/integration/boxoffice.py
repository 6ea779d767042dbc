"""Runs a real `boxoffice serve` and talks to it; only the standard library is needed.

Where PyYAML and jsonschema are installed, every answer to a Client is checked against
docs/openapi.yaml as well (contract.py).

Nothing here retries a request: what a server answers, or fails to, is what the test sees.
"""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

from contract import CONTRACT

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 40
STOP_TIMEOUT_S = 15
ANSWER_TIMEOUT_S = 30


def binary():
    path = os.environ.get("BOXOFFICE_BIN", ROOT / "build" / "release" / "boxoffice")
    path = pathlib.Path(path).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"no server at {path}: build it, or set BOXOFFICE_BIN")
    return str(path)


def clean_environment():
    """The environment without settings that the server would take as its options."""
    return {k: v for k, v in os.environ.items() if not k.startswith("BOXOFFICE_")}


def wait_until(condition, what, timeout_s=20.0, every_s=0.01):
    """Polls until condition() is true and returns its value; fails when the time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(every_s)


class Answer:
    """One HTTP response, read in full."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # http.client.HTTPMessage: names in any case
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        assert 200 <= self.status < 300, self
        return self.json["data"]

    @property
    def code(self):
        return self.json["code"]

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def expect_problem(answer, status, code):
    """Checks that an answer is that problem, in the shape of RFC 9457; returns its members."""
    assert answer.status == status, answer
    media_type = answer.headers["Content-Type"].split(";")[0].strip()
    assert media_type == "application/problem+json", media_type
    problem = answer.json
    assert problem["code"] == code, answer
    assert problem["status"] == status
    for member in ("type", "title", "detail"):
        assert isinstance(problem[member], str) and problem[member], member
    if status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
    return problem


class Client:
    """A keep-alive connection. After an answer that closed it, the next request opens a new one."""

    def __init__(self, port, timeout_s=ANSWER_TIMEOUT_S):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def close(self):
        self.connection.close()

    def request(self, method, path, body=None, token=None, key=None, headers=None,
                content_type="application/json"):
        """body: bytes as they are, anything else but None as JSON. No field is sent that was not
        asked for: without a body neither Content-Length nor Content-Type."""
        connection = self.connection
        connection.putrequest(method, path, skip_accept_encoding=True)
        if token is not None:
            connection.putheader("Authorization", token)
        if key is not None:
            connection.putheader("Idempotency-Key", key)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, separators=(",", ":")).encode()
        if body is not None:
            if content_type is not None:
                connection.putheader("Content-Type", content_type)
            connection.putheader("Content-Length", str(len(body)))
        try:
            connection.endheaders(body)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except Exception:
            connection.close()
            raise
        if CONTRACT is not None:
            CONTRACT.observe(method, path, answer)
        return answer

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)


class Wire:
    """A bare connection, for bytes that no client library would send."""

    def __init__(self, port, timeout_s=ANSWER_TIMEOUT_S):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def answer(self, head=False):
        """The next response (to a HEAD request: without a body), or None at the end."""
        line = self.file.readline()
        if not line:
            return None
        match = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n", line)
        assert match, f"not a status line: {line!r}"
        status = int(match[1])
        headers = http.client.parse_headers(self.file)
        body = b""
        if not head and status >= 200 and status not in (204, 304):
            assert "Transfer-Encoding" not in headers
            size = int(headers["Content-Length"])
            body = self.file.read(size)
            assert len(body) == size, "the connection ended inside a body"
        return Answer(status, headers, body)

    def at_end(self):
        """True when the server has closed the connection and sent nothing more."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True


def bearer(key):
    return "Bearer " + key


def query(path, **parameters):
    return path + "?" + urllib.parse.urlencode(parameters)


class User:
    """A user with a genuine token, a new one unless given, and the calls about him."""

    def __init__(self, client, user_id, token=None):
        self.client = client
        self.id = user_id
        self.token = token or self._issue()
        self.points = f"/api/v1/users/{user_id}/points"

    def _issue(self):
        issued = self.client.post("/api/v1/queue/tokens", {"userId": self.id})
        assert issued.status in (200, 201), issued
        return issued.data["queueToken"]

    def get(self, path, **options):
        return self.client.get(path, token=self.token, **options)

    def post(self, path, body=None, **options):
        return self.client.post(path, body, token=self.token, **options)

    def delete(self, path, **options):
        return self.client.delete(path, token=self.token, **options)

    def charge(self, amount, key=None):
        return self.post(self.points + "/charges", {"amount": amount}, key=key)

    def use(self, amount, key=None):
        return self.post(self.points + "/uses", {"amount": amount}, key=key)

    def balance(self):
        data = self.get(self.points).data
        assert data["userId"] == self.id
        return data["balance"]

    def transactions(self, limit=1000):
        """All of them, newest first, over as many pages as it takes."""
        found, cursor = [], None
        while True:
            parameters = {"limit": limit} | ({"cursor": cursor} if cursor else {})
            page = self.get(query(self.points + "/transactions", **parameters)).data
            assert len(page["transactions"]) <= limit
            found += page["transactions"]
            cursor = page["nextCursor"]
            if cursor is None:
                return found

    def shop(self, call):
        """What only who is admitted may do; after a purchase or the end of a session with a new
        token, in a waiting room that has a place free."""
        answer = call()
        if answer.status == 403 and answer.code == "not-admitted":
            self.token = self._issue()
            answer = call()
        return answer

    def hold(self, schedule_id, *seat_ids, key=None):
        body = {"scheduleId": schedule_id, "seatIds": list(seat_ids)}
        return self.shop(lambda: self.post("/api/v1/reservations", body, key=key))

    def confirm(self, reservation_id):
        return self.post(f"/api/v1/reservations/{reservation_id}/confirm")

    def reservation(self, reservation_id):
        return self.get(f"/api/v1/reservations/{reservation_id}")

    def seats(self, schedule_id, status=None):
        """A schedule's seats, over all pages."""
        found, cursor = [], None
        while True:
            parameters = {"status": status} if status else {}
            parameters |= {"cursor": cursor} if cursor else {}
            path = query(f"/api/v1/schedules/{schedule_id}/seats", **parameters)
            page = self.shop(lambda at=path: self.get(at)).data
            found += page["seats"]
            cursor = page["nextCursor"]
            if cursor is None:
                return found


class Server:
    """`boxoffice serve` on a free port. The log is in log_path, and stays there."""

    _log_numbers = itertools.count(1)
    _user_ids = itertools.count(1_000_000_001)

    def __init__(self, directory, *arguments, data=None, command_prefix=(), environment=None,
                 program=None, start_timeout_s=START_TIMEOUT_S):
        directory = pathlib.Path(directory)
        self.data = pathlib.Path(data) if data else directory / "data"
        self.program = program or binary()
        self.start_timeout_s = start_timeout_s
        self.arguments = [str(argument) for argument in arguments]
        self.command_prefix = list(command_prefix)
        self.environment = clean_environment() | (environment or {})
        self.log_path = directory / f"server-{next(self._log_numbers)}.log"
        self.process = None
        self.port = None
        self._clients = []

    # ---- life ----

    def start(self):
        timeout_s = self.start_timeout_s
        command = [*self.command_prefix, self.program, "serve", "--listen", "127.0.0.1:0",
                   "--data", str(self.data), *self.arguments]
        listening = threading.Event()
        self.port = None
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, env=self.environment)
        self._reader = threading.Thread(target=self._read_log,
                                        args=(self.process.stderr, listening), daemon=True)
        self._reader.start()
        ready = listening.wait(timeout_s)
        if not ready or self.port is None:
            if ready:  # its log has ended, so it is about to exit by itself
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(STOP_TIMEOUT_S)
            self.end()
            raise AssertionError(f"no `listening on` within {timeout_s} s:\n{self.log()[-4000:]}")
        return self

    def _read_log(self, stream, listening):
        with open(self.log_path, "ab", buffering=0) as log:
            for line in stream:
                log.write(line)
                match = re.search(rb"listening on [^ ]*:(\d+)", line)
                if match:
                    self.port = int(match[1])
                    listening.set()
        listening.set()

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, audit=True):
        """A graceful stop, which must succeed; then the data must pass the audit."""
        self.disconnect()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.end()
            raise AssertionError(f"still running {STOP_TIMEOUT_S} s after SIGTERM") from None
        self._reader.join(STOP_TIMEOUT_S)
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()[-4000:]}"
        assert " event=actor-failed " not in self.log(), "a check failed in a worker"
        if audit:
            self.audit()

    def audit(self):
        result = subprocess.run([self.program, "audit", "--data", str(self.data)], timeout=300,
                                capture_output=True, text=True, env=clean_environment())
        assert result.returncode == 0, \
            f"audit: exit code {result.returncode}\n{result.stdout[-4000:]}{result.stderr[-4000:]}"
        return result.stdout

    def end(self):
        """Kills everything at once: the workers die with the supervisor."""
        self.disconnect()
        if self.running:
            self.process.kill()
            self.process.wait()
        if self.process is not None:
            self._reader.join(STOP_TIMEOUT_S)

    # ---- clients ----

    def client(self):
        client = Client(self.port)
        self._clients.append(client)
        return client

    def wire(self, **options):
        return Wire(self.port, **options)

    def user(self, user_id=None, client=None):
        """A user; without an id one that no test has used."""
        return User(client or self.client(), user_id or self.new_user_id())

    def new_user_id(self):
        return next(self._user_ids)

    def disconnect(self):
        while self._clients:
            self._clients.pop().close()

    # ---- operations ----

    @property
    def admin_key(self):
        return (self.data / "admin.key").read_text().strip()

    def admin(self, path, client=None):
        return (client or self.client()).get(path, token=bearer(self.admin_key))

    def processes(self, role=None, client=None):
        found = self.admin("/api/v1/admin/processes", client).data["processes"]
        return [p for p in found if role in (None, p["role"])]

    def worker(self, role, index=0, client=None):
        return next(p for p in self.processes(role, client) if p["index"] == index)

    def kill(self, role, index=0):
        """kill -9 of a worker; returns the line of the process table that it had."""
        entry = self.worker(role, index)
        os.kill(entry["pid"], signal.SIGKILL)
        return entry

    def wait_replaced(self, entry, timeout_s=20.0):
        """Waits until a killed worker's successor is ready; returns its line."""
        client = self.client()

        def successor():
            now = self.worker(entry["role"], entry["index"], client)
            if now["generation"] > entry["generation"] and now["state"].upper() == "READY":
                return now
            return None

        return wait_until(successor, f"a ready successor of {entry}", timeout_s)

    def metrics(self):
        """The samples of /metrics: {(name, ((label, value), …)): number}."""
        answer = self.client().get("/metrics")
        assert answer.status == 200, answer
        return parse_metrics(answer.body.decode())


LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({LABEL}(?:,{LABEL})*)?,?\}})? (\S+)")


def parse_metrics(text):
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, f"not a sample: {line!r}"
        labels = [label.split("=", 1) for label in re.findall(LABEL, match[2] or "")]
        key = (match[1], tuple(sorted((name, value[1:-1]) for name, value in labels)))
        assert key not in samples, f"repeated sample: {line!r}"
        samples[key] = float(match[3])
    return samples
