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

static void send_as_user_5(struct fixture *fixture, enum http_method method, const char *path,
                           const char *body)
{
    struct http_request request = authorized(request_of(method, path), token_of(fixture, 5));
    if (body != NULL)
        request = with_body(request, body);
    send_request(fixture, &exchange, request);
}

static union reply held(uint64_t expires_at_ms, bool is_new)
{
    union reply reply = {.reservation = {.reservation = 67108865,
                                         .user = 5,
                                         .schedule = 1,
                                         .state = RESERVATION_HELD,
                                         .amount = 90000,
                                         .expires_at_ms = expires_at_ms,
                                         .is_new = is_new,
                                         .seats = {.count = 2, .items = {131073, 131074}}}};
    return reply;
}

static void test_a_hold_answers_201_and_the_same_again_200(void **state)
{
    struct fixture *fixture = *state;
    for (int is_new = 1; is_new >= 0; is_new--) {
        send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations",
                       "{\"scheduleId\":1,\"seatIds\":[131073,131074]}");
        const struct hold *hold = &receive(&fixture->seat, REQUEST_HOLD)->hold;
        assert_int_equal(hold->schedule, 1);
        assert_int_equal(hold->user, 5);
        assert_int_equal(hold->seats.count, 2);
        assert_int_equal(hold->seats.items[1], 131074);
        union reply reply = held(1700000000123, is_new);
        reply_with(fixture, &fixture->seat, OUTCOME_OK, REPLY_RESERVATION, &reply);
        assert_int_equal(answer.status, is_new ? 201 : 200);
        assert_string_equal(answer.body,
                            "{\"data\":{\"reservationId\":67108865,\"status\":\"HELD\","
                            "\"scheduleId\":1,\"seatIds\":[131073,131074],\"amount\":90000,"
                            "\"expiresAt\":\"2023-11-14T22:13:20.123Z\"}}");
    }
}

static void test_a_taken_seat_is_named(void **state)
{
    struct fixture *fixture = *state;
    send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations",
                   "{\"scheduleId\":1,\"seatIds\":[131073,131074]}");
    receive(&fixture->seat, REQUEST_HOLD);
    union reply reply = {.taken = {.seats = {.count = 1, .items = {131074}}}};
    reply_with(fixture, &fixture->seat, OUTCOME_SEAT_TAKEN, REPLY_TAKEN, &reply);
    assert_problem(409, "seat-taken");
    assert_has("\"seatIds\":[131074]}");
}

static void test_wrong_seats_are_refused_before_any_worker(void **state)
{
    static const char *const wrong[] = {
        "{\"scheduleId\":1}",
        "{\"scheduleId\":1,\"seatIds\":131073}",
        "{\"scheduleId\":1,\"seatIds\":[]}",
        "{\"scheduleId\":1,\"seatIds\":[\"131073\"]}",
        "{\"scheduleId\":1,\"seatIds\":[0]}",
        "{\"scheduleId\":1,\"seatIds\":[131073,131074,131073]}",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations", wrong[i]);
        assert_problem(400, "invalid-field");
        assert_has("\"field\":\"seatIds\"");
    }
    send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations", "{\"seatIds\":[131073]}");
    assert_has("\"field\":\"scheduleId\"");
    char many[1024] = "{\"scheduleId\":1,\"seatIds\":[1";
    for (unsigned i = 2; i <= RESERVATION_SEATS_MAX + 1; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",%u", i);
    strcat(many, "]}");
    send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations", many);
    assert_problem(422, "seat-limit");
    assert_true(is_idle(&fixture->seat));
}

