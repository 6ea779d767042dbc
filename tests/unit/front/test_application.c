#include "fixture.h"

static int setup(void **state)
{
    *state = fixture_default();
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static struct http_request charge_of(struct fixture *fixture, uint64_t user, const char *body)
{
    return authorized(
        with_body(request_of(HTTP_METHOD_POST, "/api/v1/users/5/points/charges"), body),
        token_of(fixture, user));
}

static void test_an_unknown_path_is_404_and_another_method_405(void **state)
{
    assert_int_equal(ask(*state, request_of(HTTP_METHOD_GET, "/nothing")), 404);
    assert_problem(404, "not-found");
    ask(*state, request_of(HTTP_METHOD_GET, "/api/v1/users/five/points"));
    assert_problem(404, "not-found");
    ask(*state, request_of(HTTP_METHOD_GET, "/queue/token"));
    assert_problem(405, "method-not-allowed");
    assert_string_equal(answer.headers, "Allow: POST\r\n");
    ask(*state, request_of(HTTP_METHOD_OPTIONS, "/livez"));
    assert_problem(405, "method-not-allowed");
    assert_string_equal(answer.headers, "Allow: GET, HEAD\r\n");
}

static void test_a_call_with_a_body_needs_one_of_json(void **state)
{
    struct fixture *fixture = *state;
    struct http_request request = charge_of(fixture, 5, "{\"amount\":1}");
    request.has_length = false;
    ask(fixture, request);
    assert_problem(411, "length-required");
    request.has_length = true;
    request.content_type = text_of("text/plain");
    ask(fixture, request);
    assert_problem(415, "unsupported-media-type");
    request.content_type = (struct text){.data = NULL, .size = 0};
    ask(fixture, request);
    assert_problem(415, "unsupported-media-type");
    ask(fixture, charge_of(fixture, 5, ""));
    assert_problem(400, "invalid-json");
    ask(fixture, charge_of(fixture, 5, "{\"amount\":1,\"amount\":1}"));
    assert_problem(400, "invalid-json");
    assert_true(is_idle(&fixture->wallet));
}

static void test_a_call_without_a_body_takes_an_empty_one(void **state)
{
    struct fixture *fixture = *state;
    const char *token = token_of(fixture, 5);
    struct http_request check =
        authorized(request_of(HTTP_METHOD_POST, "/queue/token/check"), token);
    assert_int_equal(ask(fixture, check), 200);
    assert_int_equal(ask(fixture, with_body(check, "")), 200);
    assert_int_equal(ask(fixture, with_body(check, "{\"unknown\":1}")), 200);
    assert_int_equal(ask(fixture, with_body(check, "{")), 400);
    check = with_body(check, "x");
    check.content_type = text_of("text/plain");
    assert_int_equal(ask(fixture, check), 415);
    struct http_request read =
        authorized(with_body(request_of(HTTP_METHOD_GET, "/api/v1/queue/tokens/me"), "{}"), token);
    ask(fixture, read);
    assert_problem(400, "bad-request");
}

static void test_a_repeated_field_of_meaning_is_400(void **state)
{
    static const unsigned repeated[] = {REPEATED_AUTHORIZATION, REPEATED_IDEMPOTENCY_KEY,
                                        REPEATED_CONTENT_TYPE};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof repeated / sizeof repeated[0]; i++) {
        struct http_request request = charge_of(fixture, 5, "{\"amount\":1}");
        request.repeated = repeated[i];
        ask(fixture, request);
        assert_problem(400, "bad-request");
    }
    assert_true(is_idle(&fixture->wallet));
}

static void test_an_idempotency_key_is_visible_ascii_up_to_64(void **state)
{
    struct fixture *fixture = *state;
    char longest[IDEMPOTENCY_KEY_MAX + 2];
    memset(longest, 'k', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    const char *const wrong[] = {"", "a b", "a\x7f", "\xc3\xa9", longest};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct http_request request = charge_of(fixture, 5, "{\"amount\":1}");
        request.idempotency_key = text_of(wrong[i]);
        ask(fixture, request);
        assert_problem(400, "bad-request");
    }
    struct exchange exchange;
    struct http_request request = charge_of(fixture, 5, "{\"amount\":1}");
    request.idempotency_key = (struct text){.data = longest, .size = IDEMPOTENCY_KEY_MAX};
    send_request(fixture, &exchange, request);
    const struct charge *charge = &receive(&fixture->wallet, REQUEST_CHARGE)->charge;
    assert_int_equal(charge->idempotency_key.length, IDEMPOTENCY_KEY_MAX);
    assert_int_equal(charge->body_hash, body_hash(text_of("{\"amount\":1}")));
}

static void test_a_token_is_needed_and_must_be_the_users_own(void **state)
{
    struct fixture *fixture = *state;
    struct http_request request = charge_of(fixture, 5, "{\"amount\":1}");
    request.authorization = (struct text){.data = NULL, .size = 0};
    ask(fixture, request);
    assert_problem(401, "unauthorized");
    assert_non_null(strstr(answer.headers, "WWW-Authenticate: Bearer\r\n"));
    request.authorization = text_of("Bearer nonsense");
    ask(fixture, request);
    assert_problem(401, "unauthorized");
    ask(fixture, charge_of(fixture, 6, "{\"amount\":1}"));
    assert_problem(403, "not-owner");
    assert_true(is_idle(&fixture->wallet));
}

