#include "queue_fixture.h"

static void a_room_that_was_never_changed_follows_the_command_line(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(status(domain)->active_limit, PLACES);
    assert_int_equal(status(domain)->own, 0);
    issue_all(domain, 1, 5);
    domain_forget(domain);
    domain->config.active_limit = 4; /* a restart with other options */
    assert_int_equal(status(domain)->active_limit, 4);
    domain->timers->at_ms = 1; /* timers of rooms go off when a worker starts */
    domain_fire(domain);
    assert_int_equal(status(domain)->admitted, 4);
}

static void what_was_changed_wins_over_the_command_line_and_the_rest_follows_it(void **state)
{
    struct domain *domain = *state;
    struct room_change settings = {.own = ROOM_ACTIVE_LIMIT, .active_limit = 3};
    assert_int_equal(change(domain, settings).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.room_status.active_limit, 3);
    assert_int_equal(domain->reply.room_status.claim_ttl_s, CLAIM_MS / 1000);
    assert_int_equal(domain->reply.room_status.own, ROOM_ACTIVE_LIMIT);
    domain_forget(domain);
    domain->config.active_limit = 99;
    domain->config.claim_ttl_s = 7;
    assert_int_equal(status(domain)->active_limit, 3);
    assert_int_equal(status(domain)->claim_ttl_s, 7);
    settings = (struct room_change){.own = ROOM_CLAIM_TTL, .claim_ttl_s = 5};
    change(domain, settings);
    assert_int_equal(domain->reply.room_status.own, ROOM_ACTIVE_LIMIT | ROOM_CLAIM_TTL);
    assert_int_equal(domain->reply.room_status.active_limit, 3);
}

static void times_that_are_changed_hold_for_those_admitted_afterwards(void **state)
{
    struct domain *domain = *state;
    issue(domain, 1);
    change(domain, (struct room_change){.own = ROOM_SESSION_TTL | ROOM_CLAIM_TTL,
                                        .session_ttl_s = 20,
                                        .claim_ttl_s = 20});
    issue(domain, 2);
    assert_int_equal(domain->reply.ticket.until_ms, domain->now_ms + 20000);
    issue(domain, 1);
    assert_int_equal(domain->reply.ticket.until_ms, domain->now_ms + SESSION_MS);
}

/* Somebody who asked just before may come back half of the old claim time later. */
static void a_shorter_claim_time_spares_those_who_were_told_when_to_come(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 3);
    change(domain, (struct room_change){.own = ROOM_ACTIVE_LIMIT | ROOM_CLAIM_TTL,
                                        .active_limit = 3,
                                        .claim_ttl_s = 1});
    domain_fire(domain);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    pass(domain, CLAIM_MS / 2 + 499);
    assert_int_equal(state_of(domain, 3), TICKET_ADMITTED);
    pass(domain, 1);
    assert_int_equal(state_of(domain, 3), TICKET_EXPIRED);
    pass(domain, CLAIM_MS);
    issue(domain, 4);
    pass(domain, 1000);
    assert_int_equal(state_of(domain, 4), TICKET_EXPIRED);
}

static void values_outside_their_bounds_are_refused(void **state)
{
    static const struct room_change wrong[] = {
        {.own = ROOM_ACTIVE_LIMIT, .active_limit = 0},
        {.own = ROOM_ACTIVE_LIMIT, .active_limit = ACTIVE_LIMIT_MAX + 1},
        {.own = ROOM_ADMIT_RATE, .admit_per_second = ADMIT_RATE_MAX + 1},
        {.own = ROOM_PAUSED, .paused = 2},
        {.own = ROOM_SESSION_TTL, .session_ttl_s = 0},
        {.own = ROOM_SESSION_TTL, .session_ttl_s = ROOM_TTL_MAX_S + 1},
        {.own = ROOM_CLAIM_TTL, .claim_ttl_s = 0},
        {.own = ROOM_CLAIM_TTL, .claim_ttl_s = ROOM_TTL_MAX_S + 1},
    };
    struct domain *domain = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(change(domain, wrong[i]).outcome, OUTCOME_INVALID_FIELD);
    assert_null(domain->journal);
}

static void the_first_change_makes_a_room_of_its_own(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(change(domain, (struct room_change){.room = 5}).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.room_status.active_limit, PLACES);
    assert_int_equal(issue_in(domain, 5, 1).outcome, OUTCOME_OK);
    issue(domain, 1);
    issue(domain, 2);
    assert_int_equal(status_in(domain, 5)->admitted, 1);
    assert_int_equal(status_in(domain, 0)->admitted, 2);
    assert_int_equal(change(domain, (struct room_change){.room = 5}).event_count, 0);
}

static void the_number_of_rooms_is_bounded(void **state)
{
    struct domain *domain = *state;
    for (uint64_t room = 1; room < ROOMS_MAX; room++)
        assert_int_equal(change(domain, (struct room_change){.room = room * 7}).outcome,
                         OUTCOME_OK);
    assert_int_equal(change(domain, (struct room_change){.room = 1}).outcome, OUTCOME_STORAGE_FULL);
    assert_int_equal(change(domain, (struct room_change){.room = 7}).outcome, OUTCOME_OK);
    assert_int_equal(change(domain, (struct room_change){.room = 0}).outcome, OUTCOME_OK);
}

/* Public versions of each ticket, whatever was switched on and off between its events. */
static void a_quiet_queue_begins_a_tickets_versions_with_its_end(void **state)
{
    static const struct {
        bool quiet_issue, quiet_admit;
        uint64_t versions[3]; /* issued, admitted, expired */
    } cases[] = {{false, false, {1, 2, 3}},
                 {true, true, {0, 0, 1}},
                 {false, true, {1, 0, 2}},
                 {true, false, {0, 1, 2}}};
    struct domain *domain = *state;
    uint64_t holder = 1, holder_number = 1; /* of a place that is given up in each case */
    issue_all(domain, 1, PLACES);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t user = PLACES + 1 + i, seen = 0, id = 0;
        domain->config.quiet_queue = cases[i].quiet_issue;
        issue(domain, user);
        uint64_t number = domain->reply.ticket.number;
        domain->config.quiet_queue = cases[i].quiet_admit;
        leave(domain, holder, holder_number);
        domain_fire(domain);
        leave(domain, user, number);
        for (const struct domain_event *event = domain->journal; event != NULL;
             event = event->next) {
            union event body;
            assert_true(event_decode(event->event_kind, &body, event->payload, event->size));
            if (event->event_kind == EVENT_TICKET_ISSUED && body.ticket_issued.user == user)
                id = event->aggregate;
            if (id != 0 && event->aggregate == id && event->event_kind != EVENT_TICKET_CLAIMED)
                assert_int_equal(event->aggregate_version, cases[i].versions[seen++]);
        }
        assert_int_equal(seen, 3);
        holder = 1000 + i;
        issue(domain, holder);
        holder_number = domain->reply.ticket.number;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_room_that_was_never_changed_follows_the_command_line),
        TEST(what_was_changed_wins_over_the_command_line_and_the_rest_follows_it),
        TEST(times_that_are_changed_hold_for_those_admitted_afterwards),
        TEST(a_shorter_claim_time_spares_those_who_were_told_when_to_come),
        TEST(values_outside_their_bounds_are_refused),
        TEST(the_first_change_makes_a_room_of_its_own),
        TEST(the_number_of_rooms_is_bounded),
        TEST(a_quiet_queue_begins_a_tickets_versions_with_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
