#include "state.h"
#include "storage_unit.h"
#include <pthread.h>
#include <stdatomic.h>

static struct state *state_of(const char *name)
{
    struct state *state;
    assert_int_equal(state_open(&state, scratch_path(name), TEST_MAP_SIZE, false), STATUS_OK);
    return state;
}

static struct state_reader *reader_of(struct state *state)
{
    struct state_reader *reader;
    assert_int_equal(state_reader_open(&reader, state), STATUS_OK);
    return reader;
}

static void put_number(struct state *state, char table, uint64_t id, uint64_t number)
{
    struct row_key key = row_key_of(table, id);
    state_put(state, &key, &number, sizeof number);
}

/* UINT64_MAX: no such row. */
static uint64_t number_of(struct state_reader *reader, char table, uint64_t id)
{
    uint64_t number;
    struct row_bytes value;
    struct row_key key = row_key_of(table, id);
    enum status status = state_get(reader, &key, &value);
    if (status == STATUS_NOT_FOUND)
        return UINT64_MAX;
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(value.size, sizeof number);
    memcpy(&number, value.data, sizeof number);
    return number;
}

static void rows_and_covered_come_back_after_reopening(void **context)
{
    (void)context;
    struct state *state = state_of("worker-0/state");
    assert_int_equal(state_covered(state), 0);
    assert_int_equal(state_begin(state), STATUS_OK);
    put_number(state, 'w', 1, 100);
    put_number(state, 'w', 2, 200);
    assert_int_equal(state_commit(state, 17), STATUS_OK);
    assert_int_equal(state_covered(state), 17);
    assert_int_equal(state_begin(state), STATUS_OK);
    put_number(state, 'w', 1, 101);
    struct row_key second = row_key_of('w', 2), absent = row_key_of('w', 3);
    state_delete(state, &second);
    state_delete(state, &absent);
    assert_int_equal(state_commit(state, 0), STATUS_OK); /* leaves the mark */
    state_close(state);

    state = state_of("worker-0/state");
    struct state_reader *reader = reader_of(state);
    uint64_t covered = 0;
    assert_int_equal(state_covered(state), 17);
    assert_int_equal(state_reader_covered(reader, &covered), STATUS_OK);
    assert_int_equal(covered, 17);
    assert_int_equal(number_of(reader, 'w', 1), 101);
    assert_true(number_of(reader, 'w', 2) == UINT64_MAX);
    state_reader_close(reader);
    state_close(state);
}

static void an_aborted_transaction_leaves_nothing(void **context)
{
    (void)context;
    struct state *state = state_of("state");
    struct state_reader *reader = reader_of(state);
    assert_int_equal(state_begin(state), STATUS_OK);
    put_number(state, 'w', 1, 1);
    state_abort(state);
    assert_int_equal(state_reader_refresh(reader), STATUS_OK);
    assert_true(number_of(reader, 'w', 1) == UINT64_MAX);
    state_reader_close(reader);
    state_close(state);
}

static void a_failed_put_fails_the_commit_and_leaves_nothing(void **context)
{
    (void)context;
    static const uint8_t payload[STATE_PAYLOAD_MAX + 1];
    struct row_key key = row_key_of('s', 5);
    struct row_bytes value;
    struct state *state = state_of("state");
    assert_int_equal(state_begin(state), STATUS_OK);
    put_number(state, 'w', 1, 1);
    state_put(state, &key, payload, sizeof payload);
    put_number(state, 'w', 2, 2);
    assert_int_equal(state_commit(state, 9), STATUS_TOO_BIG);
    assert_int_equal(state_covered(state), 0);
    struct state_reader *reader = reader_of(state);
    assert_true(number_of(reader, 'w', 1) == UINT64_MAX);
    assert_int_equal(state_begin(state), STATUS_OK);
    state_put(state, &key, payload, sizeof payload - 1);
    state_put(state, &(struct row_key){.size = 1, .data = {'x'}}, NULL, 0);
    assert_int_equal(state_commit(state, 9), STATUS_OK);
    assert_int_equal(state_reader_refresh(reader), STATUS_OK);
    assert_int_equal(state_get(reader, &key, &value), STATUS_OK);
    assert_int_equal(value.size, sizeof payload - 1);
    assert_memory_equal(value.data, payload, value.size);
    assert_int_equal(state_get(reader, &(struct row_key){.size = 1, .data = {'x'}}, &value),
                     STATUS_OK);
    assert_int_equal(value.size, 0);
    state_reader_close(reader);
    state_close(state);
}

