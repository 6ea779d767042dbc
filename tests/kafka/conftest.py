import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fault"))

from fixtures import pytest_runtest_makereport, start  # noqa: E402,F401
from brokers import Broker, MockBroker, shared_broker  # noqa: E402


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A broker that the module's tests share, each with data of its own."""
    found = shared_broker(tmp_path_factory.mktemp("broker"))
    yield found
    found.end()


@pytest.fixture
def own_broker(tmp_path_factory):
    """own_broker(*properties): a broker of the test's own, not started yet."""
    brokers = []

    def make(*properties):
        brokers.append(Broker(tmp_path_factory.mktemp("broker"), *properties))
        return brokers[-1]

    yield make
    for found in brokers:
        found.end()


@pytest.fixture
def mock():
    found = MockBroker()
    yield found
    found.end()
