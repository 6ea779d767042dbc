#ifndef BOXOFFICE_JOURNAL_INTERNAL_H
#define BOXOFFICE_JOURNAL_INTERNAL_H

#include "journal.h"
#include "journal_fill.h"
#include "lmdb_env.h"

/* Shared by the journal's files. */

enum {
    JOURNAL_KEY_SIZE = 8,
    JOURNAL_HEADER_SIZE = 43, /* of a record */
    JOURNAL_TRAILER_SIZE_MAX = 12 + JOURNAL_MARKS_MAX * 16,
    JOURNAL_BLOCK_HEADER_SIZE = 1,
    JOURNAL_BLOCK_SIZE_MAX = JOURNAL_BLOCK_HEADER_SIZE + JOURNAL_HEADER_SIZE + JOURNAL_PAYLOAD_MAX,
};

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
    uint64_t txn_trimmed;

    uint64_t block_first; /* of the block under way, when it has records */
    size_t block_size;
    uint8_t block[JOURNAL_BLOCK_SIZE_MAX];
};

/* ---- journal_record.c: the bytes of records and blocks ---- */

size_t journal_trailer_encode(const struct journal_trailer *trailer,
                              uint8_t payload[JOURNAL_TRAILER_SIZE_MAX]);
enum status journal_trailer_decode(const struct journal_event *event,
                                   struct journal_trailer *trailer);

size_t journal_record_size(const struct journal_event *event);
/* `record` has journal_record_size(event) bytes. */
void journal_record_encode(uint64_t sequence, const struct journal_event *event, uint8_t *record);

/* The header, before the first record. */
void journal_block_begin(uint8_t *block);

/* What is left of a stored block, from the record `sequence` on. */
struct journal_block {
    uint64_t sequence;
    const uint8_t *at;
    size_t left;
    bool is_sound; /* its key's size and its header are right */
};
struct journal_block journal_block_of(const MDB_val *key, const MDB_val *value);
/* The next record; the payload points into the block. STATUS_NOT_FOUND: there is none.
 * STATUS_CORRUPT (CRC, size; version of the block): only event->sequence is set, and the next call
 * goes on behind it where its size can be believed. */
enum status journal_block_next(struct journal_block *block, struct journal_event *event);
/* Every record that is left; *last: the last of them. STATUS_CORRUPT: one is damaged. */
enum status journal_block_verify(struct journal_block block, struct journal_event *last);
/* To the first record >= sequence, without a look at those before it. */
void journal_block_skip_to(struct journal_block *block, uint64_t sequence);
/* The sequence of its last record. */
uint64_t journal_block_last(struct journal_block block);

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
