#include "fixture.h"

/* What a front says of tickets, from shared memory or after asking the room's owner. */

static struct exchange exchange;

static int setup(void **state)
{
    *state = fixture_default(); /* room 0: ticket 1 is admitted and claimed */
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static const char *token_in(const struct fixture *fixture, uint64_t room, uint64_t number)
{
    static char token[TICKET_TEXT_SIZE];
    const struct queue_ticket ticket = {
        .room = room, .user = 5, .number = number, .issued_at_ms = clock_now_ms()};
    ticket_sign(&ticket, fixture->segment.header->ticket_key, token);
    return token;
}

static struct http_request status_of(const struct fixture *fixture, uint64_t number)
{
    return authorized(request_of(HTTP_METHOD_GET, "/api/v1/queue/tokens/me"),
                      token_in(fixture, ROOM_DEFAULT, number));
}

static struct waiting_room *default_room(struct fixture *fixture)
{
    return waiting_room_find(segment_waiting_rooms(&fixture->segment), ROOM_DEFAULT);
}

/* ---- issue ---- */

static void issue(struct fixture *fixture, const char *path, const char *body, uint64_t room,
                  struct ticket ticket)
{
    send_request(fixture, &exchange, with_body(request_of(HTTP_METHOD_POST, path), body));
    assert_int_equal(receive(&fixture->queue, REQUEST_TOKEN_ISSUE)->token_issue.user, 5);
    assert_int_equal(fixture->queue.request.token_issue.room, room);
    ticket.user = 5;
    ticket.room = room;
    ticket.issued_at_ms = clock_now_ms();
    union reply reply = {.ticket = ticket};
    reply_with(fixture, &fixture->queue, OUTCOME_OK, REPLY_TICKET, &reply);
}

static void test_an_admitted_ticket_says_so_when_it_is_issued(void **state)
{
    struct fixture *fixture = *state;
    room_admit(fixture, ROOM_DEFAULT, false);
    struct ticket ticket = {
        .number = 2, .is_new = 1, .state = TICKET_ADMITTED, .until_ms = clock_now_ms() + 1000000};
    issue(fixture, "/api/v1/queue/tokens", "{\"userId\":5,\"concertId\":7}", ROOM_DEFAULT, ticket);
    assert_int_equal(answer.status, 201);
    assert_has("\"status\":\"SUCCESS\",\"queuePosition\":0,\"etaSeconds\":0,\"nextPollMs\":5000,"
               "\"expiresAt\":\"2");
    assert_null(strstr(answer.body, "admittedUntil"));
    assert_true(is_idle(&fixture->queue)); /* that was no claim */
}

static void test_a_waiting_ticket_is_told_its_place(void **state)
{
    struct fixture *fixture = *state;
    struct ticket ticket = {.number = 12, .is_new = 1, .state = TICKET_WAITING};
    issue(fixture, "/api/v1/queue/tokens", "{\"userId\":5}", ROOM_DEFAULT, ticket);
    assert_has("\"status\":\"WAITING\",\"queuePosition\":11,");
    ticket.is_new = 0;
    issue(fixture, "/api/v1/queue/tokens", "{\"userId\":5}", ROOM_DEFAULT, ticket);
    assert_int_equal(answer.status, 200);
    assert_has("\"queuePosition\":11,");
}

static void test_the_aliases_always_answer_200(void **state)
{
    struct fixture *fixture = *state;
    struct ticket ticket = {.number = 12, .is_new = 1, .state = TICKET_WAITING};
    issue(fixture, "/queue/token", "{\"userId\":5}", ROOM_DEFAULT, ticket);
    assert_int_equal(answer.status, 200);
    issue(fixture, "/api/v1/token", "{\"userId\":5,\"concertId\":null}", ROOM_DEFAULT, ticket);
    assert_int_equal(answer.status, 200);
    assert_has("{\"data\":{\"queueToken\":\"");
}

static void test_a_concert_with_a_room_of_its_own_gets_its_tickets(void **state)
{
    struct fixture *fixture = *state;
    struct ticket ticket = {.number = 1, .is_new = 1, .state = TICKET_WAITING};
    room_open(fixture, 7, 10);
    issue(fixture, "/api/v1/queue/tokens", "{\"userId\":5,\"concertId\":7}", 7, ticket);
    assert_has("\"queuePosition\":1,");
    issue(fixture, "/api/v1/queue/tokens", "{\"userId\":5,\"concertId\":8}", ROOM_DEFAULT, ticket);
}

static void test_before_the_rooms_are_known_a_concerts_token_is_503(void **state)
{
    struct fixture *fixture = *state;
    segment_waiting_rooms(&fixture->segment)->ready = 0;
    ask(fixture, with_body(request_of(HTTP_METHOD_POST, "/api/v1/queue/tokens"),
                           "{\"userId\":5,\"concertId\":7}"));
    assert_problem(503, "unavailable");
    ask(fixture,
        authorized(request_of(HTTP_METHOD_GET, "/api/v1/schedules/3/seats"), token_of(fixture, 5)));
    assert_problem(503, "unavailable");
}

static void test_a_token_for_no_user_is_refused_with_the_field(void **state)
{
    static const char *const wrong[] = {"{}",
                                        "{\"userId\":0}",
                                        "{\"userId\":\"5\"}",
                                        "{\"userId\":-5}",
                                        "{\"userId\":9007199254740992}",
                                        "{\"userId\":5.0}"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ask(fixture, with_body(request_of(HTTP_METHOD_POST, "/api/v1/queue/tokens"), wrong[i]));
        assert_problem(400, "invalid-field");
        assert_has("\"field\":\"userId\"");
    }
    ask(fixture, with_body(request_of(HTTP_METHOD_POST, "/api/v1/queue/tokens"),
                           "{\"userId\":5,\"concertId\":\"x\"}"));
    assert_has("\"field\":\"concertId\"");
    assert_true(is_idle(&fixture->queue));
}

/* ---- status ---- */

static void test_who_waits_is_answered_without_a_hop(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(ask(fixture, status_of(fixture, 101)), 200);
    assert_has("{\"data\":{\"status\":\"WAITING\",\"queuePosition\":100,");
    assert_has("\"admittedUntil\":null}");
    assert_true(is_idle(&fixture->queue));
}

static void test_the_first_call_after_admission_claims_once(void **state)
{
    struct fixture *fixture = *state;
    room_admit(fixture, ROOM_DEFAULT, false);
    assert_int_equal(ask(fixture, status_of(fixture, 2)), 200);
    assert_has("{\"data\":{\"status\":\"SUCCESS\",\"queuePosition\":0,\"etaSeconds\":0,");
    assert_has("\"admittedUntil\":\"2");
    const struct ticket_claim *claim =
        &receive(&fixture->queue, REQUEST_TICKET_CLAIM)->ticket_claim;
    assert_int_equal(claim->number, 2);
    assert_int_equal(claim->user, 5);
    refuse_with(fixture, &fixture->queue, OUTCOME_OK); /* nobody waits for that */
    assert_int_equal(stat_get(&fixture->application.dispatch.stats->replies_orphaned_total), 0);
    ask(fixture, status_of(fixture, 2));
    assert_has("\"status\":\"SUCCESS\"");
    assert_true(is_idle(&fixture->queue));
}

static void test_any_call_with_the_token_claims(void **state)
{
    struct fixture *fixture = *state;
    room_admit(fixture, ROOM_DEFAULT, false);
    send_request(fixture, &exchange,
                 authorized(request_of(HTTP_METHOD_GET, "/api/v1/users/5/points"),
                            token_in(fixture, ROOM_DEFAULT, 2)));
    receive(&fixture->queue, REQUEST_TICKET_CLAIM);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    dispatch_abandon(&exchange);
}

static void answer_status(struct fixture *fixture, uint64_t number, struct ticket ticket)
{
    send_request(fixture, &exchange, status_of(fixture, number));
    const struct ticket_get *get = &receive(&fixture->queue, REQUEST_TICKET_GET)->ticket_get;
    assert_int_equal(get->number, number);
    assert_int_equal(get->user, 5);
    ticket.number = number;
    union reply reply = {.ticket = ticket};
    reply_with(fixture, &fixture->queue, OUTCOME_OK, REPLY_TICKET, &reply);
    assert_int_equal(answer.status, 200);
}

static void test_how_a_ticket_ended_is_asked(void **state)
{
    struct fixture *fixture = *state;
    struct waiting_rooms *rooms = segment_waiting_rooms(&fixture->segment);
    room_admit(fixture, ROOM_DEFAULT, false);
    waiting_session_end(rooms, ROOM_DEFAULT, 2);
    answer_status(fixture, 2, (struct ticket){.state = TICKET_DONE});
    assert_has("{\"data\":{\"status\":\"DONE\",\"queuePosition\":0,\"etaSeconds\":0,\"nextPollMs\":"
               "60000,\"admittedUntil\":null}}");
    answer_status(fixture, 2, (struct ticket){.state = TICKET_EXPIRED});
    assert_has("\"status\":\"EXPIRED\"");
    waiting_room_leave(default_room(fixture), 9, UINT64_C(1) << 9);
    answer_status(fixture, 9, (struct ticket){.state = TICKET_EXPIRED});
    assert_has("\"status\":\"EXPIRED\"");
}

static void test_a_session_is_over_at_its_end_whoever_has_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct waiting_rooms *rooms = segment_waiting_rooms(&fixture->segment);
    uint64_t now_ms = clock_now_ms();
    waiting_session_admit(rooms, ROOM_DEFAULT, 2, now_ms, true);
    waiting_room_serve(default_room(fixture), 2, nobody_left, NULL);
    answer_status(fixture, 2, (struct ticket){.state = TICKET_CLAIMED, .until_ms = now_ms});
    assert_has("\"status\":\"EXPIRED\"");
    ask(fixture, authorized(request_of(HTTP_METHOD_GET, "/api/v1/schedules/3/seats"),
                            token_in(fixture, ROOM_DEFAULT, 2)));
    assert_problem(403, "not-admitted");
}

