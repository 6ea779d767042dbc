#include "seat_fixture.h"

static void a_cancel_gives_the_points_back_before_the_seat_is_on_sale(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold(domain, USER, 7);
    struct told told = cancel(domain, reservation, USER);
    assert_true(told.deferred);
    assert_int_equal(told.wait_key, reservation);
    assert_int_equal(told.wait_attempt, 2);
    const struct domain_obligation *refund = owed(domain, REQUEST_REFUND);
    assert_non_null(refund);
    assert_int_equal(refund->request.refund.user, USER);
    assert_int_equal(refund->request.refund.reservation, reservation);
    assert_int_equal(refund->request.refund.attempt, 2);
    assert_int_equal(refund->request.refund.amount, 70);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CANCELLING);
    assert_int_equal(seat_state(domain, 7), SEAT_RESERVED);
    assert_int_equal(hold(domain, OTHER, 7).outcome, OUTCOME_SEAT_TAKEN);
    told = give_back(domain, 12, 1070);
    assert_true(told.answers_waiters);
    assert_int_equal(told.wait_key, reservation);
    assert_int_equal(told.reply_kind, REPLY_CANCELLED);
    assert_int_equal(domain->reply.cancelled.reservation, reservation);
    assert_int_equal(domain->reply.cancelled.refunded, 70);
    assert_int_equal(domain->reply.cancelled.balance, 1070);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CANCELLED);
    assert_int_equal(hold(domain, OTHER, 7).outcome, OUTCOME_OK);
}

static void a_repeated_cancel_gets_the_same_and_frees_no_seat_again(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold(domain, USER, 7);
    cancel(domain, reservation, USER);
    struct told told = cancel(domain, reservation, USER); /* joins */
    assert_true(told.deferred);
    assert_int_equal(told.event_count, 0);
    give_back(domain, 12, 1070);
    struct cancelled first = domain->reply.cancelled;
    uint64_t next = held(domain, OTHER, 7);
    domain_forget(domain);
    told = cancel(domain, reservation, USER);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 0);
    assert_memory_equal(&domain->reply.cancelled, &first, sizeof first);
    assert_int_equal(state_of(domain, next), RESERVATION_HELD);
    assert_null(owed(domain, REQUEST_REFUND));
}

static void only_what_is_paid_is_cancelled(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    assert_int_equal(cancel(domain, reservation, USER).outcome, OUTCOME_RESERVATION_STATE);
    confirm(domain, reservation, USER);
    assert_int_equal(cancel(domain, reservation, USER).outcome, OUTCOME_RESERVATION_STATE);
    refuse(domain, 0);
    release(domain, reservation, USER);
    assert_int_equal(cancel(domain, reservation, USER).outcome, OUTCOME_RESERVATION_STATE);
    assert_int_equal(cancel(domain, reservation + 64, USER).outcome, OUTCOME_NOT_FOUND);
}

static void what_is_cancelled_is_not_confirmed(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold(domain, USER, 1);
    cancel(domain, reservation, USER);
    assert_int_equal(confirm(domain, reservation, USER).outcome, OUTCOME_RESERVATION_STATE);
    give_back(domain, 1, 1);
    assert_int_equal(confirm(domain, reservation, USER).outcome, OUTCOME_RESERVATION_STATE);
}

static void a_cancel_under_way_does_not_expire(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold(domain, USER, 1);
    cancel(domain, reservation, USER);
    domain->now_ms += 100 * TTL_MS;
    assert_int_equal(domain_fire(domain), 0);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CANCELLING);
}

static void what_is_no_verdict_keeps_the_refund_owed(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold(domain, USER, 1);
    cancel(domain, reservation, USER);
    struct told told =
        domain_answer(domain, owed(domain, REQUEST_REFUND), OUTCOME_UNAVAILABLE, REPLY_NONE, NULL);
    assert_int_equal(told.event_count, 0);
    assert_non_null(owed(domain, REQUEST_REFUND));
    assert_int_equal(give_back(domain, 1, 1).outcome, OUTCOME_OK);
    assert_null(domain->obligations);
}

static void a_resumed_cancel_waits_or_learns_the_end(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = sold(domain, USER, 1);
    union request request = {.cancel = {reservation, USER}};
    cancel(domain, reservation, USER);
    assert_true(domain_resume(domain, REQUEST_CANCEL, &request, 2).deferred);
    give_back(domain, 1, 500);
    struct told told = domain_resume(domain, REQUEST_CANCEL, &request, 2);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.cancelled.balance, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_cancel_gives_the_points_back_before_the_seat_is_on_sale),
        TEST(a_repeated_cancel_gets_the_same_and_frees_no_seat_again),
        TEST(only_what_is_paid_is_cancelled),
        TEST(what_is_cancelled_is_not_confirmed),
        TEST(a_cancel_under_way_does_not_expire),
        TEST(what_is_no_verdict_keeps_the_refund_owed),
        TEST(a_resumed_cancel_waits_or_learns_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
