#include "fixture.h"

static struct exchange exchange;

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

static void send_points(struct fixture *fixture, enum http_method method, const char *tail,
                        const char *body)
{
    char path[128];
    snprintf(path, sizeof path, "/api/v1/users/5/points%s", tail);
    struct http_request request = authorized(request_of(method, path), token_of(fixture, 5));
    if (body != NULL)
        request = with_body(request, body);
    send_request(fixture, &exchange, request);
}

static void test_a_balance_is_the_wallets(void **state)
{
    struct fixture *fixture = *state;
    send_points(fixture, HTTP_METHOD_GET, "", NULL);
    assert_int_equal(receive(&fixture->wallet, REQUEST_BALANCE_GET)->balance_get.user, 5);
    union reply reply = {.balance = {.user = 5, .balance = 1200}};
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_BALANCE, &reply);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.content_type, "application/json");
    assert_string_equal(answer.body, "{\"data\":{\"userId\":5,\"balance\":1200}}");
}

static void test_a_charge_answers_with_its_transaction(void **state)
{
    struct fixture *fixture = *state;
    send_points(fixture, HTTP_METHOD_POST, "/charges", "{\"amount\":1000}");
    const struct charge *charge = &receive(&fixture->wallet, REQUEST_CHARGE)->charge;
    assert_int_equal(charge->user, 5);
    assert_int_equal(charge->amount, 1000);
    assert_int_equal(charge->idempotency_key.length, 0);
    union reply reply = {
        .wallet_entry = {.transaction = 69, .user = 5, .amount = 1000, .balance = 3000}};
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_WALLET_ENTRY, &reply);
    assert_int_equal(answer.status, 201);
    assert_string_equal(answer.body, "{\"data\":{\"transactionId\":69,\"userId\":5,"
                                     "\"amount\":1000,\"balance\":3000}}");
}

static void test_an_amount_out_of_range_is_422_and_no_integer_400(void **state)
{
    static const struct {
        const char *body, *code;
        unsigned status;
    } wrong[] = {{"{\"amount\":0}", "amount-out-of-range", 422},
                 {"{\"amount\":-1}", "amount-out-of-range", 422},
                 {"{\"amount\":1000000000001}", "amount-out-of-range", 422},
                 {"{\"amount\":99999999999999999999}", "amount-out-of-range", 422},
                 {"{\"amount\":1.5}", "invalid-field", 400},
                 {"{\"amount\":1.0}", "invalid-field", 400},
                 {"{\"amount\":\"1\"}", "invalid-field", 400},
                 {"{\"amount\":null}", "invalid-field", 400},
                 {"{}", "invalid-field", 400}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        for (int use = 0; use < 2; use++) {
            answer.count = 0;
            send_points(fixture, HTTP_METHOD_POST, use ? "/uses" : "/charges", wrong[i].body);
            assert_int_equal(answer.count, 1);
            assert_problem(wrong[i].status, wrong[i].code);
            if (wrong[i].status == 400)
                assert_has("\"field\":\"amount\"");
        }
    }
    assert_true(is_idle(&fixture->wallet));
    send_points(fixture, HTTP_METHOD_POST, "/uses", "{\"amount\":1000000000000}");
    assert_int_equal(receive(&fixture->wallet, REQUEST_USE)->use.amount, AMOUNT_MAX);
}

static void test_a_use_beyond_the_balance_says_what_is_missing(void **state)
{
    struct fixture *fixture = *state;
    send_points(fixture, HTTP_METHOD_POST, "/uses", "{\"amount\":1000}");
    receive(&fixture->wallet, REQUEST_USE);
    union reply reply = {.shortage = {.required = 1000, .balance = 300}};
    reply_with(fixture, &fixture->wallet, OUTCOME_INSUFFICIENT_POINTS, REPLY_SHORTAGE, &reply);
    assert_problem(409, "insufficient-points");
    assert_has("\"required\":1000,\"balance\":300,\"shortBy\":700}");
    assert_null(strstr(answer.body, "holdExpiresAt"));
}

static void test_every_outcome_of_a_worker_has_its_code(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned outcome = OUTCOME_OK + 1; outcome < OUTCOME_COUNT; outcome++) {
        enum problem problem = problem_of_outcome((enum outcome)outcome);
        send_points(fixture, HTTP_METHOD_POST, "/charges", "{\"amount\":1000}");
        receive(&fixture->wallet, REQUEST_CHARGE);
        refuse_with(fixture, &fixture->wallet, (enum outcome)outcome);
        assert_problem(problem_status(problem), problem_code(problem));
        bool waits = answer.status == 429 || answer.status == 503;
        assert_int_equal(strstr(answer.headers, "Retry-After: 1\r\n") != NULL, waits);
    }
}

static void test_a_reply_of_another_kind_is_500(void **state)
{
    struct fixture *fixture = *state;
    send_points(fixture, HTTP_METHOD_GET, "", NULL);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    union reply reply = {.cancelled = {.reservation = 1}};
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_CANCELLED, &reply);
    assert_problem(500, "internal");
}

