#include "fixture.h"

#include "cursor.h"
#include <sys/mman.h>

/* Seat maps from a seat worker's read snapshot: nobody is asked. */

enum { SEATS = 300, SCHEDULE = 21 };
static struct exchange exchange;
static uint64_t words[SEAT_MAP_WORDS_MAX];

static struct catalogue *catalogue_of(const struct fixture *fixture)
{
    return segment_catalogue(&fixture->segment, 0);
}

static struct seat_map_section section_of(const char *name, uint32_t seats, uint64_t amount)
{
    struct seat_map_section section = {
        .seat_count = seats, .amount = amount, .name_length = (uint32_t)strlen(name)};
    memcpy(section.name, name, strlen(name));
    return section;
}

static uint32_t add(struct fixture *fixture, uint64_t schedule,
                    const struct seat_map_section *sections, uint32_t count)
{
    struct catalogue *catalogue = catalogue_of(fixture);
    struct catalogue_schedule line = {.schedule = schedule, .concert = 1};
    uint32_t at = atomic_load(&catalogue->schedules_added), added;
    for (uint32_t i = 0; i < count; i++)
        line.seat_count += sections[i].seat_count;
    assert_int_equal(seat_maps_add(&catalogue->maps, at, sections, count), STATUS_OK);
    seat_map_clear(words, line.seat_count);
    seat_maps_publish(&catalogue->maps, at, words);
    assert_int_equal(catalogue_add_schedule(catalogue, &line, &added), STATUS_OK);
    assert_int_equal(added, at);
    return at;
}

