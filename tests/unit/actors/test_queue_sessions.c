#include "queue_fixture.h"

static void an_unclaimed_place_goes_to_the_next(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 4);
    claim(domain, 1, 1);
    pass(domain, CLAIM_MS - 1);
    assert_int_equal(state_of(domain, 2), TICKET_ADMITTED);
    domain_forget(domain);
    pass(domain, 1);
    assert_int_equal(state_of(domain, 1), TICKET_CLAIMED);
    assert_int_equal(state_of(domain, 2), TICKET_EXPIRED);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 4), TICKET_WAITING);
    assert_int_equal(status(domain)->expired, 1);
}

static void a_session_ends_and_its_place_goes_to_the_next(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 3);
    claim(domain, 1, 1);
    claim(domain, 2, 2);
    pass(domain, SESSION_MS - 1);
    assert_int_equal(status(domain)->admitted, 2);
    assert_int_equal(state_of(domain, 3), TICKET_WAITING);
    pass(domain, 1);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
    assert_int_equal(state_of(domain, 2), TICKET_EXPIRED);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
}

static void a_claim_counts_once(void **state)
{
    struct domain *domain = *state;
    issue(domain, 1);
    assert_int_equal(claim(domain, 1, 1).event_count, 1);
    assert_int_equal(claim(domain, 1, 1).event_count, 0);
    purchased(domain, 1, 1);
    assert_int_equal(claim(domain, 1, 1).event_count, 0);
    issue_all(domain, 2, 4);
    assert_int_equal(claim(domain, 4, 4).event_count, 0); /* it waits */
    assert_int_equal(claim(domain, 9, 99).event_count, 0);
}

static void leaving_gives_up_the_place_and_a_repeat_changes_nothing(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 4);
    claim(domain, 1, 1);
    for (unsigned i = 0; i < 2; i++) {
        struct told told = leave(domain, 1, 1);
        assert_int_equal(told.outcome, OUTCOME_OK);
        assert_int_equal(told.event_count, i == 0);
        assert_int_equal(leave(domain, 4, 4).event_count, i == 0);
    }
    domain_fire(domain);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 4), TICKET_EXPIRED);
    issue(domain, 1);
    assert_int_equal(domain->reply.ticket.number, 5);
    assert_int_equal(domain->reply.ticket.is_new, 1);
    assert_int_equal(leave(domain, 1, 1).event_count, 0); /* the old ticket: not the new one */
    assert_int_equal(state_of(domain, 5), TICKET_WAITING);
}

static void a_purchase_ends_the_session_once(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct told told = purchased(domain, 1, 1);
        assert_int_equal(told.outcome, OUTCOME_OK);
        assert_int_equal(told.event_count, i == 0);
    }
    assert_int_equal(state_of(domain, 1), TICKET_DONE);
    assert_int_equal(status(domain)->done, 1);
    domain_fire(domain);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    issue(domain, 1); /* who wants to buy more waits again */
    assert_int_equal(domain->reply.ticket.number, 4);
}

static void a_purchase_after_the_session_still_makes_the_ticket_done(void **state)
{
    struct domain *domain = *state;
    issue(domain, 1);
    claim(domain, 1, 1);
    pass(domain, SESSION_MS);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
    issue(domain, 1);
    purchased(domain, 1, 1);
    assert_int_equal(state_of(domain, 1), TICKET_DONE);
    assert_int_equal(state_of(domain, 2), TICKET_ADMITTED);
    assert_int_equal(status(domain)->done, 1);
    assert_int_equal(status(domain)->expired, 0);
    assert_int_equal(status(domain)->admitted, 1);
}

static void an_unknown_purchase_is_acknowledged(void **state)
{
    struct domain *domain = *state;
    union request request = {.purchased = {77, 1, 1, 640}};
    assert_int_equal(domain_request(domain, REQUEST_PURCHASED, &request).outcome, OUTCOME_OK);
    assert_int_equal(purchased(domain, 1, 1).outcome, OUTCOME_OK);
    assert_null(domain->journal);
}

static void a_session_never_outlasts_its_token(void **state)
{
    struct domain *domain = *state;
    change(domain, (struct room_change){.own = ROOM_PAUSED, .paused = 1});
    issue(domain, 1);
    domain->now_ms += TICKET_TTL_MS - CLAIM_MS / 2;
    change(domain, (struct room_change){.own = ROOM_PAUSED, .paused = 0});
    domain_fire(domain);
    issue(domain, 1);
    assert_int_equal(domain->reply.ticket.state, TICKET_ADMITTED);
    assert_int_equal(domain->reply.ticket.until_ms, domain->now_ms + CLAIM_MS / 2);
    pass(domain, CLAIM_MS / 2);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
}

