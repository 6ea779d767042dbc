"""A disk that tests may fill."""

import errno
import os
import subprocess

import pytest

SIZE_MIB = 48


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of a few MiB."""
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("mounting a tmpfs needs root, and CI must run this test")
        pytest.skip("mounting a tmpfs needs root")
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"no tmpfs: {mounted.stderr}")
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")
    yield path
    # At the fixture's end the server is gone: `start` was set up later, so it is torn down earlier.
    subprocess.run(["umount", str(path)], check=True)


def fill(path):
    """Takes every free byte; returns the file to remove."""
    ballast = path / "ballast"
    with open(ballast, "ab", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return ballast
