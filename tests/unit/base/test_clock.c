#include "clock.h"
#include "unit.h"
#include <string.h>
#include <time.h>

/* The clocks of the machine, under the test's hand: this definition comes before libc's. */
static int64_t real_ms, boot_ms;

int clock_gettime(clockid_t id, struct timespec *to)
{
    int64_t now_ms = id == CLOCK_REALTIME ? real_ms : boot_ms;
    *to = (struct timespec){.tv_sec = now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000};
    return 0;
}

static void pass(int64_t ms)
{
    real_ms += ms;
    boot_ms += ms;
}

static int start(void **state)
{
    (void)state;
    real_ms = INT64_C(1800000000000);
    boot_ms = 5000;
    clock_attach(NULL);
    return 0;
}

static void without_a_base_it_is_real_time(void **state)
{
    (void)state;
    assert_int_equal(clock_now_ms(), 1800000000000);
    pass(17);
    assert_int_equal(clock_now_ms(), 1800000000017);
    real_ms -= 60000;
    assert_int_equal(clock_now_ms(), 1800000000017);
}

static void it_starts_at_the_later_of_real_time_and_the_last_commit(void **state)
{
    (void)state;
    struct clock_base base = {0};
    clock_start(&base, 1700000000000);
    clock_attach(&base);
    assert_int_equal(clock_now_ms(), 1800000000000);
    clock_start(&base, 1800000099000);
    clock_attach(&base);
    assert_int_equal(clock_now_ms(), 1800000099000);
}

static void a_jump_of_real_time_does_not_move_it(void **state)
{
    (void)state;
    struct clock_base base = {0};
    clock_start(&base, 0);
    clock_attach(&base);
    real_ms += 3600000;
    assert_int_equal(clock_now_ms(), 1800000000000);
    real_ms -= 7200000;
    pass(10);
    assert_int_equal(clock_now_ms(), 1800000000010);
}

/* Slews every `every_ms` for `turns`; the clock must rise in each turn and move within bounds. */
static void slew_for(struct clock_base *base, int turns, int64_t every_ms)
{
    for (int i = 0; i < turns; i++) {
        uint64_t before = clock_now_ms();
        pass(every_ms);
        clock_slew(base);
        uint64_t moved = clock_now_ms() - before;
        assert_in_range(moved, every_ms - every_ms / 200 - 5, every_ms + every_ms / 100 + 10);
        assert_true(moved > 0);
    }
}

static void slewing_forward_reaches_real_time_at_one_percent(void **state)
{
    (void)state;
    struct clock_base base = {0};
    clock_start(&base, 0);
    clock_attach(&base);
    real_ms += 1000;
    slew_for(&base, 99, 1000);
    assert_int_equal((uint64_t)real_ms - clock_now_ms(), 10);
    slew_for(&base, 1, 1000);
    assert_int_equal(clock_now_ms(), real_ms);
    slew_for(&base, 5, 1000);
    assert_int_equal(clock_now_ms(), real_ms);
}

static void slewing_backward_reaches_real_time_and_never_goes_back(void **state)
{
    (void)state;
    struct clock_base base = {0};
    clock_start(&base, 0);
    clock_attach(&base);
    real_ms -= 1000;
    slew_for(&base, 199, 1000);
    assert_int_equal(clock_now_ms() - (uint64_t)real_ms, 5);
    slew_for(&base, 1, 1000);
    assert_int_equal(clock_now_ms(), real_ms);
}

static void frequent_slews_add_up_instead_of_rounding_to_nothing(void **state)
{
    (void)state;
    struct clock_base base = {0};
    clock_start(&base, 0);
    clock_attach(&base);
    real_ms -= 100;
    for (int i = 0; i < 2100; i++) {
        uint64_t before = clock_now_ms();
        pass(10);
        clock_slew(&base);
        assert_true(clock_now_ms() > before);
    }
    assert_int_equal(clock_now_ms(), real_ms);
}

static void a_long_pause_allows_only_a_small_step(void **state)
{
    (void)state;
    struct clock_base base = {0};
    clock_start(&base, 0);
    clock_attach(&base);
    real_ms -= 3600000;
    pass(86400000);
    clock_slew(&base);
    assert_int_equal(clock_now_ms(), UINT64_C(1800000000000) + 86400000 - 5);
    real_ms += 7200000;
    pass(86400000);
    clock_slew(&base);
    assert_int_equal(clock_now_ms(), UINT64_C(1800000000000) + 2 * 86400000 + 5);
}

static void a_backward_step_of_the_base_is_hidden_from_the_process(void **state)
{
    (void)state;
    struct clock_base base = {0};
    clock_start(&base, 0);
    clock_attach(&base);
    uint64_t before = clock_now_ms();
    atomic_fetch_sub(&base.offset_ms, 5);
    for (int i = 0; i < 5; i++, pass(1))
        assert_int_equal(clock_now_ms(), before);
    pass(1);
    assert_int_equal(clock_now_ms(), before + 1);
}

static void times_are_written_as_rfc_3339(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    assert_int_equal(clock_format(0, text), 24);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format(1795468320123, text);
    assert_string_equal(text, "2026-11-23T21:12:00.123Z");
    clock_format(1709164799999, text);
    assert_string_equal(text, "2024-02-28T23:59:59.999Z");
    clock_format(1709164800000, text);
    assert_string_equal(text, "2024-02-29T00:00:00.000Z");
    assert_int_equal(clock_format(UINT64_MAX, text), 24);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_a_base_it_is_real_time, start),
        cmocka_unit_test_setup(it_starts_at_the_later_of_real_time_and_the_last_commit, start),
        cmocka_unit_test_setup(a_jump_of_real_time_does_not_move_it, start),
        cmocka_unit_test_setup(slewing_forward_reaches_real_time_at_one_percent, start),
        cmocka_unit_test_setup(slewing_backward_reaches_real_time_and_never_goes_back, start),
        cmocka_unit_test_setup(frequent_slews_add_up_instead_of_rounding_to_nothing, start),
        cmocka_unit_test_setup(a_long_pause_allows_only_a_small_step, start),
        cmocka_unit_test_setup(a_backward_step_of_the_base_is_hidden_from_the_process, start),
        cmocka_unit_test_setup(times_are_written_as_rfc_3339, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
