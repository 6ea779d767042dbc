#include "counters.h"
#include "dead_letters.h"
#include "restart.h"

/* An actor that fails a check is dropped and rebuilt, its neighbours notice nothing, and one that
 * keeps failing is refused alone for a while. A request that kills its worker is given up on. */

static enum outcome next_outcome(struct fixture *fixture)
{
    struct slot *slot;
    while ((slot = channel_next_reply(&fixture->channel)) == NULL) {
        struct pollfd bell = {fixture->segment.doorbells[fixture->front], POLLIN, 0};
        segment_sleep_begin(&fixture->segment, fixture->front);
        if (ring_depth(fixture->channel.completions) == 0)
            (void)poll(&bell, 1, 20);
        segment_sleep_end(&fixture->segment, fixture->front);
    }
    enum outcome outcome = (enum outcome)slot->outcome;
    slot_pool_release(&fixture->pool, slot);
    return outcome;
}

static enum outcome charge(struct fixture *fixture, uint64_t counter, uint64_t amount)
{
    send_request(fixture, REQUEST_CHARGE, counter, amount);
    channel_flush(&fixture->channel);
    return next_outcome(fixture);
}

static struct process_stats *stats(const struct fixture *fixture)
{
    return segment_stats(&fixture->segment, fixture->wallet);
}

static void test_a_failing_actor_is_rebuilt_and_keeps_nothing_of_the_decision(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    assert_int_equal(charge(fixture, 1, 5), OUTCOME_OK);
    assert_int_equal(charge(fixture, 2, 5), OUTCOME_OK);
    assert_int_equal(charge(fixture, 1, POISON_AMOUNT), OUTCOME_ACTOR_UNAVAILABLE);
    assert_int_equal(ask_balance(fixture, 1), 5);
    assert_int_equal(charge(fixture, 1, 7), OUTCOME_OK);
    assert_int_equal(ask_balance(fixture, 1), 12);
    assert_int_equal(ask_balance(fixture, 2), 5);
    assert_int_equal(stat_get(&stats(fixture)->actor_failures_total), 1);
    kill_worker(fixture); /* it was the same process all the time, and what it stored is sound */
    start_worker(fixture);
    assert_int_equal(ask_balance(fixture, 1), 12);
    kill_worker(fixture);
}

static void test_it_takes_no_more_messages_in_the_batch_and_others_do(void **state)
{
    struct fixture *fixture = *state;
    static const uint64_t requests[][2] = {{1, 3}, {1, POISON_AMOUNT}, {2, 4}, {1, 5}, {2, 6}};
    static const enum outcome expected[] = {OUTCOME_OK, OUTCOME_ACTOR_UNAVAILABLE, OUTCOME_OK,
                                            OUTCOME_ACTOR_UNAVAILABLE, OUTCOME_OK};
    start_worker(fixture);
    assert_int_equal(ask_balance(fixture, 1), 0);
    kill_worker(fixture); /* so that its successor finds them all in one batch */
    for (unsigned i = 0; i < 5; i++)
        send_request(fixture, REQUEST_CHARGE, requests[i][0], requests[i][1]);
    start_worker(fixture);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(next_outcome(fixture), expected[i]);
    assert_int_equal(ask_balance(fixture, 1), 3);
    assert_int_equal(ask_balance(fixture, 2), 10);
    kill_worker(fixture);
}

static void test_one_that_keeps_failing_is_refused_alone_until_it_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    assert_int_equal(charge(fixture, 1, 5), OUTCOME_OK);
    for (unsigned i = 0; i <= RESTART_INTENSITY; i++)
        assert_int_equal(charge(fixture, 1, POISON_AMOUNT), OUTCOME_ACTOR_UNAVAILABLE);
    assert_int_equal(charge(fixture, 1, 5), OUTCOME_ACTOR_UNAVAILABLE); /* innocent */
    assert_true(stat_get(&stats(fixture)->actor_refusals_total) > 0);
    assert_int_equal(charge(fixture, 2, 5), OUTCOME_OK);
    while (charge(fixture, 1, 5) != OUTCOME_OK)
        usleep(10000); /* half-open after the back-off */
    assert_int_equal(ask_balance(fixture, 1), 10);
    kill_worker(fixture);
}

static void test_one_that_cannot_be_loaded_harms_nobody_else(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(charge(fixture, UNLOADABLE, 5), OUTCOME_ACTOR_UNAVAILABLE);
        assert_int_equal(charge(fixture, 2, 5), OUTCOME_OK);
    }
    assert_int_equal(stat_get(&stats(fixture)->actor_failures_total), RESTART_INTENSITY + 1);
    kill_worker(fixture);
}

static void test_a_request_that_is_a_dead_letter_is_answered_undecided(void **state)
{
    struct fixture *fixture = *state;
    int ended;
    send_request(fixture, REQUEST_CHARGE, 1, CRASH_AMOUNT);
    send_request(fixture, REQUEST_CHARGE, 2, 5);
    struct slot *poison = slot_area_at(&fixture->pool.area, 0);
    for (unsigned deaths = 1; deaths <= SUSPICIONS_MAX; deaths++) {
        start_worker(fixture);
        assert_int_equal(waitpid(fixture->worker, &ended, 0), fixture->worker);
        assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGSEGV);
        const struct process_entry *entry = segment_process(&fixture->segment, fixture->wallet);
        assert_int_equal(entry->deciding_id, slot_word_id(poison->word));
        assert_int_equal(entry->deciding_slot, 0);
        assert_int_equal(entry->deciding_pool, fixture->front);
        poison->suspicions = (uint16_t)deaths; /* by the supervisor */
    }
    start_worker(fixture);
    assert_int_equal(next_outcome(fixture), OUTCOME_DEAD_LETTERED);
    assert_int_equal(next_outcome(fixture), OUTCOME_OK);
    assert_int_equal(ask_balance(fixture, 1), 0);
    assert_int_equal(ask_balance(fixture, 2), 5);
    assert_int_equal(stat_get(&stats(fixture)->dead_letters_total), 1);
    kill_worker(fixture);
}

static void test_an_impatient_request_does_not_wait(void **state)
{
    struct fixture *fixture = *state;
    send_request(fixture, REQUEST_CHARGE, 1, DEFER_AMOUNT);
    struct slot *slot = slot_area_at(&fixture->pool.area, 0);
    slot->impatient = 1;
    start_worker(fixture);
    assert_int_equal(next_outcome(fixture), OUTCOME_UNAVAILABLE);
    kill_worker(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_failing_actor_is_rebuilt_and_keeps_nothing_of_the_decision),
        TEST(test_it_takes_no_more_messages_in_the_batch_and_others_do),
        TEST(test_one_that_keeps_failing_is_refused_alone_until_it_is_tried_again),
        TEST(test_one_that_cannot_be_loaded_harms_nobody_else),
        TEST(test_a_request_that_is_a_dead_letter_is_answered_undecided),
        TEST(test_an_impatient_request_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
