"""Point wallets over HTTP: what each call answers and what it leaves behind."""

import json
import re

from boxoffice import expect_problem, query

AMOUNT_MAX = 10 ** 12
BALANCE_MAX = 10 ** 15


def charge_bytes(user, amount, key=None, path="charges"):
    body = json.dumps({"amount": amount}, separators=(",", ":"))
    key_line = f"Idempotency-Key: {key}\r\n" if key else ""
    return (f"POST {user.points}/{path} HTTP/1.1\r\nHost: boxoffice\r\nAuthorization: {user.token}"
            f"\r\n{key_line}Content-Type: application/json\r\nContent-Length: {len(body)}"
            f"\r\n\r\n{body}")


def test_a_user_never_seen_has_nothing(user):
    assert user.get(user.points).data == {"userId": user.id, "balance": 0}
    assert user.transactions() == []


def test_a_charge_answers_with_the_new_balance(user):
    first = user.charge(700)
    assert first.status == 201
    assert set(first.data) == {"transactionId", "userId", "amount", "balance"}
    assert first.data["userId"] == user.id
    assert (first.data["amount"], first.data["balance"]) == (700, 700)
    second = user.charge(300)
    assert second.data["balance"] == 1000
    assert second.data["transactionId"] > first.data["transactionId"]
    assert user.balance() == 1000


def test_a_use_takes_points_down_to_zero_and_not_below(user):
    user.charge(1000)
    used = user.use(400)
    assert used.status == 201
    assert (used.data["amount"], used.data["balance"]) == (400, 600)
    problem = expect_problem(user.use(601), 409, "insufficient-points")
    assert (problem["required"], problem["balance"], problem["shortBy"]) == (601, 600, 1)
    assert user.balance() == 600
    assert user.use(600).data["balance"] == 0
    expect_problem(user.use(1), 409, "insufficient-points")
    assert [t["type"] for t in user.transactions()] == ["USE", "USE", "CHARGE"]


def test_amounts_outside_their_range_are_refused(user):
    for amount in (0, -1, AMOUNT_MAX + 1, 2 ** 53, 2 ** 63, 2 ** 64 + 1):
        expect_problem(user.charge(amount), 422, "amount-out-of-range")
        expect_problem(user.use(amount), 422, "amount-out-of-range")
    assert user.charge(AMOUNT_MAX).status == 201
    assert user.charge(1).status == 201
    assert user.balance() == AMOUNT_MAX + 1


