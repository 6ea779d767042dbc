#include "state_internal.h"
#include "bytes.h"
#include "check.h"
#include <stdlib.h>

enum status state_value_decode(const void *key, size_t key_size, const MDB_val *stored,
                               struct row_bytes *value)
{
    const uint8_t *from = stored->mv_data;
    if (stored->mv_size < STATE_HEADER_SIZE || from[0] != STATE_VALUE_VERSION)
        return STATUS_CORRUPT;
    *value = (struct row_bytes){
        .data = from + STATE_HEADER_SIZE,
        .size = stored->mv_size - STATE_HEADER_SIZE,
    };
    uint32_t crc = state_value_crc(key, key_size, value->data, value->size);
    return load_le32(from + 1) == crc ? STATUS_OK : STATUS_CORRUPT;
}

static enum status get(const struct state *state, MDB_txn *txn, const struct row_key *key,
                       struct row_bytes *value)
{
    MDB_val stored;
    MDB_val at = {.mv_size = key->size, .mv_data = (void *)(uintptr_t)key->data};
    int error = mdb_get(txn, state->lmdb.dbi, &at, &stored);
    if (error != 0)
        return lmdb_status(error);
    return state_value_decode(key->data, key->size, &stored, value);
}

enum status state_covered_read(const struct state *state, MDB_txn *txn, uint64_t *covered)
{
    struct row_bytes value = {0};
    struct row_key key = state_own_key(STATE_ROW_COVERED);
    enum status status = get(state, txn, &key, &value);
    *covered = 0;
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status == STATUS_OK && value.size != sizeof(uint64_t))
        status = STATUS_CORRUPT;
    if (status == STATUS_OK)
        *covered = load_le64(value.data);
    return status;
}

enum status state_reader_open(struct state_reader **reader, struct state *state)
{
    *reader = NULL;
    struct state_reader *made = calloc(1, sizeof *made);
    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->state = state;
    int error = mdb_txn_begin(state->lmdb.env, NULL, MDB_RDONLY, &made->txn);
    if (error != 0) {
        free(made);
        return lmdb_status(error);
    }
    made->is_active = true;
    *reader = made;
    return STATUS_OK;
}

void state_reader_close(struct state_reader *reader)
{
    if (reader == NULL)
        return;
    mdb_txn_abort(reader->txn);
    free(reader);
}

void state_reader_reset(struct state_reader *reader)
{
    if (reader->is_active)
        mdb_txn_reset(reader->txn);
    reader->is_active = false;
}

static enum status ensure_active(struct state_reader *reader)
{
    if (reader->is_active)
        return STATUS_OK;
    int error = mdb_txn_renew(reader->txn);
    if (error != 0)
        return lmdb_status(error);
    reader->is_active = true;
    reader->renewal++;
    return STATUS_OK;
}

enum status state_reader_refresh(struct state_reader *reader)
{
    state_reader_reset(reader);
    return ensure_active(reader);
}

enum status state_get(struct state_reader *reader, const struct row_key *key,
                      struct row_bytes *value)
{
    enum status status = ensure_active(reader);
    return status == STATUS_OK ? get(reader->state, reader->txn, key, value) : status;
}

enum status state_reader_covered(struct state_reader *reader, uint64_t *covered)
{
    enum status status = ensure_active(reader);
    return status == STATUS_OK ? state_covered_read(reader->state, reader->txn, covered) : status;
}

enum status state_cursor_open(struct state_cursor **cursor, struct state_reader *reader)
{
    *cursor = NULL;
    enum status status = ensure_active(reader);
    if (status != STATUS_OK)
        return status;
    struct state_cursor *made = calloc(1, sizeof *made);
    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->reader = reader;
    made->renewal = reader->renewal;
    int error = mdb_cursor_open(reader->txn, reader->state->lmdb.dbi, &made->cursor);
    if (error != 0) {
        free(made);
        return lmdb_status(error);
    }
    *cursor = made;
    return STATUS_OK;
}

void state_cursor_close(struct state_cursor *cursor)
{
    if (cursor == NULL)
        return;
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}

/* Takes the row at `op`, or the next one beyond the environment's own rows. */
static enum status take(struct state_cursor *cursor, MDB_cursor_op op, MDB_cursor_op next,
                        MDB_val *at, struct row_key *key, struct row_bytes *value)
{
    MDB_val stored;
    int error = mdb_cursor_get(cursor->cursor, at, &stored, op);
    while (error == 0 && at->mv_size > 0 && *(const char *)at->mv_data == 'm')
        error = mdb_cursor_get(cursor->cursor, at, &stored, next);
    if (error != 0)
        return lmdb_status(error);
    if (at->mv_size > ROW_KEY_MAX)
        return STATUS_CORRUPT;
    key->size = (uint8_t)at->mv_size;
    memcpy(key->data, at->mv_data, at->mv_size);
    return state_value_decode(at->mv_data, at->mv_size, &stored, value);
}

enum status state_cursor_seek(struct state_cursor *cursor, const struct row_key *from,
                              bool descending, struct row_key *key, struct row_bytes *value)
{
    MDB_val stored;
    MDB_val at = {.mv_size = from->size, .mv_data = (void *)(uintptr_t)from->data};
    enum status status = ensure_active(cursor->reader);
    if (status != STATUS_OK)
        return status;
    if (cursor->renewal != cursor->reader->renewal) {
        int error = mdb_cursor_renew(cursor->reader->txn, cursor->cursor);
        if (error != 0)
            return lmdb_status(error);
        cursor->renewal = cursor->reader->renewal;
    }
    if (from->size == 0)
        return descending ? STATUS_NOT_FOUND : take(cursor, MDB_FIRST, MDB_NEXT, &at, key, value);
    if (!descending)
        return take(cursor, MDB_SET_RANGE, MDB_NEXT, &at, key, value);
    int error = mdb_cursor_get(cursor->cursor, &at, &stored, MDB_SET_RANGE);
    if (error != 0 && error != MDB_NOTFOUND)
        return lmdb_status(error);
    return take(cursor, error == 0 ? MDB_PREV : MDB_LAST, MDB_PREV, &at, key, value);
}

enum status state_cursor_next(struct state_cursor *cursor, bool descending, struct row_key *key,
                              struct row_bytes *value)
{
    MDB_val at;
    check(cursor->reader->is_active && cursor->renewal == cursor->reader->renewal);
    MDB_cursor_op op = descending ? MDB_PREV : MDB_NEXT;
    return take(cursor, op, op, &at, key, value);
}
