#include "storage_unit.h"

static void a_new_journal_is_empty(void **state)
{
    (void)state;
    struct journal *journal = journal_of("worker-0/journal", 0);
    assert_int_equal(journal_first_sequence(journal), 0);
    assert_int_equal(journal_last_sequence(journal), 0);
    assert_int_equal(journal_next_sequence(journal), 1);
    assert_int_equal(journal_record_count(journal), 0);
    assert_int_equal(journal_last_trailer(journal)->clock_ms, 0);
    assert_int_equal(journal_last_trailer(journal)->mark_count, 0);
    assert_int_equal(read_test_events(journal, 0).count, 0);
    journal_close(journal);
}

static void events_and_trailer_come_back_after_reopening(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 0);
    assert_int_equal(commit_test_events(journal, 100), STATUS_OK);
    assert_int_equal(commit_test_events(journal, 512), STATUS_OK);
    assert_int_equal(journal_first_sequence(journal), 1);
    assert_int_equal(journal_last_sequence(journal), 614);
    struct journal_trailer before = *journal_last_trailer(journal);
    journal_close(journal);

    journal = journal_of("journal", 0);
    assert_int_equal(journal_first_sequence(journal), 1);
    assert_int_equal(journal_last_sequence(journal), 614);
    assert_int_equal(journal_record_count(journal), 614);
    const struct journal_trailer *after = journal_last_trailer(journal);
    assert_int_equal(after->clock_ms, before.clock_ms);
    assert_int_equal(after->segment_id, before.clock_ms * 13);
    assert_int_equal(after->mark_count, 2);
    assert_int_equal(after->marks[1].producer, 9);
    assert_int_equal(after->marks[1].position, before.clock_ms * 19);
    struct test_read all = read_test_events(journal, 0);
    assert_int_equal(all.count, 612);
    assert_int_equal(all.first, 1);
    assert_int_equal(all.last, 613);
    struct test_read some = read_test_events(journal, 101); /* a trailer's: starts behind it */
    assert_int_equal(some.first, 102);
    assert_int_equal(read_test_events(journal, 615).count, 0);
    journal_close(journal);
}

static void a_trailer_with_every_mark_comes_back(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 0);
    struct journal_trailer trailer = {
        .clock_ms = UINT64_MAX - 1, .segment_id = UINT64_MAX, .mark_count = JOURNAL_MARKS_MAX};
    for (unsigned i = 0; i < JOURNAL_MARKS_MAX; i++) {
        trailer.marks[i].producer = i * 7;
        trailer.marks[i].position = UINT64_MAX - i;
    }
    assert_int_equal(journal_begin(journal), STATUS_OK);
    assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
    journal_close(journal);
    journal = journal_of("journal", 0);
    assert_memory_equal(journal_last_trailer(journal), &trailer, sizeof trailer);
    journal_close(journal);
}

static bool note_sizes(void *context, const struct journal_event *event)
{
    size_t *sizes = context;
    sizes[event->sequence] = event->payload_size;
    for (size_t i = 0; i < event->payload_size; i++)
        assert_int_equal(event->payload[i], (uint8_t)(i * 31));
    return true;
}

static void payloads_of_every_size_up_to_the_limit_are_kept(void **state)
{
    (void)state;
    static uint8_t payload[JOURNAL_PAYLOAD_MAX + 1];
    static const size_t sizes[] = {0, 1, 1000, 2000, 4096, 16384, JOURNAL_PAYLOAD_MAX};
    struct journal_event event = {.kind = 1, .payload = payload};
    size_t seen[16] = {0};
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 31);
    struct journal *journal = journal_of("journal", 0);
    struct journal_trailer trailer = {0};
    assert_int_equal(journal_begin(journal), STATUS_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        event.payload_size = sizes[i];
        assert_int_equal(journal_append(journal, &event, NULL), STATUS_OK);
    }
    assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
    assert_int_equal(journal_read(journal, 0, note_sizes, seen), STATUS_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_int_equal(seen[i + 1], sizes[i]);

    /* One byte more is refused, and makes the whole transaction fail without an effect. */
    assert_int_equal(journal_begin(journal), STATUS_OK);
    assert_int_equal(append_test_event(journal, NULL), STATUS_OK);
    event.payload_size = JOURNAL_PAYLOAD_MAX + 1;
    assert_int_equal(journal_append(journal, &event, NULL), STATUS_TOO_BIG);
    assert_int_equal(append_test_event(journal, NULL), STATUS_TOO_BIG);
    assert_int_equal(journal_commit(journal, &trailer), STATUS_TOO_BIG);
    assert_int_equal(journal_last_sequence(journal), 8);
    assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    assert_int_equal(read_test_events(journal, 9).first, 9);
    journal_close(journal);
}