static void test_the_largest_hold_fits_into_a_slot(void **state)
{
    struct fixture *fixture = *state;
    char many[4096] = "{\"scheduleId\":9007199254740991,\"seatIds\":[9007199254740991";
    char key[IDEMPOTENCY_KEY_MAX + 1];
    for (unsigned i = 1; i < RESERVATION_SEATS_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",%llu", 9007199254740991ULL - i);
    strcat(many, "]}");
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    struct http_request request =
        authorized(with_body(request_of(HTTP_METHOD_POST, "/api/v1/reservations"), many),
                   token_of(fixture, ID_MAX));
    request.idempotency_key = text_of(key);
    send_request(fixture, &exchange, request);
    assert_int_equal(receive(&fixture->seat, REQUEST_HOLD)->hold.seats.count,
                     RESERVATION_SEATS_MAX);
    union reply reply = held(1700000000123, true);
    reply.reservation.reservation = reply.reservation.schedule = ID_MAX;
    reply.reservation.seats.count = RESERVATION_SEATS_MAX;
    for (unsigned i = 0; i < RESERVATION_SEATS_MAX; i++)
        reply.reservation.seats.items[i] = ID_MAX;
    reply_with(fixture, &fixture->seat, OUTCOME_OK, REPLY_RESERVATION, &reply);
    assert_int_equal(answer.status, 201);
}

static void test_a_hold_that_never_expires_says_null(void **state)
{
    struct fixture *fixture = *state;
    send_as_user_5(fixture, HTTP_METHOD_GET, "/api/v1/reservations/67108865", NULL);
    const struct reservation_get *get =
        &receive(&fixture->seat, REQUEST_RESERVATION_GET)->reservation_get;
    assert_int_equal(get->reservation, 67108865);
    assert_int_equal(get->user, 5);
    union reply reply = held(0, true);
    reply_with(fixture, &fixture->seat, OUTCOME_OK, REPLY_RESERVATION, &reply);
    assert_int_equal(answer.status, 200);
    assert_has("\"expiresAt\":null}");
}

static void test_a_confirm_answers_with_the_payment(void **state)
{
    struct fixture *fixture = *state;
    send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations/67108865/confirm", NULL);
    const struct confirm *confirm = &receive(&fixture->seat, REQUEST_CONFIRM)->confirm;
    assert_int_equal(confirm->reservation, 67108865);
    assert_int_equal(confirm->user, 5);
    union reply reply = {
        .confirmed = {.reservation = 67108865, .payment = 69, .paid = 90000, .balance = 10}};
    reply_with(fixture, &fixture->seat, OUTCOME_OK, REPLY_CONFIRMED, &reply);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body,
                        "{\"data\":{\"reservationId\":67108865,\"paymentId\":69,"
                        "\"status\":\"CONFIRMED\",\"paidAmount\":90000,\"balance\":10}}");
}

static void test_a_confirm_without_enough_points_says_how_long_the_seat_is_kept(void **state)
{
    static const struct {
        uint64_t expires_at_ms;
        const char *member;
    } expected[] = {{1700000000123, "\"holdExpiresAt\":\"2023-11-14T22:13:20.123Z\"}"},
                    {0, "\"holdExpiresAt\":null}"}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 2; i++) {
        send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations/1/confirm", NULL);
        receive(&fixture->seat, REQUEST_CONFIRM);
        union reply reply = {.shortage = {.required = 90000,
                                          .balance = 1000,
                                          .hold_expires_at_ms = expected[i].expires_at_ms}};
        reply_with(fixture, &fixture->seat, OUTCOME_INSUFFICIENT_POINTS, REPLY_SHORTAGE, &reply);
        assert_problem(409, "insufficient-points");
        assert_has("\"required\":90000,\"balance\":1000,\"shortBy\":89000,");
        assert_has(expected[i].member);
    }
}

static void test_the_confirm_alias_needs_a_token_by_default(void **state)
{
    struct fixture *fixture = *state;
    struct http_request request =
        with_body(request_of(HTTP_METHOD_POST, "/reservations/confirm"), "{\"reservationId\":7}");
    ask(fixture, request);
    assert_problem(401, "unauthorized");
    assert_true(is_idle(&fixture->seat));
    send_request(fixture, &exchange, authorized(request, token_of(fixture, 5)));
    const struct confirm *confirm = &receive(&fixture->seat, REQUEST_CONFIRM)->confirm;
    assert_int_equal(confirm->reservation, 7);
    assert_int_equal(confirm->user, 5);
}

