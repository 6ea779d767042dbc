"""/metrics: Prometheus' text format, and figures that follow what happened."""

import shutil
import subprocess

import pytest

from boxoffice import wait_until


def total(samples, name, **labels):
    found = [value for (sample, pairs), value in samples.items()
             if sample == name and labels.items() <= dict(pairs).items()]
    assert found, f"no sample {name}{labels}"
    return sum(found)


def test_requests_are_counted_by_route_and_status(server, user):
    name = "boxoffice_http_request_duration_seconds_count"
    route = "POST /api/v1/users/{userId}/points/charges"
    user.charge(5)
    before = server.metrics()
    for _ in range(7):
        user.charge(5)
    user.charge(0)
    after = server.metrics()

    def grown(**labels):
        return total(after, name, **labels) - (total(before, name, **labels))

    assert grown(route=route, status="201") == 7
    assert total(after, name, route=route, status="422") >= 1


def test_histograms_are_cumulative_and_end_with_their_count(server, user):
    user.charge(5)
    samples = server.metrics()
    series = {}
    for (name, labels), value in samples.items():
        if name.endswith("_bucket"):
            bound = float(dict(labels)["le"])
            rest = tuple(label for label in labels if label[0] != "le")
            series.setdefault((name[:-len("_bucket")], rest), []).append((bound, value))
    assert any(name == "boxoffice_commit_seconds" for name, _ in series)
    assert any(name == "boxoffice_commit_batch_events" for name, _ in series)
    for (name, labels), buckets in series.items():
        buckets.sort()
        values = [value for _, value in buckets]
        assert values == sorted(values), name
        assert buckets[-1][0] == float("inf")
        assert values[-1] == samples[(name + "_count", labels)]
        assert (name + "_sum", labels) in samples


def test_the_workers_figures_follow_a_charge(server, user):
    """Counters at once; gauges of the worker's storage are refreshed now and then."""
    before = server.metrics()
    for _ in range(10):
        user.charge(1)
    wallet = {"role": "wallet", "instance": "0"}

    def grown(name):
        return total(server.metrics(), name, **wallet) - total(before, name, **wallet)

    assert grown("boxoffice_messages_total") >= 10
    assert grown("boxoffice_events_total") >= 10
    assert grown("boxoffice_commits_total") >= 1
    wait_until(lambda: grown("boxoffice_journal_last_sequence") >= 10, "the gauge follows")


def test_what_an_operator_needs_is_there(server):
    samples = server.metrics()
    for role in ("front", "queue", "seat", "wallet", "relay"):
        assert total(samples, "boxoffice_process_up", role=role) == 1
        assert total(samples, "boxoffice_process_resident_bytes", role=role) > 1 << 20
        assert total(samples, "boxoffice_process_restarts_total", role=role) == 0
    for name in ("boxoffice_ring_depth", "boxoffice_journal_records", "boxoffice_journal_bytes",
                 "boxoffice_http_connections", "boxoffice_slots_free", "boxoffice_unsaved_bytes",
                 "boxoffice_recovery_seconds"):
        total(samples, name)


def test_a_restart_is_counted(start):
    server = start()
    server.wait_replaced(server.kill("wallet"))
    samples = server.metrics()
    assert total(samples, "boxoffice_process_restarts_total", role="wallet") == 1
    assert total(samples, "boxoffice_process_restarts_total", role="front") == 0


def test_promtool_accepts_it(server, user):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    user.charge(5)
    text = server.client().get("/metrics").body
    result = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
    assert result.returncode == 0, result.stderr.decode()


def test_the_sale_is_counted(start):
    server = start("--demo")
    user, other = server.user(), server.user()
    schedule = server.client().get("/concerts/schedule").data[0]
    first, second, third = [s["seatId"] for s in user.seats(schedule["scheduleId"])[:3]]
    price = user.seats(schedule["scheduleId"])[0]["amount"]
    before = server.metrics()
    assert total(before, "boxoffice_seats") == total(before, "boxoffice_seats_available") > 0
    held = user.hold(schedule["scheduleId"], first, second).data["reservationId"]
    assert user.confirm(held).status == 409
    user.charge(10 * price)
    assert user.confirm(held).status == 200
    user.use(7)
    released = other.hold(schedule["scheduleId"], third).data["reservationId"]
    assert other.delete(f"/api/v1/reservations/{released}").status == 204
    after = server.metrics()
    expected = {
        "holds_placed": 2, "seats_held": 3, "holds_released": 1, "reservations_confirmed": 1,
        "payments_failed": 1, "points_charged": 10 * price, "points_paid": 2 * price,
        "points_spent": 7, "reservations_cancelled": 0, "points_refunded": 0, "holds_expired": 0,
    }
    for name, count in expected.items():
        assert total(after, f"boxoffice_{name}_total") == count, name
    assert total(after, "boxoffice_seats_available") == total(before, "boxoffice_seats") - 2
    assert user.post(f"/api/v1/reservations/{held}/cancel").status == 200
    after = server.metrics()
    assert total(after, "boxoffice_reservations_cancelled_total") == 1
    assert total(after, "boxoffice_points_refunded_total") == 2 * price


def test_what_the_machine_gives_is_told(server, user):
    user.charge(5)
    samples = server.metrics()
    for role in ("front", "queue", "seat", "wallet", "relay"):
        assert total(samples, "boxoffice_process_open_descriptors", role=role) >= 3
        total(samples, "boxoffice_process_disk_read_bytes_total", role=role)
    assert total(samples, "boxoffice_process_disk_written_bytes_total", role="wallet") > 0
    assert 0 < total(samples, "boxoffice_disk_free_bytes") <= \
        total(samples, "boxoffice_disk_size_bytes")
    assert total(samples, "boxoffice_connections_limit") == 10000
    assert total(samples, "boxoffice_journal_limit_bytes") == (1024 << 20) * 0.8
    assert total(samples, "boxoffice_unsaved_limit_bytes") == 96 << 20


def test_the_waiting_room_is_counted(start):
    server = start("--active-limit", 2)
    before = server.metrics()
    assert total(before, "boxoffice_room_issued_total", room="0") == 0
    for _ in range(5):
        server.user()

    def counts():
        samples = server.metrics()
        return [total(samples, f"boxoffice_room_{name}", room="0")
                for name in ("issued_total", "admitted", "waiting", "done_total", "expired_total")]

    wait_until(lambda: counts() == [5, 2, 3, 0, 0], "five tickets, two of them admitted")