static void an_aborted_transaction_leaves_nothing(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 0);
    assert_int_equal(commit_test_events(journal, 5), STATUS_OK);
    assert_int_equal(journal_begin(journal), STATUS_OK);
    assert_int_equal(append_test_event(journal, NULL), STATUS_OK);
    journal_trim(journal, 4);
    journal_abort(journal);
    assert_int_equal(journal_first_sequence(journal), 1);
    assert_int_equal(journal_last_sequence(journal), 6);
    assert_int_equal(read_test_events(journal, 0).count, 5);
    journal_close(journal); /* also with a transaction open */
    journal = journal_of("journal", 0);
    assert_int_equal(journal_begin(journal), STATUS_OK);
    assert_int_equal(append_test_event(journal, NULL), STATUS_OK);
    journal_close(journal);
    journal = journal_of("journal", 0);
    assert_int_equal(journal_last_sequence(journal), 6);
    journal_close(journal);
}

static void trim_to(struct journal *journal, uint64_t below)
{
    struct journal_trailer trailer = trailer_of(1);
    assert_int_equal(journal_begin(journal), STATUS_OK);
    journal_trim(journal, below);
    assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
}

static void assert_trimmed_to(struct journal *journal, uint64_t first)
{
    assert_int_equal(journal_first_sequence(journal), first);
    assert_int_equal(journal_record_count(journal), journal_last_sequence(journal) - first + 1);
}

static void trimming_is_exact_and_keeps_the_last_trailer(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(commit_test_events(journal, 299), STATUS_OK); /* 1 … 1200 */
    trim_to(journal, 310);
    assert_trimmed_to(journal, 310);
    assert_int_equal(read_test_events(journal, 0).first, 310);
    trim_to(journal, 200);
    assert_trimmed_to(journal, 310);

    /* Twice in one transaction is as good as once. */
    assert_int_equal(journal_begin(journal), STATUS_OK);
    journal_trim(journal, 900);
    journal_trim(journal, UINT64_MAX);
    journal_trim(journal, 400);
    struct journal_trailer trailer = trailer_of(77);
    assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
    /* All but the last committed trailer go, and the new one comes. */
    assert_trimmed_to(journal, 1202);
    assert_int_equal(journal_last_sequence(journal), 1203);
    assert_int_equal(read_test_events(journal, 0).count, 0);
    journal_close(journal);
    journal = journal_of("journal", 0);
    assert_trimmed_to(journal, 1202);
    assert_int_equal(journal_last_trailer(journal)->clock_ms, 77);
    assert_int_equal(read_test_events(journal, 0).count, 0);
    journal_close(journal);
}

/* 13, 1001, 1003, 1004 are events. */
static bool note_leap(void *context, const struct journal_event *event)
{
    uint64_t *next = context;
    assert_true(is_test_event(event));
    assert_true(event->sequence == 13 || event->sequence == 1001 || event->sequence >= 1003);
    *next = event->sequence + 1;
    return true;
}

static void sequences_never_come_back(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 0);
    assert_int_equal(commit_test_events(journal, 9), STATUS_OK);
    trim_to(journal, UINT64_MAX);
    assert_int_equal(journal_first_sequence(journal), 10);
    trim_to(journal, UINT64_MAX);
    assert_int_equal(journal_first_sequence(journal), 11);
    journal_close(journal);

    journal = journal_of("journal", 0);
    assert_int_equal(journal_next_sequence(journal), 13);
    assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    assert_int_equal(read_test_events(journal, 0).first, 13);
    journal_close(journal);

    /* A floor above what is stored counts, one below does not. */
    journal = journal_of("journal", 1000);
    uint64_t sequence = 0;
    struct journal_trailer trailer = trailer_of(1);
    assert_int_equal(journal_next_sequence(journal), 1001);
    assert_int_equal(journal_begin(journal), STATUS_OK);
    assert_int_equal(append_test_event(journal, &sequence), STATUS_OK);
    assert_int_equal(sequence, 1001);
    assert_int_equal(journal_next_sequence(journal), 1002);
    assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
    journal_close(journal);
    journal = journal_of("journal", 500);
    assert_int_equal(journal_next_sequence(journal), 1003);
    /* What was left out is no damage, for whoever reads across it. */
    assert_int_equal(commit_test_events(journal, 2), STATUS_OK);
    uint64_t next = 13;
    assert_int_equal(journal_read(journal, 0, note_leap, &next), STATUS_OK);
    assert_int_equal(next, 1005);
    assert_int_equal(journal_read(journal, 500, note_leap, &next), STATUS_OK);
    journal_close(journal);
}

