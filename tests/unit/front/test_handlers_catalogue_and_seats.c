#include "fixture.h"

#include "cursor.h"

static struct exchange exchange;

static struct catalogue *catalogue_of(const struct fixture *fixture)
{
    return segment_catalogue(&fixture->segment, 0);
}

static void add_schedule(struct fixture *fixture, uint64_t schedule, uint64_t concert,
                         uint32_t concert_at, uint32_t available, uint32_t first_free)
{
    struct catalogue_schedule line = {.schedule = schedule,
                                      .concert = concert,
                                      .concert_at = concert_at,
                                      .seat_count = 50,
                                      .open_date = "2026-12-24",
                                      .start_time = "19:00",
                                      .end_time = "21:30"};
    uint32_t at;
    assert_int_equal(catalogue_add_schedule(catalogue_of(fixture), &line, &at), STATUS_OK);
    catalogue_set_free(catalogue_of(fixture), at, available, first_free);
}

static uint32_t add_concert(struct fixture *fixture, uint64_t concert, const char *title)
{
    uint32_t at;
    assert_int_equal(
        catalogue_add_concert(catalogue_of(fixture), concert, title, strlen(title), &at),
        STATUS_OK);
    return at;
}

static int setup(void **state)
{
    struct fixture *fixture = fixture_default();
    uint32_t second = add_concert(fixture, 2, "Zwei \"2\"");
    uint32_t first = add_concert(fixture, 1, "Eins");
    add_schedule(fixture, 11, 1, first, 0, 0);
    add_schedule(fixture, 21, 2, second, 49, 2);
    add_schedule(fixture, 12, 1, first, 50, 1);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static void test_concerts_are_listed_by_id(void **state)
{
    assert_int_equal(ask(*state, request_of(HTTP_METHOD_GET, "/api/v1/concerts")), 200);
    assert_string_equal(answer.body, "{\"data\":[{\"concertId\":1,\"title\":\"Eins\"},"
                                     "{\"concertId\":2,\"title\":\"Zwei \\\"2\\\"\"}]}");
}

static void test_an_etag_saves_the_body_until_something_changes(void **state)
{
    struct fixture *fixture = *state;
    struct http_request request = request_of(HTTP_METHOD_GET, "/api/v1/concerts");
    char tag[64], list[128];
    ask(fixture, request);
    assert_int_equal(sscanf(answer.headers, "ETag: %63s", tag), 1);
    request.if_none_match = text_of(tag);
    assert_int_equal(ask(fixture, request), 304);
    assert_int_equal(answer.size, 0);
    assert_non_null(strstr(answer.headers, tag));
    snprintf(list, sizeof list, "\"other\" , W/%s", tag);
    request.if_none_match = text_of(list);
    assert_int_equal(ask(fixture, request), 304);
    request.if_none_match = text_of("*");
    assert_int_equal(ask(fixture, request), 304);
    request.if_none_match = text_of("\"other\"");
    assert_int_equal(ask(fixture, request), 200);
    add_concert(fixture, 3, "Drei");
    request.if_none_match = text_of(tag);
    assert_int_equal(ask(fixture, request), 200);
    assert_has("{\"concertId\":3,\"title\":\"Drei\"}");
}

static void test_a_concerts_schedules_say_what_is_free(void **state)
{
    struct fixture *fixture = *state;
    struct http_request request = request_of(HTTP_METHOD_GET, "/api/v1/concerts/1/schedules");
    assert_int_equal(ask(fixture, request), 200);
    assert_string_equal(answer.body,
                        "{\"data\":[{\"scheduleId\":11,\"concertId\":1,\"concertTitle\":\"Eins\","
                        "\"openDate\":\"2026-12-24\",\"startTime\":\"19:00\",\"endTime\":\"21:30\","
                        "\"seatCount\":50,\"availableSeats\":0,\"seatStatus\":\"SOLD_OUT\"},"
                        "{\"scheduleId\":12,\"concertId\":1,\"concertTitle\":\"Eins\","
                        "\"openDate\":\"2026-12-24\",\"startTime\":\"19:00\",\"endTime\":\"21:30\","
                        "\"seatCount\":50,\"availableSeats\":50,\"seatStatus\":\"AVAILABLE\"}]}");
    catalogue_set_free(catalogue_of(fixture), 2, 49, 2);
    ask(fixture, request);
    assert_has("\"availableSeats\":49,");
    ask(fixture, request_of(HTTP_METHOD_GET, "/api/v1/concerts/9/schedules"));
    assert_problem(404, "not-found");
}

static void test_the_script_path_lists_free_schedules_first_with_a_seat(void **state)
{
    assert_int_equal(ask(*state, request_of(HTTP_METHOD_GET, "/concerts/schedule")), 200);
    const char *last_free = strstr(answer.body, "\"scheduleId\":12,");
    const char *sold_out = strstr(answer.body, "\"scheduleId\":11,");
    assert_non_null(last_free);
    assert_non_null(sold_out);
    assert_true(last_free < sold_out);
    char member[64];
    snprintf(member, sizeof member, "\"seatId\":%llu}", (unsigned long long)seat_id(21, 2));
    assert_has(member);
    assert_has("\"seatStatus\":\"SOLD_OUT\",\"seatId\":null}");
}

static unsigned occurrences(const char *part)
{
    unsigned count = 0;
    for (const char *at = answer.body; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static void test_the_script_path_lists_at_most_100(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 0; i < 150; i++)
        add_schedule(fixture, 1000 + i, 1, 1, i % 2 == 0 ? 0 : 5, 1);
    ask(fixture, request_of(HTTP_METHOD_GET, "/concerts/schedule"));
    assert_int_equal(occurrences("\"scheduleId\":"), 100);
    assert_int_equal(occurrences("\"AVAILABLE\""), 77);
}

static void test_a_successor_that_starts_over_hides_nothing(void **state)
{
    struct fixture *fixture = *state;
    ask(fixture, request_of(HTTP_METHOD_GET, "/api/v1/concerts/2/schedules"));
    catalogue_reset(catalogue_of(fixture));
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, "/api/v1/concerts/2/schedules")),
                     200);
    assert_has("\"scheduleId\":21");
    ask(fixture, request_of(HTTP_METHOD_GET, "/api/v1/concerts"));
    assert_has("{\"concertId\":1,");
}

