#include "restart.h"
#include "unit.h"

/* When what has failed is tried again, and when it is parked. */

enum { START_MS = 5000000 };

static void test_first_fault_is_restarted_at_once(void **state)
{
    (void)state;
    struct restart_record record = {0};
    assert_int_equal(restart_after_fault(&record, START_MS, 1000, 7), 0);
    assert_false(record.parked);
}

static void test_faults_in_a_row_back_off_from_100_ms_to_30_s(void **state)
{
    (void)state;
    struct restart_record record = {0};
    uint64_t expected_ms = 100;
    restart_after_fault(&record, START_MS, 0, 0);
    for (int i = 0; i < 40; i++) {
        struct restart_record copy = record;
        uint64_t span_ms = 2 * expected_ms * RESTART_JITTER_PERCENT / 100;
        uint64_t low_ms = restart_after_fault(&record, START_MS, 0, 0);
        uint64_t high_ms = restart_after_fault(&copy, START_MS, 0, (uint32_t)span_ms);
        assert_int_equal(low_ms, expected_ms - span_ms / 2);
        assert_int_equal(high_ms, expected_ms + span_ms / 2);
        expected_ms = expected_ms * 2 > 30000 ? 30000 : expected_ms * 2;
    }
}

static void test_jitter_stays_within_its_bounds(void **state)
{
    (void)state;
    for (uint32_t random = 0; random < 10000; random += 13) {
        struct restart_record record = {.faults = 1};
        assert_in_range(restart_after_fault(&record, START_MS, 0, random), 80, 120);
    }
}

/* The n-th of faults that are gap_ms apart, from 1; 0: never within 1000. */
static unsigned parked_at(uint64_t gap_ms)
{
    struct restart_record record = {0};
    for (unsigned n = 1; n <= 1000; n++) {
        restart_after_fault(&record, START_MS + n * gap_ms, 0, 0);
        if (record.parked)
            return n;
    }
    return 0;
}

static void test_the_sixth_fault_in_30_s_parks(void **state)
{
    (void)state;
    assert_int_equal(parked_at(0), 6);
    assert_int_equal(parked_at(1000), 6);
    assert_int_equal(parked_at(RESTART_PERIOD_MS / 5), 6);     /* first and sixth are 30 s apart */
    assert_int_equal(parked_at(RESTART_PERIOD_MS / 5 + 1), 0); /* never six within 30 s */
}

static void test_faults_further_apart_do_not_add_up(void **state)
{
    (void)state;
    struct restart_record record = {0};
    for (unsigned i = 0; i < 5; i++)
        restart_after_fault(&record, START_MS, 0, 0);
    for (unsigned i = 0; i < 5; i++)
        restart_after_fault(&record, START_MS + RESTART_PERIOD_MS + 1, 0, 0);
    assert_false(record.parked);
    restart_after_fault(&record, START_MS + RESTART_PERIOD_MS + 2, 0, 0);
    assert_true(record.parked);
}

static void test_a_failed_probe_leaves_it_parked_for_longer(void **state)
{
    (void)state;
    struct restart_record record = {0};
    uint64_t now_ms = START_MS, last_ms = 0;
    for (unsigned i = 0; i < 6; i++)
        last_ms = restart_after_fault(&record, now_ms, 0, 0);
    for (unsigned i = 0; i < 20; i++) {
        now_ms += last_ms + 10000; /* a probe that was well for 10 s */
        uint64_t next_ms = restart_after_fault(&record, now_ms, 10000, 0);
        assert_true(record.parked);
        assert_true(next_ms >= last_ms);
        last_ms = next_ms;
    }
    assert_int_equal(last_ms, RESTART_BACKOFF_MAX_MS * 8 / 10);
}

static void test_being_well_for_30_s_clears_the_record(void **state)
{
    (void)state;
    struct restart_record record = {0};
    for (int i = 0; i < 6; i++)
        restart_after_fault(&record, START_MS, RESTART_STABLE_MS - 1, 0);
    assert_true(record.parked);
    assert_int_equal(restart_after_fault(&record, START_MS, RESTART_STABLE_MS, 0), 0);
    assert_false(record.parked);
    assert_int_equal(record.faults, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_fault_is_restarted_at_once),
        cmocka_unit_test(test_faults_in_a_row_back_off_from_100_ms_to_30_s),
        cmocka_unit_test(test_jitter_stays_within_its_bounds),
        cmocka_unit_test(test_the_sixth_fault_in_30_s_parks),
        cmocka_unit_test(test_faults_further_apart_do_not_add_up),
        cmocka_unit_test(test_a_failed_probe_leaves_it_parked_for_longer),
        cmocka_unit_test(test_being_well_for_30_s_clears_the_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
