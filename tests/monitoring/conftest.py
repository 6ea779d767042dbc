import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from fixtures import pytest_runtest_makereport, start  # noqa: E402,F401
from stack import hosts, memory, stack  # noqa: E402,F401
