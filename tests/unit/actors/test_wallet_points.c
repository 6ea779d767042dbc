#include "wallet_fixture.h"

static void a_user_never_seen_has_nothing(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(balance(domain, USER), 0);
    assert_int_equal(transactions(domain, USER, 0, 50).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.transactions.items.count, 0);
    assert_int_equal(domain->reply.transactions.next, 0);
    assert_int_equal(domain->rows.count, 0);
}

static void a_charge_adds_and_a_use_takes(void **state)
{
    struct domain *domain = *state;
    struct told told = charge(domain, USER, 500);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.reply_kind, REPLY_WALLET_ENTRY);
    assert_int_equal(told.event_count, 1);
    assert_int_equal(domain->reply.wallet_entry.user, USER);
    assert_int_equal(domain->reply.wallet_entry.amount, 500);
    assert_int_equal(domain->reply.wallet_entry.balance, 500);
    assert_int_equal(use(domain, USER, 200).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.wallet_entry.amount, 200);
    assert_int_equal(domain->reply.wallet_entry.balance, 300);
    assert_int_equal(balance(domain, USER), 300);
    assert_int_equal(balance(domain, USER + 1), 0);
}

static void a_use_beyond_the_balance_says_what_is_missing(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 100);
    struct told told = use(domain, USER, 101);
    assert_int_equal(told.outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(told.reply_kind, REPLY_SHORTAGE);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.shortage.required, 101);
    assert_int_equal(domain->reply.shortage.balance, 100);
    assert_int_equal(domain->reply.shortage.hold_expires_at_ms, 0);
    assert_int_equal(use(domain, USER, 100).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), 0);
}

static void amounts_are_bounded(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(charge(domain, USER, 0).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(charge(domain, USER, AMOUNT_MAX + 1).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(charge(domain, USER, UINT64_MAX).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(use(domain, USER, 0).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(use(domain, USER, AMOUNT_MAX + 1).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(domain->sequence, 0);
    assert_int_equal(charge(domain, USER, AMOUNT_MAX).outcome, OUTCOME_OK);
    assert_int_equal(charge(domain, USER, 1).outcome, OUTCOME_OK);
}

static void a_balance_ends_at_its_limit(void **state)
{
    struct domain *domain = *state;
    for (uint64_t i = 0; i < BALANCE_MAX / AMOUNT_MAX; i++)
        assert_int_equal(charge(domain, USER, AMOUNT_MAX).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), BALANCE_MAX);
    assert_int_equal(charge(domain, USER, 1).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(use(domain, USER, 1).outcome, OUTCOME_OK);
    assert_int_equal(charge(domain, USER, 2).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    assert_int_equal(charge(domain, USER, 1).outcome, OUTCOME_OK);
}

static void ids_that_no_user_has_are_not_found(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(charge(domain, 0, 1).outcome, OUTCOME_NOT_FOUND);
    assert_int_equal(charge(domain, ID_MAX + 1, 1).outcome, OUTCOME_NOT_FOUND);
    assert_int_equal(charge(domain, ID_MAX, 1).outcome, OUTCOME_OK);
}

static void transactions_come_newest_first_in_pages(void **state)
{
    struct domain *domain = *state;
    for (uint64_t i = 1; i <= 5; i++) {
        domain->now_ms += 10;
        charge(domain, USER, i * 100);
        charge(domain, USER + 1, 1); /* a neighbour's do not show */
    }
    use(domain, USER, 50);
    const struct transactions *page = &domain->reply.transactions;
    assert_int_equal(transactions(domain, USER, 0, 4).outcome, OUTCOME_OK);
    assert_int_equal(page->items.count, 4);
    assert_int_equal(page->items.items[0].type, TRANSACTION_USE);
    assert_int_equal(page->items.items[0].amount, 50);
    assert_int_equal(page->items.items[0].balance, 1450);
    assert_int_equal(page->items.items[0].at_ms, domain->now_ms);
    assert_int_equal(page->items.items[0].reservation, 0);
    assert_int_equal(page->items.items[1].amount, 500);
    assert_int_equal(page->items.items[3].amount, 300);
    assert_int_equal(page->next, page->items.items[3].transaction);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(page->items.items[i].transaction % PARTITION_COUNT, USER);
    transactions(domain, USER, page->next, 4);
    assert_int_equal(page->items.count, 2);
    assert_int_equal(page->items.items[0].amount, 200);
    assert_int_equal(page->items.items[1].amount, 100);
    assert_int_equal(page->next, 0);
}

static void a_page_that_ends_with_the_last_one_has_no_next(void **state)
{
    struct domain *domain = *state;
    for (int i = 0; i < 3; i++)
        charge(domain, USER, 1);
    transactions(domain, USER, 0, 3);
    assert_int_equal(domain->reply.transactions.items.count, 3);
    assert_int_equal(domain->reply.transactions.next, 0);
}

static void a_page_is_never_longer_than_the_list_limit(void **state)
{
    struct domain *domain = *state;
    for (int i = 0; i < LIST_MAX + 1; i++)
        charge(domain, USER, 1);
    transactions(domain, USER, 0, UINT64_MAX);
    assert_int_equal(domain->reply.transactions.items.count, LIST_MAX);
    assert_int_not_equal(domain->reply.transactions.next, 0);
}

static void public_events_of_a_user_are_numbered_without_gaps(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 10);
    use(domain, USER, 11);
    charge(domain, USER + 1, 10);
    use(domain, USER, 1);
    debit(domain, 100, 1, 5);
    debit(domain, 100, 1, 5);
    debit(domain, 164, 1, 50);
    uint64_t version = 0;
    for (const struct domain_event *event = domain->journal; event != NULL; event = event->next)
        if (event->aggregate == USER && event->aggregate_version != VERSION_INTERNAL)
            assert_int_equal(event->aggregate_version, ++version);
    assert_int_equal(version, 3); /* charged, used, debited; not refused */
}

static void a_wallet_is_the_same_after_it_was_forgotten(void **state)
{
    struct domain *domain = *state;
    charge(domain, USER, 10);
    domain_forget(domain);
    assert_int_equal(balance(domain, USER), 10);
    use(domain, USER, 4);
    domain_forget(domain);
    assert_int_equal(balance(domain, USER), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_user_never_seen_has_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_charge_adds_and_a_use_takes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_use_beyond_the_balance_says_what_is_missing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(amounts_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_balance_ends_at_its_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_that_no_user_has_are_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(transactions_come_newest_first_in_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_that_ends_with_the_last_one_has_no_next, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_page_is_never_longer_than_the_list_limit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(public_events_of_a_user_are_numbered_without_gaps, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_wallet_is_the_same_after_it_was_forgotten, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
