"""No key and no token is told to anybody: not in logs, metrics, answers, arguments or environments."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import signal
import time

from boxoffice import bearer, wait_until

IDENTITY = "identity-secret-0123456789-abcdefghij"
CHARGE = "charge-key-of-the-payment-side"
ADMIN = "admin-key-of-the-operators-0123456789"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt_of(user_id):
    signed = ".".join(encode(json.dumps(part).encode()) for part in
                      ({"alg": "HS256", "typ": "JWT"},
                       {"sub": str(user_id), "exp": int(time.time()) + 600}))
    return f"{signed}.{encode(hmac.new(IDENTITY.encode(), signed.encode(), hashlib.sha256).digest())}"


def test_keys_and_tokens_stay_where_they_belong(start, tmp_path):
    files = {"--identity-key": IDENTITY, "--charge-key-file": CHARGE, "--admin-key-file": ADMIN}
    for option, secret in files.items():
        (tmp_path / option[2:]).write_text(secret + "\n")
    arguments = [word for option in files for word in (option, tmp_path / option[2:])]
    server = start("--demo", "--log-level", "debug", *arguments)
    client = server.client()
    token = jwt_of(7)
    issued = client.post("/api/v1/queue/tokens", {"userId": 7}, token=bearer(token))
    ticket = issued.data["queueToken"]
    charges = "/api/v1/users/7/points/charges"
    told = [issued.body.replace(ticket.encode(), b"")]
    for key in (CHARGE, CHARGE + "x", ticket, ADMIN):
        told.append(client.post(charges, {"amount": 5}, key="p1", token=bearer(key)).body)
    for path in ("/metrics", "/readyz", "/livez", "/openapi.yaml", "/api/v1/admin/processes",
                 "/api/v1/admin/breakers", "/api/v1/admin/events", "/nowhere?x=" + ticket):
        for key in (ADMIN, ticket, CHARGE):
            told.append(client.get(path, token=bearer(key)).body)
    pids = [process["pid"] for process in
            client.get("/api/v1/admin/processes", token=bearer(ADMIN)).data["processes"]]
    assert len(pids) >= 6
    for pid in pids:
        told += [pathlib.Path(f"/proc/{pid}/{file}").read_bytes() for file in ("cmdline", "environ")]
    for pid in pids[1:]:
        os.kill(pid, signal.SIGKILL)  # what supervisor and successors say about it counts, too
    server.disconnect()
    wait_until(lambda: server.client().get("/readyz").status == 200, "the successors are ready")
    server.stop()
    told.append(server.log().encode())
    assert len(told[-1]) > 1000
    ticket_key = (server.data / "ticket.key").read_bytes()
    secrets = [word.encode() for word in (IDENTITY, CHARGE, ADMIN, ticket, *token.split("."))]
    for secret in secrets + [ticket_key]:
        for text in told:
            for form in (secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")):
                assert form not in text, (secret, text[max(0, text.find(form) - 80):][:200])
    for path in server.data.rglob("*"):
        if path.is_file() and path.name in ("admin.key", "ticket.key"):
            assert path.stat().st_mode & 0o077 == 0, path
        elif path.is_file():
            stored = path.read_bytes()
            assert not any(secret in stored for secret in secrets + [ticket_key]), path
