#include "timers.h"
#include "unit.h"
#include <stdlib.h>

enum { KIND = 3 };

static int setup(void **state)
{
    static struct timers timers;
    assert_int_equal(timers_init(&timers), STATUS_OK);
    *state = &timers;
    return 0;
}

static int teardown(void **state)
{
    timers_fini(*state);
    return 0;
}

static uint64_t take(struct timers *timers, uint64_t now_ms)
{
    uint8_t kind = 0;
    uint64_t id = 0;
    if (!timers_take(timers, now_ms, &kind, &id))
        return 0;
    assert_int_equal(kind, KIND);
    return id;
}

static void test_fires_in_order_of_time_and_not_early(void **state)
{
    struct timers *timers = *state;
    timers_set(timers, KIND, 1, 300);
    timers_set(timers, KIND, 2, 100);
    timers_set(timers, KIND, 3, 200);
    assert_int_equal(timers_next_ms(timers), 100);
    assert_int_equal(take(timers, 99), 0);
    assert_int_equal(take(timers, 250), 2);
    assert_int_equal(take(timers, 250), 3);
    assert_int_equal(take(timers, 250), 0);
    assert_int_equal(take(timers, 300), 1);
    assert_int_equal(timers_next_ms(timers), UINT64_MAX);
}

static void test_moving_later_keeps_one_node_and_the_later_time(void **state)
{
    struct timers *timers = *state;
    for (uint64_t at = 100; at <= 100000; at++)
        timers_set(timers, KIND, 7, at);
    assert_int_equal(timers->count, 1);
    assert_int_equal(take(timers, 99999), 0);
    assert_int_equal(take(timers, 100000), 7);
}

static void test_moving_earlier_fires_at_the_earlier_time(void **state)
{
    struct timers *timers = *state;
    timers_set(timers, KIND, 1, 50);
    timers_set(timers, KIND, 7, 1000);
    timers_set(timers, KIND, 7, 20);
    assert_int_equal(take(timers, 30), 7);
    assert_int_equal(take(timers, 2000), 1);
    assert_int_equal(take(timers, 2000), 0);
}

static void test_dropped_timer_never_fires(void **state)
{
    struct timers *timers = *state;
    timers_set(timers, KIND, 7, 20);
    timers_set(timers, KIND, 7, 0);
    assert_int_equal(take(timers, 1000), 0);
    assert_int_equal(timers->count, 0);
    timers_set(timers, KIND, 8, 0);
    assert_int_equal(timers->count, 0);
}

static void test_random_sets_fire_each_once_at_its_last_time(void **state)
{
    struct timers *timers = *state;
    enum { ACTORS = 500 };
    uint64_t due[ACTORS + 1] = {0};
    srandom(7);
    for (int i = 0; i < 20000; i++) {
        uint64_t id = 1 + (uint64_t)random() % ACTORS;
        due[id] = random() % 10 == 0 ? 0 : 1 + (uint64_t)random() % 5000;
        timers_set(timers, KIND, id, due[id]);
    }
    for (uint64_t now = 0; now <= 5000; now++) {
        uint64_t id;
        while ((id = take(timers, now)) != 0) {
            assert_int_equal(due[id], now);
            due[id] = 0;
        }
    }
    for (int id = 1; id <= ACTORS; id++)
        assert_int_equal(due[id], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fires_in_order_of_time_and_not_early, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moving_later_keeps_one_node_and_the_later_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_moving_earlier_fires_at_the_earlier_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_dropped_timer_never_fires, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_sets_fire_each_once_at_its_last_time, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
