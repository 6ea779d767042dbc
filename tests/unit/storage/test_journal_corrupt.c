#include "storage_unit.h"

/* The event whose payload is `canary` is found in the closed file and damaged there. The journal
 * has three transactions of three events; the canary is in one of them. */

static const char canary[] = "CANARY-6b1f0e";

enum { RECORDS = 12, HEADER_SIZE = 43, BLOCK_HEADER_SIZE = 1, KEY_SIZE = 8 };

static void fill_journal(unsigned canary_at)
{
    struct journal *journal = journal_of("journal", 0);
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

/* Every copy: a page that was written anew leaves its old one in the file. `from_payload`: where.
 */
static void damage(long from_payload)
{
    const char *path = scratch_path("journal/data.mdb");
    unsigned count = 0;
    for (long at = 0; (at = file_find(path, canary, sizeof canary, at)) >= 0; at++, count++)
        file_flip(path, at + from_payload, 0x10);
    assert_true(count > 0);
}

static bool count_events(void *context, const struct journal_event *event)
{
    (void)event;
    ++*(unsigned *)context;
    return true;
}

static enum status open_and_read(unsigned *count)
{
    struct journal *journal;
    const struct journal_options options = {.map_size = TEST_MAP_SIZE};
    *count = 0;
    enum status status = journal_open(&journal, scratch_path("journal"), &options);
    if (status == STATUS_OK)
        status = journal_read(journal, 0, count_events, count);
    journal_close(journal);
    return status;
}

static void an_undamaged_journal_is_read(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(6);
    assert_int_equal(open_and_read(&count), STATUS_OK);
    assert_int_equal(count, 9);
}

static void a_flipped_bit_in_an_older_record_is_found_by_reading(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(6);
    damage(3);
    struct journal *journal = journal_of("journal", 0); /* the last transaction is whole */
    journal_close(journal);
    assert_int_equal(open_and_read(&count), STATUS_CORRUPT);
    assert_int_equal(count, 4); /* those before it: 1, 2, 3, 5 */
}

static void a_flipped_bit_in_the_last_transaction_is_found_by_opening(void **state)
{
    (void)state;
    unsigned count;
    struct journal *journal;
    const struct journal_options options = {.map_size = TEST_MAP_SIZE};
    fill_journal(9);
    damage(0);
    assert_int_equal(journal_open(&journal, scratch_path("journal"), &options), STATUS_CORRUPT);
    assert_null(journal);
    assert_int_equal(open_and_read(&count), STATUS_CORRUPT);
}

static void every_byte_of_a_block_and_its_key_is_covered(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(5); /* the first of its block */
    for (long at = -HEADER_SIZE - BLOCK_HEADER_SIZE - KEY_SIZE; at < (long)sizeof canary; at++) {
        damage(at);
        assert_int_equal(open_and_read(&count), STATUS_CORRUPT);
        if (at < 0 || at > 12) /* the canary itself must be whole to be found again */
            damage(at);
        else
            break;
        assert_int_equal(open_and_read(&count), STATUS_OK);
    }
}

static bool note_record(void *context, const struct journal_record *record)
{
    uint64_t *of = context; /* damaged, sound, the last sequence */
    of[record->status == STATUS_OK]++;
    of[2] = record->event.sequence;
    return true;
}

static void a_walk_goes_on_behind_a_damaged_record(void **state)
{
    (void)state;
    uint64_t seen[3] = {0};
    fill_journal(2);
    damage(-1);
    struct journal *journal = journal_of("journal", 0);
    assert_int_equal(journal_walk(journal, 0, note_record, seen), STATUS_OK);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], RECORDS - 1);
    assert_int_equal(seen[2], RECORDS);
    journal_close(journal);

    /* Without a size that can be believed the rest of its block is lost. */
    damage(-1);
    damage(4 - HEADER_SIZE);
    memset(seen, 0, sizeof seen);
    journal = journal_of("journal", 0);
    assert_int_equal(journal_walk(journal, 0, note_record, seen), STATUS_OK);
    assert_int_equal(seen[0], 1); /* of 2, 3 and 4 */
    assert_int_equal(seen[1], RECORDS - 3);
    assert_int_equal(seen[2], RECORDS);
    journal_close(journal);
}

static void another_version_is_refused(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(9);
    damage(-HEADER_SIZE - BLOCK_HEADER_SIZE); /* the version, which no CRC covers */
    assert_int_equal(open_and_read(&count), STATUS_CORRUPT);
}

static void a_file_that_is_no_environment_is_refused(void **state)
{
    (void)state;
    unsigned count;
    fill_journal(9);
    int fd = open(scratch_path("journal/data.mdb"), O_WRONLY | O_CLOEXEC);
    static const uint8_t zeros[8192];
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 0), sizeof zeros);
    close(fd);
    assert_int_equal(open_and_read(&count), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(an_undamaged_journal_is_read),
        scratch_test(a_flipped_bit_in_an_older_record_is_found_by_reading),
        scratch_test(a_flipped_bit_in_the_last_transaction_is_found_by_opening),
        scratch_test(every_byte_of_a_block_and_its_key_is_covered),
        scratch_test(a_walk_goes_on_behind_a_damaged_record),
        scratch_test(another_version_is_refused),
        scratch_test(a_file_that_is_no_environment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
