#include "seat_fixture.h"

static void a_confirm_owes_a_debit_and_waits(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    struct told told = confirm(domain, reservation, USER);
    assert_true(told.deferred);
    assert_false(told.replied);
    assert_int_equal(told.wait_key, reservation);
    assert_int_equal(told.wait_attempt, 1);
    assert_int_equal(told.event_count, 1);
    const struct domain_obligation *debit = owed(domain, REQUEST_DEBIT);
    assert_non_null(debit);
    assert_int_equal(debit->actor, SCHEDULE);
    assert_int_equal(debit->request.debit.user, USER);
    assert_int_equal(debit->request.debit.reservation, reservation);
    assert_int_equal(debit->request.debit.attempt, 1);
    assert_int_equal(debit->request.debit.amount, 100);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CONFIRMING);
    assert_int_equal(seat_state(domain, 1), SEAT_TEMP_RESERVED);
}

static void a_payment_sells_the_seat_and_answers_all_who_wait(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    struct told told = pay(domain, 4711, 900);
    assert_true(told.answers_waiters);
    assert_int_equal(told.wait_key, reservation);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.reply_kind, REPLY_CONFIRMED);
    struct confirmed first = domain->reply.confirmed;
    assert_int_equal(first.reservation, reservation);
    assert_int_equal(first.payment, 4711);
    assert_int_equal(first.paid, 100);
    assert_int_equal(first.balance, 900);
    assert_int_equal(seat_state(domain, 1), SEAT_RESERVED);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CONFIRMED);
    /* A repeat gets the same, and nothing more is owed for it. */
    domain_forget(domain);
    told = confirm(domain, reservation, USER);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 0);
    assert_memory_equal(&domain->reply.confirmed, &first, sizeof first);
    assert_null(owed(domain, REQUEST_DEBIT));
}

static void whoever_asks_may_confirm_for_load_tests(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    assert_true(confirm(domain, reservation, 0).deferred);
    assert_int_equal(owed(domain, REQUEST_DEBIT)->request.debit.user, USER);
}

static void a_second_confirm_joins_the_first(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    struct told told = confirm(domain, reservation, USER);
    assert_true(told.deferred);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(told.wait_key, reservation);
    assert_int_equal(told.wait_attempt, 1);
    assert_int_equal(domain->opened, 1);
}

static void what_is_being_paid_does_not_expire(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    domain->now_ms += 10 * TTL_MS;
    domain_fire(domain);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CONFIRMING);
    assert_int_equal(hold(domain, OTHER, 1).outcome, OUTCOME_SEAT_TAKEN);
    assert_int_equal(pay(domain, 1, 1).outcome, OUTCOME_OK);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CONFIRMED);
}

static void not_enough_points_keep_the_seat_for_the_grace(void **state)
{
    struct domain *domain = *state;
    uint64_t first_expiry = domain->now_ms + TTL_MS;
    uint64_t reservation = held(domain, USER, 1);
    domain->now_ms = first_expiry - 1;
    confirm(domain, reservation, USER);
    struct told told = refuse(domain, 40);
    assert_true(told.answers_waiters);
    assert_int_equal(told.wait_key, reservation);
    assert_int_equal(told.outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(told.reply_kind, REPLY_SHORTAGE);
    assert_int_equal(domain->reply.shortage.required, 100);
    assert_int_equal(domain->reply.shortage.balance, 40);
    assert_int_equal(domain->reply.shortage.hold_expires_at_ms, first_expiry - 1 + GRACE_MS);
    assert_int_equal(state_of(domain, reservation), RESERVATION_HELD);
    assert_int_equal(domain->reply.reservation.expires_at_ms, first_expiry - 1 + GRACE_MS);
    assert_int_equal(timer_ms(domain), first_expiry - 1 + GRACE_MS);
    assert_int_equal(seat_state(domain, 1), SEAT_TEMP_RESERVED);
}

static void a_failed_payment_early_on_does_not_shorten_the_hold(void **state)
{
    struct domain *domain = *state;
    uint64_t first_expiry = domain->now_ms + TTL_MS;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    refuse(domain, 0);
    assert_int_equal(domain->reply.shortage.hold_expires_at_ms, first_expiry);
    assert_int_equal(timer_ms(domain), first_expiry);
}

static void failed_payments_never_extend_a_hold_beyond_the_first_expiry_and_grace(void **state)
{
    struct domain *domain = *state;
    uint64_t latest = domain->now_ms + TTL_MS + GRACE_MS;
    uint64_t reservation = held(domain, USER, 1);
    for (domain->now_ms += TTL_MS - 1; domain->now_ms < latest; domain->now_ms += 50 * 1000) {
        assert_true(confirm(domain, reservation, USER).deferred);
        refuse(domain, 0);
        assert_in_range(domain->reply.shortage.hold_expires_at_ms, domain->now_ms, latest);
    }
    domain->now_ms = latest - 1;
    assert_true(confirm(domain, reservation, USER).deferred);
    refuse(domain, 0);
    domain->now_ms = latest;
    assert_int_equal(confirm(domain, reservation, USER).outcome, OUTCOME_HOLD_EXPIRED);
    domain_fire(domain);
    assert_int_equal(state_of(domain, reservation), RESERVATION_EXPIRED);
}

static void after_a_charge_the_next_attempt_pays(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    refuse(domain, 0);
    struct told told = confirm(domain, reservation, USER);
    assert_int_equal(told.wait_attempt, 2);
    assert_int_equal(owed(domain, REQUEST_DEBIT)->request.debit.attempt, 2);
    assert_int_equal(pay(domain, 9, 9).reply_kind, REPLY_CONFIRMED);
}

static void an_answer_to_an_earlier_attempt_changes_nothing(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    struct domain_obligation first = *owed(domain, REQUEST_DEBIT);
    refuse(domain, 0);
    union reply reply = {.wallet_entry = {1, USER, 100, 0}};
    struct told told = domain_answer(domain, &first, OUTCOME_OK, REPLY_WALLET_ENTRY, &reply);
    assert_int_equal(told.event_count, 0);
    assert_false(told.answers_waiters);
    confirm(domain, reservation, USER);
    told = domain_answer(domain, &first, OUTCOME_OK, REPLY_WALLET_ENTRY, &reply);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(state_of(domain, reservation), RESERVATION_CONFIRMING);
    refuse(domain, 0);
    assert_int_equal(state_of(domain, reservation), RESERVATION_HELD);
}

static void what_is_no_verdict_keeps_the_debit_owed(void **state)
{
    struct domain *domain = *state;
    static const enum outcome outcomes[] = {OUTCOME_UNAVAILABLE,   OUTCOME_OVERLOADED,
                                            OUTCOME_STORAGE_FULL,  OUTCOME_INTERNAL,
                                            OUTCOME_DEAD_LETTERED, OUTCOME_RESERVATION_STATE};
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
        struct told told =
            domain_answer(domain, owed(domain, REQUEST_DEBIT), outcomes[i], REPLY_NONE, NULL);
        assert_int_equal(told.event_count, 0);
        assert_false(told.answers_waiters);
    }
    assert_non_null(owed(domain, REQUEST_DEBIT));
    assert_int_equal(pay(domain, 1, 1).outcome, OUTCOME_OK);
}

