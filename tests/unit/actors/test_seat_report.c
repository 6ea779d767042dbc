#include "seat_fixture.h"

/* A sale is reported to the waiting room of the ticket that admitted its buyer. */

enum { ROOM = 9, TICKET = 31 };

static uint64_t held_by_ticket(struct domain *domain, uint64_t ticket)
{
    union request request = hold_request(USER, 1, (uint64_t[]){1});
    request.hold.room = ROOM;
    request.hold.ticket = ticket;
    assert_int_equal(domain_request(domain, REQUEST_HOLD, &request).outcome, OUTCOME_OK);
    return domain->reply.reservation.reservation;
}

static uint64_t sold_to_ticket(struct domain *domain, uint64_t ticket)
{
    uint64_t reservation = held_by_ticket(domain, ticket);
    assert_true(confirm(domain, reservation, USER).deferred);
    assert_null(owed(domain, REQUEST_PURCHASED));
    pay(domain, 640, 1000);
    return reservation;
}

static struct told acknowledge(struct domain *domain, enum outcome outcome)
{
    return domain_answer(domain, owed(domain, REQUEST_PURCHASED), outcome, REPLY_NONE, NULL);
}

static void a_sale_is_owed_to_its_waiting_room(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold_to_ticket(domain, TICKET);
    domain_forget(domain);
    const struct domain_obligation *report = owed(domain, REQUEST_PURCHASED);
    assert_non_null(report);
    assert_int_equal(report->request.purchased.room, ROOM);
    assert_int_equal(report->request.purchased.user, USER);
    assert_int_equal(report->request.purchased.number, TICKET);
    assert_int_equal(report->request.purchased.reservation, reservation);
}

static void it_is_owed_until_it_is_acknowledged(void **state)
{
    struct domain *domain = *state;
    sold_to_ticket(domain, TICKET);
    assert_int_equal(acknowledge(domain, OUTCOME_UNAVAILABLE).event_count, 0);
    assert_int_equal(acknowledge(domain, OUTCOME_STORAGE_FULL).event_count, 0);
    const struct domain_obligation open = *owed(domain, REQUEST_PURCHASED);
    assert_int_equal(acknowledge(domain, OUTCOME_OK).event_count, 1);
    assert_null(domain->obligations);
    assert_int_equal(domain_answer(domain, &open, OUTCOME_OK, REPLY_NONE, NULL).event_count, 0);
}

static void a_hold_without_a_ticket_is_reported_to_nobody(void **state)
{
    struct domain *domain = *state;
    sold_to_ticket(domain, 0);
    assert_null(domain->obligations);
}

static void a_payment_that_failed_is_not_reported(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held_by_ticket(domain, TICKET);
    confirm(domain, reservation, USER);
    refuse(domain, 1);
    assert_null(domain->obligations);
}

static void a_sale_can_be_cancelled_before_it_is_acknowledged(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold_to_ticket(domain, TICKET);
    assert_true(cancel(domain, reservation, USER).deferred);
    assert_int_equal(acknowledge(domain, OUTCOME_OK).event_count, 1);
    give_back(domain, 641, 1100);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CANCELLED);
    assert_null(domain->obligations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_sale_is_owed_to_its_waiting_room),
        TEST(it_is_owed_until_it_is_acknowledged),
        TEST(a_hold_without_a_ticket_is_reported_to_nobody),
        TEST(a_payment_that_failed_is_not_reported),
        TEST(a_sale_can_be_cancelled_before_it_is_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