static void the_floor_counts_in_an_empty_journal(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 41);
    assert_int_equal(journal_last_sequence(journal), 0);
    assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    assert_int_equal(journal_first_sequence(journal), 42);
    assert_int_equal(journal_last_sequence(journal), 43);
    journal_close(journal);
}

struct seen {
    uint64_t first, count;
};

static bool note_seen(void *context, const struct journal_event *event)
{
    struct seen *seen = context;
    assert_true(is_test_event(event));
    if (seen->count++ == 0)
        seen->first = event->sequence;
    return true;
}

/* Within a block, at its ends, at trailers, and beyond the last record. */
static void a_read_begins_at_any_record(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 100, 3, 57, 0, 30};
    enum { FLOOR = 40, LAST = FLOOR + 1 + 100 + 3 + 57 + 0 + 30 + 6 };
    bool is_event[LAST + 1] = {false};
    uint64_t last = FLOOR;
    struct journal *journal = journal_of("journal", FLOOR);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        assert_int_equal(commit_test_events(journal, counts[i]), STATUS_OK);
        for (unsigned n = 0; n < counts[i]; n++)
            is_event[++last] = true;
        last++; /* the trailer */
    }
    assert_int_equal(journal_last_sequence(journal), LAST);
    struct seen expected = {0};
    for (uint64_t from = LAST + 2; from > 0; from--) {
        struct seen seen = {0};
        if (from <= LAST && is_event[from])
            expected = (struct seen){from, expected.count + 1};
        assert_int_equal(journal_read(journal, from, note_seen, &seen), STATUS_OK);
        assert_int_equal(seen.count, expected.count);
        assert_int_equal(seen.first, expected.first);
    }
    journal_close(journal);
}

static bool stop_at_third(void *context, const struct journal_event *event)
{
    (void)event;
    return ++*(unsigned *)context < 3;
}

static void a_read_stops_when_told(void **state)
{
    (void)state;
    unsigned count = 0;
    struct journal *journal = journal_of("journal", 0);
    assert_int_equal(commit_test_events(journal, 10), STATUS_OK);
    assert_int_equal(journal_read(journal, 0, stop_at_third, &count), STATUS_OK);
    assert_int_equal(count, 3);
    journal_close(journal);
}

static void a_probe_repeats_the_last_trailer(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 0);
    assert_int_equal(commit_test_events(journal, 10), STATUS_OK);
    struct journal_trailer before = *journal_last_trailer(journal);
    assert_int_equal(journal_probe(journal), STATUS_OK);
    assert_int_equal(journal_last_sequence(journal), 12);
    journal_close(journal);
    journal = journal_of("journal", 0);
    assert_memory_equal(journal_last_trailer(journal), &before, sizeof before);
    assert_int_equal(journal_last_sequence(journal), 12);
    assert_int_equal(read_test_events(journal, 0).count, 10);
    journal_close(journal);
}

/* ---- segments ---- */

enum { SMALL_SIZE = 4 << 20, SMALL_SEGMENT = 64 << 10 };

static struct journal *small_journal(uint64_t fill_ahead)
{
    struct journal *journal;
    const struct journal_options options = {.size_max = SMALL_SIZE, .fill_ahead = fill_ahead};
    assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_OK);
    return journal;
}

static off_t size_of_segment(unsigned number)
{
    struct stat file;
    return stat(segment_path(number), &file) == 0 ? file.st_size : -1;
}

static void records_are_read_across_segments_from_any_of_them(void **state)
{
    (void)state;
    struct journal *journal = small_journal(0);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(commit_test_events(journal, 1 + i % 30), STATUS_OK);
    uint64_t last = journal_last_sequence(journal);
    assert_true(count_segments() >= 7);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(read_test_events(journal, 0).count, last - 300);
        for (uint64_t from = last; from > 0; from -= from > 97 ? 97 : from) {
            struct test_read read = read_test_events(journal, from);
            assert_true(read.count == 0 ? from + 1 >= last : read.first <= from + 2);
            assert_true(read.count == 0 || read.last == last - 1);
        }
        journal_close(journal);
        journal = small_journal(0);
        assert_int_equal(journal_last_sequence(journal), last);
    }
    journal_close(journal);
}