static void a_session_that_is_over_makes_way_for_a_new_ticket_at_once(void **state)
{
    struct domain *domain = *state;
    issue(domain, 1);
    claim(domain, 1, 1);
    domain->now_ms += SESSION_MS; /* and the timer has not gone off yet */
    issue(domain, 1);
    assert_int_equal(domain->reply.ticket.number, 2);
    assert_int_equal(domain->reply.ticket.state, TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
}

static void sessions_end_in_the_order_of_time_whatever_was_claimed(void **state)
{
    struct domain *domain = *state;
    change(domain, (struct room_change){.own = ROOM_ACTIVE_LIMIT, .active_limit = 1000});
    for (uint64_t user = 1; user <= 200; user++) {
        issue(domain, user);
        if (user % 2 == 0)
            claim(domain, user, user);
        if (user % 50 == 0)
            domain_forget(domain);
        domain->now_ms += 10;
    }
    domain_fire(domain);
    assert_int_equal(status(domain)->admitted, 200);
    pass(domain, CLAIM_MS - 10); /* the last one was admitted 10 ms ago */
    assert_int_equal(status(domain)->admitted, 100);
    for (uint64_t user = 1; user < 200; user += 2)
        assert_int_equal(state_of(domain, user), TICKET_EXPIRED);
    pass(domain, SESSION_MS - CLAIM_MS - 1000);
    assert_int_equal(status(domain)->admitted, 50);
    assert_int_equal(state_of(domain, 100), TICKET_EXPIRED);
    assert_int_equal(state_of(domain, 102), TICKET_CLAIMED);
}

/* ---- claims in shared memory ---- */

static bool claimed_already(void *context, uint64_t room, uint64_t number)
{
    assert_int_equal(room, 0);
    return number != *(const uint64_t *)context; /* false: a front has claimed it */
}

static void a_claim_that_a_front_has_marked_wins_over_the_claim_time(void **state)
{
    struct domain *domain = *state;
    uint64_t claimed = 1;
    struct claim_gate gate = {&claimed, claimed_already};
    domain->claim_gate = &gate;
    issue_all(domain, 1, 3);
    pass(domain, CLAIM_MS);
    assert_int_equal(state_of(domain, 1), TICKET_CLAIMED);
    assert_int_equal(state_of(domain, 2), TICKET_EXPIRED);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    pass(domain, SESSION_MS - CLAIM_MS);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
}

/* ---- after a restart of everything ---- */

static void claim_times_start_afresh_with_the_server(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 3);
    claim(domain, 1, 1);
    domain->now_ms += CLAIM_MS * 3; /* nobody could claim meanwhile */
    domain_forget(domain);
    domain->started_at_ms = domain->now_ms - 1000;
    domain_fire(domain);
    assert_int_equal(state_of(domain, 2), TICKET_ADMITTED);
    pass(domain, CLAIM_MS - 1001);
    assert_int_equal(state_of(domain, 2), TICKET_ADMITTED);
    pass(domain, 1);
    assert_int_equal(state_of(domain, 2), TICKET_EXPIRED);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    assert_int_equal(state_of(domain, 1), TICKET_CLAIMED);
    pass(domain, CLAIM_MS); /* admitted by this start: no extension */
    assert_int_equal(state_of(domain, 3), TICKET_EXPIRED);
}

static void a_fresh_claim_time_never_outlasts_the_session(void **state)
{
    struct domain *domain = *state;
    issue(domain, 1);
    domain->now_ms += SESSION_MS - 1;
    domain->started_at_ms = domain->now_ms;
    domain_fire(domain);
    assert_int_equal(state_of(domain, 1), TICKET_ADMITTED);
    pass(domain, 1);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(an_unclaimed_place_goes_to_the_next),
        TEST(a_session_ends_and_its_place_goes_to_the_next),
        TEST(a_claim_counts_once),
        TEST(leaving_gives_up_the_place_and_a_repeat_changes_nothing),
        TEST(a_purchase_ends_the_session_once),
        TEST(a_purchase_after_the_session_still_makes_the_ticket_done),
        TEST(an_unknown_purchase_is_acknowledged),
        TEST(a_session_never_outlasts_its_token),
        TEST(a_session_that_is_over_makes_way_for_a_new_ticket_at_once),
        TEST(sessions_end_in_the_order_of_time_whatever_was_claimed),
        TEST(a_claim_that_a_front_has_marked_wins_over_the_claim_time),
        TEST(claim_times_start_afresh_with_the_server),
        TEST(a_fresh_claim_time_never_outlasts_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
