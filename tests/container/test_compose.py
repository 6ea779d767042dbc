"""docker/compose.yml against the Compose specification's schema (docker-compose has it), and what
the schema does not know: that the names in the mounted configuration are services."""

import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from boxoffice import ROOT

DOCKER = ROOT / "docker"


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DOCKER / "compose.yml").read_text())


def test_the_schema_accepts_it():
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    result = subprocess.run(["docker-compose", "-f", DOCKER / "compose.yml", "config", "--quiet"],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_server_has_one_processor_and_a_gigabyte(compose):
    app = compose["services"]["app"]
    assert app["deploy"]["resources"]["limits"] == {"cpus": "1", "memory": "1G"}
    assert app["ports"] == ["8080:8080"]
    assert app["read_only"] and app["cap_drop"] == ["ALL"]
    assert [v.split(":")[1] for v in app["volumes"]] == ["/data"]


def test_all_services_are_there(compose):
    services = compose["services"]
    assert {"app", "kafka", "k6", "influxdb", "prometheus", "alertmanager",
            "grafana"} <= set(services)
    assert services["influxdb"]["image"] == "influxdb:1.8"
    assert services["influxdb"]["environment"]["INFLUXDB_DB"] == "k6"
    assert services["kafka"]["environment"]["KAFKA_PROCESS_ROLES"] == "broker,controller"
    assert not any("zookeeper" in str(service).lower() for service in services.values())
    assert services["k6"]["command"][-1] == "/scripts/stressTest.js"


def test_what_is_mounted_exists(compose):
    mounted = set()
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).exists(), source
                mounted.add(source)
            else:
                assert source in compose["volumes"], source
    assert mounted == {"../k6s", "./prometheus", "./alertmanager", "./grafana/provisioning",
                       "./grafana/dashboards"}
    assert (ROOT / "k6s" / "stressTest.js").exists()


def test_hosts_in_the_configuration_are_services(compose):
    named = set()
    prometheus = (DOCKER / "prometheus" / "prometheus.yml").read_text()
    named |= set(re.findall(r"targets: \['([a-z]+):", prometheus)) - {"localhost"}
    alertmanager = (DOCKER / "alertmanager" / "alertmanager.yml").read_text()
    named |= set(re.findall(r"smtp_smarthost: ([a-z]+):", alertmanager))
    sources = DOCKER / "grafana" / "provisioning" / "datasources" / "datasources.yml"
    named |= set(re.findall(r"http://([a-z0-9]+):", sources.read_text()))
    for service in compose["services"].values():
        named |= set(re.findall(r"http://([a-z0-9]+):", str(service)))
    assert named == {"app", "alertmanager", "mail", "prometheus", "influxdb"}
    assert named <= set(compose["services"])


def test_the_dashboards_are_where_they_are_looked_for(compose):
    provider = yaml.safe_load((DOCKER / "grafana" / "provisioning" / "dashboards" /
                               "dashboards.yml").read_text())["providers"][0]
    mounts = dict(v.split(":")[:2][::-1] for v in compose["services"]["grafana"]["volumes"])
    assert mounts[provider["options"]["path"]] == "./grafana/dashboards"
    home = compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DOCKER / "grafana" / "dashboards" / pathlib.Path(home).name).exists()
