#include "bytes.h"
#include "crc32c.h"
#include "storage_unit.h"

/* The event whose payload is `canary` is found in the closed file and damaged there. The journal
 * has three transactions of three events; the canary is in one of them. */

static const char canary[] = "CANARY-6b1f0e";

enum { RECORDS = 12, HEADER_SIZE = 43, SEGMENT_HEADER_SIZE = 40 };

static struct journal *open_as(bool read_only)
{
    struct journal *journal;
    const struct journal_options options = {.size_max = TEST_MAP_SIZE, .read_only = read_only};
    assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_OK);
    return journal;
}

static enum status open_to_write(void)
{
    struct journal *journal;
    const struct journal_options options = {.size_max = TEST_MAP_SIZE};
    enum status status = journal_open(&journal, scratch_path("journal"), &options);
    assert_true((status == STATUS_OK) == (journal != NULL));
    journal_close(journal);
    return status;
}

static void fill_journal(unsigned canary_at)
{
    struct journal *journal = open_as(false);
    for (unsigned transaction = 0; transaction < RECORDS / 4; transaction++) {
        struct journal_trailer trailer = trailer_of(transaction + 1);
        assert_int_equal(journal_begin(journal), STATUS_OK);
        for (unsigned i = 1; i <= 3; i++) {
            struct journal_event event = {
                .kind = 7, .payload = (const uint8_t *)canary, .payload_size = sizeof canary};
            if (transaction * 4 + i != canary_at)
                event.payload_size = 0;
            assert_int_equal(journal_append(journal, &event, NULL), STATUS_OK);
        }
        assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
    }
    journal_close(journal);
}

static const char *file_path(void)
{
    return segment_path(1);
}

static long canary_at(void)
{
    long at = file_find(file_path(), canary, sizeof canary, 0);
    assert_true(at > 0);
    return at;
}

static bool count_events(void *context, const struct journal_event *event)
{
    (void)event;
    ++*(unsigned *)context;
    return true;
}

/* What a reader, which opens it in any case, finds. */
static enum status read_all(unsigned *count)
{
    *count = 0;
    struct journal *journal = open_as(true);
    enum status status = journal_read(journal, 0, count_events, count);
    journal_close(journal);
    return status;
}

static void an_undamaged_journal_is_read(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(6);
    assert_int_equal(open_to_write(), STATUS_OK);
    assert_int_equal(read_all(&count), STATUS_OK);
    assert_int_equal(count, 9);
}

static void a_flipped_bit_is_found_by_opening_and_by_reading(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(6);
    file_flip(file_path(), canary_at() + 3, 0x10);
    assert_int_equal(open_to_write(), STATUS_CORRUPT);
    assert_int_equal(read_all(&count), STATUS_CORRUPT);
    assert_int_equal(count, 4); /* those before it: 1, 2, 3, 5 */
}

/* Nothing tells it from a transaction that was torn; one more behind it does. */
static void damage_to_the_very_last_transaction_looks_like_a_torn_one(void **state)
{
    (void)state;
    fill_journal(9);
    long at = canary_at();
    file_flip(file_path(), at, 0x10);
    struct journal *journal = open_as(true);
    assert_int_equal(journal_last_sequence(journal), RECORDS - 4);
    journal_close(journal);
    file_flip(file_path(), at, 0x10);
    journal = open_as(false);
    assert_int_equal(journal_last_sequence(journal), RECORDS);
    assert_int_equal(journal_probe(journal), STATUS_OK);
    journal_close(journal);
    file_flip(file_path(), at, 0x10);
    assert_int_equal(open_to_write(), STATUS_CORRUPT);
}

static void every_byte_of_every_record_is_covered(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(2);
    long end = file_find(file_path(), canary, sizeof canary, 0) + (long)sizeof canary;
    for (long at = SEGMENT_HEADER_SIZE; at < end; at++) {
        file_flip(file_path(), at, 0x10);
        assert_int_equal(open_to_write(), STATUS_CORRUPT);
        assert_int_equal(read_all(&count), STATUS_CORRUPT);
        assert_true(count < 2);
        file_flip(file_path(), at, 0x10);
    }
    assert_int_equal(open_to_write(), STATUS_OK);
}

static void every_byte_of_a_segments_header_is_covered(void **state)
{
    (void)state;
    struct journal *journal;
    const struct journal_options options = {.read_only = true};
    fill_journal(2);
    for (long at = 0; at < SEGMENT_HEADER_SIZE; at++) {
        file_flip(file_path(), at, 0x10);
        assert_int_equal(open_to_write(), STATUS_CORRUPT);
        assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_CORRUPT);
        file_flip(file_path(), at, 0x10);
    }
    assert_int_equal(open_to_write(), STATUS_OK);
}

static bool note_record(void *context, const struct journal_record *record)
{
    uint64_t *of = context; /* damaged, sound, the last sequence */
    of[record->status == STATUS_OK]++;
    of[2] = record->event.sequence;
    return true;
}

static void assert_walk(uint64_t damaged, uint64_t sound)
{
    uint64_t seen[3] = {0};
    struct journal *journal = open_as(true);
    assert_int_equal(journal_walk(journal, 0, note_record, seen), STATUS_OK);
    assert_int_equal(seen[0], damaged);
    assert_int_equal(seen[1], sound);
    assert_int_equal(seen[2], RECORDS);
    journal_close(journal);
}

