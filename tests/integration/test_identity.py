"""`--identity-key`: a queue token is given to whom a JWT of another library says that it is."""

import base64
import hashlib
import hmac
import os
import pathlib
import subprocess
import time

import pytest

from boxoffice import binary, clean_environment, expect_problem

try:
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
except ImportError as error:
    if os.environ.get("CI") == "true":
        raise
    pytest.skip(f"tokens are made with PyJWT and cryptography: {error}", allow_module_level=True)

PATHS = ("/api/v1/queue/tokens", "/queue/token", "/api/v1/token")
SECRET = "a secret of this test: 0123456789abcdef"


def pem_of(public_key):
    return public_key.public_bytes(serialization.Encoding.PEM,
                                   serialization.PublicFormat.SubjectPublicKeyInfo)


class Identity:
    """A key file for the server, and the tokens of whoever holds the key."""

    def __init__(self, kind, directory):
        self.algorithm = kind
        self.file = directory / "identity.key"
        if kind == "HS256":
            self.key = SECRET
            self.file.write_text(SECRET + "\n")
        else:
            self.key = Ed25519PrivateKey.generate()
            self.file.write_bytes(pem_of(self.key.public_key()))

    def token(self, key=None, algorithm=None, headers=None, **claims):
        claims = {"sub": "42", "exp": int(time.time()) + 60} | claims
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.key, algorithm=algorithm or self.algorithm,
                          headers=headers)


@pytest.fixture(params=["HS256", "EdDSA"])
def identity(request, tmp_path):
    return Identity(request.param, tmp_path)


@pytest.fixture
def guarded(start, identity):
    return start("--identity-key", identity.file)


def issue(server, token, user=42, path=PATHS[0], scheme="Bearer "):
    return server.client().post(path, {"userId": user},
                                token=None if token is None else scheme + token)


def test_a_jwt_of_the_user_gets_a_queue_token(guarded, identity):
    for path in PATHS:
        answer = issue(guarded, identity.token(), path=path)
        assert answer.status in (200, 201), answer
        ticket = answer.data["queueToken"]
        assert guarded.client().get("/api/v1/users/42/points", token=ticket).status == 200
    assert issue(guarded, identity.token(nbf=int(time.time()) - 1)).status == 200
    assert "open-tokens" not in guarded.log()


def test_whoever_cannot_say_who_he_is_gets_401_on_every_path(guarded, identity):
    now = int(time.time())
    good = identity.token()
    head, claims, signature = good.split(".")
    other = "another secret: 0123456789abcdef012345" if identity.algorithm == "HS256" \
        else Ed25519PrivateKey.generate()
    refused = {
        "no token": None,
        "empty": "",
        "another user": identity.token(sub="43"),
        "no user": identity.token(sub=None),
        "expired": identity.token(exp=now - 1),
        "without an end": identity.token(exp=None),
        "not begun": identity.token(nbf=now + 60),
        "another key": identity.token(key=other),
        "alg none": jwt.encode({"sub": "42", "exp": now + 60}, None, algorithm="none"),
        "another alg": identity.token(key=SECRET, algorithm="HS512"),
        "crit": identity.token(headers={"crit": ["b64"]}),
        "trailing dot": good + ".",
        "padding": good + "=",
        "no signature": f"{head}.{claims}.",
        "oversized": identity.token(filler="x" * 4096),
    }
    for path in PATHS:
        for name, token in refused.items():
            answer = issue(guarded, token, path=path)
            assert answer.status == 401, f"{path}, {name}: {answer}"
            expect_problem(answer, 401, "unauthorized")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    expect_problem(issue(guarded, good, scheme=""), 401, "unauthorized")
    expect_problem(issue(guarded, good, user=43), 401, "unauthorized")
    assert issue(guarded, good).status in (200, 201), "the one that all others differ from"


def test_a_token_ends_while_the_server_runs(guarded, identity):
    end = int(time.time()) + 2
    token = identity.token(exp=end)
    assert issue(guarded, token).status == 201
    time.sleep(max(0.0, end - time.time()) + 0.05)  # the claim is a time of the clock
    expect_problem(issue(guarded, token), 401, "unauthorized")


def test_the_public_key_does_not_sign(start, tmp_path):
    """The classic confusion: an HS256 token whose secret is the bytes of the public key."""
    identity = Identity("EdDSA", tmp_path)
    server = start("--identity-key", identity.file)
    claims = identity.token().split(".")[1]
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    raw = identity.key.public_key().public_bytes(serialization.Encoding.Raw,
                                                 serialization.PublicFormat.Raw)
    for secret in (identity.file.read_bytes(), identity.file.read_bytes().rstrip(), raw):
        mac = hmac.new(secret, f"{head}.{claims}".encode(), hashlib.sha256).digest()
        signature = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        expect_problem(issue(server, f"{head}.{claims}.{signature}"), 401, "unauthorized")


def test_what_the_token_gave_stays_after_a_kill_of_the_front(guarded, identity):
    """A successor reads the key where its predecessor did."""
    assert issue(guarded, identity.token()).status == 201
    generation = guarded.worker("front")["generation"]
    os.kill(guarded.worker("front")["pid"], 9)
    guarded.disconnect()
    answer = issue(guarded, identity.token())
    assert answer.status == 200, answer
    expect_problem(issue(guarded, identity.token(sub="43")), 401, "unauthorized")
    assert guarded.worker("front")["generation"] == generation + 1


def test_neither_keys_nor_tokens_nor_claims_are_logged(start, tmp_path):
    identity = Identity("HS256", tmp_path)
    server = start("--identity-key", identity.file, "--log-level", "debug")
    token = identity.token(sub="42", claim="a-claim-of-this-test")
    wrong = identity.token(sub="43")
    assert issue(server, token).status == 201
    assert issue(server, wrong).status == 401
    assert issue(server, token + ".").status == 401
    server.stop()
    log = server.log()
    for secret in (SECRET, *token.split("."), wrong.split(".")[2], "a-claim-of-this-test"):
        assert secret not in log


def test_without_a_key_anybody_gets_a_token_and_a_warning_says_so(start):
    server = start()
    assert issue(server, None).status == 201
    assert " event=open-tokens " in server.log()


@pytest.mark.parametrize("content, words", [
    (b"", "shorter than 32"),
    (b"0123456789abcdef0123456789abcde\n", "shorter than 32"),
    (b"s" * 257, "longer than 256"),
    (b"s" * 5000, "longer than"),
    (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "Ed25519"),
    (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "Ed25519"),
    (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8C", "SSH"),
])
def test_a_wrong_key_file_is_78_and_nothing_is_made(tmp_path, content, words):
    (tmp_path / "key").write_bytes(content)
    result = refusal(tmp_path, tmp_path / "key")
    assert result.returncode == 78, result
    assert words in result.stderr and "--identity-key" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not content or content.decode().strip() not in result.stderr
    assert not (tmp_path / "data").exists()


def test_a_key_that_is_a_directory_is_66(tmp_path):
    assert refusal(tmp_path, tmp_path).returncode == 66


def refusal(directory: pathlib.Path, key):
    return subprocess.run([binary(), "serve", "--listen", "127.0.0.1:0", "--data",
                           str(directory / "data"), "--identity-key", str(key)],
                          capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
                          env=clean_environment())
