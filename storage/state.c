#include "state_internal.h"
#include "bytes.h"
#include "check.h"
#include "crc32c.h"
#include <stdlib.h>
#include <sys/statvfs.h>

struct row_key state_own_key(enum state_own_row row)
{
    return row_key_of('m', (uint64_t)row);
}

/* Of the key too: a row that is found under another key is as wrong as a flipped bit. */
uint32_t state_value_crc(const void *key, size_t key_size, const uint8_t *payload, size_t size)
{
    return crc32c(crc32c(0, key, key_size), payload, size);
}

static enum status load_covered(struct state *state)
{
    MDB_txn *txn;
    uint64_t covered = 0;
    int error = mdb_txn_begin(state->lmdb.env, NULL, MDB_RDONLY, &txn);
    if (error != 0)
        return lmdb_status(error);
    enum status status = state_covered_read(state, txn, &covered);
    mdb_txn_abort(txn);
    if (status == STATUS_OK)
        atomic_store(&state->covered, covered);
    return status;
}

enum status state_open(struct state **state, const char *directory, uint64_t map_size,
                       bool read_only)
{
    struct state *made = calloc(1, sizeof *made);
    *state = NULL;
    if (made == NULL)
        return STATUS_NO_MEMORY;
    enum status status =
        lmdb_open(&made->lmdb, directory, map_size, read_only ? LMDB_READ : LMDB_WRITE);
    if (status == STATUS_OK)
        status = load_covered(made);
    if (status == STATUS_OK)
        *state = made;
    else
        state_close(made);
    return status;
}

void state_close(struct state *state)
{
    if (state == NULL)
        return;
    state_abort(state);
    lmdb_close(&state->lmdb);
    free(state);
}

enum status state_begin(struct state *state)
{
    check(state->txn == NULL && !state->lmdb.read_only);
    int error = mdb_txn_begin(state->lmdb.env, NULL, 0, &state->txn);
    if (error != 0)
        state->txn = NULL;
    state->result = lmdb_status(error);
    return state->result;
}

static enum status put(struct state *state, const struct row_key *key, const void *payload,
                       size_t size)
{
    if (size > STATE_PAYLOAD_MAX)
        return STATUS_TOO_BIG;
    MDB_val at = {.mv_size = key->size, .mv_data = (void *)(uintptr_t)key->data};
    MDB_val value = {.mv_size = STATE_HEADER_SIZE + size};
    /* Rows come sorted: a cursor that stands on the right page already saves the way down. */
    int error =
        state->writer != NULL ? 0 : mdb_cursor_open(state->txn, state->lmdb.dbi, &state->writer);
    if (error == 0)
        error = mdb_cursor_put(state->writer, &at, &value, MDB_RESERVE);
    if (error != 0)
        return lmdb_write_status(error);
    uint8_t *to = value.mv_data;
    to[0] = STATE_VALUE_VERSION;
    if (size > 0)
        memcpy(to + STATE_HEADER_SIZE, payload, size);
    store_le32(to + 1, state_value_crc(key->data, key->size, to + STATE_HEADER_SIZE, size));
    return STATUS_OK;
}

void state_put(struct state *state, const struct row_key *key, const void *payload, size_t size)
{
    check(state->txn != NULL && key->size > 0 && key->data[0] != 'm');
    if (state->result == STATUS_OK)
        state->result = put(state, key, payload, size);
}

void state_delete(struct state *state, const struct row_key *key)
{
    check(state->txn != NULL && key->size > 0 && key->data[0] != 'm');
    if (state->result != STATUS_OK)
        return;
    MDB_val at = {.mv_size = key->size, .mv_data = (void *)(uintptr_t)key->data};
    if (state->writer != NULL) { /* nothing is to depend on where a delete leaves it */
        mdb_cursor_close(state->writer);
        state->writer = NULL;
    }
    int error = mdb_del(state->txn, state->lmdb.dbi, &at, NULL);
    if (error != 0 && error != MDB_NOTFOUND)
        state->result = lmdb_write_status(error);
}

static enum status put_number(struct state *state, enum state_own_row row, uint64_t number)
{
    uint8_t payload[8];
    struct row_key key = state_own_key(row);
    store_le64(payload, number);
    return put(state, &key, payload, sizeof payload);
}

static enum status commit(struct state *state)
{
    enum status result = state->result;
    if (result != STATUS_OK) {
        state_abort(state);
        return result;
    }
    int error = mdb_txn_commit(state->txn);
    state->txn = NULL; /* freed, whatever the result, and its cursor with it */
    state->writer = NULL;
    return lmdb_write_status(error);
}

enum status state_commit(struct state *state, uint64_t covered)
{
    check(state->txn != NULL);
    if (covered != 0 && state->result == STATUS_OK)
        state->result = put_number(state, STATE_ROW_COVERED, covered);
    enum status status = commit(state);
    if (status == STATUS_OK && covered != 0)
        atomic_store(&state->covered, covered);
    return status;
}

void state_abort(struct state *state)
{
    if (state->txn != NULL)
        mdb_txn_abort(state->txn);
    state->txn = NULL;
    state->writer = NULL;
}

uint64_t state_covered(struct state *state)
{
    if (state->lmdb.read_only)
        load_covered(state); /* a failure leaves the mark of before, which is true as well */
    return atomic_load(&state->covered);
}

enum status state_probe(struct state *state)
{
    enum status status = state_begin(state);
    if (status != STATUS_OK)
        return status;
    state->result = put_number(state, STATE_ROW_PROBE, atomic_load(&state->covered));
    return commit(state);
}

void state_clear_readers(struct state *state)
{
    lmdb_clear_readers(&state->lmdb);
}

uint64_t state_free_space(const struct state *state)
{
    int fd;
    struct statvfs space;
    if (mdb_env_get_fd(state->lmdb.env, &fd) != 0 || fstatvfs(fd, &space) != 0)
        return UINT64_MAX;
    return (uint64_t)space.f_bavail * space.f_frsize;
}