static void nothing_is_owed_after_the_end_of_an_attempt(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    refuse(domain, 0);
    assert_null(domain->obligations);
    confirm(domain, reservation, USER);
    assert_int_equal(owed(domain, REQUEST_DEBIT)->request.debit.attempt, 2);
    pay(domain, 1, 1);
    assert_null(domain->obligations);
}

/* ---- decided again, because the worker died while the request waited ---- */

static void a_resumed_confirm_goes_on_waiting(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    domain_forget(domain);
    struct told told = confirm_resumed(domain, reservation, USER, 1);
    assert_true(told.deferred);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(told.wait_attempt, 1);
}

static void a_resumed_confirm_whose_attempt_failed_learns_that(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    refuse(domain, 40);
    struct shortage answer = domain->reply.shortage;
    struct told told = confirm_resumed(domain, reservation, USER, 1);
    assert_int_equal(told.outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(told.event_count, 0);
    assert_memory_equal(&domain->reply.shortage, &answer, sizeof answer);
    confirm(domain, reservation, USER);
    told = confirm_resumed(domain, reservation, USER, 1);
    assert_int_equal(told.outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(domain->reply.shortage.balance, 40);
    refuse(domain, 50);
    release(domain, reservation, USER);
    assert_int_equal(confirm_resumed(domain, reservation, USER, 2).outcome,
                     OUTCOME_INSUFFICIENT_POINTS);
}

static void a_resumed_confirm_whose_attempt_was_paid_learns_that(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    pay(domain, 5, 6);
    struct confirmed answer = domain->reply.confirmed;
    assert_int_equal(confirm_resumed(domain, reservation, USER, 1).outcome, OUTCOME_OK);
    assert_memory_equal(&domain->reply.confirmed, &answer, sizeof answer);
    cancel(domain, reservation, USER);
    assert_int_equal(confirm_resumed(domain, reservation, USER, 1).outcome, OUTCOME_OK);
    give_back(domain, 7, 106);
    assert_int_equal(confirm_resumed(domain, reservation, USER, 1).outcome, OUTCOME_OK);
    assert_memory_equal(&domain->reply.confirmed, &answer, sizeof answer);
    assert_int_equal(confirm(domain, reservation, USER).outcome, OUTCOME_RESERVATION_STATE);
}

static void a_resumed_confirm_whose_attempt_was_never_committed_begins_it(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    struct told told = confirm_resumed(domain, reservation, USER, 1);
    assert_true(told.deferred);
    assert_int_equal(told.event_count, 1);
    refuse(domain, 0);
    told = confirm_resumed(domain, reservation, USER, 2);
    assert_true(told.deferred);
    assert_int_equal(told.wait_attempt, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_confirm_owes_a_debit_and_waits),
        TEST(a_payment_sells_the_seat_and_answers_all_who_wait),
        TEST(whoever_asks_may_confirm_for_load_tests),
        TEST(a_second_confirm_joins_the_first),
        TEST(what_is_being_paid_does_not_expire),
        TEST(not_enough_points_keep_the_seat_for_the_grace),
        TEST(a_failed_payment_early_on_does_not_shorten_the_hold),
        TEST(failed_payments_never_extend_a_hold_beyond_the_first_expiry_and_grace),
        TEST(after_a_charge_the_next_attempt_pays),
        TEST(an_answer_to_an_earlier_attempt_changes_nothing),
        TEST(what_is_no_verdict_keeps_the_debit_owed),
        TEST(nothing_is_owed_after_the_end_of_an_attempt),
        TEST(a_resumed_confirm_goes_on_waiting),
        TEST(a_resumed_confirm_whose_attempt_failed_learns_that),
        TEST(a_resumed_confirm_whose_attempt_was_paid_learns_that),
        TEST(a_resumed_confirm_whose_attempt_was_never_committed_begins_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
