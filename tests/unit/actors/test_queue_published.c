#include "queue_fixture.h"

/* The rooms in shared memory say what the rows say, after each change and after a start. */

struct published {
    struct domain *domain;
    struct waiting_rooms *shared;
    struct queue_rooms rooms;
};

static struct published published;

static int set_up_published(void **state)
{
    set_up((void **)&published.domain);
    published.shared = aligned_alloc(64, sizeof *published.shared);
    memset(published.shared, 0, sizeof *published.shared);
    queue_rooms_init(&published.rooms, published.shared);
    published.domain->claim_gate = &published.rooms.gate;
    queue_start(&published.domain->view, &published.rooms);
    *state = &published;
    return 0;
}

static int tear_down_published(void **state)
{
    (void)state;
    free(published.shared);
    return tear_down((void **)&published.domain);
}

static void publish(struct published *to)
{
    room_publish(domain_object(to->domain, &room_kind, 0), &to->rooms);
}

/* A new worker on the same rows and the same shared memory. */
static void restart(struct published *to)
{
    domain_forget(to->domain);
    queue_rooms_init(&to->rooms, to->shared);
    queue_start(&to->domain->view, &to->rooms);
}

static enum session_state session_of(const struct published *of, uint64_t number)
{
    return waiting_session_find(of->shared, 0, number).state;
}

static enum line_place place_of(const struct published *of, uint64_t number, uint64_t *ahead)
{
    return waiting_room_place(waiting_room_find(of->shared, 0), number, ahead);
}

static void expect_rows(struct published *of, uint64_t last)
{
    uint64_t waiting_before = 0;
    for (uint64_t number = 1; number <= last; number++) {
        uint64_t ahead;
        enum line_place place = place_of(of, number, &ahead);
        enum session_state session = session_of(of, number);
        switch (state_of(of->domain, number)) {
        case TICKET_WAITING:
            assert_int_equal(place, LINE_WAITING);
            assert_int_equal(ahead, waiting_before++);
            break;
        case TICKET_ADMITTED:
            assert_int_equal(place, LINE_SERVED);
            assert_int_equal(session, SESSION_ADMITTED);
            break;
        case TICKET_CLAIMED:
            assert_int_equal(place, LINE_SERVED);
            assert_int_equal(session, SESSION_CLAIMED);
            break;
        default:
            assert_int_not_equal(place, LINE_WAITING);
            assert_int_equal(session, SESSION_NONE);
        }
    }
}

/* Some of everything happens to tickets 1…60 in one batch. */
static void bustle(struct domain *domain)
{
    issue_all(domain, 1, 60);
    change(domain, (struct room_change){.own = ROOM_ACTIVE_LIMIT, .active_limit = 20});
    domain_fire(domain);
    for (uint64_t number = 1; number <= 10; number++)
        claim(domain, number, number);
    for (uint64_t number = 1; number <= 60; number += 7)
        leave(domain, number, number);
    purchased(domain, 3, 3);
    domain_fire(domain);
}

static void every_change_is_published(void **state)
{
    struct published *to = *state;
    bustle(to->domain);
    publish(to);
    expect_rows(to, 60);
    pass(to->domain, CLAIM_MS);
    publish(to);
    expect_rows(to, 60);
    const struct waiting_room *room = waiting_room_find(to->shared, 0);
    const struct room_status *counts = status(to->domain);
    assert_int_equal(room->issued, counts->issued);
    assert_int_equal(room->waiting, counts->waiting);
    assert_int_equal(room->admitted, counts->admitted);
    assert_int_equal(room->done, counts->done);
    assert_int_equal(room->expired, counts->expired);
    assert_int_equal(room->active_limit, 20);
}

static void a_start_publishes_all_there_is(void **state)
{
    struct published *to = *state;
    bustle(to->domain);
    memset(to->shared, 0, sizeof *to->shared); /* a new segment */
    assert_false(waiting_rooms_ready(to->shared));
    restart(to);
    assert_true(waiting_rooms_ready(to->shared));
    expect_rows(to, 60);
}

static void a_successor_publishes_what_its_predecessor_had_not(void **state)
{
    struct published *to = *state;
    bustle(to->domain);
    publish(to);
    pass(to->domain, CLAIM_MS); /* committed, and then it died */
    leave(to->domain, 59, 59);
    restart(to);
    expect_rows(to, 60);
    publish(to); /* nothing old is told again */
    expect_rows(to, 60);
}

static void a_claim_that_only_a_front_knows_outlives_the_worker(void **state)
{
    struct published *to = *state;
    issue(to->domain, 1);
    publish(to);
    struct session_view view = waiting_session_find(to->shared, 0, 1);
    assert_true(waiting_session_claim(&view));
    restart(to);
    assert_int_equal(session_of(to, 1), SESSION_CLAIMED);
    pass(to->domain, CLAIM_MS);
    publish(to);
    assert_int_equal(state_of(to->domain, 1), TICKET_CLAIMED);
    assert_int_equal(session_of(to, 1), SESSION_CLAIMED);
}

static void a_session_that_was_closed_without_a_commit_is_opened_again(void **state)
{
    struct published *to = *state;
    issue(to->domain, 1);
    publish(to);
    assert_true(waiting_session_close(to->shared, 0, 1));
    restart(to);
    assert_int_equal(session_of(to, 1), SESSION_ADMITTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_published, tear_down_published)
        TEST(every_change_is_published),
        TEST(a_start_publishes_all_there_is),
        TEST(a_successor_publishes_what_its_predecessor_had_not),
        TEST(a_claim_that_only_a_front_knows_outlives_the_worker),
        TEST(a_session_that_was_closed_without_a_commit_is_opened_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
