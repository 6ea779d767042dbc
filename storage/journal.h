#ifndef BOXOFFICE_JOURNAL_H
#define BOXOFFICE_JOURNAL_H

#include "limits.h"
#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A worker's journal: append-only records in an LMDB environment of its own, numbered by sequences
 * without gaps, written with MDB_APPEND in synced transactions; each transaction ends with a
 * trailer record. Default LMDB flags only (NOTLS for the read side). One thread uses a struct
 * journal; an environment is opened once in a process, and not before a fork.
 *
 * What LMDB keeps are blocks, of about half a page each: key = the sequence of its first record
 * (big-endian), value = version(1) and records one behind the other, all of one transaction. LMDB
 * is then asked once for a dozen records, to put them and to delete them again. Record:
 * crc32c(4, of its sequence and all that follows) size(4, of the record) kind(2) aggregate(8)
 * aggregate version(8) actor kind(1) actor(8) time ms(8) payload. Integers little-endian.
 *
 * The file is filled with zeros ahead of use in steps (measured: 0.47 → 0.28 ms for a commit of 50
 * records on ext4, because a commit then changes no file metadata). The fill happens between
 * transactions on the writer's thread, so it can never meet LMDB's own writes; failing to fill (no
 * space) is no error. */
struct journal;

struct journal_event {
    uint64_t sequence; /* out on reading, ignored on appending */
    uint64_t aggregate, aggregate_version;
    uint64_t actor;
    uint64_t at_ms;
    uint16_t kind; /* enum event_kind */
    uint8_t actor_kind;
    const uint8_t *payload;
    size_t payload_size;
};

enum {
    JOURNAL_MARKS_MAX = 64,
    JOURNAL_TRIM_MAX = 500,          /* records after which a transaction deletes no more blocks */
    JOURNAL_PAYLOAD_MAX = 64 * 1024, /* bytes */
};
/* What a transaction was decided on: for each producer's ring, the position after the last request
 * decided (only meaningful within the segment). */
struct journal_trailer {
    uint64_t clock_ms;
    uint64_t segment_id;
    uint32_t mark_count;
    struct {
        uint64_t producer; /* process index */
        uint64_t position;
    } marks[JOURNAL_MARKS_MAX];
};

struct journal_options {
    uint64_t map_size;   /* bytes; fixed. 0 with read_only: as stored */
    uint64_t fill_ahead; /* bytes kept zero-filled ahead of use; 0: none */
    uint64_t floor;      /* sequences start above max(floor, what is stored) */
    bool read_only;      /* for relay, audit: no write lock; writes nothing but its reader's slot */
    bool lock_only;      /* for a cut: as read_only, but it can take the writer's lock */
};

/* Makes the directory and those above it when missing (fsyncs the parents). Clears stale readers.
 * STATUS_IO, STATUS_CORRUPT (CRC, size or version in the last transaction or of the first record),
 * STATUS_NO_MEMORY, STATUS_STORAGE_FULL, STATUS_DENIED. read_only and lock_only never make it:
 * STATUS_NOT_FOUND until the writer has. */
enum status journal_open(struct journal **journal, const char *directory,
                         const struct journal_options *options);
void journal_close(struct journal *journal); /* NULL is fine */

/* As of this object's last commit; with read_only as of the open or the last journal_read. */
uint64_t journal_first_sequence(const struct journal *journal); /* 0: empty */
uint64_t journal_last_sequence(const struct journal *journal);  /* committed; 0: never used */
/* What the next append gets, the trailer if nothing else is appended. */
uint64_t journal_next_sequence(const struct journal *journal);
/* The last committed trailer; all zero in a new journal. */
const struct journal_trailer *journal_last_trailer(const struct journal *journal);

/* One transaction at a time. append assigns last + 1, last + 2 …, where the first after an open is
 * 1 + max(floor, last); the trailer takes one too. A failed append or trim makes the commit fail
 * (sticky). STATUS_FULL from begin: JOURNAL_USED_PERCENT_MAX of the map is in use, or a long read
 * keeps so many freed pages that less than 10 % can be written to; it passes with trimming, or when
 * the reader ends. */
enum status journal_begin(struct journal *journal);
/* STATUS_TOO_BIG: more than JOURNAL_PAYLOAD_MAX. STATUS_STORAGE_FULL: no page left in the map (met
 * here or by the commit, whenever a block is complete). */
enum status journal_append(struct journal *journal, const struct journal_event *event,
                           uint64_t *sequence);
/* A transaction for journal_trim alone, nothing is appended but the trailer; it begins however much
 * is in use, so that a journal at its limit can be trimmed below it. STATUS_FULL: only when a long
 * read has kept nearly all pages. */
enum status journal_begin_trim(struct journal *journal);
/* Within a transaction of either sort: deletes blocks whose records are all below `below`, oldest
 * first, until JOURNAL_TRIM_MAX records are deleted in this transaction. The block with the last
 * committed trailer is kept, so that a journal is never empty once it was used. */
enum status journal_trim(struct journal *journal, uint64_t below);
/* Appends the trailer and commits, synced. A failed append or trim: its status; nothing has changed
 * and the journal can go on. Otherwise STATUS_STORAGE_FULL or STATUS_IO: nothing may be
 * acknowledged and the journal must be closed (begin refuses from now on); what is on disk is
 * unknown until it is reopened. */
enum status journal_commit(struct journal *journal, const struct journal_trailer *trailer);
void journal_abort(struct journal *journal); /* does nothing when no transaction is open */

/* Calls cb for each event (no trailers) with sequence >= from, in order, in one read transaction.
 * The payload is valid during the call. cb returns false to stop; it must not use the journal. A
 * long read keeps trimmed pages from being used again (each commit then costs about 19 KB of new
 * ones): copy a batch out and return. STATUS_CORRUPT on a bad record: those before it were passed
 * to cb. */
typedef bool (*journal_event_cb)(void *context, const struct journal_event *event);
enum status journal_read(struct journal *journal, uint64_t from, journal_event_cb cb,
                         void *context);

/* For audits: every record with sequence >= from as it is stored, damaged ones and trailers too
 * (but none of those behind one whose size is damaged, in its block); otherwise as journal_read. */
struct journal_record {
    enum status status;             /* STATUS_CORRUPT: nothing else but event.sequence is set */
    struct journal_event event;     /* a trailer's kind is EVENT_TRAILER */
    struct journal_trailer trailer; /* of a trailer */
};
typedef bool (*journal_record_cb)(void *context, const struct journal_record *record);
enum status journal_walk(struct journal *journal, uint64_t from, journal_record_cb cb,
                         void *context);

/* A write that proves that the storage takes writes: a transaction with the last trailer again,
 * however much is in use. After a failure it may be tried again; STATUS_IO stays until the journal
 * is opened anew. */
enum status journal_probe(struct journal *journal);
/* Forgets readers of processes that died without closing. Now and then (a second); open does it
 * too. */
void journal_clear_readers(struct journal *journal);
uint64_t journal_bytes_used(const struct journal *journal); /* pages in use, not the file's size */
/* From the first to the last sequence, with trailers. */
uint64_t journal_record_count(const struct journal *journal);

#endif