static void test_a_claim_that_is_being_ended_is_the_owners_to_decide(void **state)
{
    struct fixture *fixture = *state;
    struct waiting_rooms *rooms = segment_waiting_rooms(&fixture->segment);
    room_admit(fixture, ROOM_DEFAULT, false);
    assert_true(waiting_session_close(rooms, ROOM_DEFAULT, 2));
    answer_status(fixture, 2, (struct ticket){.state = TICKET_EXPIRED});
    assert_has("\"status\":\"EXPIRED\"");
}

static void test_while_the_line_is_mended_the_owner_is_asked(void **state)
{
    struct fixture *fixture = *state;
    default_room(fixture)->shape = 1;
    answer_status(fixture, 11, (struct ticket){.state = TICKET_WAITING});
    assert_has("\"status\":\"WAITING\",\"queuePosition\":10,");
}

static void test_leaving_is_204(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 2; i++) {
        send_request(fixture, &exchange,
                     authorized(request_of(HTTP_METHOD_DELETE, "/api/v1/queue/tokens/me"),
                                token_in(fixture, ROOM_DEFAULT, 4)));
        assert_int_equal(receive(&fixture->queue, REQUEST_TICKET_LEAVE)->ticket_leave.number, 4);
        refuse_with(fixture, &fixture->queue, OUTCOME_OK);
        assert_int_equal(answer.status, 204);
        assert_int_equal(answer.size, 0);
    }
    send_request(fixture, &exchange,
                 authorized(request_of(HTTP_METHOD_DELETE, "/api/v1/queue/tokens/me"),
                            token_in(fixture, ROOM_DEFAULT, 4)));
    receive(&fixture->queue, REQUEST_TICKET_LEAVE);
    refuse_with(fixture, &fixture->queue, OUTCOME_UNAVAILABLE);
    assert_problem(503, "unavailable");
}