static void a_walk_goes_on_behind_a_damaged_record(void **state)
{
    (void)state;
    fill_journal(2);
    long at = canary_at();
    file_flip(file_path(), at, 0x10);
    assert_walk(1, RECORDS - 1);
    file_flip(file_path(), at, 0x10);

    /* Without a size that can be believed those before the trailer are lost. */
    file_flip(file_path(), at + 4 - HEADER_SIZE, 0x10);
    assert_walk(1, RECORDS - 2);
    file_flip(file_path(), at + 4 - HEADER_SIZE, 0x10);
    file_flip(file_path(), at + 7 - HEADER_SIZE, 0x10);
    assert_walk(1, RECORDS - 2);
    file_flip(file_path(), at + 7 - HEADER_SIZE, 0x10);
    assert_walk(0, RECORDS);
}

static enum status read_from(uint64_t from, unsigned *count)
{
    *count = 0;
    struct journal *journal = open_as(true);
    enum status status = journal_read(journal, from, count_events, count);
    journal_close(journal);
    return status;
}

/* Nothing is left out in silence when the way to where a read begins is damaged. */
static void a_read_behind_damage_is_right_or_refused(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(2);
    file_flip(file_path(), canary_at() + 6 - HEADER_SIZE, 0x10); /* its size: 1 MiB more */
    assert_int_equal(read_from(1, &count), STATUS_CORRUPT);
    assert_int_equal(count, 1);
    assert_int_equal(read_from(2, &count), STATUS_CORRUPT);
    assert_int_equal(read_from(3, &count), STATUS_CORRUPT);
    assert_int_equal(count, 0);
    assert_int_equal(read_from(4, &count), STATUS_OK); /* the trailer, which can be found */
    assert_int_equal(count, 6);
    assert_int_equal(read_from(7, &count), STATUS_OK);
    assert_int_equal(count, 4);
}

static void another_version_is_refused(void **state)
{
    (void)state;
    uint8_t header[SEGMENT_HEADER_SIZE];
    fill_journal(9);
    int fd = open(file_path(), O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, header, sizeof header, 0), sizeof header);
    store_le32(header + 8, load_le32(header + 8) + 1);
    store_le32(header + 12, crc32c(crc32c(0, header + 8, 4), header + 16, sizeof header - 16));
    assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
    close(fd);
    assert_int_equal(open_to_write(), STATUS_MISMATCH);
}

/* ---- of several segments ---- */

enum { SMALL_SIZE = 4 << 20, TRANSACTIONS = 40, PER_TRANSACTION = 100 };

/* The number of segments. */
static unsigned fill_segments(void)
{
    struct journal *journal;
    const struct journal_options options = {.size_max = SMALL_SIZE};
    unsigned count = 0;
    assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_OK);
    for (unsigned i = 0; i < TRANSACTIONS; i++)
        assert_int_equal(commit_test_events(journal, PER_TRANSACTION), STATUS_OK);
    journal_close(journal);
    while (access(segment_path(count + 1), F_OK) == 0)
        count++;
    assert_true(count >= 5);
    return count;
}

static void damage_in_an_older_segment_is_found_by_reading(void **state)
{
    (void)state;
    uint64_t seen[3] = {0};
    unsigned count = 0;
    fill_segments();
    file_flip(segment_path(2), 20000, 1);
    struct journal *journal = open_as(false); /* its end is whole */
    assert_int_equal(journal_read(journal, 0, count_events, &count), STATUS_CORRUPT);
    assert_true(count > PER_TRANSACTION && count < TRANSACTIONS * PER_TRANSACTION / 2);
    journal_close(journal);
    journal = open_as(true);
    assert_int_equal(journal_walk(journal, 0, note_record, seen), STATUS_OK);
    assert_int_equal(seen[0], 1);
    assert_true(seen[1] >= TRANSACTIONS * (PER_TRANSACTION + 1) - PER_TRANSACTION - 1);
    assert_int_equal(seen[2], TRANSACTIONS * (PER_TRANSACTION + 1));
    journal_close(journal);
}

static void a_segment_that_is_missing_is_noticed(void **state)
{
    (void)state;
    struct journal *journal;
    const struct journal_options options = {.read_only = true};
    unsigned last = fill_segments();
    const unsigned missing[] = {1, 3, last - 1};
    for (unsigned i = 0; i < 3; i++) {
        char aside[TEST_PATH_MAX + 128];
        memcpy(aside, scratch_path("aside"), sizeof aside);
        assert_int_equal(rename(segment_path(missing[i]), aside), 0);
        assert_int_equal(open_to_write(), STATUS_CORRUPT);
        assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_CORRUPT);
        assert_int_equal(rename(aside, segment_path(missing[i])), 0);
        assert_int_equal(open_to_write(), STATUS_OK);
    }
}

static void a_header_without_its_number_is_noticed_in_any_segment(void **state)
{
    (void)state;
    unsigned last = fill_segments();
    for (unsigned number = 1; number <= last; number++) {
        file_flip(segment_path(number), 16, 1);
        assert_int_equal(open_to_write(), STATUS_CORRUPT);
        file_flip(segment_path(number), 16, 1);
    }
    assert_int_equal(open_to_write(), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(an_undamaged_journal_is_read),
        scratch_test(a_flipped_bit_is_found_by_opening_and_by_reading),
        scratch_test(damage_to_the_very_last_transaction_looks_like_a_torn_one),
        scratch_test(every_byte_of_every_record_is_covered),
        scratch_test(every_byte_of_a_segments_header_is_covered),
        scratch_test(a_walk_goes_on_behind_a_damaged_record),
        scratch_test(a_read_behind_damage_is_right_or_refused),
        scratch_test(another_version_is_refused),
        scratch_test(damage_in_an_older_segment_is_found_by_reading),
        scratch_test(a_segment_that_is_missing_is_noticed),
        scratch_test(a_header_without_its_number_is_noticed_in_any_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
