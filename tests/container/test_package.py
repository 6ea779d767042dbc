"""The Debian package: installed, started as its unit does, and purged, in a clean Debian; and what
systemd says of the unit."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from boxoffice import ROOT, binary, wait_until
from podman import free_port, podman

UNIT = ROOT / "packaging" / "boxoffice.service"
BASE = "docker.io/library/debian:bookworm-slim"


@pytest.fixture(scope="module")
def package():
    for program in ("podman", "debootstrap", "cpack", "dpkg-shlibdeps"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("a clean root needs root")
    subprocess.run([ROOT / "docker" / "prove", "base"], check=True, timeout=600)
    result = subprocess.run([ROOT / "scripts" / "package"], capture_output=True, text=True,
                            timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.splitlines()[-1]


class CleanDebian:
    def __init__(self, package):
        self.id = podman("run", "--detach", "--network", "host", "--ulimit",
                         "nofile=20000:20000", "--ulimit", "nproc=10000:10000",
                         "--volume", f"{package}:/boxoffice.deb:ro", BASE, "sleep",
                         "infinity").stdout.strip()

    def run(self, command, check=True):
        return podman("exec", self.id, "sh", "-c", command, check=check, timeout_s=300).stdout

    def succeeds(self, command):
        return podman("exec", self.id, "sh", "-c", command, check=False).returncode == 0

    def remove(self):
        podman("rm", "--force", "--time", "1", self.id)


@pytest.fixture
def debian(package):
    debian = CleanDebian(package)
    yield debian
    debian.remove()


def unit_settings():
    """{key: [values]} of the [Service] section."""
    found = {}
    for line in UNIT.read_text().splitlines():
        if (match := re.fullmatch(r"([A-Za-z]+)=(.*)", line)) is not None:
            found.setdefault(match[1], []).append(match[2])
    return found


def test_installed_started_and_purged(debian):
    debian.run("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y "
               "--no-install-recommends install /boxoffice.deb")
    settings = unit_settings()
    assert debian.run("stat -c '%U %a' /var/lib/boxoffice").split() == ["boxoffice", "700"]
    assert debian.run("systemctl is-enabled boxoffice 2>/dev/null || "
                      "readlink /etc/systemd/system/multi-user.target.wants/boxoffice.service")

    # What the unit does, by hand: its user, its environment, the settings' file, its command.
    port = free_port()
    debian.run(f"echo BOXOFFICE_LISTEN=127.0.0.1:{port} >> /etc/default/boxoffice")
    assert settings["User"] == ["boxoffice"] and settings["EnvironmentFile"] == [
        "-/etc/default/boxoffice"]
    environment = " ".join(shlex.quote(value) for value in settings["Environment"])
    start = (f"set -a; . /etc/default/boxoffice; exec setpriv --reuid boxoffice --regid boxoffice "
             f"--clear-groups --no-new-privs env {environment} {settings['ExecStart'][0]}")
    podman("exec", "--detach", debian.id, "sh", "-c",
           f"({start}) >/tmp/log 2>&1; echo $? >/tmp/code")
    healthy = f"boxoffice health --url http://127.0.0.1:{port}/readyz"
    wait_until(lambda: debian.succeeds(healthy), "a healthy server", 60)
    assert debian.run("stat -c %U /var/lib/boxoffice/layout").strip() == "boxoffice"
    debian.run("kill -TERM $(cat /proc/[0-9]*/stat | awk '$2 == \"(boxoffice)\" {print $1; exit}')")
    wait_until(lambda: debian.succeeds("test -s /tmp/code"), "its end", 30)
    assert debian.run("cat /tmp/code").strip() == "0", debian.run("cat /tmp/log")

    debian.run("apt-get -qq -y remove boxoffice")
    assert not debian.succeeds("test -e /usr/bin/boxoffice")
    assert debian.succeeds("test -e /var/lib/boxoffice/layout && test -e /etc/default/boxoffice")
    debian.run("dpkg --purge boxoffice")
    for path in ("/var/lib/boxoffice", "/etc/default/boxoffice",
                 "/etc/systemd/system/multi-user.target.wants/boxoffice.service"):
        assert not debian.succeeds(f"test -e {path} || test -L {path}"), path


def test_settings_survive_an_installation_over_it(debian):
    install = ("DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends "
               "--reinstall install /boxoffice.deb")
    debian.run("apt-get -qq update && " + install)
    debian.run("echo BOXOFFICE_LISTEN=127.0.0.1:9 >> /etc/default/boxoffice && "
               "echo kept > /var/lib/boxoffice/kept")
    debian.run(install)
    assert debian.run("tail -n 1 /etc/default/boxoffice") == "BOXOFFICE_LISTEN=127.0.0.1:9\n"
    assert debian.run("cat /var/lib/boxoffice/kept") == "kept\n"


@pytest.fixture
def systemd_analyze():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")

    def run(*arguments):
        return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True,
                              text=True, timeout=60)
    return run


def test_systemd_understands_the_unit(systemd_analyze, tmp_path):
    unit = tmp_path / "boxoffice.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/boxoffice", binary()))
    result = systemd_analyze("verify", "--man=no", unit)
    assert result.returncode == 0, result.stderr
    complaints = [line for line in result.stderr.splitlines() if str(unit) in line]
    assert complaints == []


def test_the_unit_exposes_little(systemd_analyze):
    result = systemd_analyze("security", "--offline=yes", "--threshold=20", UNIT)
    assert result.returncode == 0, result.stdout