static void a_transaction_is_within_one_segment_however_large(void **state)
{
    (void)state;
    struct journal *journal = small_journal(1 << 20);
    assert_int_equal(commit_test_events(journal, 3), STATUS_OK);
    assert_int_equal(commit_test_events(journal, 2000), STATUS_OK);
    assert_int_equal(count_segments(), 1);
    assert_true(size_of_segment(1) > 3 * SMALL_SEGMENT);
    assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    assert_int_equal(count_segments(), 2);
    journal_close(journal);
    journal = small_journal(0);
    assert_int_equal(read_test_events(journal, 0).count, 2004);
    journal_close(journal);
}

static void the_file_of_a_trimmed_segment_is_used_again(void **state)
{
    (void)state;
    struct stat first, again;
    struct journal *journal = small_journal(0);
    assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    assert_int_equal(stat(segment_path(1), &first), 0);
    while (size_of_segment(2) < 0)
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    trim_to(journal, UINT64_MAX);
    assert_int_equal(size_of_segment(1), -1);
    assert_int_equal(stat(segment_path(3), &again), 0);
    assert_true(first.st_ino == again.st_ino && again.st_size >= SMALL_SEGMENT);
    journal_close(journal);

    /* Also by the next writer; and while the next one is there, others are removed. */
    journal = small_journal(0);
    while (size_of_segment(4) < 0)
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    assert_int_equal(stat(segment_path(3), &again), 0);
    assert_true(first.st_ino == again.st_ino);
    while (size_of_segment(5) < 0)
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    for (unsigned i = 0; i < 4; i++)
        trim_to(journal, UINT64_MAX);
    assert_int_equal(count_segments(), 2);
    assert_true(size_of_segment(5) >= 0 && size_of_segment(6) >= 0);
    assert_int_equal(read_test_events(journal, 0).count, 0);
    journal_close(journal);
}

static void trimmed_segments_go(void **state)
{
    (void)state;
    struct journal *journal = small_journal(1 << 20);
    for (unsigned i = 0; i < 3000; i++) {
        assert_int_equal(commit_and_trim(journal, 20, 1000), STATUS_OK);
        assert_true(journal_bytes_used(journal) < 6 * SMALL_SEGMENT);
        if (i % 500 == 499) {
            uint64_t first = journal_first_sequence(journal);
            assert_int_equal(journal_last_sequence(journal), first + 1000 + 21);
            assert_true(read_test_events(journal, 0).first <= first + 1);
            journal_close(journal);
            journal = small_journal(1 << 20);
        }
    }
    assert_true(count_segments() <= 6);
    assert_int_equal(size_of_segment(1), -1);
    journal_close(journal);
}

static void files_are_filled_ahead(void **state)
{
    (void)state;
    struct journal *journal = journal_of("journal", 0); /* segments of 1 MiB */
    journal_close(journal);
    const struct journal_options options = {.size_max = TEST_MAP_SIZE, .fill_ahead = 16 << 20};
    assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_OK);
    /* The first one a quarter ahead, in steps of that size; the next one during its second half. */
    assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    assert_int_equal(size_of_segment(1), 256 << 10);
    assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    assert_int_equal(size_of_segment(1), 512 << 10);
    while (size_of_segment(2) < 0)
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    assert_true(journal_bytes_used(journal) > 512 << 10);
    assert_true(journal_bytes_used(journal) < 520 << 10);
    assert_int_equal(size_of_segment(1), 1 << 20);
    while (journal_bytes_used(journal) < 1 << 20)
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    assert_true(size_of_segment(1) >= 1 << 20);
    assert_int_equal(size_of_segment(2), 1 << 20);
    uint64_t last = journal_last_sequence(journal);
    journal_close(journal);
    assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_OK);
    assert_int_equal(journal_last_sequence(journal), last);
    assert_int_equal(commit_test_events(journal, 20), STATUS_OK); /* in the second file */
    read_test_events(journal, 0);
    journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(a_new_journal_is_empty),
        scratch_test(events_and_trailer_come_back_after_reopening),
        scratch_test(a_trailer_with_every_mark_comes_back),
        scratch_test(payloads_of_every_size_up_to_the_limit_are_kept),
        scratch_test(an_aborted_transaction_leaves_nothing),
        scratch_test(trimming_is_exact_and_keeps_the_last_trailer),
        scratch_test(sequences_never_come_back),
        scratch_test(the_floor_counts_in_an_empty_journal),
        scratch_test(a_read_begins_at_any_record),
        scratch_test(a_read_stops_when_told),
        scratch_test(a_probe_repeats_the_last_trailer),
        scratch_test(records_are_read_across_segments_from_any_of_them),
        scratch_test(a_transaction_is_within_one_segment_however_large),
        scratch_test(the_file_of_a_trimmed_segment_is_used_again),
        scratch_test(trimmed_segments_go),
        scratch_test(files_are_filled_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