/* Schedule 21: 100 seats "Front \"A\"" at 900, 200 seats "Rear" at 70. */
static int setup(void **state)
{
    struct fixture *fixture = fixture_default();
    uint32_t at;
    assert_int_equal(catalogue_add_concert(catalogue_of(fixture), 1, "x", 1, &at), STATUS_OK);
    const struct seat_map_section sections[] = {section_of("Front \"A\"", 100, 900),
                                                section_of("Rear", 200, 70)};
    assert_int_equal(add(fixture, SCHEDULE, sections, 2), 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static void publish_state(struct fixture *fixture, uint32_t index, enum seat_state seat_state)
{
    seat_map_set_state(words, index - 1, seat_state);
    seat_maps_publish(&catalogue_of(fixture)->maps, 0, words);
}

static struct http_request map_request(struct fixture *fixture, const char *query)
{
    static char target[256];
    snprintf(target, sizeof target, "/api/v1/schedules/%d/seats%s", SCHEDULE, query);
    return authorized(request_of(HTTP_METHOD_GET, target), token_of(fixture, 1));
}

static unsigned map_get(struct fixture *fixture, const char *query)
{
    return ask(fixture, map_request(fixture, query));
}

static unsigned occurrences(const char *part)
{
    unsigned count = 0;
    for (const char *at = answer.body; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

static const char *seat_text(uint32_t index, const char *section, uint64_t amount,
                             const char *status)
{
    static char text[256];
    snprintf(text, sizeof text,
             "{\"seatId\":%llu,\"position\":%u,\"section\":\"%s\",\"amount\":%llu,"
             "\"seatStatus\":\"%s\"}",
             (unsigned long long)seat_id(SCHEDULE, index), index, section,
             (unsigned long long)amount, status);
    return text;
}

static void a_map_shows_every_seat_with_its_section_and_state(void **state)
{
    struct fixture *fixture = *state;
    publish_state(fixture, 100, SEAT_TEMP_RESERVED);
    publish_state(fixture, 101, SEAT_RESERVED);
    assert_int_equal(map_get(fixture, ""), 200);
    assert_int_equal(occurrences("\"seatId\":"), SEATS);
    assert_has(seat_text(1, "Front \\\"A\\\"", 900, "AVAILABLE"));
    assert_has(seat_text(100, "Front \\\"A\\\"", 900, "TEMP_RESERVED"));
    assert_has(seat_text(101, "Rear", 70, "RESERVED"));
    assert_has(seat_text(300, "Rear", 70, "AVAILABLE"));
    assert_has("{\"data\":{\"seats\":[{\"seatId\"");
    assert_has("}],\"nextCursor\":null}}");
    assert_true(is_idle(&fixture->seat));
}

static bool cursor_take(char cursor[CURSOR_TEXT_SIZE])
{
    const char *at = strstr(answer.body, "\"nextCursor\":\"");
    if (at != NULL)
        snprintf(cursor, CURSOR_TEXT_SIZE, "%s", at + strlen("\"nextCursor\":\""));
    return at != NULL;
}

/* Reads all pages and returns how many; `seen` has the positions in order. */
static unsigned pages(struct fixture *fixture, const char *query, uint32_t *seen, unsigned *count)
{
    char with_cursor[200], cursor[CURSOR_TEXT_SIZE];
    unsigned pages = 1;
    *count = 0;
    assert_int_equal(map_get(fixture, query), 200);
    for (;;) {
        const char *at = answer.body;
        while ((at = strstr(at, "\"position\":")) != NULL) {
            at += strlen("\"position\":");
            seen[(*count)++] = (uint32_t)strtoul(at, NULL, 10);
        }
        if (!cursor_take(cursor))
            return pages;
        snprintf(with_cursor, sizeof with_cursor, "%s&cursor=%s", query, cursor);
        assert_int_equal(map_get(fixture, with_cursor), 200);
        pages++;
    }
}

static void pages_give_each_seat_once(void **state)
{
    struct fixture *fixture = *state;
    uint32_t seen[SEATS];
    unsigned count;
    assert_int_equal(pages(fixture, "?limit=7", seen, &count), 43);
    assert_int_equal(count, SEATS);
    for (uint32_t i = 0; i < SEATS; i++)
        assert_int_equal(seen[i], i + 1);
    assert_int_equal(pages(fixture, "?limit=300", seen, &count), 1);
    assert_int_equal(pages(fixture, "?limit=299", seen, &count), 2);
    assert_int_equal(pages(fixture, "?limit=1", seen, &count), SEATS);
}

static void a_filter_gives_the_seats_of_that_state_and_ends_with_the_last(void **state)
{
    static const uint32_t held[] = {1, 32, 33, 64, 65, 100, 299, 300};
    struct fixture *fixture = *state;
    uint32_t seen[SEATS];
    unsigned count;
    for (size_t i = 0; i < 8; i++)
        publish_state(fixture, held[i], SEAT_TEMP_RESERVED);
    publish_state(fixture, 2, SEAT_RESERVED);
    for (unsigned limit = 1; limit <= 9; limit++) {
        char query[64];
        snprintf(query, sizeof query, "?status=TEMP_RESERVED&limit=%u", limit);
        assert_int_equal(pages(fixture, query, seen, &count), (8 + limit - 1) / limit);
        assert_int_equal(count, 8);
        assert_memory_equal(seen, held, sizeof held);
    }
    assert_int_equal(pages(fixture, "?status=RESERVED&limit=1", seen, &count), 1);
    assert_int_equal(seen[0], 2);
    pages(fixture, "?status=AVAILABLE&limit=50", seen, &count);
    assert_int_equal(count, SEATS - 9);
    publish_state(fixture, 2, SEAT_AVAILABLE);
    assert_int_equal(map_get(fixture, "?status=RESERVED"), 200);
    assert_string_equal(answer.body, "{\"data\":{\"seats\":[],\"nextCursor\":null}}");
    assert_true(is_idle(&fixture->seat));
}

static void an_etag_saves_the_body_until_a_seat_changes(void **state)
{
    struct fixture *fixture = *state;
    char tag[64], again[64];
    assert_int_equal(map_get(fixture, "?limit=5"), 200);
    assert_int_equal(sscanf(answer.headers, "ETag: %63s", tag), 1);
    struct http_request request = map_request(fixture, "?limit=5");
    request.if_none_match = text_of(tag);
    assert_int_equal(ask(fixture, request), 304);
    assert_int_equal(answer.size, 0);
    assert_non_null(strstr(answer.headers, tag));
    request = map_request(fixture, "?limit=6"); /* another answer has another tag */
    request.if_none_match = text_of(tag);
    assert_int_equal(ask(fixture, request), 200);
    publish_state(fixture, 300, SEAT_RESERVED);
    request = map_request(fixture, "?limit=5");
    request.if_none_match = text_of(tag);
    assert_int_equal(ask(fixture, request), 200);
    assert_int_equal(sscanf(answer.headers, "ETag: %63s", again), 1);
    assert_string_not_equal(tag, again);
    publish_state(fixture, 300, SEAT_RESERVED); /* nothing new */
    request.if_none_match = text_of(again);
    assert_int_equal(ask(fixture, request), 304);
}

static void one_seat_and_a_whole_schedule_for_the_scripts(void **state)
{
    struct fixture *fixture = *state;
    char target[64], expected[300];
    publish_state(fixture, 150, SEAT_TEMP_RESERVED);
    snprintf(target, sizeof target, "/concerts/seat?=%llu",
             (unsigned long long)seat_id(SCHEDULE, 150));
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, target)), 200);
    snprintf(expected, sizeof expected, "{\"data\":[%s]}",
             seat_text(150, "Rear", 70, "TEMP_RESERVED"));
    assert_string_equal(answer.body, expected);
    assert_int_equal(answer.headers[0], '\0');
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, "/concerts/seat?scheduleId=21")),
                     200);
    assert_int_equal(occurrences("\"seatId\":"), SEATS);
    snprintf(target, sizeof target, "/concerts/seat?seatId=%llu",
             (unsigned long long)seat_id(SCHEDULE, SEATS + 1));
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, target)), 404);
    snprintf(target, sizeof target, "/concerts/seat?seatId=%llu",
             (unsigned long long)seat_id(SCHEDULE, 0));
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, target)), 404);
    assert_true(is_idle(&fixture->seat));
}