static void test_the_admitted_word_is_configurable(void **state)
{
    (void)state;
    struct config *config = malloc(sizeof *config);
    config_init(config);
    strcpy(config->admitted_word, "ACTIVE");
    struct fixture *fixture = fixture_create(config);
    assert_int_equal(ask(fixture, status_of(fixture, 1)), 200);
    assert_has("\"status\":\"ACTIVE\"");
    fixture_destroy(fixture);
    free(config);
}

/* ---- who may shop ---- */

static struct http_request seats_with(const char *token)
{
    return authorized(request_of(HTTP_METHOD_GET, "/api/v1/schedules/3/seats"), token);
}

static struct http_request reserve_with(const char *token, const char *body)
{
    return authorized(with_body(request_of(HTTP_METHOD_POST, "/api/v1/reservations"), body), token);
}

static void test_only_who_is_admitted_may_shop(void **state)
{
    struct fixture *fixture = *state;
    const char *body = "{\"scheduleId\":3,\"seatIds\":[393217]}";
    ask(fixture, seats_with(token_in(fixture, ROOM_DEFAULT, 2)));
    assert_problem(403, "not-admitted");
    ask(fixture, reserve_with(token_in(fixture, ROOM_DEFAULT, 2), body));
    assert_problem(403, "not-admitted");
    room_admit(fixture, ROOM_DEFAULT, false);
    send_request(fixture, &exchange, reserve_with(token_in(fixture, ROOM_DEFAULT, 2), body));
    receive(&fixture->queue, REQUEST_TICKET_CLAIM);
    const struct hold *hold = &receive(&fixture->seat, REQUEST_HOLD)->hold;
    assert_int_equal(hold->room, ROOM_DEFAULT);
    assert_int_equal(hold->ticket, 2);
    dispatch_abandon(&exchange);
}

