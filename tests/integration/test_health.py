"""`boxoffice health`, the client of a container's HEALTHCHECK."""

import socket
import subprocess
import threading

import pytest

from boxoffice import binary, clean_environment


def health(*arguments, **settings):
    return subprocess.run([binary(), "health", *arguments], capture_output=True, text=True,
                          timeout=30, env=clean_environment() | settings)


def test_a_server_that_is_ready_is_healthy(server):
    for path in ("readyz", "livez"):
        result = health("--url", f"http://127.0.0.1:{server.port}/{path}")
        assert (result.returncode, result.stderr) == (0, "")
    assert health("--url", f"http://localhost:{server.port}/readyz").returncode == 0


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_it_looks_where_the_server_of_its_environment_listens(server, address):
    result = health(BOXOFFICE_LISTEN=f"{address}:{server.port}")
    assert (result.returncode, result.stderr) == (0, "")


def test_another_answer_or_none_is_not(server):
    result = health("--url", f"http://127.0.0.1:{server.port}/nowhere")
    assert result.returncode == 1 and "answers 404" in result.stderr
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = health("--url", f"http://127.0.0.1:{unused.getsockname()[1]}/readyz")
    assert result.returncode == 1 and "does not answer" in result.stderr


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 ", b"HTTP/1.1 2"])
def test_garbage_is_no_answer(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)
        thread = threading.Thread(target=serve)
        thread.start()
        result = health("--url", f"http://127.0.0.1:{listener.getsockname()[1]}/readyz")
        thread.join()
    assert result.returncode == 1, result


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "https://a/", "http://", "http://:80/",
                                 "http://a:/", "http://[::1", "http://a:123456789/"])
def test_a_wrong_url_is_named(url):
    result = health("--url", url)
    assert result.returncode == 64 and "--url" in result.stderr
