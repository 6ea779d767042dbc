#include "wallet_fixture.h"

enum { RESERVATION = 71 };

static void a_debit_is_a_use_for_its_reservation(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 100);
    struct told told = debit(domain, RESERVATION, 1, 60);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.reply_kind, REPLY_WALLET_ENTRY);
    assert_int_equal(domain->reply.wallet_entry.amount, 60);
    assert_int_equal(domain->reply.wallet_entry.balance, 40);
    uint64_t transaction = domain->reply.wallet_entry.transaction;
    transactions(domain, USER, 0, 1);
    assert_int_equal(domain->reply.transactions.items.items[0].transaction, transaction);
    assert_int_equal(domain->reply.transactions.items.items[0].type, TRANSACTION_USE);
    assert_int_equal(domain->reply.transactions.items.items[0].reservation, RESERVATION);
}

static void a_debit_sent_again_takes_nothing_and_gets_the_same_answer(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 100);
    debit(domain, RESERVATION, 1, 60);
    struct wallet_entry first = domain->reply.wallet_entry;
    charge(domain, USER, 1000);
    domain_forget(domain);
    struct told told = debit(domain, RESERVATION, 1, 60);
    assert_int_equal(told.event_count, 0);
    assert_memory_equal(&domain->reply.wallet_entry, &first, sizeof first);
    assert_int_equal(balance(domain, USER), 1040);
}

static void a_refusal_stands_for_its_attempt_whatever_was_charged_since(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 10);
    struct told told = debit(domain, RESERVATION, 1, 60);
    assert_int_equal(told.outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(told.reply_kind, REPLY_SHORTAGE);
    assert_int_equal(told.event_count, 1);
    assert_int_equal(domain->reply.shortage.required, 60);
    assert_int_equal(domain->reply.shortage.balance, 10);
    charge(domain, USER, 100);
    told = debit(domain, RESERVATION, 1, 60);
    assert_int_equal(told.outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.shortage.balance, 10);
    assert_int_equal(balance(domain, USER), 110);
}

static void the_next_attempt_is_judged_anew(void **state)
{
    struct domain *domain = *state;
    debit(domain, RESERVATION, 1, 60);
    charge(domain, USER, 100);
    assert_int_equal(debit(domain, RESERVATION, 2, 60).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), 40);
}

static void an_earlier_attempt_has_no_effect_and_no_verdict(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 200);
    debit(domain, RESERVATION, 2, 60);
    struct told told = debit(domain, RESERVATION, 1, 60);
    assert_int_equal(told.outcome, OUTCOME_RESERVATION_STATE);
    assert_int_equal(told.reply_kind, REPLY_NONE);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(balance(domain, USER), 140);
}

static void a_refund_gives_back_once(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 100);
    debit(domain, RESERVATION, 1, 60);
    struct told told = refund(domain, RESERVATION, 2, 60);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.wallet_entry.balance, 100);
    struct wallet_entry first = domain->reply.wallet_entry;
    assert_int_equal(refund(domain, RESERVATION, 2, 60).event_count, 0);
    assert_memory_equal(&domain->reply.wallet_entry, &first, sizeof first);
    assert_int_equal(refund(domain, RESERVATION, 1, 60).event_count, 0);
    assert_int_equal(balance(domain, USER), 100);
    transactions(domain, USER, 0, 1);
    assert_int_equal(domain->reply.transactions.items.items[0].type, TRANSACTION_REFUND);
    assert_int_equal(domain->reply.transactions.items.items[0].reservation, RESERVATION);
}

static void a_refund_may_exceed_the_balance_limit(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 60);
    debit(domain, RESERVATION, 1, 60);
    for (uint64_t i = 0; i < BALANCE_MAX / AMOUNT_MAX; i++)
        charge(domain, USER, AMOUNT_MAX);
    assert_int_equal(refund(domain, RESERVATION, 2, 60).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), BALANCE_MAX + 60);
    assert_int_equal(charge(domain, USER, 1).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(use(domain, USER, 1).outcome, OUTCOME_OK);
}

static void verdicts_outlive_the_saga(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 60);
    debit(domain, RESERVATION, 1, 60);
    uint64_t transaction = domain->reply.wallet_entry.transaction;
    domain->now_ms += UINT64_C(1000) * 24 * 3600 * 1000;
    charge(domain, USER, 60);
    domain_forget(domain);
    struct told told = debit(domain, RESERVATION, 1, 60);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.wallet_entry.transaction, transaction);
    assert_int_equal(balance(domain, USER), 60);
}

static void reservations_do_not_disturb_each_other(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 100);
    assert_int_equal(debit(domain, RESERVATION, 1, 60).outcome, OUTCOME_OK);
    assert_int_equal(debit(domain, RESERVATION + 64, 1, 60).outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(debit(domain, RESERVATION + 128, 1, 40).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_debit_is_a_use_for_its_reservation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_debit_sent_again_takes_nothing_and_gets_the_same_answer,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_stands_for_its_attempt_whatever_was_charged_since,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_next_attempt_is_judged_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_earlier_attempt_has_no_effect_and_no_verdict, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_refund_gives_back_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refund_may_exceed_the_balance_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(verdicts_outlive_the_saga, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reservations_do_not_disturb_each_other, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
