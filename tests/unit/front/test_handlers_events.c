#include "fixture.h"

/* The events call: pages, and streams that go on from page to page. */

static struct fixture *fixture;
static struct exchange exchanges[FOLLOWERS_MAX + 1];
static uint64_t now_ms;
static union reply reply;

static int set_up(void **state)
{
    (void)state;
    fixture = fixture_default();
    now_ms = clock_now_ms();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_destroy(fixture);
    return 0;
}

static struct http_request events(const char *target)
{
    return authorized(request_of(HTTP_METHOD_GET, target), "Bearer admin-key");
}

static struct http_request stream_of(const char *target)
{
    struct http_request request = events(target);
    request.accept = text_of("text/html;q=0.1, text/event-stream");
    return request;
}

static void turn(uint64_t after_ms)
{
    uint64_t clock_ms = clock_now_ms();
    now_ms = (clock_ms > now_ms ? clock_ms : now_ms) + after_ms;
    followers_turn(&fixture->application.followers, now_ms);
}

static struct events_get *asked(void)
{
    return &receive(&fixture->relay, REQUEST_EVENTS_GET)->events_get;
}

static void reply_page(const char *text, uint64_t count, const char *next, bool more)
{
    reply.event_page = (struct event_page){.count = count, .more = more};
    text_set(&reply.event_page.text, text, strlen(text));
    text_set(&reply.event_page.next, next, strlen(next));
    reply_with(fixture, &fixture->relay, OUTCOME_OK, REPLY_EVENT_PAGE, &reply);
}

static void assert_after(const struct events_get *request, const char *expected)
{
    assert_int_equal(request->after.length, strlen(expected));
    assert_memory_equal(request->after.data, expected, strlen(expected));
}

static void a_page_is_as_the_relay_made_it(void **state)
{
    (void)state;
    send_request(fixture, exchanges, events("/api/v1/admin/events?after=abc&limit=7"));
    const struct events_get *request = asked();
    assert_int_equal(request->format, EVENTS_JSON);
    assert_int_equal(request->limit, 7);
    assert_after(request, "abc");
    reply_page("{\"a\":1},{\"a\":2}", 2, "def", true);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "{\"data\":{\"events\":[{\"a\":1},{\"a\":2}],\"next\":\"def\","
                                     "\"more\":true,\"truncated\":false}}");
    send_request(fixture, exchanges, events("/api/v1/admin/events"));
    request = asked();
    assert_int_equal(request->limit, 100);
    assert_after(request, "");
    reply_page("", 0, "", false);
    assert_has("\"events\":[],");
}

static void what_is_wrong_with_a_page_is_said(void **state)
{
    (void)state;
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, "/api/v1/admin/events")), 401);
    assert_int_equal(ask(fixture, events("/api/v1/admin/events?limit=0")), 400);
    assert_int_equal(ask(fixture, events("/api/v1/admin/events?limit=1001")), 400);
    assert_has("\"field\":\"limit\"");
    send_request(fixture, exchanges, events("/api/v1/admin/events?after=abc"));
    asked();
    refuse_with(fixture, &fixture->relay, OUTCOME_INVALID_FIELD);
    assert_problem(400, "invalid-field");
    assert_has("\"field\":\"after\"");
}

static void a_stream_goes_on_from_page_to_page(void **state)
{
    (void)state;
    struct http_request request = stream_of("/api/v1/admin/events?after=first");
    request.last_event_id = text_of("later");
    send_request(fixture, exchanges, request);
    assert_true(is_idle(&fixture->relay));
    turn(0);
    const struct events_get *get = asked();
    assert_int_equal(get->format, EVENTS_STREAM);
    assert_after(get, "later"); /* the browser's own word goes before the address's */
    reply_page("id: 1\n\n", 1, "one", true);
    assert_int_equal(stream.opened, 1);
    assert_non_null(strstr(stream.headers, "Cache-Control: no-store\r\n"));
    turn(0);
    assert_after(asked(), "one");
    reply_page("id: 2\n\n", 1, "two", false);
    assert_string_equal(stream.data, "id: 1\n\nid: 2\n\n");
    turn(FOLLOWER_POLL_MS / 2);
    assert_true(is_idle(&fixture->relay));
    turn(FOLLOWER_POLL_MS);
    assert_after(asked(), "two");
    assert_int_equal(stream.opened, 1);
}

static void a_stream_from_a_wrong_place_is_a_problem(void **state)
{
    (void)state;
    send_request(fixture, exchanges, stream_of("/api/v1/admin/events?after=abc"));
    turn(0);
    asked();
    refuse_with(fixture, &fixture->relay, OUTCOME_INVALID_FIELD);
    assert_problem(400, "invalid-field");
    assert_int_equal(fixture->application.followers.count, 0);
    assert_int_equal(stream.opened, 0);
}