static void a_cursor_beyond_the_last_seat_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char cursor[CURSOR_TEXT_SIZE], query[64];
    cursor_write(CURSOR_SEATS, seat_id(SCHEDULE, SEATS + 1), cursor);
    snprintf(query, sizeof query, "?cursor=%s", cursor);
    assert_int_equal(map_get(fixture, query), 400);
    assert_has("\"field\":\"cursor\"");
}

static void what_is_not_in_the_snapshot_is_asked_of_the_owner(void **state)
{
    struct fixture *fixture = *state;
    send_request(fixture, &exchange,
                 authorized(request_of(HTTP_METHOD_GET, "/api/v1/schedules/777/seats"),
                            token_of(fixture, 1)));
    assert_int_equal(receive(&fixture->seat, REQUEST_SEATS_GET)->seats_get.schedule, 777);
    refuse_with(fixture, &fixture->seat, OUTCOME_NOT_FOUND);
    assert_problem(404, "not-found");
    /* a map out of sight, as after a successor found another layout */
    atomic_store(&catalogue_of(fixture)->maps.maps[0].seat_count, 0);
    send_request(fixture, &exchange, map_request(fixture, ""));
    receive(&fixture->seat, REQUEST_SEATS_GET);
    refuse_with(fixture, &fixture->seat, OUTCOME_UNAVAILABLE);
    assert_problem(503, "unavailable");
}

static void the_longest_names_of_a_full_page_fit(void **state)
{
    struct fixture *fixture = *state;
    struct seat_map_section sections[SECTIONS_MAX];
    char target[64];
    for (uint32_t i = 0; i < SECTIONS_MAX; i++) {
        sections[i] = (struct seat_map_section){
            .seat_count = 320, .amount = AMOUNT_MAX, .name_length = TEXT_NAME_MAX};
        memset(sections[i].name, '\"', TEXT_NAME_MAX);
    }
    uint64_t schedule = (UINT64_C(1) << 36) - 1;
    add(fixture, schedule, sections, SECTIONS_MAX);
    snprintf(target, sizeof target, "/concerts/seat?scheduleId=%llu", (unsigned long long)schedule);
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, target)), 200);
    assert_int_equal(occurrences("\"seatId\":"), SEAT_LIST_MAX);
    assert_string_equal(answer.body + answer.size - 3, "}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_map_shows_every_seat_with_its_section_and_state),
        TEST(pages_give_each_seat_once),
        TEST(a_filter_gives_the_seats_of_that_state_and_ends_with_the_last),
        TEST(an_etag_saves_the_body_until_a_seat_changes),
        TEST(one_seat_and_a_whole_schedule_for_the_scripts),
        TEST(a_cursor_beyond_the_last_seat_is_refused),
        TEST(what_is_not_in_the_snapshot_is_asked_of_the_owner),
        TEST(the_longest_names_of_a_full_page_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
