#include "breaker.h"
#include "unit.h"

/* Circuit breakers on a clock that the test moves. */

enum { START_MS = 1000000, NO_JITTER = BREAKER_OPEN_FIRST_MS / 5 }; /* middle of the first span */

static uint64_t now_ms;

static struct breaker fresh(void)
{
    struct breaker breaker;
    breaker_init(&breaker);
    now_ms = START_MS;
    return breaker;
}

static void call(struct breaker *breaker, bool failed, uint64_t duration_ms)
{
    uint32_t permit;
    assert_true(breaker_admit(breaker, now_ms, &permit));
    breaker_record(breaker, permit, failed, duration_ms, now_ms, NO_JITTER);
}

static void calls(struct breaker *breaker, unsigned good, unsigned bad)
{
    while (good-- > 0)
        call(breaker, false, 1);
    while (bad-- > 0)
        call(breaker, true, 1);
}

static struct breaker tripped(void)
{
    struct breaker breaker = fresh();
    calls(&breaker, 10, 10);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    return breaker;
}

static struct breaker half_open(void)
{
    uint32_t permit;
    struct breaker breaker = tripped();
    now_ms = breaker_next_probe_ms(&breaker);
    assert_true(breaker_admit(&breaker, now_ms, &permit));
    breaker_cancel(&breaker, permit);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    return breaker;
}

/* ---- the table ---- */

static void test_every_row_of_the_table(void **state)
{
    /* [from][event]; -1: means nothing there */
    static const int table[BREAKER_STATE_COUNT][BREAKER_EVENT_COUNT] = {
        [BREAKER_CLOSED] = {[BREAKER_TRIP] = BREAKER_OPEN,
                            [BREAKER_PARK] = BREAKER_OPEN,
                            [BREAKER_UNPARK] = -1,
                            [BREAKER_WAIT_OVER] = -1,
                            [BREAKER_TRIAL_WELL] = -1,
                            [BREAKER_TRIAL_BAD] = -1,
                            [BREAKER_FORCE] = BREAKER_FORCED_OPEN,
                            [BREAKER_DISABLE] = BREAKER_DISABLED,
                            [BREAKER_AUTO] = -1},
        [BREAKER_OPEN] = {[BREAKER_TRIP] = -1,
                          [BREAKER_PARK] = -1,
                          [BREAKER_UNPARK] = BREAKER_HALF_OPEN,
                          [BREAKER_WAIT_OVER] = BREAKER_HALF_OPEN,
                          [BREAKER_TRIAL_WELL] = -1,
                          [BREAKER_TRIAL_BAD] = -1,
                          [BREAKER_FORCE] = BREAKER_FORCED_OPEN,
                          [BREAKER_DISABLE] = BREAKER_DISABLED,
                          [BREAKER_AUTO] = -1},
        [BREAKER_HALF_OPEN] = {[BREAKER_TRIP] = -1,
                               [BREAKER_PARK] = BREAKER_OPEN,
                               [BREAKER_UNPARK] = -1,
                               [BREAKER_WAIT_OVER] = -1,
                               [BREAKER_TRIAL_WELL] = BREAKER_CLOSED,
                               [BREAKER_TRIAL_BAD] = BREAKER_OPEN,
                               [BREAKER_FORCE] = BREAKER_FORCED_OPEN,
                               [BREAKER_DISABLE] = BREAKER_DISABLED,
                               [BREAKER_AUTO] = -1},
        [BREAKER_FORCED_OPEN] = {[BREAKER_TRIP] = -1,
                                 [BREAKER_PARK] = -1,
                                 [BREAKER_UNPARK] = -1,
                                 [BREAKER_WAIT_OVER] = -1,
                                 [BREAKER_TRIAL_WELL] = -1,
                                 [BREAKER_TRIAL_BAD] = -1,
                                 [BREAKER_FORCE] = -1,
                                 [BREAKER_DISABLE] = BREAKER_DISABLED,
                                 [BREAKER_AUTO] = BREAKER_CLOSED},
        [BREAKER_DISABLED] = {[BREAKER_TRIP] = -1,
                              [BREAKER_PARK] = -1,
                              [BREAKER_UNPARK] = -1,
                              [BREAKER_WAIT_OVER] = -1,
                              [BREAKER_TRIAL_WELL] = -1,
                              [BREAKER_TRIAL_BAD] = -1,
                              [BREAKER_FORCE] = BREAKER_FORCED_OPEN,
                              [BREAKER_DISABLE] = -1,
                              [BREAKER_AUTO] = BREAKER_CLOSED},
    };
    (void)state;
    for (int from = 0; from < BREAKER_STATE_COUNT; from++)
        for (int event = 0; event < BREAKER_EVENT_COUNT; event++) {
            enum breaker_state next;
            bool means = breaker_next((enum breaker_state)from, (enum breaker_event)event, &next);
            assert_int_equal(means, table[from][event] >= 0);
            assert_int_equal(next, means ? table[from][event] : from);
        }
}

