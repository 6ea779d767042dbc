#ifndef BOXOFFICE_JOURNAL_INTERNAL_H
#define BOXOFFICE_JOURNAL_INTERNAL_H

#include "journal.h"
#include "journal_fill.h"
#include "lmdb_env.h"

/* Shared by the journal's files. */

struct journal {
    struct lmdb_env lmdb;
    struct journal_fill fill;
    uint64_t floor;
    uint64_t first, last; /* committed; 0: none */
    uint64_t pages_used;
    uint64_t room_known_for;        /* transactions before the free list is looked at again */
    struct journal_trailer trailer; /* committed */
    MDB_txn *read_txn;              /* reset between reads; NULL before the first */
    bool is_pinned;                 /* read_txn stays as it is: a cut's */
    bool is_reading;

    MDB_txn *txn; /* the transaction under way */
    enum status result;
    enum status broken; /* a commit failed: not to be used any more */
    bool trim_only;
    uint64_t txn_first, txn_last;
    unsigned txn_trimmed;
};

/* ---- journal_record.c: the value's bytes ---- */

enum {
    JOURNAL_KEY_SIZE = 8,
    JOURNAL_HEADER_SIZE = 40,
    JOURNAL_TRAILER_SIZE_MAX = 12 + JOURNAL_MARKS_MAX * 16,
};

size_t journal_trailer_encode(const struct journal_trailer *trailer,
                              uint8_t payload[JOURNAL_TRAILER_SIZE_MAX]);
/* `value` has JOURNAL_HEADER_SIZE + event->payload_size bytes. */
void journal_record_encode(uint64_t sequence, const struct journal_event *event, uint8_t *value);
/* STATUS_CORRUPT: version, CRC, sizes. The payload points into `value`. */
enum status journal_record_decode(const MDB_val *key, const MDB_val *value,
                                  struct journal_event *event);
enum status journal_trailer_decode(const struct journal_event *event,
                                   struct journal_trailer *trailer);

/* ---- journal_room.c ---- */

/* STATUS_FULL when a transaction that begins now might not find the pages that it needs. */
enum status journal_room(struct journal *journal, bool trim_only);

/* ---- journal_read.c ---- */

/* Takes first, last and the trailer from the newest commit, whose records are verified. */
enum status journal_refresh(struct journal *journal, MDB_txn *txn);
/* The read transaction, renewed. End it with mdb_txn_reset. */
enum status journal_read_begin(struct journal *journal);
/* Renews it for the last time: from now on every read sees this snapshot. Call journal_refresh
 * before anything else; apart, because a snapshot is taken at once and a refresh reads. */
enum status journal_pin(struct journal *journal);

#endif