static void test_a_token_may_come_bare_or_as_bearer(void **state)
{
    struct fixture *fixture = *state;
    char bearer[TICKET_TEXT_SIZE + 16];
    static const char *const schemes[] = {"", "Bearer ", "bearer ", "BEARER  "};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        snprintf(bearer, sizeof bearer, "%s%s", schemes[i], token_of(fixture, 5));
        assert_int_equal(
            ask(fixture,
                authorized(request_of(HTTP_METHOD_GET, "/api/v1/queue/tokens/me"), bearer)),
            200);
    }
    snprintf(bearer, sizeof bearer, "Basic %s", token_of(fixture, 5));
    ask(fixture, authorized(request_of(HTTP_METHOD_GET, "/api/v1/queue/tokens/me"), bearer));
    assert_problem(401, "unauthorized");
}

static void test_with_a_charge_key_users_cannot_charge(void **state)
{
    struct fixture *fixture = *state;
    struct segment_header *header = fixture->segment.header;
    auth_key_hash(text_of("charge-key"), header->charge_key_hash);
    header->charge_key_set = 1;
    ask(fixture, charge_of(fixture, 5, "{\"amount\":1}"));
    assert_problem(403, "forbidden");
    struct http_request request = charge_of(fixture, 5, "{\"amount\":1}");
    request.authorization = text_of("Bearer other-key");
    ask(fixture, request);
    assert_problem(401, "unauthorized");
    request.authorization = text_of("charge-key");
    ask(fixture, request);
    assert_problem(401, "unauthorized");
    request.authorization = text_of("Bearer charge-key");
    ask(fixture, request);
    assert_problem(400, "bad-request"); /* no Idempotency-Key */
    assert_true(is_idle(&fixture->wallet));
    request.idempotency_key = text_of("payment-1");
    struct exchange exchange;
    send_request(fixture, &exchange, request);
    assert_int_equal(receive(&fixture->wallet, REQUEST_CHARGE)->charge.user, 5);
    struct http_request use = charge_of(fixture, 5, "{\"amount\":1}");
    use.path = text_of("/api/v1/users/5/points/uses");
    send_request(fixture, &exchange, use); /* uses stay the user's */
    assert_int_equal(receive(&fixture->wallet, REQUEST_USE)->use.user, 5);
}

static void test_admin_calls_need_the_admin_key(void **state)
{
    static const char *const wrong[] = {"Bearer admin-key2", "admin-key", "Bearer ", "Bearer"};
    struct fixture *fixture = *state;
    struct http_request request = request_of(HTTP_METHOD_GET, "/api/v1/admin/processes");
    ask(fixture, request);
    assert_problem(401, "unauthorized");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ask(fixture, authorized(request, wrong[i]));
        assert_problem(401, "unauthorized");
    }
    ask(fixture, authorized(request, token_of(fixture, 5)));
    assert_problem(401, "unauthorized");
    assert_int_equal(ask(fixture, authorized(request, "Bearer admin-key")), 200);
    assert_has("{\"role\":\"wallet\",\"index\":0,");
}

static void test_a_framing_fault_gets_a_problem_body(void **state)
{
    char body[512];
    size_t used;
    application_fault(*state, 431, "Too many fields.", body, sizeof body, &used);
    body[used] = '\0';
    assert_non_null(strstr(body, "\"code\":\"headers-too-large\""));
    assert_non_null(strstr(body, "\"detail\":\"Too many fields.\""));
    assert_int_equal(body[used - 1], '}');
}

static void test_cors_is_off_unless_configured(void **state)
{
    struct http_request request = request_of(HTTP_METHOD_GET, "/livez");
    request.origin = text_of("https://a.example");
    assert_int_equal(ask(*state, request), 200);
    assert_string_equal(answer.headers, "");
}

static void test_cors_answers_the_configured_origins_only(void **state)
{
    (void)state;
    struct config *config = malloc(sizeof *config);
    config_init(config);
    config->cors_origin.count = 2;
    strcpy(config->cors_origin.items[0], "https://a.example");
    strcpy(config->cors_origin.items[1], "https://b.example");
    struct fixture *fixture = fixture_create(config);
    struct http_request request = request_of(HTTP_METHOD_OPTIONS, "/api/v1/reservations/5");
    request.origin = text_of("https://b.example");
    assert_int_equal(ask(fixture, request), 204);
    assert_int_equal(answer.size, 0);
    assert_non_null(strstr(answer.headers, "Access-Control-Allow-Origin: https://b.example\r\n"));
    assert_non_null(strstr(answer.headers, "Access-Control-Allow-Methods: GET, HEAD, DELETE\r\n"));
    assert_non_null(strstr(answer.headers, "Access-Control-Allow-Headers: Authorization, "
                                           "Content-Type, Idempotency-Key, If-None-Match\r\n"));
    request.method = HTTP_METHOD_GET;
    assert_int_equal(ask(fixture, request), 401); /* a page may read the refusals, too */
    assert_non_null(
        strstr(answer.headers, "Access-Control-Expose-Headers: ETag, Retry-After, Date\r\n"));
    request.origin = text_of("https://b.example.evil");
    ask(fixture, request);
    assert_null(strstr(answer.headers, "Access-Control"));
    assert_non_null(strstr(answer.headers, "Vary: Origin\r\n"));
    fixture_destroy(fixture);
    free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_unknown_path_is_404_and_another_method_405),
        TEST(test_a_call_with_a_body_needs_one_of_json),
        TEST(test_a_call_without_a_body_takes_an_empty_one),
        TEST(test_a_repeated_field_of_meaning_is_400),
        TEST(test_an_idempotency_key_is_visible_ascii_up_to_64),
        TEST(test_a_token_is_needed_and_must_be_the_users_own),
        TEST(test_a_token_may_come_bare_or_as_bearer),
        TEST(test_with_a_charge_key_users_cannot_charge),
        TEST(test_admin_calls_need_the_admin_key),
        TEST(test_a_framing_fault_gets_a_problem_body),
        TEST(test_cors_is_off_unless_configured),
        cmocka_unit_test(test_cors_answers_the_configured_origins_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