static void a_snapshot_stays_as_it_is_until_refreshed(void **context)
{
    (void)context;
    struct state *state = state_of("state");
    struct state_reader *reader = reader_of(state), *other = reader_of(state);
    assert_int_equal(state_begin(state), STATUS_OK);
    put_number(state, 'w', 1, 1);
    assert_int_equal(state_commit(state, 1), STATUS_OK);
    assert_true(number_of(reader, 'w', 1) == UINT64_MAX);
    assert_int_equal(state_reader_refresh(reader), STATUS_OK);
    assert_int_equal(number_of(reader, 'w', 1), 1);
    assert_true(number_of(other, 'w', 1) == UINT64_MAX);
    state_reader_reset(other); /* the next use begins a new one */
    state_reader_reset(other);
    assert_int_equal(number_of(other, 'w', 1), 1);
    state_reader_close(other);
    state_reader_close(reader);
    state_close(state);
}

static void a_probe_writes_without_a_visible_row(void **context)
{
    (void)context;
    struct row_key key;
    struct row_bytes value;
    struct state_cursor *cursor;
    struct state *state = state_of("state");
    assert_int_equal(state_probe(state), STATUS_OK);
    assert_int_equal(state_begin(state), STATUS_OK);
    assert_int_equal(state_commit(state, 3), STATUS_OK);
    struct state_reader *reader = reader_of(state);
    assert_int_equal(state_cursor_open(&cursor, reader), STATUS_OK);
    struct row_key low = {0}, high = {.size = 1, .data = {0xff}};
    assert_int_equal(state_cursor_seek(cursor, &low, false, &key, &value), STATUS_NOT_FOUND);
    assert_int_equal(state_cursor_seek(cursor, &high, true, &key, &value), STATUS_NOT_FOUND);
    state_cursor_close(cursor);
    state_reader_close(reader);
    state_close(state);
}

enum { MODEL_IDS = 200 };

/* Seeks from `from` and walks to the end, beside a model: row `id` of table `t` is there when
 * model[t][id] is not 0. Tables 'l', 'm' (none) and 'n': the environment's own rows lie between. */
static void walk(struct state_cursor *cursor, uint64_t model[2][MODEL_IDS], unsigned from,
                 bool descending)
{
    struct row_key at = row_key_of(from < MODEL_IDS ? 'l' : 'n', from % MODEL_IDS), key;
    struct row_bytes value;
    enum status status = state_cursor_seek(cursor, &at, descending, &key, &value);
    unsigned i = from;
    while (descending ? i-- > 0 : i < 2 * MODEL_IDS) {
        uint64_t expected = model[i / MODEL_IDS][i % MODEL_IDS];
        if (expected != 0) {
            struct row_key here = row_key_of(i < MODEL_IDS ? 'l' : 'n', i % MODEL_IDS);
            assert_int_equal(status, STATUS_OK);
            assert_int_equal(row_key_compare(&key, &here), 0);
            assert_memory_equal(value.data, &expected, sizeof expected);
            status = state_cursor_next(cursor, descending, &key, &value);
        }
        if (!descending)
            i++;
    }
    assert_int_equal(status, STATUS_NOT_FOUND);
    assert_int_equal(state_cursor_next(cursor, descending, &key, &value), STATUS_NOT_FOUND);
}

static void cursors_agree_with_a_model_in_both_directions(void **context)
{
    (void)context;
    static uint64_t model[2][MODEL_IDS];
    uint64_t seed = 99;
    struct state_cursor *cursor;
    struct state *state = state_of("state");
    struct state_reader *reader = reader_of(state);
    assert_int_equal(state_cursor_open(&cursor, reader), STATUS_OK);
    for (unsigned round = 0; round < 60; round++) {
        assert_int_equal(state_begin(state), STATUS_OK);
        for (unsigned i = 0; i < 30; i++) {
            unsigned table = (unsigned)(unit_random(&seed) % 2);
            unsigned id = (unsigned)(unit_random(&seed) % MODEL_IDS);
            struct row_key key = row_key_of(table == 0 ? 'l' : 'n', id);
            model[table][id] = unit_random(&seed) % 3 == 0 ? 0 : unit_random(&seed);
            if (model[table][id] == 0)
                state_delete(state, &key);
            else
                state_put(state, &key, &model[table][id], sizeof model[table][id]);
        }
        assert_int_equal(state_commit(state, round + 1), STATUS_OK);
        /* The same cursor, over the new snapshot. */
        assert_int_equal(state_reader_refresh(reader), STATUS_OK);
        for (unsigned i = 0; i < 10; i++) {
            unsigned from = (unsigned)(unit_random(&seed) % (2 * MODEL_IDS));
            walk(cursor, model, from, false);
            walk(cursor, model, from, true);
        }
    }
    state_cursor_close(cursor);
    state_reader_close(reader);
    state_close(state);
}

