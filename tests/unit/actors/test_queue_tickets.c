#include "unit.h"
#include "domain.h"
#include "queue.h"

static int set_up(void **state)
{
    *state = domain_create(&queue_behaviour);
    return 0;
}

static int tear_down(void **state)
{
    bool replays = domain_replays(*state);
    domain_destroy(*state);
    return replays ? 0 : -1;
}

static struct told issue(struct domain *domain, uint64_t room, uint64_t user)
{
    union request request = {.token_issue = {room, user}};
    return domain_request(domain, REQUEST_TOKEN_ISSUE, &request);
}

static void tickets_of_a_room_are_numbered_from_one(void **state)
{
    struct domain *domain = *state;
    const struct ticket *ticket = &domain->reply.ticket;
    for (uint64_t i = 1; i <= 5; i++) {
        struct told told = issue(domain, 0, 100 + i);
        assert_int_equal(told.outcome, OUTCOME_OK);
        assert_int_equal(told.reply_kind, REPLY_TICKET);
        assert_int_equal(ticket->room, 0);
        assert_int_equal(ticket->user, 100 + i);
        assert_int_equal(ticket->number, i);
        assert_int_equal(ticket->issued_at_ms, domain->now_ms);
        assert_int_equal(ticket->is_new, 1);
        domain_forget(domain);
    }
    issue(domain, 9, 100);
    assert_int_equal(ticket->room, 9);
    assert_int_equal(ticket->number, 1);
}

static void a_user_has_one_live_ticket_in_a_room(void **state)
{
    struct domain *domain = *state;
    issue(domain, 0, 7);
    struct ticket first = domain->reply.ticket;
    domain->now_ms += TICKET_TTL_MS - 1;
    domain_forget(domain);
    struct told told = issue(domain, 0, 7);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.ticket.is_new, 0);
    assert_int_equal(domain->reply.ticket.number, first.number);
    assert_int_equal(domain->reply.ticket.issued_at_ms, first.issued_at_ms);
    assert_int_equal(issue(domain, 1, 7).event_count, 1);
}

static void after_a_day_there_is_a_new_ticket_with_a_new_number(void **state)
{
    struct domain *domain = *state;
    issue(domain, 0, 7);
    issue(domain, 0, 8);
    domain->now_ms += TICKET_TTL_MS;
    assert_int_equal(issue(domain, 0, 7).event_count, 1);
    assert_int_equal(domain->reply.ticket.number, 3);
    assert_int_equal(domain->reply.ticket.is_new, 1);
    assert_int_equal(domain->reply.ticket.issued_at_ms, domain->now_ms);
}

static void ids_that_no_user_has_are_refused(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(issue(domain, 0, 0).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(issue(domain, 0, ID_MAX + 1).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(issue(domain, ID_MAX + 1, 1).outcome, OUTCOME_NOT_FOUND);
    assert_int_equal(domain->rows.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(tickets_of_a_room_are_numbered_from_one),
        TEST(a_user_has_one_live_ticket_in_a_room),
        TEST(after_a_day_there_is_a_new_ticket_with_a_new_number),
        TEST(ids_that_no_user_has_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
