#include "wallet_fixture.h"
#include <stdio.h>

static bool count_row(void *context, const struct row_key *key, struct row_bytes value)
{
    (void)key;
    (void)value;
    ++*(size_t *)context;
    return true;
}

static size_t rows_with_tag(struct domain *domain, char tag)
{
    size_t count = 0;
    struct row_key prefix = row_key_of('w', USER);
    row_key_add_tag(&prefix, tag);
    domain->view.scan(domain->view.context, &prefix, NULL, false, count_row, &count);
    return count;
}

static void the_same_key_gets_the_first_answer(void **state)
{
    struct domain *domain = *state;
    charge_with_key(domain, USER, 100, "k", 1);
    struct wallet_entry first = domain->reply.wallet_entry;
    charge(domain, USER, 1);
    struct told told = charge_with_key(domain, USER, 100, "k", 1);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 0);
    assert_memory_equal(&domain->reply.wallet_entry, &first, sizeof first);
    domain_forget(domain);
    charge_with_key(domain, USER, 100, "k", 1);
    assert_memory_equal(&domain->reply.wallet_entry, &first, sizeof first);
    assert_int_equal(balance(domain, USER), 101);
}

static void the_same_key_with_another_body_is_refused(void **state)
{
    struct domain *domain = *state;
    charge_with_key(domain, USER, 100, "k", 1);
    assert_int_equal(charge_with_key(domain, USER, 200, "k", 2).outcome,
                     OUTCOME_IDEMPOTENCY_KEY_REUSED);
    assert_int_equal(balance(domain, USER), 100);
}

static void charges_uses_and_users_have_keys_of_their_own(void **state)
{
    struct domain *domain = *state;
    charge_with_key(domain, USER, 100, "k", 1);
    assert_int_equal(use_with_key(domain, USER, 30, "k", 2).outcome, OUTCOME_OK);
    assert_int_equal(charge_with_key(domain, USER + 1, 40, "k", 3).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), 70);
    assert_int_equal(balance(domain, USER + 1), 40);
    assert_int_equal(use_with_key(domain, USER, 30, "k", 2).event_count, 0);
    assert_int_equal(balance(domain, USER), 70);
}

static void after_a_refusal_the_key_is_free(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(use_with_key(domain, USER, 30, "k", 1).outcome, OUTCOME_INSUFFICIENT_POINTS);
    assert_int_equal(charge_with_key(domain, USER, 0, "k", 2).outcome, OUTCOME_AMOUNT_OUT_OF_RANGE);
    charge(domain, USER, 50);
    assert_int_equal(use_with_key(domain, USER, 30, "k", 1).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), 20);
    assert_int_equal(charge_with_key(domain, USER, 1, "k", 9).outcome, OUTCOME_OK);
}

static void a_key_lasts_a_day(void **state)
{
    struct domain *domain = *state;
    charge_with_key(domain, USER, 100, "k", 1);
    domain->now_ms += IDEMPOTENCY_TTL_MS - 1;
    assert_int_equal(charge_with_key(domain, USER, 100, "k", 1).event_count, 0);
    domain->now_ms += 1;
    assert_int_equal(charge_with_key(domain, USER, 70, "k", 2).outcome, OUTCOME_OK);
    assert_int_equal(balance(domain, USER), 170);
    assert_int_equal(rows_with_tag(domain, 'i'), 1);
    assert_int_equal(rows_with_tag(domain, 'e'), 1);
}

static void later_events_drop_expired_keys_two_at_a_time(void **state)
{
    struct domain *domain = *state;
    for (uint64_t i = 0; i < 5; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", (int)i);
        charge_with_key(domain, USER, 1, key, i);
        domain->now_ms++;
    }
    assert_int_equal(rows_with_tag(domain, 'i'), 5);
    domain->now_ms += IDEMPOTENCY_TTL_MS - 2; /* four have expired */
    charge(domain, USER, 1);
    assert_int_equal(rows_with_tag(domain, 'i'), 3);
    domain_forget(domain);
    use(domain, USER, 1);
    assert_int_equal(rows_with_tag(domain, 'i'), 1);
    assert_int_equal(rows_with_tag(domain, 'e'), 1);
    charge(domain, USER, 1);
    assert_int_equal(rows_with_tag(domain, 'i'), 1);
    assert_int_equal(charge_with_key(domain, USER, 1, "k4", 4).event_count, 0);
}

/* It is not among the two that the charge drops, so its row is replaced. */
static void an_expired_key_is_used_anew(void **state)
{
    struct domain *domain = *state;
    charge_with_key(domain, USER, 1, "a", 1);
    charge_with_key(domain, USER, 1, "b", 1);
    domain->now_ms++;
    charge_with_key(domain, USER, 1, "c", 1);
    domain->now_ms += IDEMPOTENCY_TTL_MS;
    assert_int_equal(charge_with_key(domain, USER, 5, "c", 2).outcome, OUTCOME_OK);
    assert_int_equal(rows_with_tag(domain, 'i'), 1);
    assert_int_equal(rows_with_tag(domain, 'e'), 1);
    assert_int_equal(charge_with_key(domain, USER, 5, "c", 2).event_count, 0);
    assert_int_equal(balance(domain, USER), 8);
}

static void a_user_has_a_bounded_number_of_live_keys(void **state)
{
    struct domain *domain = *state;
    char key[16];
    for (uint64_t i = 0; i < IDEMPOTENCY_KEYS_PER_USER_MAX; i++) {
        snprintf(key, sizeof key, "k%d", (int)i);
        assert_int_equal(charge_with_key(domain, USER, 1, key, i).outcome, OUTCOME_OK);
    }
    assert_int_equal(charge_with_key(domain, USER, 1, "more", 1).outcome, OUTCOME_RATE_LIMITED);
    assert_int_equal(use_with_key(domain, USER, 1, "more", 1).outcome, OUTCOME_RATE_LIMITED);
    assert_int_equal(charge_with_key(domain, USER, 1, "k0", 0).outcome, OUTCOME_OK);
    assert_int_equal(charge(domain, USER, 1).outcome, OUTCOME_OK);
    assert_int_equal(charge_with_key(domain, USER + 1, 1, "more", 1).outcome, OUTCOME_OK);
    domain->now_ms += IDEMPOTENCY_TTL_MS;
    assert_int_equal(charge_with_key(domain, USER, 1, "more", 1).outcome, OUTCOME_OK);
    assert_int_equal(rows_with_tag(domain, 'i'), IDEMPOTENCY_KEYS_PER_USER_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_key_gets_the_first_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_key_with_another_body_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(charges_uses_and_users_have_keys_of_their_own, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(after_a_refusal_the_key_is_free, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_lasts_a_day, set_up, tear_down),
        cmocka_unit_test_setup_teardown(later_events_drop_expired_keys_two_at_a_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_expired_key_is_used_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_user_has_a_bounded_number_of_live_keys, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
