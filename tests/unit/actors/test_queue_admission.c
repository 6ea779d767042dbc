#include "queue_fixture.h"

static void with_a_place_free_and_nobody_ahead_the_issue_admits(void **state)
{
    struct domain *domain = *state;
    for (uint64_t user = 1; user <= PLACES; user++) {
        issue(domain, user);
        assert_int_equal(domain->reply.ticket.state, TICKET_ADMITTED);
        assert_int_equal(domain->reply.ticket.until_ms, domain->now_ms + SESSION_MS);
    }
    issue(domain, 9);
    assert_int_equal(domain->reply.ticket.state, TICKET_WAITING);
    assert_int_equal(domain->reply.ticket.until_ms, 0);
    issue(domain, 1);
    assert_int_equal(domain->reply.ticket.state, TICKET_ADMITTED);
}

static void the_line_is_served_in_the_order_of_numbers(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 40);
    for (uint64_t number = PLACES + 1; number <= 40; number++) {
        assert_int_equal(state_of(domain, number), TICKET_WAITING);
        if (number % 3 == 0)
            domain_forget(domain);
        purchased(domain, number - PLACES, number - PLACES);
        domain_fire(domain);
        assert_int_equal(state_of(domain, number - PLACES), TICKET_DONE);
        assert_int_equal(state_of(domain, number), TICKET_ADMITTED);
        assert_int_equal(status(domain)->admitted, PLACES);
    }
    assert_int_equal(status(domain)->done, 40 - PLACES);
    assert_int_equal(status(domain)->waiting, 0);
}

static void who_comes_while_others_wait_goes_to_the_end(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 4);
    leave(domain, 1, 1); /* a place is free, but the timer has not served the line yet */
    issue(domain, 5);
    assert_int_equal(domain->reply.ticket.state, TICKET_WAITING);
    domain_fire(domain);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 5), TICKET_WAITING);
}

static void who_left_the_line_is_passed_over(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 10);
    leave(domain, 4, 4);
    leave(domain, 5, 5);
    leave(domain, 9, 9);
    assert_int_equal(status(domain)->waiting, 5);
    domain_forget(domain);
    purchased(domain, 1, 1);
    purchased(domain, 2, 2);
    domain_fire(domain);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 6), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 7), TICKET_WAITING);
    leave(domain, 7, 7); /* the head of the line */
    leave(domain, 8, 8);
    purchased(domain, 3, 3);
    domain_fire(domain);
    assert_int_equal(state_of(domain, 10), TICKET_ADMITTED);
}

static void many_who_left_are_passed_over_at_once(void **state)
{
    struct domain *domain = *state;
    enum { LAST = 3 * LEAVERS_BLOCK + 10 };
    issue_all(domain, 1, LAST);
    for (uint64_t number = PLACES + 2; number < LAST; number++)
        leave(domain, number, number);
    domain_forget(domain);
    purchased(domain, 1, 1);
    purchased(domain, 2, 2);
    domain_fire(domain);
    assert_int_equal(state_of(domain, PLACES + 1), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, LAST), TICKET_ADMITTED);
    const struct room *room = domain_object(domain, &room_kind, 0);
    assert_int_equal(room->row.serving, LAST);
    assert_int_equal(room->line.count, 1); /* of the block that is not over */
}

static void many_places_that_come_free_are_given_in_several_turns(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 100);
    change(domain, (struct room_change){.own = ROOM_ACTIVE_LIMIT, .active_limit = 60});
    assert_true(domain_fire(domain) > 58 / DECISION_EVENTS_MAX);
    assert_int_equal(status(domain)->admitted, 60);
    assert_int_equal(state_of(domain, 60), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 61), TICKET_WAITING);
}

static void nobody_is_admitted_in_a_room_that_is_paused(void **state)
{
    struct domain *domain = *state;
    change(domain, (struct room_change){.own = ROOM_PAUSED, .paused = 1});
    issue_all(domain, 1, 3);
    pass(domain, 1000000);
    assert_int_equal(status(domain)->admitted, 0);
    domain_forget(domain);
    change(domain, (struct room_change){.own = ROOM_PAUSED, .paused = 0});
    domain_fire(domain);
    assert_int_equal(status(domain)->admitted, PLACES);
    assert_int_equal(state_of(domain, 3), TICKET_WAITING);
}

