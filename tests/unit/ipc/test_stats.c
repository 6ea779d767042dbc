#include "unit.h"

#include "stats.h"

#include <string.h>

static void a_value_is_counted_in_the_first_bucket_that_bounds_it(void **state)
{
    static const uint64_t units[] = {1, 32};
    static const uint64_t extremes[] = {0, UINT64_MAX, UINT64_MAX - 1};
    uint64_t seed = 9;
    (void)state;

    for (unsigned u = 0; u < 2; u++)
        for (unsigned round = 0; round < 20000; round++) {
            struct histogram histogram;
            uint64_t value = unit_random(&seed) >> (unit_random(&seed) % 64);
            unsigned bucket = 0;

            if (round < 3)
                value = extremes[round];
            else if (round < 3 + 2 * HISTOGRAM_BUCKETS) /* the bounds and what follows them */
                value = (units[u] << (round - 3) / 2) + round % 2;
            memset(&histogram, 0, sizeof histogram);
            histogram_observe(&histogram, value, units[u]);
            while (value > histogram_bound(bucket, units[u]))
                bucket++;
            for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
                assert_int_equal(stat_get(&histogram.buckets[i]), i == bucket);
            assert_int_equal(stat_get(&histogram.sum), value);
        }
}

static void bounds_double_and_the_last_takes_everything(void **state)
{
    (void)state;
    assert_int_equal(histogram_bound(0, 32), 32);
    assert_int_equal(histogram_bound(1, 32), 64);
    assert_int_equal(histogram_bound(HISTOGRAM_BUCKETS - 2, 32), UINT64_C(32) << 16);
    assert_true(histogram_bound(HISTOGRAM_BUCKETS - 1, 32) == UINT64_MAX);
    assert_true(histogram_bound(999, 1) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_counted_in_the_first_bucket_that_bounds_it),
        cmocka_unit_test(bounds_double_and_the_last_takes_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