static void test_garbage_counts_in_the_snapshot_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&catalogue_of(fixture)->schedule_count, UINT32_MAX);
    atomic_store(&catalogue_of(fixture)->concert_count, 3);
    catalogue_of(fixture)->concerts[2].title_length = UINT32_MAX;
    catalogue_of(fixture)->schedules[3].concert_at = UINT32_MAX;
    memset(catalogue_of(fixture)->schedules[2].open_date, 'x',
           sizeof catalogue_of(fixture)->schedules[2].open_date);
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, "/api/v1/concerts")), 200);
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, "/api/v1/concerts/1/schedules")),
                     200);
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, "/concerts/schedule")), 200);
}

/* ---- seats ---- */

static void send_seats(struct fixture *fixture, const char *target)
{
    send_request(fixture, &exchange,
                 authorized(request_of(HTTP_METHOD_GET, target), token_of(fixture, 5)));
}

/* A page of `count` seats from `first`; every third one is reserved. */
static void reply_page(struct fixture *fixture, uint64_t first, uint32_t count, uint64_t next)
{
    static union reply reply;
    memset(&reply.seats, 0, sizeof reply.seats);
    reply.seats.sections.count = 2;
    text_set(&reply.seats.sections.items[1].name, "Stalls", 6);
    reply.seats.items.count = count;
    for (uint32_t i = 0; i < count; i++)
        reply.seats.items.items[i] =
            (struct seat){.seat = first + i,
                          .section = 1,
                          .row = 1,
                          .number = i + 1,
                          .amount = 50000,
                          .state = i % 3 == 2 ? SEAT_RESERVED : SEAT_AVAILABLE};
    reply.seats.next = next;
    reply_with(fixture, &fixture->seat, OUTCOME_OK, REPLY_SEATS, &reply);
}