static void test_a_worker_that_does_not_answer_is_503_after_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    send_points(fixture, HTTP_METHOD_GET, "", NULL);
    dispatch_expire(&fixture->application.dispatch, UINT64_MAX);
    assert_problem(503, "unavailable");
    assert_non_null(strstr(answer.headers, "Retry-After: 1\r\n"));
}

static void test_transactions_come_in_pages(void **state)
{
    struct fixture *fixture = *state;
    send_points(fixture, HTTP_METHOD_GET, "/transactions?limit=2", NULL);
    const struct transactions_get *get =
        &receive(&fixture->wallet, REQUEST_TRANSACTIONS_GET)->transactions_get;
    assert_int_equal(get->limit, 2);
    assert_int_equal(get->before, 0);
    static union reply reply;
    reply.transactions.items.count = 2;
    reply.transactions.items.items[0] = (struct transaction){.transaction = 133,
                                                             .type = TRANSACTION_USE,
                                                             .amount = 7,
                                                             .balance = 3,
                                                             .reservation = 65,
                                                             .at_ms = 1700000000123};
    reply.transactions.items.items[1] = (struct transaction){.transaction = 69,
                                                             .type = TRANSACTION_CHARGE,
                                                             .amount = 10,
                                                             .balance = 10,
                                                             .at_ms = 1700000000000};
    reply.transactions.next = 69;
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_TRANSACTIONS, &reply);
    assert_int_equal(answer.status, 200);
    assert_has("{\"transactionId\":133,\"type\":\"USE\",\"amount\":7,\"balance\":3,"
               "\"reservationId\":65,\"at\":\"2023-11-14T22:13:20.123Z\"},");
    assert_has("{\"transactionId\":69,\"type\":\"CHARGE\",\"amount\":10,\"balance\":10,"
               "\"at\":\"2023-11-14T22:13:20.000Z\"}]");
    char tail[80];
    const char *cursor = strstr(answer.body, "\"nextCursor\":\"");
    assert_non_null(cursor);
    snprintf(tail, sizeof tail, "/transactions?cursor=%.16s", cursor + 14);
    send_points(fixture, HTTP_METHOD_GET, tail, NULL);
    get = &receive(&fixture->wallet, REQUEST_TRANSACTIONS_GET)->transactions_get;
    assert_int_equal(get->limit, 50);
    assert_int_equal(get->before, 69);
    reply.transactions.items.count = 0;
    reply.transactions.next = 0;
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_TRANSACTIONS, &reply);
    assert_string_equal(answer.body, "{\"data\":{\"transactions\":[],\"nextCursor\":null}}");
}

static void test_the_longest_page_fits(void **state)
{
    struct fixture *fixture = *state;
    send_points(fixture, HTTP_METHOD_GET, "/transactions?limit=1000", NULL);
    receive(&fixture->wallet, REQUEST_TRANSACTIONS_GET);
    static union reply reply;
    reply.transactions.items.count = LIST_MAX;
    for (unsigned i = 0; i < LIST_MAX; i++)
        reply.transactions.items.items[i] = (struct transaction){.transaction = ID_MAX,
                                                                 .type = TRANSACTION_USE,
                                                                 .amount = AMOUNT_MAX,
                                                                 .balance = BALANCE_MAX,
                                                                 .reservation = ID_MAX,
                                                                 .at_ms = 1700000000000};
    reply.transactions.next = ID_MAX;
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_TRANSACTIONS, &reply);
    assert_int_equal(answer.status, 200);
    assert_true(answer.size > 100000);
    assert_int_equal(answer.body[answer.size - 1], '}');
}

static void test_a_wrong_limit_or_cursor_is_refused(void **state)
{
    static const struct {
        const char *tail, *field;
    } wrong[] = {{"/transactions?limit=0", "limit"},     {"/transactions?limit=1001", "limit"},
                 {"/transactions?limit=", "limit"},      {"/transactions?limit=abc", "limit"},
                 {"/transactions?cursor=abc", "cursor"}, {"/transactions?cursor=", "cursor"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char member[40];
        snprintf(member, sizeof member, "\"field\":\"%s\"", wrong[i].field);
        send_points(fixture, HTTP_METHOD_GET, wrong[i].tail, NULL);
        assert_problem(400, "invalid-field");
        assert_has(member);
    }
    assert_true(is_idle(&fixture->wallet));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_balance_is_the_wallets),
        TEST(test_a_charge_answers_with_its_transaction),
        TEST(test_an_amount_out_of_range_is_422_and_no_integer_400),
        TEST(test_a_use_beyond_the_balance_says_what_is_missing),
        TEST(test_every_outcome_of_a_worker_has_its_code),
        TEST(test_a_reply_of_another_kind_is_500),
        TEST(test_a_worker_that_does_not_answer_is_503_after_the_deadline),
        TEST(test_transactions_come_in_pages),
        TEST(test_the_longest_page_fits),
        TEST(test_a_wrong_limit_or_cursor_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