static void damaged_rows_are_refused(void **context)
{
    (void)context;
    static const char canary[] = "CANARY-0c55e1";
    enum { HEADER_SIZE = 5, KEY_SIZE = 9 };
    char path[TEST_PATH_MAX + 128];
    memcpy(path, scratch_path("state/data.mdb"), sizeof path);
    struct row_key key = row_key_of('w', 77);
    struct row_bytes value;
    struct state *state = state_of("state");
    assert_int_equal(state_begin(state), STATUS_OK);
    state_put(state, &key, canary, sizeof canary);
    assert_int_equal(state_commit(state, 1), STATUS_OK);
    state_close(state);
    for (long at = -HEADER_SIZE - KEY_SIZE; at < (long)sizeof canary; at++) {
        long found = file_find(path, canary, sizeof canary, 0);
        assert_true(found > 0);
        file_flip(path, found + at, 0x04);
        state = state_of("state");
        struct state_reader *reader = reader_of(state);
        struct state_cursor *cursor;
        struct row_key got;
        assert_int_equal(state_cursor_open(&cursor, reader), STATUS_OK);
        struct row_key from = {0};
        assert_int_equal(state_cursor_seek(cursor, &from, false, &got, &value), STATUS_CORRUPT);
        assert_int_equal(state_get(reader, &key, &value),
                         at < -HEADER_SIZE ? STATUS_NOT_FOUND : STATUS_CORRUPT);
        state_cursor_close(cursor);
        state_reader_close(reader);
        state_close(state);
        file_flip(path, found + at, 0x04);
    }
}

static void a_full_map_fails_the_commit_and_what_was_there_stays(void **context)
{
    (void)context;
    static const uint8_t payload[4000];
    struct state *state;
    struct row_key key;
    assert_int_equal(state_open(&state, scratch_path("state"), 1 << 20, false), STATUS_OK);
    assert_int_equal(state_begin(state), STATUS_OK);
    put_number(state, 'w', 1, 1);
    assert_int_equal(state_commit(state, 1), STATUS_OK);
    assert_int_equal(state_begin(state), STATUS_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        key = row_key_of('s', i);
        state_put(state, &key, payload, sizeof payload);
    }
    assert_int_equal(state_commit(state, 2), STATUS_STORAGE_FULL);
    assert_int_equal(state_covered(state), 1);
    assert_int_equal(state_probe(state), STATUS_OK);
    struct state_reader *reader = reader_of(state);
    assert_int_equal(number_of(reader, 'w', 1), 1);
    assert_true(number_of(reader, 's', 0) == UINT64_MAX);
    state_reader_close(reader);
    state_close(state);
}

/* One thread commits rows that all hold the number of the commit; another, at the same time, must
 * always see rows of one commit. */
enum { SHARED_ROWS = 30, SHARED_COMMITS = 300 };

struct shared {
    struct state *state;
    _Atomic bool is_over;
};

static void *write_shared(void *context)
{
    struct shared *shared = context;
    for (uint64_t number = 1; number <= SHARED_COMMITS; number++) {
        if (state_begin(shared->state) != STATUS_OK)
            break;
        for (uint64_t i = 0; i < SHARED_ROWS; i++) {
            struct row_key key = row_key_of('w', i * 7919);
            state_put(shared->state, &key, &number, sizeof number);
        }
        if (state_commit(shared->state, number) != STATUS_OK)
            break;
    }
    atomic_store(&shared->is_over, true);
    return NULL;
}

static void a_reader_beside_the_writer_sees_whole_commits(void **context)
{
    (void)context;
    pthread_t thread;
    struct shared shared = {.state = state_of("state")};
    struct state_reader *reader = reader_of(shared.state);
    assert_int_equal(pthread_create(&thread, NULL, write_shared, &shared), 0);
    uint64_t last = 0;
    bool is_over = false;
    while (!is_over) {
        is_over = atomic_load(&shared.is_over);
        uint64_t before = state_covered(shared.state), covered;
        assert_int_equal(state_reader_refresh(reader), STATUS_OK);
        assert_int_equal(state_reader_covered(reader, &covered), STATUS_OK);
        assert_true(covered >= before && covered >= last);
        last = covered;
        for (uint64_t i = 0; i < SHARED_ROWS && covered > 0; i++)
            assert_int_equal(number_of(reader, 'w', i * 7919), covered);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(last, SHARED_COMMITS);
    state_reader_close(reader);
    state_close(shared.state);
}

static void free_space_is_that_of_the_file_system(void **context)
{
    (void)context;
    struct state *state = state_of("state");
    uint64_t space = state_free_space(state);
    assert_true(space > 0 && space < UINT64_MAX);
    state_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(rows_and_covered_come_back_after_reopening),
        scratch_test(an_aborted_transaction_leaves_nothing),
        scratch_test(a_failed_put_fails_the_commit_and_leaves_nothing),
        scratch_test(a_snapshot_stays_as_it_is_until_refreshed),
        scratch_test(a_probe_writes_without_a_visible_row),
        scratch_test(cursors_agree_with_a_model_in_both_directions),
        scratch_test(damaged_rows_are_refused),
        scratch_test(a_full_map_fails_the_commit_and_what_was_there_stays),
        scratch_test(a_reader_beside_the_writer_sees_whole_commits),
        scratch_test(free_space_is_that_of_the_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
