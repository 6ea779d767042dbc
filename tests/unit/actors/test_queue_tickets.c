#include "queue_fixture.h"

static void tickets_of_a_room_are_numbered_from_one(void **state)
{
    struct domain *domain = *state;
    const struct ticket *ticket = &domain->reply.ticket;
    for (uint64_t i = 1; i <= 5; i++) {
        struct told told = issue_in(domain, 0, 100 + i);
        assert_int_equal(told.outcome, OUTCOME_OK);
        assert_int_equal(told.reply_kind, REPLY_TICKET);
        assert_int_equal(ticket->room, 0);
        assert_int_equal(ticket->user, 100 + i);
        assert_int_equal(ticket->number, i);
        assert_int_equal(ticket->issued_at_ms, domain->now_ms);
        assert_int_equal(ticket->is_new, 1);
        domain_forget(domain);
    }
    change(domain, (struct room_change){.room = 9});
    issue_in(domain, 9, 100);
    assert_int_equal(ticket->room, 9);
    assert_int_equal(ticket->number, 1);
}

static void a_user_has_one_live_ticket_in_a_room(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, PLACES);
    issue(domain, 7);
    struct ticket first = domain->reply.ticket;
    domain->now_ms += TICKET_TTL_MS - 1;
    domain_forget(domain);
    struct told told = issue_in(domain, 0, 7);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.ticket.is_new, 0);
    assert_int_equal(domain->reply.ticket.number, first.number);
    assert_int_equal(domain->reply.ticket.issued_at_ms, first.issued_at_ms);
    change(domain, (struct room_change){.room = 1});
    issue_in(domain, 1, 7);
    assert_int_equal(domain->reply.ticket.is_new, 1);
}

static void after_a_day_there_is_a_new_ticket_with_a_new_number(void **state)
{
    struct domain *domain = *state;
    change(domain, (struct room_change){.own = ROOM_PAUSED, .paused = 1});
    issue_all(domain, 7, 8);
    domain->now_ms += TICKET_TTL_MS;
    issue(domain, 7);
    assert_int_equal(domain->reply.ticket.number, 3);
    assert_int_equal(domain->reply.ticket.is_new, 1);
    assert_int_equal(domain->reply.ticket.issued_at_ms, domain->now_ms);
    assert_int_equal(state_of(domain, 2), TICKET_WAITING);
    domain_fire(domain); /* paused or not */
    assert_int_equal(state_of(domain, 2), TICKET_EXPIRED);
    assert_int_equal(status(domain)->waiting, 1);
}

static void tickets_that_ended_are_forgotten_with_their_tokens(void **state)
{
    struct domain *domain = *state;
    issue_all(domain, 1, 5);
    pass(domain, TICKET_TTL_MS);
    assert_int_equal(status(domain)->expired, 5);
    assert_int_equal(state_of(domain, 1), TICKET_EXPIRED);
    issue_all(domain, 11, 15);
    for (uint64_t number = 1; number <= 5; number++)
        assert_int_equal(state_of(domain, number), 0);
    assert_int_equal(status(domain)->issued, 10);
    assert_int_equal(status(domain)->expired, 5);
    union request request = {.ticket_get = {0, 1, 1}};
    domain_request(domain, REQUEST_TICKET_GET, &request);
    assert_int_equal(domain->reply.ticket.state, TICKET_EXPIRED);
    assert_int_equal(purchased(domain, 1, 1).outcome, OUTCOME_OK);
    assert_int_equal(leave(domain, 1, 1).outcome, OUTCOME_OK);
}

static void ids_that_no_user_has_are_refused(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(issue_in(domain, 0, 0).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(issue_in(domain, 0, ID_MAX + 1).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(issue_in(domain, ID_MAX + 1, 1).outcome, OUTCOME_NOT_FOUND);
    assert_int_equal(issue_in(domain, 3, 1).outcome, OUTCOME_NOT_FOUND); /* no such room */
    assert_int_equal(domain->rows.count, 0);
}

static void a_ticket_can_be_asked_for_by_its_owner_only(void **state)
{
    struct domain *domain = *state;
    issue(domain, 7);
    union request request = {.ticket_get = {0, 7, 1}};
    domain_request(domain, REQUEST_TICKET_GET, &request);
    assert_int_equal(domain->reply.ticket.state, TICKET_ADMITTED);
    assert_int_equal(domain->reply.ticket.until_ms, domain->now_ms + SESSION_MS);
    request.ticket_get.user = 8;
    domain_request(domain, REQUEST_TICKET_GET, &request);
    assert_int_equal(domain->reply.ticket.state, TICKET_EXPIRED);
    leave(domain, 8, 1);
    claim(domain, 8, 1);
    purchased(domain, 8, 1);
    assert_int_equal(state_of(domain, 1), TICKET_ADMITTED);
}

static void events_of_a_ticket_are_numbered_without_gaps(void **state)
{
    struct domain *domain = *state;
    change(domain, (struct room_change){.room = 70});
    issue_in(domain, 70, 7); /* the same number as below, in another room */
    issue_all(domain, 1, 4);
    claim(domain, 1, 1);
    pass(domain, CLAIM_MS);
    purchased(domain, 1, 1);
    pass(domain, SESSION_MS);
    purchased(domain, 3, 3);
    uint64_t versions[8] = {0}, ids[8] = {0};
    unsigned tickets = 0, published = 0;
    for (const struct domain_event *event = domain->journal; event != NULL; event = event->next) {
        if (event->aggregate_version == VERSION_INTERNAL)
            continue;
        unsigned at = 0;
        while (at < tickets && ids[at] != event->aggregate)
            at++;
        tickets += at == tickets;
        ids[at] = event->aggregate;
        assert_int_equal(event->aggregate_version, ++versions[at]);
        published++;
    }
    assert_int_equal(tickets, 5);
    assert_int_equal(published, 5 + 5 + events(domain, EVENT_TICKET_EXPIRED) +
                                    events(domain, EVENT_TICKET_DONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(tickets_of_a_room_are_numbered_from_one),
        TEST(a_user_has_one_live_ticket_in_a_room),
        TEST(after_a_day_there_is_a_new_ticket_with_a_new_number),
        TEST(tickets_that_ended_are_forgotten_with_their_tokens),
        TEST(ids_that_no_user_has_are_refused),
        TEST(a_ticket_can_be_asked_for_by_its_owner_only),
        TEST(events_of_a_ticket_are_numbered_without_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
