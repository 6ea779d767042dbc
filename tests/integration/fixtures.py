"""Fixtures for tests that run a server; a conftest.py imports them."""

import pytest

from boxoffice import Server


class Starter:
    """Starts servers and, at the end of the test, stops those still running and audits them."""

    def __init__(self, directory_of):
        self.directory_of = directory_of
        self.servers = []

    def __call__(self, *arguments, **options):
        server = Server(self.directory_of("server"), *arguments, **options)
        self.servers.append(server)
        return server.start()

    def finish(self):
        try:
            for server in self.servers:
                if server.running:
                    server.stop()
        finally:
            for server in self.servers:
                server.end()


@pytest.fixture
def start(tmp_path_factory):
    """start(*arguments, data=…): a server of the test's own."""
    starter = Starter(tmp_path_factory.mktemp)
    yield starter
    starter.finish()


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """As start, for servers that a module's tests share."""
    starter = Starter(tmp_path_factory.mktemp)
    yield starter
    starter.finish()


@pytest.fixture(scope="module")
def server(starter):
    """A server with demo data that the module's tests share; users are each test's own."""
    return starter("--demo")


@pytest.fixture
def client(server):
    return server.client()


@pytest.fixture
def user(server):
    return server.user()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failed test shows the end of its servers' logs."""
    report = (yield).get_result()
    if not report.failed:
        return
    values = getattr(item, "funcargs", {}).values()
    servers = [value for value in values if isinstance(value, Server)]
    for starter in [value for value in values if isinstance(value, Starter)]:
        servers += starter.servers
    for server in servers:
        report.sections.append((f"log of the server ({server.log_path})", server.log()[-6000:]))
