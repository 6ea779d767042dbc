#include "child.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* The process table, and the states of a child. */

static void test_every_role_but_the_supervisor_has_one_line(void **state)
{
    (void)state;
    assert_int_equal(process_table_count, ROLE_COUNT - 1);
    assert_null(process_table_find(ROLE_SUPERVISOR));
    for (enum role role = ROLE_SUPERVISOR + 1; role < ROLE_COUNT; role++) {
        const struct child_spec *spec = process_table_find(role);
        assert_non_null(spec);
        assert_string_equal(spec->entry, role_text(role));
        assert_true(spec->start_phase < START_PHASE_COUNT);
        assert_true(spec->stop_phase < STOP_PHASE_COUNT);
        assert_true(spec->shutdown_ms > 0);
    }
}

static void test_instances_come_from_the_config(void **state)
{
    (void)state;
    static struct config config;
    config_init(&config);
    config.fronts = 3;
    config.seat_workers = 5;
    config.wallet_workers = 7;
    assert_int_equal(process_table_find(ROLE_FRONT)->instances(&config), 3);
    assert_int_equal(process_table_find(ROLE_SEAT)->instances(&config), 5);
    assert_int_equal(process_table_find(ROLE_WALLET)->instances(&config), 7);
    assert_int_equal(process_table_find(ROLE_QUEUE)->instances(&config), 1);
    assert_int_equal(process_table_find(ROLE_RELAY)->instances(&config), 1);
}

static void test_fronts_start_last_and_stop_first(void **state)
{
    (void)state;
    const struct child_spec *front = process_table_find(ROLE_FRONT);
    for (unsigned i = 0; i < process_table_count; i++) {
        if (process_table[i].role == ROLE_FRONT)
            continue;
        assert_true(process_table[i].start_phase < front->start_phase);
        assert_true(process_table[i].stop_phase > front->stop_phase);
    }
}

static void test_the_graceful_stop_takes_at_most_10_s(void **state)
{
    (void)state;
    uint64_t phases_ms[STOP_PHASE_COUNT] = {0}, total_ms = 0;
    for (unsigned i = 0; i < process_table_count; i++)
        if (process_table[i].shutdown_ms > phases_ms[process_table[i].stop_phase])
            phases_ms[process_table[i].stop_phase] = process_table[i].shutdown_ms;
    for (unsigned i = 0; i < STOP_PHASE_COUNT; i++)
        total_ms += phases_ms[i];
    assert_true(process_table_find(ROLE_FRONT)->shutdown_ms >= 5000);
    assert_true(total_ms < 10000); /* what `docker stop` waits */
}

static void test_only_fronts_listen(void **state)
{
    (void)state;
    for (unsigned i = 0; i < process_table_count; i++)
        assert_int_equal(process_table[i].listens, process_table[i].role == ROLE_FRONT);
}

static void follow(enum process_state from, enum child_event event, enum process_state to)
{
    enum process_state next = PROCESS_READ_ONLY;
    assert_true(child_next(from, event, &next));
    assert_int_equal(next, to);
}

static void refuse(enum process_state from, enum child_event event)
{
    enum process_state next = PROCESS_READ_ONLY;
    assert_false(child_next(from, event, &next));
    assert_int_equal(next, from);
}

static void test_a_child_that_dies_is_started_again(void **state)
{
    (void)state;
    follow(PROCESS_STOPPED, CHILD_START, PROCESS_STARTING);
    follow(PROCESS_STARTING, CHILD_READY, PROCESS_READY);
    follow(PROCESS_READY, CHILD_EXIT, PROCESS_BACKOFF);
    follow(PROCESS_BACKOFF, CHILD_START, PROCESS_STARTING);
    follow(PROCESS_STARTING, CHILD_EXIT, PROCESS_BACKOFF);
}

static void test_a_child_that_was_asked_to_stop_stays_stopped(void **state)
{
    (void)state;
    follow(PROCESS_READY, CHILD_STOP, PROCESS_STOPPING);
    follow(PROCESS_STARTING, CHILD_STOP, PROCESS_STOPPING);
    follow(PROCESS_STOPPING, CHILD_EXIT, PROCESS_STOPPED);
    follow(PROCESS_BACKOFF, CHILD_STOP, PROCESS_STOPPED);
    refuse(PROCESS_STOPPING, CHILD_START);
    refuse(PROCESS_STOPPING, CHILD_READY);
}

static void test_a_parked_child_is_probed_and_can_be_stopped(void **state)
{
    (void)state;
    follow(PROCESS_READY, CHILD_PARK, PROCESS_PARKED);
    follow(PROCESS_STARTING, CHILD_PARK, PROCESS_PARKED);
    follow(PROCESS_PARKED, CHILD_START, PROCESS_STARTING);
    follow(PROCESS_PARKED, CHILD_STOP, PROCESS_STOPPED);
    refuse(PROCESS_STOPPING, CHILD_PARK);
    refuse(PROCESS_PARKED, CHILD_READY);
}

static void test_events_that_mean_nothing_change_nothing(void **state)
{
    (void)state;
    refuse(PROCESS_STOPPED, CHILD_EXIT);
    refuse(PROCESS_STOPPED, CHILD_READY);
    refuse(PROCESS_STOPPED, CHILD_STOP);
    refuse(PROCESS_READY, CHILD_START);
    refuse(PROCESS_STARTING, CHILD_START);
    refuse(PROCESS_READY, CHILD_READY);
    refuse(PROCESS_BACKOFF, CHILD_EXIT);
    refuse((enum process_state)99, CHILD_START);
    refuse(PROCESS_READY, (enum child_event)99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_role_but_the_supervisor_has_one_line),
        cmocka_unit_test(test_instances_come_from_the_config),
        cmocka_unit_test(test_fronts_start_last_and_stop_first),
        cmocka_unit_test(test_the_graceful_stop_takes_at_most_10_s),
        cmocka_unit_test(test_only_fronts_listen),
        cmocka_unit_test(test_a_child_that_dies_is_started_again),
        cmocka_unit_test(test_a_child_that_was_asked_to_stop_stays_stopped),
        cmocka_unit_test(test_a_parked_child_is_probed_and_can_be_stopped),
        cmocka_unit_test(test_events_that_mean_nothing_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