static void test_a_seat_map_is_a_page_with_a_cursor(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first = seat_id(21, 1);
    send_seats(fixture, "/api/v1/schedules/21/seats?limit=2");
    const struct seats_get *get = &receive(&fixture->seat, REQUEST_SEATS_GET)->seats_get;
    assert_int_equal(get->schedule, 21);
    assert_int_equal(get->first, first);
    assert_int_equal(get->limit, 2);
    reply_page(fixture, first, 2, first + 2);
    assert_int_equal(answer.status, 200);
    char expected[256];
    snprintf(expected, sizeof expected,
             "{\"data\":{\"seats\":[{\"seatId\":%llu,\"position\":1,\"section\":\"Stalls\","
             "\"amount\":50000,\"seatStatus\":\"AVAILABLE\"},",
             (unsigned long long)first);
    assert_has(expected);
    char target[96];
    const char *cursor = strstr(answer.body, "\"nextCursor\":\"");
    assert_non_null(cursor);
    snprintf(target, sizeof target, "/api/v1/schedules/21/seats?cursor=%.16s", cursor + 14);
    send_seats(fixture, target);
    get = &receive(&fixture->seat, REQUEST_SEATS_GET)->seats_get;
    assert_int_equal(get->first, first + 2);
    assert_int_equal(get->limit, 1000);
    reply_page(fixture, first + 2, 48, 0);
    assert_has("\"nextCursor\":null}}");
}

static void test_a_cursor_of_another_schedule_is_refused(void **state)
{
    char target[96], cursor[CURSOR_TEXT_SIZE];
    cursor_write(CURSOR_SEATS, seat_id(12, 5), cursor);
    snprintf(target, sizeof target, "/api/v1/schedules/21/seats?cursor=%s", cursor);
    send_seats(*state, target);
    assert_problem(400, "invalid-field");
    assert_has("\"field\":\"cursor\"");
}

static void test_a_large_limit_is_put_together_from_pages(void **state)
{
    struct fixture *fixture = *state;
    send_seats(fixture, "/api/v1/schedules/21/seats?limit=2500");
    static const uint32_t asked[] = {1000, 1000, 500};
    uint64_t first = seat_id(21, 1);
    answer.count = 0;
    for (unsigned page = 0; page < 3; page++) {
        assert_int_equal(answer.count, 0);
        const struct seats_get *get = &receive(&fixture->seat, REQUEST_SEATS_GET)->seats_get;
        assert_int_equal(get->first, first + 1000 * page);
        assert_int_equal(get->limit, asked[page]);
        reply_page(fixture, get->first, asked[page], get->first + asked[page]);
    }
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, 200);
    assert_int_equal(occurrences("\"seatId\":"), 2500);
}

static void test_a_filtered_map_reads_on_until_the_limit(void **state)
{
    struct fixture *fixture = *state;
    uint64_t first = seat_id(21, 1);
    send_seats(fixture, "/api/v1/schedules/21/seats?status=RESERVED&limit=2");
    assert_int_equal(receive(&fixture->seat, REQUEST_SEATS_GET)->seats_get.limit, 1000);
    reply_page(fixture, first, 4, first + 4); /* one of them */
    assert_int_equal(receive(&fixture->seat, REQUEST_SEATS_GET)->seats_get.first, first + 4);
    reply_page(fixture, first + 4, 9, 0); /* three more: the second is over the limit */
    assert_int_equal(answer.status, 200);
    assert_int_equal(occurrences("\"seatStatus\":\"RESERVED\""), 2);
    assert_int_equal(occurrences("AVAILABLE"), 0);
    char cursor[CURSOR_TEXT_SIZE];
    cursor_write(CURSOR_SEATS, first + 4 + 5, cursor);
    assert_has(cursor);
}

static void test_wrong_questions_about_seats_are_400(void **state)
{
    static const char *const wrong[] = {"/api/v1/schedules/21/seats?limit=10001",
                                        "/api/v1/schedules/21/seats?status=available",
                                        "/api/v1/schedules/21/seats?cursor=x",
                                        "/concerts/seat",
                                        "/concerts/seat?=",
                                        "/concerts/seat?seatId=x",
                                        "/concerts/seat?scheduleId=0"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        send_seats(fixture, wrong[i]);
        assert_problem(400, "invalid-field");
    }
    assert_true(is_idle(&fixture->seat));
}