static void what_cannot_be_written_is_asked_for_again(void **state)
{
    (void)state;
    send_request(fixture, exchanges, stream_of("/api/v1/admin/events"));
    stream.next = STREAM_NOT_YET; /* answers before it are owed */
    turn(0);
    asked();
    reply_page("id: 1\n\n", 1, "one", true);
    stream.next = STREAM_OPEN;
    turn(FOLLOWER_POLL_MS);
    assert_after(asked(), "");
    stream.full = true;
    reply_page("id: 1\n\n", 1, "one", true);
    stream.full = false;
    turn(FOLLOWER_POLL_MS);
    assert_after(asked(), "");
    reply_page("id: 1\n\n", 1, "one", true);
    assert_string_equal(stream.data, "id: 1\n\n");
}

static void a_replaced_relay_interrupts_no_stream(void **state)
{
    (void)state;
    send_request(fixture, exchanges, stream_of("/api/v1/admin/events"));
    turn(0);
    asked();
    reply_page("id: 1\n\n", 1, "one", true);
    turn(0);
    asked();
    refuse_with(fixture, &fixture->relay, OUTCOME_UNAVAILABLE);
    assert_int_equal(answer.count, 0);
    turn(2 * FOLLOWER_POLL_MS);
    assert_after(asked(), "one");
}

static void a_quiet_stream_has_heartbeats(void **state)
{
    (void)state;
    send_request(fixture, exchanges, stream_of("/api/v1/admin/events"));
    turn(0);
    asked();
    reply_page("", 0, "", false);
    turn(FOLLOWER_HEARTBEAT_MS / 2);
    assert_int_equal(stream.size, 0);
    turn(FOLLOWER_HEARTBEAT_MS);
    assert_string_equal(stream.data, ": still here\n\n");
}

static void a_reader_that_takes_nothing_is_cut_off(void **state)
{
    (void)state;
    send_request(fixture, exchanges, stream_of("/api/v1/admin/events"));
    turn(0);
    asked();
    reply_page("id: 1\n\n", 1, "one", true);
    stream.unsent = 100;
    turn(FOLLOWER_STALL_MS / 2);
    assert_int_equal(stream.broken, 0);
    assert_true(is_idle(&fixture->relay)); /* nothing more is fetched for it */
    turn(FOLLOWER_STALL_MS);
    assert_int_equal(stream.broken, 1);
    assert_int_equal(fixture->application.followers.count, 0);
}

static void followers_are_bounded_and_places_are_used_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FOLLOWERS_MAX; i++)
        send_request(fixture, &exchanges[i], stream_of("/api/v1/admin/events"));
    assert_int_equal(ask(fixture, stream_of("/api/v1/admin/events")), 503);
    exchanges[3].on_abandon(&exchanges[3]);
    send_request(fixture, &exchanges[FOLLOWERS_MAX], stream_of("/api/v1/admin/events"));
    assert_int_equal(fixture->application.followers.count, FOLLOWERS_MAX);
    assert_int_equal(answer.count, 1);
}

static void a_client_that_goes_leaves_nothing_behind(void **state)
{
    (void)state;
    send_request(fixture, exchanges, stream_of("/api/v1/admin/events"));
    turn(0);
    asked();
    exchanges[0].on_abandon(&exchanges[0]);
    assert_int_equal(fixture->application.followers.count, 0);
    reply_page("id: 1\n\n", 1, "one", true);
    assert_int_equal(stream.opened, 0);
}

static void streams_end_when_the_front_stops(void **state)
{
    (void)state;
    send_request(fixture, &exchanges[0], stream_of("/api/v1/admin/events"));
    turn(0);
    asked();
    reply_page("id: 1\n\n", 1, "one", true);
    send_request(fixture, &exchanges[1], stream_of("/api/v1/admin/events"));
    followers_close(&fixture->application.followers);
    assert_int_equal(stream.closed, 1);
    assert_int_equal(fixture->application.followers.count, 1); /* it gets an answer first */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_page_is_as_the_relay_made_it),
        TEST(what_is_wrong_with_a_page_is_said),
        TEST(a_stream_goes_on_from_page_to_page),
        TEST(a_stream_from_a_wrong_place_is_a_problem),
        TEST(what_cannot_be_written_is_asked_for_again),
        TEST(a_replaced_relay_interrupts_no_stream),
        TEST(a_quiet_stream_has_heartbeats),
        TEST(a_reader_that_takes_nothing_is_cut_off),
        TEST(followers_are_bounded_and_places_are_used_again),
        TEST(a_client_that_goes_leaves_nothing_behind),
        TEST(streams_end_when_the_front_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
