#include "retention.h"
#include "records.h"
#include "scratch.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Which events the relay lets go. Event i of a test is at second i; each transaction has 3 events
 * and a trailer, so events have the sequences 1 2 3 5 6 7 9 … */

enum { PER_TRANSACTION = 3 };
static const uint64_t MIB = 1 << 20;

struct fixture {
    char directory[64];
    char path[128];
    struct journal *writer, *reader;
    uint64_t written;
};

static uint64_t sequence_of(uint64_t event)
{
    return event + (event - 1) / PER_TRANSACTION;
}

static void write_events(struct fixture *fixture, unsigned transactions, size_t payload_size)
{
    static uint8_t payload[4096];
    for (unsigned i = 0; i < transactions; i++) {
        struct journal_trailer trailer = {0};
        assert_int_equal(journal_begin(fixture->writer), STATUS_OK);
        for (unsigned j = 0; j < PER_TRANSACTION; j++) {
            struct journal_event event = {
                .kind = EVENT_WALLET_CHARGED,
                .at_ms = ++fixture->written * 1000,
                .payload = payload,
                .payload_size = payload_size,
            };
            assert_int_equal(journal_append(fixture->writer, &event, NULL), STATUS_OK);
        }
        trailer.clock_ms = fixture->written * 1000;
        assert_int_equal(journal_commit(fixture->writer, &trailer), STATUS_OK);
    }
}

/* When nothing writes any more. */
static struct journal *reader(struct fixture *fixture)
{
    struct journal_options options = {.read_only = true};
    journal_close(fixture->writer);
    fixture->writer = NULL;
    assert_int_equal(journal_open(&fixture->reader, fixture->path, &options), STATUS_OK);
    return fixture->reader;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct journal_options options = {.size_max = 64 * MIB};
    strcpy(fixture->directory, "/tmp/boxoffice-retention-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->path, sizeof fixture->path, "%s/journal", fixture->directory);
    assert_int_equal(journal_open(&fixture->writer, fixture->path, &options), STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    journal_close(fixture->writer);
    journal_close(fixture->reader);
    int result = scratch_remove(fixture->directory);
    free(fixture);
    return result;
}

static void test_an_empty_journal_releases_nothing(void **state)
{
    struct retention retention = {.age_ms = 1000, .size_max = MIB};
    uint64_t released = 0;
    assert_int_equal(retention_advance(&retention, reader(*state), 1000000, &released), STATUS_OK);
    assert_int_equal(released, 0);
}

static void test_exactly_what_is_older_is_released(void **state)
{
    struct fixture *fixture = *state;
    write_events(fixture, 40, 16);
    struct journal *journal = reader(fixture);
    struct retention retention = {.age_ms = 10000, .size_max = 64 * MIB};
    for (uint64_t event = 1; event <= 120; event++) {
        uint64_t fresh = 0;
        /* event `event` is older than 10 s by 1 ms; the next one is not */
        uint64_t now_ms = event * 1000 + 10001;
        assert_int_equal(retention_advance(&retention, journal, now_ms, &fresh), STATUS_OK);
        assert_in_range(fresh, sequence_of(event), sequence_of(event + 1) - 1);
    }
}

static void test_it_goes_on_from_what_was_released_and_never_sinks(void **state)
{
    struct fixture *fixture = *state;
    write_events(fixture, 40, 16);
    struct journal *journal = reader(fixture);
    struct retention retention = {.age_ms = 10000, .size_max = 64 * MIB};
    uint64_t released = 0, before = 0;
    for (uint64_t now_ms = 0; now_ms < 140000; now_ms += 700) {
        assert_int_equal(retention_advance(&retention, journal, now_ms, &released), STATUS_OK);
        assert_true(released >= before);
        before = released;
    }
    assert_in_range(released, sequence_of(120), sequence_of(120) + 1);
    /* the clock is behind, as after a restart of everything: what was released stays so */
    assert_int_equal(retention_advance(&retention, journal, 5000, &released), STATUS_OK);
    assert_int_equal(released, before);
}

static void test_everything_may_go_without_retention(void **state)
{
    struct fixture *fixture = *state;
    write_events(fixture, 7, 16);
    struct retention retention = {.age_ms = 0, .size_max = MIB};
    uint64_t released = 0;
    struct journal *journal = reader(fixture);
    assert_int_equal(retention_advance(&retention, journal, 1, &released), STATUS_OK);
    /* and not beyond: the next event is to be above it */
    assert_in_range(released, sequence_of(21), journal_last_sequence(journal));
}

static void test_beyond_the_size_the_oldest_go(void **state)
{
    struct fixture *fixture = *state;
    write_events(fixture, 1000, 1000); /* about 4 MB in pages */
    struct journal *journal = reader(fixture);
    struct retention retention = {.age_ms = UINT64_MAX / 2, .size_max = MIB};
    uint64_t released = 0;
    assert_int_equal(retention_advance(&retention, journal, 1, &released), STATUS_OK);
    uint64_t kept_bytes = (journal_last_sequence(journal) - released) * 1040 * 3 / 4;
    assert_in_range(kept_bytes, MIB / 2, MIB * 5 / 4);
    retention.size_max = 64 * MIB;
    released = 0;
    assert_int_equal(retention_advance(&retention, journal, 1, &released), STATUS_OK);
    assert_int_equal(released, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_empty_journal_releases_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exactly_what_is_older_is_released, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_goes_on_from_what_was_released_and_never_sinks,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_everything_may_go_without_retention, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beyond_the_size_the_oldest_go, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
