#include "liveness.h"
#include "unit.h"

/* Heartbeat and progress, in the supervisor's own time. */

static const struct process_look running = {'R', false};

static uint64_t silent_after(struct liveness_sample sample, unsigned ticks, unsigned life_step,
                             unsigned consumed_step)
{
    struct liveness liveness;
    liveness_begin(&liveness, &sample, 0);
    for (uint64_t tick = 1; tick <= ticks; tick++) {
        sample.life += life_step;
        sample.consumed += consumed_step;
        liveness_note(&liveness, &sample, tick * 100);
    }
    return liveness_silent_ms(&liveness, ticks * 100);
}

static void test_heartbeats_without_work_are_life(void **state)
{
    (void)state;
    assert_int_equal(silent_after((struct liveness_sample){5, 7, false}, 600, 1, 0), 0);
}

static void test_no_heartbeat_is_silence(void **state)
{
    (void)state;
    assert_int_equal(silent_after((struct liveness_sample){5, 7, false}, 29, 0, 0), 2900);
    assert_int_equal(silent_after((struct liveness_sample){5, 7, true}, 29, 0, 1), 2900);
}

static void test_a_beat_without_progress_is_silence_when_something_waits(void **state)
{
    (void)state;
    assert_int_equal(silent_after((struct liveness_sample){5, 7, true}, 40, 1, 0), 4000);
    assert_int_equal(silent_after((struct liveness_sample){5, 7, true}, 40, 1, 3), 0);
}

static void test_what_waits_only_now_has_waited_for_nothing(void **state)
{
    (void)state;
    struct liveness_sample sample = {1, 1, false};
    struct liveness liveness;
    liveness_begin(&liveness, &sample, 0);
    sample.life++;
    liveness_note(&liveness, &sample, 60000);
    sample.life++;
    sample.waiting = true;
    liveness_note(&liveness, &sample, 60100);
    assert_int_equal(liveness_silent_ms(&liveness, 60100), 100);
}

static void test_numbers_that_jump_back_are_signs_of_life_too(void **state)
{
    (void)state;
    struct liveness_sample sample = {1000, 1000, true};
    struct liveness liveness;
    liveness_begin(&liveness, &sample, 0);
    sample = (struct liveness_sample){3, 3, true};
    liveness_note(&liveness, &sample, 5000);
    assert_int_equal(liveness_silent_ms(&liveness, 5000), 0);
}

static void test_the_deadline(void **state)
{
    (void)state;
    assert_false(liveness_is_missed(LIVENESS_DEADLINE_MS - 1, &running));
    assert_true(liveness_is_missed(LIVENESS_DEADLINE_MS, &running));
}

static void test_who_waits_for_a_disk_has_longer(void **state)
{
    (void)state;
    struct process_look disk = {'D', false};
    assert_false(liveness_is_missed(LIVENESS_DEADLINE_MS, &disk));
    assert_true(liveness_is_missed(LIVENESS_STORAGE_MS, &disk));
}

static void test_who_is_under_a_debugger_is_left_alone(void **state)
{
    (void)state;
    struct process_look debugged = {'t', true};
    assert_false(liveness_is_missed(3600 * 1000, &debugged));
}

static void test_what_proc_says(void **state)
{
    (void)state;
    struct process_look look;
    process_look_parse(&look, "Name:\twallet-0\nUmask:\t0022\nState:\tT (stopped)\nTgid:\t5\n"
                              "TracerPid:\t0\nUid:\t0\n");
    assert_int_equal(look.state, 'T');
    assert_false(look.traced);
    process_look_parse(&look, "Name:\tState:\tD\nState:\tt (tracing stop)\nTracerPid:\t77\n");
    assert_int_equal(look.state, 't');
    assert_true(look.traced);
    process_look_parse(&look, "");
    assert_int_equal(look.state, '?');
    assert_false(look.traced);
}

static void test_own_time_goes_with_the_clock(void **state)
{
    (void)state;
    struct own_clock clock = {0};
    assert_int_equal(own_clock_now_ms(&clock, 1000000), 0);
    assert_int_equal(own_clock_now_ms(&clock, 1000100), 100);
    assert_int_equal(own_clock_now_ms(&clock, 1000100), 100);
    assert_int_equal(own_clock_now_ms(&clock, 1000230), 230);
}

static void test_a_machine_that_was_stopped_for_an_hour_has_missed_no_deadline(void **state)
{
    (void)state;
    struct own_clock clock = {0};
    struct liveness_sample sample = {1, 1, true};
    struct liveness liveness;
    uint64_t monotonic_ms = 1000;
    liveness_begin(&liveness, &sample, own_clock_now_ms(&clock, monotonic_ms));
    for (unsigned hour = 0; hour < 5; hour++) {
        monotonic_ms += 3600 * 1000;
        uint64_t own_ms = own_clock_now_ms(&clock, monotonic_ms);
        liveness_note(&liveness, &sample, own_ms); /* the worker has not run yet */
        assert_true(liveness_silent_ms(&liveness, own_ms) < LIVENESS_DEADLINE_MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heartbeats_without_work_are_life),
        cmocka_unit_test(test_no_heartbeat_is_silence),
        cmocka_unit_test(test_a_beat_without_progress_is_silence_when_something_waits),
        cmocka_unit_test(test_what_waits_only_now_has_waited_for_nothing),
        cmocka_unit_test(test_numbers_that_jump_back_are_signs_of_life_too),
        cmocka_unit_test(test_the_deadline),
        cmocka_unit_test(test_who_waits_for_a_disk_has_longer),
        cmocka_unit_test(test_who_is_under_a_debugger_is_left_alone),
        cmocka_unit_test(test_what_proc_says),
        cmocka_unit_test(test_own_time_goes_with_the_clock),
        cmocka_unit_test(test_a_machine_that_was_stopped_for_an_hour_has_missed_no_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
