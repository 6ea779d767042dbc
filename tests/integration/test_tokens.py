"""Queue tokens: who gets one, what it opens, and that no other bytes do."""

import re

from boxoffice import bearer, expect_problem

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def issue(client, user_id, path="/api/v1/queue/tokens"):
    return client.post(path, {"userId": user_id})


def test_a_token_is_made_once_and_given_again(server, client):
    user_id = server.new_user_id()
    first = issue(client, user_id)
    assert first.status == 201
    assert {"queueToken", "status", "queuePosition", "etaSeconds", "nextPollMs",
            "expiresAt"} <= set(first.data)
    assert re.fullmatch(r"[A-Za-z0-9_.~-]{1,256}", first.data["queueToken"])
    assert re.fullmatch(TIME, first.data["expiresAt"])
    assert first.data["status"] == "SUCCESS"
    again = issue(client, user_id)
    assert again.status == 200
    assert again.data["queueToken"] == first.data["queueToken"]


def test_the_scripts_paths_always_answer_200_with_the_same_token(server, client):
    user_id = server.new_user_id()
    answers = [issue(client, user_id, path)
               for path in ("/queue/token", "/api/v1/token", "/queue/token")]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.data["queueToken"] for answer in answers}) == 1
    assert issue(client, user_id).status == 200


def test_tokens_of_different_users_differ(server, client):
    tokens = {issue(client, server.new_user_id()).data["queueToken"] for _ in range(100)}
    assert len(tokens) == 100


def test_a_token_works_bare_and_as_bearer(user):
    for token in (user.token, bearer(user.token), "bearer " + user.token):
        answer = user.client.get("/api/v1/queue/tokens/me", token=token)
        assert answer.status == 200, token
        assert answer.data["status"] == "SUCCESS"
        assert answer.data["queuePosition"] == 0
        assert isinstance(answer.data["nextPollMs"], int)
        assert re.fullmatch(TIME, answer.data["admittedUntil"])


def test_a_check_with_json_type_and_empty_body_is_fine(user):
    raw = user.client.request("POST", "/queue/token/check", b"", token=user.token)
    assert raw.status == 200
    assert raw.data["status"] == "SUCCESS"
    assert user.post("/queue/token/check").data["status"] == "SUCCESS"


def test_any_changed_byte_makes_a_token_worthless(user):
    token = user.token
    for at in range(len(token)):
        for replacement in ("A", "B", "_"):
            if token[at] == replacement:
                continue
            forged = token[:at] + replacement + token[at + 1:]
            answer = user.client.get(user.points, token=forged)
            # another user's number in the token is a forgery too, never `not-owner`
            expect_problem(answer, 401, "unauthorized")
    for forged in ("", "x", token[:-1], token + "A", token + "=", "a" * 256, "a" * 5000,
                   bearer(""), "Basic " + token, token + " " + token, "\u00ff" * 66):
        answer = user.client.get(user.points, token=forged.encode("latin-1"))
        expect_problem(answer, 401, "unauthorized")
    assert user.get(user.points).status == 200


def test_a_token_of_another_server_is_worthless(start, user):
    expect_problem(start().client().get(user.points, token=user.token), 401, "unauthorized")


def test_tokens_survive_the_death_of_everything(start, tmp_path):
    server = start(data=tmp_path / "data")
    user = server.user()
    server.end()
    server = start(data=tmp_path / "data")
    again = issue(server.client(), user.id)
    assert (again.status, again.data["queueToken"]) == (200, user.token)
    later = server.user()
    assert later.token != user.token


def test_leaving_may_be_repeated(user):
    assert [user.delete("/api/v1/queue/tokens/me").status for _ in range(2)] == [204, 204]


def test_a_reservation_can_not_be_made_without_a_token(client):
    answer = client.post("/api/v1/reservations", {"scheduleId": 1, "seatIds": [131073]})
    expect_problem(answer, 401, "unauthorized")


def test_the_admitted_word_is_configurable(start):
    user = start("--admitted-word", "ACTIVE").user()
    assert user.get("/api/v1/queue/tokens/me").data["status"] == "ACTIVE"


def test_admin_calls_need_the_admin_key(server, client, user):
    for token in (None, user.token, bearer(user.token), bearer("0" * 64), server.admin_key + "0"):
        expect_problem(client.get("/api/v1/admin/processes", token=token), 401, "unauthorized")
    assert server.admin("/api/v1/admin/processes").status == 200
