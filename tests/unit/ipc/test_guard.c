#include "fixture.h"

#include "guard.h"
#include <stdlib.h>

/* Breakers in use: names, modes over shared memory, and the view over several owners. */

static const uint64_t MS = 1000000;
static const uint64_t START_NS = UINT64_C(1000000) * 1000000000;

struct two_fronts {
    struct segment segment;
    unsigned fronts[2], wallet, relay;
    struct guard guards[2]; /* each front's before the wallet worker */
};

static int setup(void **state)
{
    struct two_fronts *f = calloc(1, sizeof *f);
    struct config config;

    config_small(&config);
    config.fronts = 2;
    config.seat_workers = 3;
    assert_int_equal(segment_create(&f->segment, &config), STATUS_OK);
    f->wallet = segment_process_of(&f->segment, ROLE_WALLET, 0);
    f->relay = segment_process_of(&f->segment, ROLE_RELAY, 0);
    for (unsigned i = 0; i < 2; i++) {
        f->fronts[i] = segment_process_of(&f->segment, ROLE_FRONT, i);
        atomic_store(&segment_process(&f->segment, f->fronts[i])->pid, 100 + (int)i);
        assert_int_equal(guard_open(&f->guards[i], &f->segment, f->wallet, i), STATUS_OK);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct two_fronts *f = *state;

    segment_close(&f->segment);
    free(f);
    return 0;
}

static void fail_calls(struct guard *guard, unsigned count)
{
    while (count-- > 0) {
        uint32_t permit;

        assert_true(guard_admit(guard, START_NS, &permit));
        guard_record(guard, permit, true, 3 * MS, START_NS);
    }
}

static struct breaker_view look(const struct two_fronts *f)
{
    struct breaker_view view;

    breaker_look(&f->segment, f->wallet, &view);
    return view;
}

static void every_worker_and_kafka_has_a_name(void **state)
{
    struct two_fronts *f = *state;
    static const char *const expected[] = {NULL,     NULL,     NULL,       "queue-0", "seat-0",
                                           "seat-1", "seat-2", "wallet-0", "kafka"};
    char name[BREAKER_NAME_SIZE];

    for (unsigned i = 0; i < f->segment.header->process_count; i++) {
        bool has = breaker_name(&f->segment, i, name);

        assert_int_equal(has, expected[i] != NULL);
        if (!has)
            continue;
        assert_string_equal(name, expected[i]);
        assert_int_equal(breaker_find(&f->segment, name, strlen(name)), i);
    }
    assert_int_equal(breaker_find(&f->segment, "seat-3", 6), PROCESS_MAX);
    assert_int_equal(breaker_find(&f->segment, "seat-", 5), PROCESS_MAX);
    assert_int_equal(breaker_find(&f->segment, "front-0", 7), PROCESS_MAX);
    assert_false(breaker_name(&f->segment, PROCESS_MAX, name));
}

static void a_guard_needs_a_breaker_and_an_owner(void **state)
{
    struct two_fronts *f = *state;
    struct guard guard;

    assert_int_equal(guard_open(&guard, &f->segment, f->fronts[0], 0), STATUS_INVALID);
    assert_int_equal(guard_open(&guard, &f->segment, f->wallet, BREAKER_OWNERS_MAX),
                     STATUS_INVALID);
    assert_int_equal(guard_open(&guard, &f->segment, f->relay, 0), STATUS_OK);
}

static void the_view_adds_up_what_every_owner_has_seen(void **state)
{
    struct two_fronts *f = *state;
    uint32_t permit;

    fail_calls(&f->guards[0], 7);
    fail_calls(&f->guards[1], 4);
    assert_true(guard_admit(&f->guards[1], START_NS, &permit));
    guard_record(&f->guards[1], permit, false, 400 * MS, START_NS);
    guard_tick(&f->guards[0], START_NS);
    guard_tick(&f->guards[1], START_NS);
    struct breaker_view view = look(f);
    assert_int_equal(view.state, BREAKER_CLOSED);
    assert_int_equal(view.window.calls, 12);
    assert_int_equal(view.window.failed, 11);
    assert_int_equal(view.window.slow, 1);
    assert_int_equal(view.calls_total[0], 1);
    assert_int_equal(view.calls_total[1], 11);
    assert_int_equal(view.calls_us[0], 400000);
    assert_int_equal(view.calls_us[1], 11 * 3000);
}

static void one_open_owner_is_seen_at_once_and_a_dead_one_is_not(void **state)
{
    struct two_fronts *f = *state;
    uint32_t permit;

    fail_calls(&f->guards[1], 20);
    struct breaker_view view = look(f);
    assert_int_equal(view.state, BREAKER_OPEN);
    assert_true(view.next_probe_ms > clock_now_ms());
    assert_false(guard_admit(&f->guards[1], START_NS, &permit));
    assert_true(guard_is_open(&f->guards[1], START_NS));
    assert_in_range(guard_retry_s(&f->guards[1], START_NS), 1, 2);
    assert_int_equal(guard_retry_s(&f->guards[1], START_NS + 3600 * 1000 * MS), 1);
    assert_int_equal(look(f).not_permitted_total, 1);
    assert_false(guard_is_open(&f->guards[0], START_NS)); /* it has seen nothing bad */
    atomic_store(&segment_process(&f->segment, f->fronts[1])->pid, 0);
    view = look(f);
    assert_int_equal(view.state, BREAKER_CLOSED);
    assert_int_equal(view.next_probe_ms, 0);
    assert_int_equal(view.not_permitted_total, 1); /* totals never fall */
}

static void a_mode_reaches_every_owner(void **state)
{
    struct two_fronts *f = *state;
    uint32_t permit;

    breaker_order(&f->segment, f->wallet, BREAKER_MODE_FORCED_OPEN);
    for (unsigned i = 0; i < 2; i++)
        assert_false(guard_admit(&f->guards[i], START_NS, &permit));
    assert_int_equal(look(f).state, BREAKER_FORCED_OPEN);
    assert_int_equal(look(f).mode, BREAKER_MODE_FORCED_OPEN);
    breaker_order(&f->segment, f->wallet, BREAKER_MODE_DISABLED);
    fail_calls(&f->guards[0], 100);
    breaker_order(&f->segment, f->wallet, BREAKER_MODE_AUTO);
    fail_calls(&f->guards[1], 19);
    assert_int_equal(f->guards[1].breaker.state, BREAKER_CLOSED);
}

static void garbage_in_the_mode_is_auto(void **state)
{
    struct two_fronts *f = *state;
    uint32_t permit;

    atomic_store(&segment_breakers(&f->segment)->modes[f->wallet], 0xdeadbeef);
    assert_true(guard_admit(&f->guards[0], START_NS, &permit));
    assert_int_equal(look(f).mode, BREAKER_MODE_AUTO);
    atomic_store(&segment_breakers(&f->segment)->lines[0][f->wallet].state, 0xdeadbeef);
    assert_int_equal(look(f).state, BREAKER_CLOSED);
}

static void a_parked_worker_opens_it_and_a_probe_half_opens_it(void **state)
{
    struct two_fronts *f = *state;
    struct process_entry *entry = segment_process(&f->segment, f->wallet);
    uint32_t permit;

    atomic_store(&entry->parked, 1);
    assert_int_equal(look(f).state, BREAKER_OPEN); /* before any owner has followed */
    assert_false(guard_admit(&f->guards[0], START_NS, &permit));
    guard_tick(&f->guards[1], START_NS);
    assert_true(guard_is_open(&f->guards[1], START_NS + 3600 * 1000 * MS));
    assert_int_equal(guard_retry_s(&f->guards[1], START_NS), 5);
    atomic_store(&entry->parked, 0);
    for (unsigned i = 0; i < BREAKER_PERMITS; i++) {
        assert_true(guard_admit(&f->guards[0], START_NS, &permit));
        assert_int_equal(look(f).state, i == 0 ? BREAKER_OPEN : BREAKER_HALF_OPEN);
        guard_tick(&f->guards[1], START_NS);
        guard_record(&f->guards[0], permit, false, MS, START_NS);
    }
    assert_int_equal(f->guards[0].breaker.state, BREAKER_CLOSED);
}

static void totals_go_on_when_an_owner_is_started_again(void **state)
{
    struct two_fronts *f = *state;

    fail_calls(&f->guards[0], 20);
    assert_int_equal(look(f).state, BREAKER_OPEN);
    assert_int_equal(guard_open(&f->guards[0], &f->segment, f->wallet, 0), STATUS_OK);
    assert_int_equal(look(f).state, BREAKER_CLOSED);
    assert_int_equal(look(f).calls_total[1], 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_worker_and_kafka_has_a_name),
        TEST(a_guard_needs_a_breaker_and_an_owner),
        TEST(the_view_adds_up_what_every_owner_has_seen),
        TEST(one_open_owner_is_seen_at_once_and_a_dead_one_is_not),
        TEST(a_mode_reaches_every_owner),
        TEST(garbage_in_the_mode_is_auto),
        TEST(a_parked_worker_opens_it_and_a_probe_half_opens_it),
        TEST(totals_go_on_when_an_owner_is_started_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
