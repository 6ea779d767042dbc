#ifndef BOXOFFICE_STATE_INTERNAL_H
#define BOXOFFICE_STATE_INTERNAL_H

#include "lmdb_env.h"
#include "state.h"
#include <stdatomic.h>

/* Shared by the state's files. */

enum { STATE_HEADER_SIZE = 5, STATE_VALUE_VERSION = 1 };

/* Rows of the table 'm' are the environment's own: cursors pass over them. */
enum state_own_row { STATE_ROW_COVERED = 1, STATE_ROW_PROBE = 2 };

struct state {
    struct lmdb_env lmdb;
    _Atomic uint64_t covered; /* set by the writer, read by any thread */
    MDB_txn *txn;             /* the writer's */
    MDB_cursor *writer;       /* of txn; NULL: not open */
    enum status result;
};

struct state_reader {
    struct state *state;
    MDB_txn *txn;
    bool is_active;   /* has a snapshot */
    uint64_t renewal; /* counts snapshots: a cursor of an earlier one must seek first */
};

struct state_cursor {
    struct state_reader *reader;
    MDB_cursor *cursor;
    uint64_t renewal;
};

struct row_key state_own_key(enum state_own_row row);
/* STATUS_CORRUPT: version, CRC, size. `value` points into `stored`. */
enum status state_value_decode(const void *key, size_t key_size, const MDB_val *stored,
                               struct row_bytes *value);
uint32_t state_value_crc(const void *key, size_t key_size, const uint8_t *payload, size_t size);
/* The committed mark as this transaction sees it; 0 when there is none. */
enum status state_covered_read(const struct state *state, MDB_txn *txn, uint64_t *covered);

#endif
