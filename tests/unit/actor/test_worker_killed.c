#include "counters.h"

/* A worker process with counters for actors, killed again and again while requests are in flight.
 * The producer never repeats a request; each must be answered once and counted once, in this life
 * of the segment and over restarts of everything. */

enum { REQUESTS = 40000, IN_FLIGHT = 64, KILLS = 40 };

static void run_load(struct fixture *fixture, uint64_t until, unsigned *kills)
{
    while (fixture->answered < until) {
        while (fixture->sent < until && fixture->sent - fixture->answered < IN_FLIGHT) {
            send_request(fixture, REQUEST_CHARGE, 1 + (uint64_t)random() % COUNTERS,
                         1 + (uint64_t)random() % 9);
            fixture->sent++;
        }
        channel_flush(&fixture->channel);
        if (*kills > 0 && fixture->sent >= (KILLS + 1 - *kills) * (REQUESTS / (KILLS + 1))) {
            --*kills;
            usleep((unsigned)random() % 2000); /* the moment of death is what varies */
            kill_worker(fixture);
            start_worker(fixture);
        }
        take_answers(fixture);
    }
}

static void assert_counts(struct fixture *fixture)
{
    for (uint64_t counter = 1; counter <= COUNTERS; counter++)
        assert_int_equal(ask_balance(fixture, counter), fixture->expected[counter]);
}

static void test_every_request_counts_once_over_kills(void **state)
{
    struct fixture *fixture = *state;
    unsigned seed = getenv("SEED") != NULL ? (unsigned)atoi(getenv("SEED")) : 20261123,
             kills = KILLS;
    print_message("seed %u\n", seed);
    srandom(seed);
    start_worker(fixture);
    run_load(fixture, REQUESTS, &kills);
    assert_int_equal(kills, 0);
    assert_counts(fixture);
    kill_worker(fixture);
}

static void test_answered_requests_survive_a_restart_of_everything(void **state)
{
    struct fixture *fixture = *state;
    unsigned none = 0;
    srandom(3);
    for (unsigned life = 1; life <= 5; life++) {
        start_worker(fixture);
        run_load(fixture, life * 2000, &none);
        kill_worker(fixture);
        close_segment(fixture);
        open_segment(fixture);
    }
    start_worker(fixture);
    assert_counts(fixture);
    kill_worker(fixture);
}

static void test_stops_when_told(void **state)
{
    struct fixture *fixture = *state;
    start_worker(fixture);
    assert_int_equal(ask_balance(fixture, 1), 0);
    atomic_store(&segment_process(&fixture->segment, fixture->wallet)->stop, 1);
    int status;
    assert_int_equal(waitpid(fixture->worker, &status, 0), fixture->worker);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_stop_is_heard_during_recovery(void **state)
{
    struct fixture *fixture = *state;
    struct process_entry *entry = segment_process(&fixture->segment, fixture->wallet);
    unsigned none = 0;
    int status;
    start_worker(fixture);
    run_load(fixture, 100, &none);
    kill_worker(fixture);
    uint32_t last_ready = atomic_load(&entry->ready_generation);
    atomic_store(&entry->stop, 1);
    start_worker(fixture);
    assert_int_equal(waitpid(fixture->worker, &status, 0), fixture->worker);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(atomic_load(&entry->ready_generation), last_ready); /* it did not finish */
    atomic_store(&entry->stop, 0);
    start_worker(fixture);
    assert_counts(fixture);
    kill_worker(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_request_counts_once_over_kills, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answered_requests_survive_a_restart_of_everything,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_stops_when_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stop_is_heard_during_recovery, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