static void test_a_body_that_is_wrong_is_400_before_403(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, reserve_with(token_in(fixture, ROOM_DEFAULT, 2), "{"));
    assert_problem(400, "invalid-json");
    ask(fixture, reserve_with("x", "{}"));
    assert_problem(401, "unauthorized");
}

static void catalogue_of(struct fixture *fixture)
{
    struct catalogue *catalogue = segment_catalogue(&fixture->segment, 0);
    for (uint64_t concert = 7; concert <= 8; concert++) {
        struct catalogue_schedule schedule = {
            .schedule = concert - 4, .concert = concert, .seat_count = 1};
        uint32_t at;
        assert_int_equal(catalogue_add_concert(catalogue, concert, "C", 1, &schedule.concert_at),
                         STATUS_OK);
        assert_int_equal(catalogue_add_schedule(catalogue, &schedule, &at), STATUS_OK);
    }
}

/* Schedule 3 is of concert 7, schedule 4 of concert 8. */
static void test_a_room_of_its_own_admits_there_and_only_there(void **state)
{
    struct fixture *fixture = *state;
    catalogue_of(fixture);
    room_open(fixture, 7, 10);
    room_admit(fixture, 7, true);
    ask(fixture, seats_with(token_in(fixture, ROOM_DEFAULT, 1)));
    assert_problem(403, "not-admitted");
    ask(fixture, reserve_with(token_in(fixture, ROOM_DEFAULT, 1),
                              "{\"scheduleId\":3,\"seatIds\":[393217]}"));
    assert_problem(403, "not-admitted");
    ask(fixture, reserve_with(token_in(fixture, 7, 1), "{\"scheduleId\":4,\"seatIds\":[524289]}"));
    assert_problem(403, "not-admitted");
    send_request(fixture, &exchange,
                 reserve_with(token_in(fixture, 7, 1), "{\"scheduleId\":3,\"seatIds\":[393217]}"));
    assert_int_equal(receive(&fixture->seat, REQUEST_HOLD)->hold.room, 7);
    dispatch_abandon(&exchange);
    send_request(fixture, &exchange,
                 reserve_with(token_in(fixture, ROOM_DEFAULT, 1),
                              "{\"scheduleId\":4,\"seatIds\":[524289]}"));
    receive(&fixture->seat, REQUEST_HOLD);
    dispatch_abandon(&exchange);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_admitted_ticket_says_so_when_it_is_issued),
        TEST(test_a_waiting_ticket_is_told_its_place),
        TEST(test_the_aliases_always_answer_200),
        TEST(test_a_concert_with_a_room_of_its_own_gets_its_tickets),
        TEST(test_before_the_rooms_are_known_a_concerts_token_is_503),
        TEST(test_a_token_for_no_user_is_refused_with_the_field),
        TEST(test_who_waits_is_answered_without_a_hop),
        TEST(test_the_first_call_after_admission_claims_once),
        TEST(test_any_call_with_the_token_claims),
        TEST(test_how_a_ticket_ended_is_asked),
        TEST(test_a_session_is_over_at_its_end_whoever_has_noticed),
        TEST(test_a_claim_that_is_being_ended_is_the_owners_to_decide),
        TEST(test_while_the_line_is_mended_the_owner_is_asked),
        TEST(test_leaving_is_204),
        cmocka_unit_test(test_the_admitted_word_is_configurable),
        TEST(test_only_who_is_admitted_may_shop),
        TEST(test_a_body_that_is_wrong_is_400_before_403),
        TEST(test_a_room_of_its_own_admits_there_and_only_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
