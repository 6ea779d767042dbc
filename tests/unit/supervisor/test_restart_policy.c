#include "restart.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* When a dead child is started again, and what it died of. */

static void test_first_fault_is_restarted_at_once(void **state)
{
    (void)state;
    struct restart_record record = {0};
    assert_int_equal(restart_delay_ms(&record, EXIT_CAUSE_CRASH, 1000, 7), 0);
    assert_int_equal(record.count[EXIT_CAUSE_CRASH], 1);
}

static void test_faults_in_a_row_back_off_from_100_ms_to_30_s(void **state)
{
    (void)state;
    struct restart_record record = {0};
    uint64_t expected_ms = 100;
    restart_delay_ms(&record, EXIT_CAUSE_CODE, 0, 0);
    for (int i = 0; i < 40; i++) {
        struct restart_record copy = record;
        uint64_t span_ms = 2 * expected_ms * RESTART_JITTER_PERCENT / 100;
        uint64_t low_ms = restart_delay_ms(&record, EXIT_CAUSE_CODE, 0, 0);
        uint64_t high_ms = restart_delay_ms(&copy, EXIT_CAUSE_CODE, 0, (uint32_t)span_ms);
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
        uint64_t delay_ms = restart_delay_ms(&record, EXIT_CAUSE_CRASH, 0, random);
        assert_in_range(delay_ms, 80, 120);
    }
}

static void test_a_kill_from_outside_is_restarted_at_once_and_counts_towards_nothing(void **state)
{
    (void)state;
    struct restart_record record = {0};
    for (int i = 0; i < 100; i++)
        assert_int_equal(restart_delay_ms(&record, EXIT_CAUSE_KILLED, 10, 5), 0);
    assert_int_equal(record.faults, 0);
    assert_int_equal(record.count[EXIT_CAUSE_KILLED], 100);
    assert_int_equal(restart_delay_ms(&record, EXIT_CAUSE_CRASH, 10, 5), 0);
}

static void test_a_kill_between_faults_does_not_clear_the_record(void **state)
{
    (void)state;
    struct restart_record record = {0};
    restart_delay_ms(&record, EXIT_CAUSE_CRASH, 0, 0);
    assert_int_equal(restart_delay_ms(&record, EXIT_CAUSE_KILLED, 10, 0), 0);
    assert_true(restart_delay_ms(&record, EXIT_CAUSE_CRASH, 0, 0) >= 80);
}

static void test_being_ready_for_30_s_clears_the_record(void **state)
{
    (void)state;
    struct restart_record record = {0};
    for (int i = 0; i < 5; i++)
        restart_delay_ms(&record, EXIT_CAUSE_CRASH, RESTART_STABLE_MS - 1, 0);
    assert_int_equal(record.faults, 5);
    assert_int_equal(restart_delay_ms(&record, EXIT_CAUSE_CRASH, RESTART_STABLE_MS, 0), 0);
    assert_int_equal(record.faults, 1);
}

static void test_causes(void **state)
{
    (void)state;
    static const struct {
        struct child_exit end;
        enum exit_cause cause;
    } cases[] = {
        {{.code = 0, .asked = true}, EXIT_CAUSE_STOPPED},
        {{.signal = SIGKILL, .asked = true}, EXIT_CAUSE_STOPPED},
        {{.signal = SIGKILL}, EXIT_CAUSE_KILLED},
        {{.signal = SIGTERM}, EXIT_CAUSE_KILLED},
        {{.signal = SIGKILL, .never_ready = true}, EXIT_CAUSE_NEVER_READY},
        {{.signal = SIGABRT, .never_ready = true}, EXIT_CAUSE_NEVER_READY},
        {{.signal = SIGSEGV}, EXIT_CAUSE_CRASH},
        {{.signal = SIGABRT}, EXIT_CAUSE_CRASH},
        {{.code = 0}, EXIT_CAUSE_CODE}, /* nobody asked it to */
        {{.code = 74}, EXIT_CAUSE_CODE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(restart_classify(&cases[i].end), cases[i].cause);
}

static void test_every_cause_has_a_name(void **state)
{
    (void)state;
    for (int cause = 0; cause < EXIT_CAUSE_COUNT; cause++)
        assert_true(strlen(exit_cause_text((enum exit_cause)cause)) > 0);
    assert_string_equal(exit_cause_text(EXIT_CAUSE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_fault_is_restarted_at_once),
        cmocka_unit_test(test_faults_in_a_row_back_off_from_100_ms_to_30_s),
        cmocka_unit_test(test_jitter_stays_within_its_bounds),
        cmocka_unit_test(test_a_kill_from_outside_is_restarted_at_once_and_counts_towards_nothing),
        cmocka_unit_test(test_a_kill_between_faults_does_not_clear_the_record),
        cmocka_unit_test(test_being_ready_for_30_s_clears_the_record),
        cmocka_unit_test(test_causes),
        cmocka_unit_test(test_every_cause_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
