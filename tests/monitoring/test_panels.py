"""Every query of every panel and of every rule returns data, after a short load, from a real
Prometheus and a real InfluxDB with the configuration that docker/compose.yml mounts."""

import json
import os
import re
import subprocess

import pytest
import yaml

from boxoffice import ROOT, wait_until
from stack import DOCKER

DASHBOARDS = sorted((DOCKER / "grafana" / "dashboards").glob("*.json"))
RULES = DOCKER / "prometheus" / "rules" / "boxoffice.yml"


def targets():
    """(dashboard, panel, data source's type, query) of every panel."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            assert panel["targets"], panel["title"]
            for target in panel["targets"]:
                kind = target["datasource"]["type"]
                query = target["expr"] if kind == "prometheus" else target["query"]
                yield path.stem, panel["title"], kind, query


def rules():
    """(name, expression) of every rule; of an alert without its comparison, which is false now."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            expression = " ".join(rule["expr"].split())
            if "alert" in rule:
                expression, compared = re.subn(r" (==|!=|>=|<=|>|<) [0-9.]+$", "", expression)
                assert compared == 1, rule["alert"]
            yield rule.get("alert") or rule["record"], expression


def test_data_sources_and_dashboards_belong_together():
    provisioned = DOCKER / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioned / "datasources" / "datasources.yml").read_text())
    known = {(source["type"], source["uid"]) for source in sources["datasources"]}
    uids = set()
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        assert dashboard["uid"] == path.stem
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))
        uids.add(dashboard["uid"])
        for panel in dashboard["panels"]:
            for source in [panel["datasource"], *(t["datasource"] for t in panel["targets"])]:
                assert (source["type"], source["uid"]) in known
    assert uids == {"boxoffice-sale", "boxoffice-service", "boxoffice-supervision", "boxoffice-k6"}


def sell_a_little(server):
    user = server.user()
    schedule = server.client().get("/concerts/schedule").data[0]
    seats = [seat["seatId"] for seat in user.seats(schedule["scheduleId"], "AVAILABLE")]
    user.charge(10 ** 9)
    for seat in seats[:5]:
        held = user.hold(schedule["scheduleId"], seat)
        assert user.confirm(held.data["reservationId"]).status == 200


def k6(server):
    program = os.environ.get("K6")
    if program is None:
        pytest.skip("K6 says where k6 is (scripts/k6)")
    return subprocess.Popen(
        [program, "run", "--quiet", "--no-usage-report", "--out", "influxdb=http://influxdb:8086/k6",
         "-e", "BASE_URL=http://app:8080", "-e", "VUS=3", "-e", "DURATION=20s",
         str(ROOT / "k6s" / "smoke.js")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_every_query_returns_data(stack, memory, start):
    stack.influxdb()
    server = start("--listen", "0.0.0.0:8080", "--demo", "--demo-holds", 1000, "--open-confirm",
                   "--active-limit", 100000,
                   command_prefix=memory.prefix)
    stack.prometheus()
    load = k6(server)
    sell_a_little(server)
    missing = dict.fromkeys(targets())

    def ask_again():
        for target in list(missing):
            _, _, kind, query = target
            if kind == "prometheus":
                found = stack.promql(query)
            else:
                found = stack.influxql(query.replace("$timeFilter", "time > now() - 15m")
                                       .replace("$__interval", "5s"))
            if found:
                del missing[target]
        return not missing

    try:
        wait_until(ask_again, "data for every panel", 90, every_s=1)
    except AssertionError:
        pytest.fail(f"no data for {list(missing)}")
    unanswered = [name for name, expression in rules() if not stack.promql(expression)]
    assert unanswered == []
    output, _ = load.communicate(timeout=60)
    assert load.returncode == 0, output.decode()
    server.stop()