def test_a_balance_stops_at_its_limit(server, user):
    with server.wire() as wire:
        for _ in range(BALANCE_MAX // AMOUNT_MAX // 10):
            wire.send(charge_bytes(user, AMOUNT_MAX) * 10)
            assert [wire.answer().status for _ in range(10)] == [201] * 10
    assert user.balance() == BALANCE_MAX
    expect_problem(user.charge(1), 422, "amount-out-of-range")
    assert user.balance() == BALANCE_MAX
    assert user.use(1).status == 201
    assert user.charge(1).data["balance"] == BALANCE_MAX


def test_points_are_their_owners_alone(server, user):
    other = server.user()
    user.charge(50)
    assert other.get(user.points).status == 403
    expect_problem(other.get(user.points), 403, "not-owner")
    expect_problem(other.get(user.points + "/transactions"), 403, "not-owner")
    expect_problem(other.post(user.points + "/charges", {"amount": 1}), 403, "not-owner")
    expect_problem(other.post(user.points + "/uses", {"amount": 1}), 403, "not-owner")
    for path in ("", "/transactions"):
        expect_problem(user.client.get(user.points + path), 401, "unauthorized")
    assert user.balance() == 50


# ---- transactions ----

def test_transactions_are_listed_newest_first_with_all_their_fields(user):
    made = [user.charge(100), user.use(30), user.charge(7)]
    listed = user.transactions()
    assert [t["transactionId"] for t in listed] == [a.data["transactionId"] for a in reversed(made)]
    assert [(t["type"], t["amount"], t["balance"]) for t in listed] == [
        ("CHARGE", 7, 77), ("USE", 30, 70), ("CHARGE", 100, 100)]
    for transaction in listed:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", transaction["at"])
        assert transaction.get("reservationId") is None
    assert listed[0]["at"] >= listed[1]["at"] >= listed[2]["at"]


def test_pages_of_transactions_join_without_gap_or_repeat(user):
    ids = [user.charge(1 + n).data["transactionId"] for n in range(23)]
    for limit in (1, 7, 22, 23, 24, 1000):
        listed = [t["transactionId"] for t in user.transactions(limit=limit)]
        assert listed == ids[::-1], limit


def test_a_cursor_goes_on_where_it_was_while_new_transactions_arrive(user):
    ids = [user.charge(1).data["transactionId"] for _ in range(6)]
    page = user.get(query(user.points + "/transactions", limit=2)).data
    assert [t["transactionId"] for t in page["transactions"]] == ids[:3:-1]
    user.charge(1)
    user.charge(1)
    assert re.fullmatch(r"[A-Za-z0-9_.~-]+", page["nextCursor"])
    page = user.get(query(user.points + "/transactions", limit=4, cursor=page["nextCursor"])).data
    assert [t["transactionId"] for t in page["transactions"]] == ids[3::-1]
    assert page["nextCursor"] is None


def test_transactions_come_fifty_at_a_time_unless_said(user):
    for n in range(51):
        user.charge(1 + n)
    page = user.get(user.points + "/transactions").data
    assert len(page["transactions"]) == 50
    assert page["nextCursor"] is not None


# ---- idempotency ----

def test_one_key_sent_200_times_at_once_has_one_effect(server, user):
    wires = [server.wire() for _ in range(200)]
    request = charge_bytes(user, 250, key="at-once")
    for wire in wires:
        wire.send(request)
    answers = [wire.answer() for wire in wires]
    for wire in wires:
        wire.close()
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert user.balance() == 250
    assert len(user.transactions()) == 1


def test_a_key_repeats_the_first_answer_whatever_happened_since(user):
    first = user.charge(500, key="k1")
    user.use(200)
    user.charge(5)
    again = user.charge(500, key="k1")
    assert (again.status, again.body) == (first.status, first.body)
    assert user.balance() == 305


def test_a_key_with_another_body_is_refused(user):
    first = user.charge(500, key="k1")
    expect_problem(user.charge(501, key="k1"), 422, "idempotency-key-reused")
    assert user.charge(500, key="k1").body == first.body
    assert user.balance() == 500


def test_a_key_counts_for_its_user_and_route_only(server, user):
    other = server.user()
    assert user.charge(500, key="shared").data["balance"] == 500
    assert user.use(500, key="shared").data["balance"] == 0
    assert other.charge(500, key="shared").data["userId"] == other.id
    assert (user.balance(), other.balance()) == (0, 500)


def test_a_key_is_free_after_a_refusal(user):
    expect_problem(user.use(100, key="k1"), 409, "insufficient-points")
    user.charge(300)
    assert user.use(100, key="k1").status == 201
    assert user.use(100, key="k1").data["balance"] == 200
    expect_problem(user.charge(0, key="k2"), 422, "amount-out-of-range")
    assert user.charge(10, key="k2").status == 201
    assert user.balance() == 210


def test_keys_are_1_to_64_visible_characters(user):
    assert user.charge(1, key="!" + "k" * 62 + "~").status == 201
    for key in ("", "k" * 65, "a b", "caf\u00e9", "a\tb"):
        answer = user.charge(1, key=key.encode("latin-1"))
        assert answer.status == 400, (key, answer)
    assert user.balance() == 1


def test_keys_survive_the_death_of_the_worker_and_of_everything(start, tmp_path):
    server = start("--demo", data=tmp_path / "data")
    user = server.user()
    charged = user.charge(900, key="c")
    used = user.use(300, key="u")
    server.wait_replaced(server.kill("wallet"))
    assert user.charge(900, key="c").body == charged.body
    assert user.use(300, key="u").body == used.body
    server.end()

    server = start("--demo", data=tmp_path / "data")
    user = server.user(user.id)
    assert user.charge(900, key="c").body == charged.body
    assert user.use(300, key="u").body == used.body
    expect_problem(user.use(301, key="u"), 422, "idempotency-key-reused")
    assert user.balance() == 600
    assert len(user.transactions()) == 2


def test_a_user_has_at_most_10000_live_keys(server, user):
    pipelined = 16
    with server.wire() as wire:
        for first in range(0, 10_000, pipelined):
            wire.send("".join(charge_bytes(user, 1, key=f"k{n}")
                              for n in range(first, first + pipelined)))
            for _ in range(pipelined):
                answer = wire.answer()
                assert answer.status == 201, answer
    expect_problem(user.charge(1, key="one-more"), 429, "rate-limited")
    assert user.charge(1, key="k7777").status == 201  # a repeat needs no new key
    assert user.balance() == 10_000
    assert user.charge(1).status == 201  # nor does a charge without one


# ---- the payment side's key ----

def test_with_a_charge_key_only_the_payment_side_charges(start, tmp_path):
    key_file = tmp_path / "charge.key"
    key_file.write_text("payment-side-secret\n")
    server = start("--charge-key-file", key_file)
    user = server.user()
    payment = {"token": "Bearer payment-side-secret"}
    path = user.points + "/charges"
    expect_problem(user.charge(100, key="p1"), 403, "forbidden")
    expect_problem(user.client.post(path, {"amount": 100}, key="p1"), 401, "unauthorized")
    expect_problem(user.client.post(path, {"amount": 100}, key="p1", token="Bearer wrong"),
                   401, "unauthorized")
    without_key = user.client.post(path, {"amount": 100}, **payment)
    assert without_key.status == 400, without_key
    assert user.balance() == 0
    first = user.client.post(path, {"amount": 100}, key="p1", **payment)
    assert first.status == 201
    assert user.client.post(path, {"amount": 100}, key="p1", **payment).body == first.body
    assert user.balance() == 100
    assert user.use(40).data["balance"] == 60
