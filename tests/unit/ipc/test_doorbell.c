#include "fixture.h"

#include <unistd.h>

static bool doorbell_rung(const struct fixture *fixture, unsigned process)
{
    uint64_t count;
    return read(fixture->segment.doorbells[process], &count, sizeof count) == sizeof count;
}

static void a_doorbell_is_written_once_and_only_for_a_sleeper(void **state)
{
    struct fixture fixture;
    uint64_t count;
    (void)state;

    fixture_open(&fixture);
    segment_wake(&fixture.segment, fixture.wallet);
    assert_false(doorbell_rung(&fixture, fixture.wallet));
    segment_sleep_begin(&fixture.segment, fixture.wallet);
    for (unsigned i = 0; i < 5; i++)
        segment_wake(&fixture.segment, fixture.wallet);
    assert_int_equal(read(fixture.segment.doorbells[fixture.wallet], &count, sizeof count),
                     sizeof count);
    assert_int_equal(count, 1);
    segment_wake(&fixture.segment, 9999);
    fixture_close(&fixture);
}

static void sleep_end_takes_the_ring_back(void **state)
{
    struct fixture fixture;
    struct process_entry *entry;
    (void)state;

    fixture_open(&fixture);
    entry = segment_process(&fixture.segment, fixture.wallet);
    for (unsigned i = 0; i < 3 * SLEEPS_PER_READ; i++) {
        segment_sleep_begin(&fixture.segment, fixture.wallet);
        segment_wake(&fixture.segment, fixture.wallet);
        segment_sleep_end(&fixture.segment, fixture.wallet);
        assert_false(doorbell_rung(&fixture, fixture.wallet));
        segment_sleep_begin(&fixture.segment, fixture.wallet);
        segment_sleep_end(&fixture.segment, fixture.wallet);
        assert_int_equal(atomic_load(&entry->sleeping), 0);
    }
    fixture_close(&fixture);
}

static void a_sleep_that_was_not_rung_for_ends_without_a_read(void **state)
{
    struct fixture fixture;
    const uint64_t one = 1;
    (void)state;

    fixture_open(&fixture);
    assert_int_equal(write(fixture.segment.doorbells[fixture.wallet], &one, sizeof one), 8);
    for (unsigned i = 1; i < SLEEPS_PER_READ; i++)
        segment_sleep_end(&fixture.segment, fixture.wallet);
    assert_true(doorbell_rung(&fixture, fixture.wallet));
    fixture_close(&fixture);
}

static void late_and_unannounced_rings_are_read_within_a_few_sleeps(void **state)
{
    struct fixture fixture;
    struct process_entry *entry;
    const uint64_t one = 1;
    (void)state;

    fixture_open(&fixture);
    entry = segment_process(&fixture.segment, fixture.wallet);
    for (unsigned announced = 0; announced < 2; announced++) {
        atomic_fetch_add(&entry->rings, announced);
        segment_sleep_end(&fixture.segment, fixture.wallet); /* before the write comes */
        assert_int_equal(write(fixture.segment.doorbells[fixture.wallet], &one, sizeof one), 8);
        for (unsigned i = 0; i < SLEEPS_PER_READ; i++)
            segment_sleep_end(&fixture.segment, fixture.wallet);
        assert_false(doorbell_rung(&fixture, fixture.wallet));
    }
    fixture_close(&fixture);
}

static void announcing_ready_raises_the_generation_and_wakes_everyone(void **state)
{
    struct fixture fixture;
    struct process_entry *entry;
    (void)state;

    fixture_open(&fixture);
    entry = segment_process(&fixture.segment, fixture.wallet);
    atomic_store(&entry->generation, 7);
    segment_sleep_begin(&fixture.segment, fixture.seat);
    segment_announce_ready(&fixture.segment, fixture.wallet, PROCESS_READ_ONLY);
    assert_int_equal(atomic_load(&entry->ready_generation), 7);
    assert_int_equal(atomic_load(&entry->state), PROCESS_READ_ONLY);
    assert_int_equal(atomic_load(&segment_process(&fixture.segment, fixture.seat)->sleeping), 0);
    for (unsigned i = 0; i < fixture.segment.header->process_count; i++)
        assert_true(doorbell_rung(&fixture, i));
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_doorbell_is_written_once_and_only_for_a_sleeper),
        cmocka_unit_test(sleep_end_takes_the_ring_back),
        cmocka_unit_test(a_sleep_that_was_not_rung_for_ends_without_a_read),
        cmocka_unit_test(late_and_unannounced_rings_are_read_within_a_few_sleeps),
        cmocka_unit_test(announcing_ready_raises_the_generation_and_wakes_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