static void a_lower_limit_sends_nobody_away(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 3);
    change(domain, (struct room_change){.own = ROOM_ACTIVE_LIMIT, .active_limit = 1});
    domain_fire(domain);
    assert_int_equal(status(domain)->admitted, 2);
    purchased(domain, 1, 1);
    domain_fire(domain);
    assert_int_equal(status(domain)->admitted, 1);
    purchased(domain, 2, 2);
    domain_fire(domain);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
}

/* ---- the rate ---- */

static void set_rate(struct domain *domain, uint64_t limit, uint64_t rate)
{
    change(domain, (struct room_change){.own = ROOM_ACTIVE_LIMIT | ROOM_ADMIT_RATE,
                                        .active_limit = limit,
                                        .admit_per_second = rate});
}

static void one_a_second_is_one_a_second(void **state)
{
    struct domain *domain = *state;
    set_rate(domain, 1000, 1);
    issue_all(domain, 1, 10);
    for (uint64_t second = 0; second < 10; second++) {
        assert_int_equal(status(domain)->admitted, second + 1);
        pass(domain, 999);
        assert_int_equal(status(domain)->admitted, second + 1);
        pass(domain, 1);
        domain_forget(domain);
    }
}

static void a_rate_bounds_every_second(void **state)
{
    struct domain *domain = *state;
    uint64_t at_ms[400];
    set_rate(domain, 1000, 100);
    issue_all(domain, 1, 400);
    for (unsigned i = 0; i < 4500; i++)
        pass(domain, 1);
    unsigned count = 0;
    for (const struct domain_event *event = domain->journal; event != NULL; event = event->next)
        if (event->event_kind == EVENT_TICKET_ADMITTED)
            at_ms[count++] = event->at_ms;
    assert_int_equal(count, 400);
    for (unsigned i = 0; i + 111 < count; i++) /* a tenth of a second's credit may be saved up */
        assert_true(at_ms[i + 111] - at_ms[i] >= 1000);
    assert_true(at_ms[399] - at_ms[0] <= 4000);
}

static void a_high_rate_is_not_one_timer_for_each(void **state)
{
    struct domain *domain = *state;
    set_rate(domain, 100000, 5000);
    issue_all(domain, 1, 2000);
    uint64_t before = status(domain)->admitted, turns = 0;
    for (unsigned i = 0; i < 100; i++) {
        domain->now_ms++;
        turns += domain_fire(domain) > 0;
    }
    assert_true(status(domain)->admitted - before >= 300);
    assert_true(turns <= 6);
}

static void credit_is_not_saved_up_while_nobody_waits(void **state)
{
    struct domain *domain = *state;
    set_rate(domain, 1000, 10);
    pass(domain, 3600 * 1000);
    issue_all(domain, 1, 20);
    domain_fire(domain);
    assert_int_equal(status(domain)->admitted, 1);
}

static void a_new_rate_counts_from_its_change(void **state)
{
    struct domain *domain = *state;
    set_rate(domain, 1000, 1);
    issue_all(domain, 1, 50);
    set_rate(domain, 1000, 0);
    domain_fire(domain);
    assert_int_equal(status(domain)->admitted, 50);
    set_rate(domain, 1000, 2);
    issue_all(domain, 51, 60);
    pass(domain, 1000);
    assert_in_range(status(domain)->admitted, 52, 53);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(with_a_place_free_and_nobody_ahead_the_issue_admits),
        TEST(the_line_is_served_in_the_order_of_numbers),
        TEST(who_comes_while_others_wait_goes_to_the_end),
        TEST(who_left_the_line_is_passed_over),
        TEST(many_who_left_are_passed_over_at_once),
        TEST(many_places_that_come_free_are_given_in_several_turns),
        TEST(nobody_is_admitted_in_a_room_that_is_paused),
        TEST(a_lower_limit_sends_nobody_away),
        TEST(one_a_second_is_one_a_second),
        TEST(a_rate_bounds_every_second),
        TEST(a_high_rate_is_not_one_timer_for_each),
        TEST(credit_is_not_saved_up_while_nobody_waits),
        TEST(a_new_rate_counts_from_its_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