static void test_open_confirm_checks_no_owner_on_the_alias_alone(void **state)
{
    (void)state;
    struct config *config = malloc(sizeof *config);
    config_init(config);
    config->open_confirm = true;
    struct fixture *fixture = fixture_create(config);
    struct http_request request =
        with_body(request_of(HTTP_METHOD_POST, "/reservations/confirm"), "{\"reservationId\":7}");
    send_request(fixture, &exchange, request);
    assert_int_equal(receive(&fixture->seat, REQUEST_CONFIRM)->confirm.user, 0);
    send_request(fixture, &exchange, authorized(request, "garbage"));
    assert_int_equal(receive(&fixture->seat, REQUEST_CONFIRM)->confirm.user, 0);
    ask(fixture, with_body(request, "{\"reservationId\":\"7\"}"));
    assert_problem(400, "invalid-field");
    ask(fixture, request_of(HTTP_METHOD_POST, "/api/v1/reservations/7/confirm"));
    assert_problem(401, "unauthorized");
    fixture_destroy(fixture);
    free(config);
}

static void test_a_release_is_204_whatever_the_reply_tells(void **state)
{
    struct fixture *fixture = *state;
    send_as_user_5(fixture, HTTP_METHOD_DELETE, "/api/v1/reservations/7", NULL);
    assert_int_equal(receive(&fixture->seat, REQUEST_RELEASE)->release.user, 5);
    refuse_with(fixture, &fixture->seat, OUTCOME_OK);
    assert_int_equal(answer.status, 204);
    assert_int_equal(answer.size, 0);
    send_as_user_5(fixture, HTTP_METHOD_DELETE, "/api/v1/reservations/7", NULL);
    receive(&fixture->seat, REQUEST_RELEASE);
    union reply reply = held(0, false);
    reply_with(fixture, &fixture->seat, OUTCOME_OK, REPLY_RESERVATION, &reply);
    assert_int_equal(answer.status, 204);
    send_as_user_5(fixture, HTTP_METHOD_DELETE, "/api/v1/reservations/7", NULL);
    receive(&fixture->seat, REQUEST_RELEASE);
    refuse_with(fixture, &fixture->seat, OUTCOME_RESERVATION_STATE);
    assert_problem(409, "reservation-state");
}

static void test_a_cancel_answers_with_the_refund(void **state)
{
    struct fixture *fixture = *state;
    send_as_user_5(fixture, HTTP_METHOD_POST, "/api/v1/reservations/7/cancel", "");
    assert_int_equal(receive(&fixture->seat, REQUEST_CANCEL)->cancel.reservation, 7);
    union reply reply = {.cancelled = {.reservation = 7, .refunded = 90000, .balance = 90010}};
    reply_with(fixture, &fixture->seat, OUTCOME_OK, REPLY_CANCELLED, &reply);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"data\":{\"reservationId\":7,\"status\":\"CANCELLED\","
                                     "\"refundedAmount\":90000,\"balance\":90010}}");
}

static void test_another_users_reservation_is_403(void **state)
{
    struct fixture *fixture = *state;
    send_as_user_5(fixture, HTTP_METHOD_GET, "/api/v1/reservations/7", NULL);
    receive(&fixture->seat, REQUEST_RESERVATION_GET);
    refuse_with(fixture, &fixture->seat, OUTCOME_NOT_OWNER);
    assert_problem(403, "not-owner");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_hold_answers_201_and_the_same_again_200),
        TEST(test_a_taken_seat_is_named),
        TEST(test_wrong_seats_are_refused_before_any_worker),
        TEST(test_the_largest_hold_fits_into_a_slot),
        TEST(test_a_hold_that_never_expires_says_null),
        TEST(test_a_confirm_answers_with_the_payment),
        TEST(test_a_confirm_without_enough_points_says_how_long_the_seat_is_kept),
        TEST(test_the_confirm_alias_needs_a_token_by_default),
        cmocka_unit_test(test_open_confirm_checks_no_owner_on_the_alias_alone),
        TEST(test_a_release_is_204_whatever_the_reply_tells),
        TEST(test_a_cancel_answers_with_the_refund),
        TEST(test_another_users_reservation_is_403),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