static void test_states_have_the_names_of_resilience4j(void **state)
{
    (void)state;
    assert_string_equal(breaker_state_text(BREAKER_CLOSED), "closed");
    assert_string_equal(breaker_state_text(BREAKER_OPEN), "open");
    assert_string_equal(breaker_state_text(BREAKER_HALF_OPEN), "half_open");
    assert_string_equal(breaker_state_text(BREAKER_FORCED_OPEN), "forced_open");
    assert_string_equal(breaker_state_text(BREAKER_DISABLED), "disabled");
    assert_string_equal(breaker_state_text(BREAKER_STATE_COUNT), "unknown");
}

/* ---- closed ---- */

static void test_below_20_calls_nothing_is_judged(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    calls(&breaker, 0, 19);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    calls(&breaker, 0, 1);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void test_half_of_the_calls_failing_trips_it(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    calls(&breaker, 51, 49);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    calls(&breaker, 0, 2); /* 51 of 102 */
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void test_four_fifths_of_the_calls_slow_trips_it(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    for (unsigned i = 0; i < 20; i++)
        call(&breaker, false, BREAKER_SLOW_MS); /* exactly at the bound: not slow */
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    for (unsigned i = 0; i < 79; i++)
        call(&breaker, false, BREAKER_SLOW_MS + 1);
    assert_int_equal(breaker.state, BREAKER_CLOSED); /* 79 of 99 */
    call(&breaker, false, BREAKER_SLOW_MS + 1);
    assert_int_equal(breaker.state, BREAKER_OPEN); /* 80 of 100 */
}

static void test_what_is_older_than_the_window_is_forgotten(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    calls(&breaker, 0, 19);
    now_ms += BREAKER_SLICES * BREAKER_SLICE_MS;
    assert_int_equal(breaker_window(&breaker, now_ms).calls, 0);
    calls(&breaker, 0, 19);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    now_ms += (BREAKER_SLICES - 1) * BREAKER_SLICE_MS; /* the last moment that it counts */
    calls(&breaker, 0, 1);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void test_the_window_slides_by_slices(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    for (unsigned second = 0; second < 25; second++) {
        calls(&breaker, 3, 0);
        struct breaker_counts window = breaker_window(&breaker, now_ms);
        unsigned seconds = second + 1 < BREAKER_SLICES ? second + 1 : BREAKER_SLICES;
        assert_int_equal(window.calls, 3 * seconds);
        now_ms += BREAKER_SLICE_MS;
    }
}

static void test_rates_are_unknown_below_20_calls(void **state)
{
    (void)state;
    assert_true(breaker_rate(19, 19) == -1.0);
    assert_true(breaker_rate(5, 20) == 25.0);
    assert_true(breaker_rate(0, 1000) == 0.0);
}

/* ---- open ---- */

static void test_open_refuses_until_its_time_is_over(void **state)
{
    (void)state;
    uint32_t permit;
    struct breaker breaker = tripped();
    assert_int_equal(breaker_next_probe_ms(&breaker), now_ms + BREAKER_OPEN_FIRST_MS);
    now_ms += BREAKER_OPEN_FIRST_MS - 1;
    assert_true(breaker_refuses(&breaker, now_ms));
    assert_false(breaker_admit(&breaker, now_ms, &permit));
    now_ms++;
    assert_false(breaker_refuses(&breaker, now_ms));
    assert_true(breaker_admit(&breaker, now_ms, &permit));
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
}

static void test_each_opening_in_a_row_is_twice_as_long_up_to_30_s(void **state)
{
    static const uint64_t expected_ms[] = {2000, 4000, 8000, 16000, 30000, 30000};
    (void)state;
    struct breaker breaker = tripped();
    for (unsigned i = 0; i < sizeof expected_ms / sizeof expected_ms[0]; i++) {
        uint32_t permits[BREAKER_PERMITS], span = (uint32_t)(expected_ms[i] * 2 / 5);
        now_ms = breaker_next_probe_ms(&breaker);
        for (unsigned p = 0; p < BREAKER_PERMITS; p++)
            assert_true(breaker_admit(&breaker, now_ms, &permits[p]));
        for (unsigned p = 0; p < BREAKER_PERMITS; p++)
            breaker_record(&breaker, permits[p], true, 1, now_ms, span / 2);
        assert_int_equal(breaker.state, BREAKER_OPEN);
        assert_int_equal(breaker_next_probe_ms(&breaker), now_ms + expected_ms[i]);
    }
}

static void test_jitter_is_a_fifth_to_both_sides(void **state)
{
    (void)state;
    uint64_t shortest_ms = UINT64_MAX, longest_ms = 0;
    for (uint32_t random = 0; random < 1000; random++) {
        struct breaker breaker = fresh();
        breaker_set_parked(&breaker, true, now_ms, random);
        uint64_t wait_ms = breaker.open_until_ms - now_ms;
        shortest_ms = wait_ms < shortest_ms ? wait_ms : shortest_ms;
        longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
    }
    assert_int_equal(shortest_ms, 800);
    assert_int_equal(longest_ms, 1200);
}

static void test_calls_from_before_the_opening_count_no_more(void **state)
{
    (void)state;
    uint32_t early, probe;
    struct breaker breaker = fresh();
    assert_true(breaker_admit(&breaker, now_ms, &early));
    calls(&breaker, 0, 20);
    now_ms = breaker_next_probe_ms(&breaker);
    assert_true(breaker_admit(&breaker, now_ms, &probe));
    breaker_record(&breaker, early, true, 5000, now_ms, 0);
    breaker_cancel(&breaker, early);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    assert_int_equal(breaker.permits_out, 1);
    assert_int_equal(breaker.trial.calls, 0);
}

/* ---- half-open ---- */

static void test_half_open_lets_five_calls_through(void **state)
{
    (void)state;
    uint32_t permits[BREAKER_PERMITS], more;
    struct breaker breaker = half_open();
    for (unsigned p = 0; p < BREAKER_PERMITS; p++)
        assert_true(breaker_admit(&breaker, now_ms, &permits[p]));
    assert_false(breaker_admit(&breaker, now_ms, &more));
    breaker_record(&breaker, permits[0], false, 1, now_ms, 0);
    assert_false(breaker_admit(&breaker, now_ms, &more)); /* judged by five, not by more */
    breaker_cancel(&breaker, permits[1]);
    assert_true(breaker_admit(&breaker, now_ms, &more)); /* a permit that came back unused */
}

static void test_five_good_calls_close_it(void **state)
{
    (void)state;
    struct breaker breaker = half_open();
    calls(&breaker, 3, 2); /* 40 % failed */
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_window(&breaker, now_ms).calls, 0);
    calls(&breaker, 0, 20);
    assert_int_equal(breaker_next_probe_ms(&breaker), now_ms + BREAKER_OPEN_FIRST_MS);
}

static void test_three_failed_of_five_open_it_again(void **state)
{
    (void)state;
    struct breaker breaker = half_open();
    calls(&breaker, 2, 3);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void test_four_slow_of_five_open_it_again(void **state)
{
    (void)state;
    struct breaker breaker = half_open();
    call(&breaker, false, 1);
    for (unsigned i = 0; i < 4; i++)
        call(&breaker, false, BREAKER_SLOW_MS + 1);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

/* ---- parked, and by hand ---- */

static void test_parking_trips_it_at_once_and_holds_it_open(void **state)
{
    (void)state;
    uint32_t permit;
    struct breaker breaker = fresh();
    breaker_set_parked(&breaker, true, now_ms, NO_JITTER);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker_next_probe_ms(&breaker), 0);
    now_ms += 3600 * 1000;
    assert_false(breaker_admit(&breaker, now_ms, &permit));
    breaker_set_parked(&breaker, false, now_ms, NO_JITTER);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    calls(&breaker, BREAKER_PERMITS, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void test_parking_while_half_open_opens_it(void **state)
{
    (void)state;
    struct breaker breaker = half_open();
    breaker_set_parked(&breaker, true, now_ms, NO_JITTER);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

static void test_forced_open_refuses_until_auto(void **state)
{
    (void)state;
    uint32_t permit;
    struct breaker breaker = fresh();
    breaker_set_mode(&breaker, BREAKER_MODE_FORCED_OPEN, now_ms, 0);
    now_ms += 3600 * 1000;
    assert_false(breaker_admit(&breaker, now_ms, &permit));
    assert_int_equal(permit, 0);
    breaker_set_mode(&breaker, BREAKER_MODE_AUTO, now_ms, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    calls(&breaker, 1, 0);
}

static void test_disabled_lets_everything_through(void **state)
{
    (void)state;
    struct breaker breaker = tripped();
    breaker_set_mode(&breaker, BREAKER_MODE_DISABLED, now_ms, 0);
    calls(&breaker, 0, 1000);
    assert_int_equal(breaker.state, BREAKER_DISABLED);
    breaker_set_mode(&breaker, BREAKER_MODE_AUTO, now_ms, 0);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_window(&breaker, now_ms).calls, 0);
}

static void test_auto_finds_a_parked_worker_still_parked(void **state)
{
    (void)state;
    struct breaker breaker = fresh();
    breaker_set_mode(&breaker, BREAKER_MODE_DISABLED, now_ms, 0);
    breaker_set_parked(&breaker, true, now_ms, 0);
    assert_int_equal(breaker.state, BREAKER_DISABLED);
    breaker_set_mode(&breaker, BREAKER_MODE_AUTO, now_ms, 0);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_true(breaker_refuses(&breaker, now_ms + 3600 * 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_of_the_table),
        cmocka_unit_test(test_states_have_the_names_of_resilience4j),
        cmocka_unit_test(test_below_20_calls_nothing_is_judged),
        cmocka_unit_test(test_half_of_the_calls_failing_trips_it),
        cmocka_unit_test(test_four_fifths_of_the_calls_slow_trips_it),
        cmocka_unit_test(test_what_is_older_than_the_window_is_forgotten),
        cmocka_unit_test(test_the_window_slides_by_slices),
        cmocka_unit_test(test_rates_are_unknown_below_20_calls),
        cmocka_unit_test(test_open_refuses_until_its_time_is_over),
        cmocka_unit_test(test_each_opening_in_a_row_is_twice_as_long_up_to_30_s),
        cmocka_unit_test(test_jitter_is_a_fifth_to_both_sides),
        cmocka_unit_test(test_calls_from_before_the_opening_count_no_more),
        cmocka_unit_test(test_half_open_lets_five_calls_through),
        cmocka_unit_test(test_five_good_calls_close_it),
        cmocka_unit_test(test_three_failed_of_five_open_it_again),
        cmocka_unit_test(test_four_slow_of_five_open_it_again),
        cmocka_unit_test(test_parking_trips_it_at_once_and_holds_it_open),
        cmocka_unit_test(test_parking_while_half_open_opens_it),
        cmocka_unit_test(test_forced_open_refuses_until_auto),
        cmocka_unit_test(test_disabled_lets_everything_through),
        cmocka_unit_test(test_auto_finds_a_parked_worker_still_parked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
