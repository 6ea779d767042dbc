#include "failing.h"
#include "unit.h"

/* The table of failing actors, on a clock that the test moves. */

enum { KIND = 1, START_MS = 1000000 };

static void test_it_is_refused_for_the_rest_of_the_batch(void **state)
{
    (void)state;
    struct failing failing = {0};
    assert_false(failing_refuses(&failing, KIND, 7, 1, START_MS));
    assert_int_equal(failing_note(&failing, KIND, 7, 1, START_MS, 0), 0);
    assert_true(failing_refuses(&failing, KIND, 7, 1, START_MS));
    assert_false(failing_refuses(&failing, KIND, 8, 1, START_MS));
    assert_false(failing_refuses(&failing, KIND + 1, 7, 1, START_MS));
    assert_false(failing_refuses(&failing, KIND, 7, 2, START_MS));
    assert_int_equal(failing_parked(&failing), 0);
}

static uint64_t park(struct failing *failing, uint64_t id, uint64_t now_ms)
{
    uint64_t refused_ms = 0;
    for (unsigned i = 0; i <= RESTART_INTENSITY; i++) {
        assert_int_equal(refused_ms, 0);
        refused_ms = failing_note(failing, KIND, id, 1, now_ms, 0);
    }
    return refused_ms;
}

static void test_the_sixth_failure_in_30_s_opens_its_breaker(void **state)
{
    (void)state;
    struct failing failing = {0};
    uint64_t refused_ms = park(&failing, 7, START_MS);
    assert_true(refused_ms > 1000);
    assert_int_equal(failing_parked(&failing), 1);
    assert_true(failing_refuses(&failing, KIND, 7, 9, START_MS + refused_ms - 1));
    assert_false(failing_refuses(&failing, KIND, 7, 9, START_MS + refused_ms));
}

static void test_a_failed_try_is_refused_for_longer_a_good_one_closes(void **state)
{
    (void)state;
    struct failing failing = {0};
    uint64_t first_ms = park(&failing, 7, START_MS), now_ms = START_MS + first_ms;
    uint64_t second_ms = failing_note(&failing, KIND, 7, 2, now_ms, 0);
    assert_true(second_ms >= 2 * first_ms - 1);
    now_ms += second_ms;
    failing_well(&failing, KIND, 7, now_ms);
    assert_int_equal(failing_parked(&failing), 0);
    assert_false(failing_refuses(&failing, KIND, 7, 3, now_ms));
    assert_true(failing_note(&failing, KIND, 7, 3, now_ms + 1, 0) > second_ms); /* not yet clear */
}

static void test_it_is_forgotten_when_it_was_well_for_30_s(void **state)
{
    (void)state;
    struct failing failing = {0};
    failing_note(&failing, KIND, 7, 1, START_MS, 0);
    failing_note(&failing, KIND, 8, 1, START_MS, 0);
    failing_well(&failing, KIND, 7, START_MS + RESTART_STABLE_MS - 1);
    assert_int_equal(failing.count, 2);
    failing_well(&failing, KIND, 7, START_MS + RESTART_STABLE_MS);
    failing_well(&failing, KIND, 9, START_MS + RESTART_STABLE_MS);
    assert_int_equal(failing.count, 1);
    assert_int_equal(failing.actors[0].id, 8);
}

static void test_the_table_is_bounded_and_the_oldest_goes(void **state)
{
    (void)state;
    static struct failing failing;
    for (uint64_t id = 1; id <= FAILING_MAX + 10; id++)
        failing_note(&failing, KIND, id, 1, START_MS + id, 0);
    assert_int_equal(failing.count, FAILING_MAX);
    for (uint64_t id = 1; id <= FAILING_MAX + 10; id++)
        assert_int_equal(failing_refuses(&failing, KIND, id, 1, START_MS), id > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_refused_for_the_rest_of_the_batch),
        cmocka_unit_test(test_the_sixth_failure_in_30_s_opens_its_breaker),
        cmocka_unit_test(test_a_failed_try_is_refused_for_longer_a_good_one_closes),
        cmocka_unit_test(test_it_is_forgotten_when_it_was_well_for_30_s),
        cmocka_unit_test(test_the_table_is_bounded_and_the_oldest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