static void test_the_script_path_finds_one_seat(void **state)
{
    struct fixture *fixture = *state;
    char target[64], expected[256];
    static const char *const names[] = {"", "seatId"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(target, sizeof target, "/concerts/seat?%s=%llu", names[i],
                 (unsigned long long)seat_id(21, 7));
        send_request(fixture, &exchange, request_of(HTTP_METHOD_GET, target));
        const struct seats_get *get = &receive(&fixture->seat, REQUEST_SEATS_GET)->seats_get;
        assert_int_equal(get->schedule, 21);
        assert_int_equal(get->first, seat_id(21, 7));
        assert_int_equal(get->limit, 1);
        reply_page(fixture, get->first, 1, get->first + 1);
        snprintf(expected, sizeof expected,
                 "{\"data\":[{\"seatId\":%llu,\"position\":7,\"section\":\"Stalls\","
                 "\"amount\":50000,\"seatStatus\":\"AVAILABLE\"}]}",
                 (unsigned long long)seat_id(21, 7));
        assert_string_equal(answer.body, expected);
    }
    send_request(fixture, &exchange, request_of(HTTP_METHOD_GET, target));
    receive(&fixture->seat, REQUEST_SEATS_GET);
    refuse_with(fixture, &fixture->seat, OUTCOME_INVALID_FIELD); /* there is no such seat */
    assert_problem(404, "not-found");
}

static void test_the_script_path_finds_a_schedules_seats(void **state)
{
    struct fixture *fixture = *state;
    send_request(fixture, &exchange, request_of(HTTP_METHOD_GET, "/concerts/seat?scheduleId=21"));
    receive(&fixture->seat, REQUEST_SEATS_GET);
    reply_page(fixture, seat_id(21, 1), 50, 0);
    assert_int_equal(answer.status, 200);
    assert_int_equal(occurrences("\"seatId\":"), 50);
    assert_int_equal(strncmp(answer.body, "{\"data\":[{", 10), 0);
    assert_string_equal(answer.body + answer.size - 3, "}]}");
}

static void test_a_client_that_leaves_half_way_leaves_nothing_behind(void **state)
{
    struct fixture *fixture = *state;
    send_seats(fixture, "/api/v1/schedules/21/seats?limit=2000");
    receive(&fixture->seat, REQUEST_SEATS_GET);
    reply_page(fixture, seat_id(21, 1), 1000, seat_id(21, 1001));
    answer.count = 0;
    exchange.on_abandon(&exchange); /* the leak checker sees whether the page was freed */
    receive(&fixture->seat, REQUEST_SEATS_GET);
    refuse_with(fixture, &fixture->seat, OUTCOME_INTERNAL);
    assert_int_equal(answer.count, 0);
}

static void test_a_refused_page_ends_the_answer_with_its_problem(void **state)
{
    struct fixture *fixture = *state;
    send_seats(fixture, "/api/v1/schedules/99/seats");
    receive(&fixture->seat, REQUEST_SEATS_GET);
    refuse_with(fixture, &fixture->seat, OUTCOME_NOT_FOUND);
    assert_problem(404, "not-found");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_concerts_are_listed_by_id),
        TEST(test_an_etag_saves_the_body_until_something_changes),
        TEST(test_a_concerts_schedules_say_what_is_free),
        TEST(test_the_script_path_lists_free_schedules_first_with_a_seat),
        TEST(test_the_script_path_lists_at_most_100),
        TEST(test_a_successor_that_starts_over_hides_nothing),
        TEST(test_garbage_counts_in_the_snapshot_are_bounded),
        TEST(test_a_seat_map_is_a_page_with_a_cursor),
        TEST(test_a_cursor_of_another_schedule_is_refused),
        TEST(test_a_large_limit_is_put_together_from_pages),
        TEST(test_a_filtered_map_reads_on_until_the_limit),
        TEST(test_wrong_questions_about_seats_are_400),
        TEST(test_the_script_path_finds_one_seat),
        TEST(test_the_script_path_finds_a_schedules_seats),
        TEST(test_a_client_that_leaves_half_way_leaves_nothing_behind),
        TEST(test_a_refused_page_ends_the_answer_with_its_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
