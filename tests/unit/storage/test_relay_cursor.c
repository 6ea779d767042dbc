#include "relay_cursor.h"
#include "storage_unit.h"

/* The relay's durable cursor. */

static struct relay_cursor opened(void)
{
    struct relay_cursor cursor;
    assert_int_equal(relay_cursor_open(&cursor, scratch_path("relay/cursor")), STATUS_OK);
    return cursor;
}

static void stored(struct relay_cursor *cursor, const char *worker, uint64_t sequence)
{
    assert_true(relay_cursor_set(cursor, worker, sequence));
    assert_int_equal(relay_cursor_store(cursor), STATUS_OK);
}

static uint64_t peeked(const char *worker)
{
    uint64_t sequence = 77;
    assert_int_equal(relay_cursor_peek(scratch_path("relay/cursor"), worker, &sequence), STATUS_OK);
    return sequence;
}

static void flip(off_t at)
{
    uint8_t byte;
    int fd = open(scratch_path("relay/cursor"), O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void it_begins_at_nothing(void **state)
{
    (void)state;
    assert_int_equal(peeked("seat-0"), 0);
    struct relay_cursor cursor = opened();
    assert_int_equal(relay_cursor_get(&cursor, "seat-0"), 0);
    relay_cursor_close(&cursor);
    assert_int_equal(peeked("seat-0"), 0);
}

static void what_is_stored_is_found_again(void **state)
{
    (void)state;
    struct relay_cursor cursor = opened();
    for (uint64_t round = 1; round <= 5; round++) {
        stored(&cursor, "seat-0", round * 10);
        stored(&cursor, "wallet-15", round);
        relay_cursor_close(&cursor);
        cursor = opened();
        assert_int_equal(relay_cursor_get(&cursor, "seat-0"), round * 10);
        assert_int_equal(relay_cursor_get(&cursor, "wallet-15"), round);
        assert_int_equal(relay_cursor_get(&cursor, "wallet-1"), 0);
        assert_int_equal(peeked("wallet-15"), round);
    }
    relay_cursor_close(&cursor);
}

static void it_never_sinks(void **state)
{
    (void)state;
    struct relay_cursor cursor = opened();
    stored(&cursor, "seat-0", 10);
    stored(&cursor, "seat-0", 9);
    relay_cursor_close(&cursor);
    assert_int_equal(peeked("seat-0"), 10);
}

/* Power fails in the middle of a write: the slot that was being written is anything. */
static void a_torn_write_leaves_what_was_stored_before(void **state)
{
    (void)state;
    for (off_t at = 0; at < RELAY_CURSOR_SLOT_SIZE; at += 101) {
        struct relay_cursor cursor = opened();
        uint64_t before = relay_cursor_get(&cursor, "seat-0") + 1;
        stored(&cursor, "seat-0", before);
        off_t other = (off_t)((cursor.generation + 1) % 2) * RELAY_CURSOR_SLOT_SIZE;
        relay_cursor_close(&cursor);
        flip(other + at);
        assert_int_equal(peeked("seat-0"), before);
        cursor = opened();
        stored(&cursor, "seat-0", before + 1);
        relay_cursor_close(&cursor);
        flip((off_t)(cursor.generation % 2) * RELAY_CURSOR_SLOT_SIZE + at);
        assert_int_equal(peeked("seat-0"), before);
    }
}

static void without_a_valid_slot_it_begins_again_and_says_so(void **state)
{
    (void)state;
    struct relay_cursor cursor = opened();
    stored(&cursor, "seat-0", 10);
    relay_cursor_close(&cursor);
    flip(30);
    flip(RELAY_CURSOR_SLOT_SIZE + 30);
    assert_int_equal(peeked("seat-0"), 0);
    assert_int_equal(relay_cursor_open(&cursor, scratch_path("relay/cursor")), STATUS_CORRUPT);
    assert_int_equal(relay_cursor_get(&cursor, "seat-0"), 0);
    stored(&cursor, "seat-0", 11);
    relay_cursor_close(&cursor);
    assert_int_equal(peeked("seat-0"), 11);
}

static void it_has_room_for_every_worker_and_no_more(void **state)
{
    (void)state;
    char name[RELAY_CURSOR_NAME_SIZE];
    struct relay_cursor cursor = opened();
    for (unsigned i = 0; i < RELAY_CURSOR_WORKERS_MAX; i++) {
        snprintf(name, sizeof name, "wallet-%u", i);
        assert_true(relay_cursor_set(&cursor, name, i + 1));
    }
    assert_false(relay_cursor_set(&cursor, "one-more", 1));
    assert_int_equal(relay_cursor_store(&cursor), STATUS_OK);
    relay_cursor_close(&cursor);
    assert_int_equal(peeked("wallet-63"), 64);
    assert_int_equal(peeked("wallet-0"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(it_begins_at_nothing),
        scratch_test(what_is_stored_is_found_again),
        scratch_test(it_never_sinks),
        scratch_test(a_torn_write_leaves_what_was_stored_before),
        scratch_test(without_a_valid_slot_it_begins_again_and_says_so),
        scratch_test(it_has_room_for_every_worker_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
