#ifndef BOXOFFICE_JOURNAL_H
#define BOXOFFICE_JOURNAL_H

#include "journal_range.h"
#include "limits.h"
#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A worker's journal: a write-ahead log of records that are numbered by sequences without gaps,
 * appended in transactions. A transaction ends with a trailer record; it is durable once one write
 * and one fdatasync have ended, and whole or not there. One thread uses a struct journal.
 *
 * The log is a row of segment files in one directory, named by numbers without gaps. A segment is a
 * header (journal_internal.h) and records one behind the other; a transaction is within one
 * segment. Record: crc32c(4, of its sequence and all that follows) size(4, of the record) kind(2)
 * aggregate(8) aggregate version(8) actor kind(1) actor(8) time ms(8) payload. Integers
 * little-endian.
 *
 * Where the log ends is found by reading: the last transaction that is whole. A trailer names the
 * trailer before it, so that what was torn, or belongs to an earlier use of the file, is never
 * taken for a part of the log, and a record that was damaged later is told from a torn end: whole
 * transactions follow it.
 *
 * Files are filled with zeros ahead of use in steps and used again once they are trimmed: a commit
 * changes no file metadata then, and its fdatasync has no file system journal to wait for. The fill
 * happens between transactions; failing to fill (no space) is no error.
 *
 * Other processes read beside the writer (read_only with the writer's range), up to what it has
 * committed. A reader has a shared lock on the files that it has open: such a file is removed when
 * it is trimmed, which takes nothing from the reader, and not used again. */
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
    uint64_t size_max;   /* bytes of all segments; not used by readers */
    uint64_t fill_ahead; /* bytes kept zero-filled ahead of use; 0: none */
    uint64_t floor;      /* sequences start above max(floor, what is stored) */
    bool read_only;      /* for relay, audit: writes nothing */
    /* What the writer has committed, for its readers in other processes: the writer sets it, a
     * reader reads as far. NULL: for a writer without readers, and for a reader when there is no
     * writer (it reads what is whole in the files). */
    struct journal_range *range;
};

/* Makes the directory and those above it when missing (fsyncs the parents). STATUS_IO,
 * STATUS_CORRUPT (a record or header is damaged in the last segment or a segment is missing),
 * STATUS_MISMATCH (of another version), STATUS_NO_MEMORY, STATUS_STORAGE_FULL, STATUS_DENIED.
 * read_only never makes it: STATUS_NOT_FOUND until the writer has, or while its range is empty; it
 * opens a journal with damaged records too, reading finds them. */
enum status journal_open(struct journal **journal, const char *directory,
                         const struct journal_options *options);
void journal_close(struct journal *journal); /* NULL is fine */

/* As of this object's last commit; with read_only as of the open or the last journal_read. */
uint64_t journal_first_sequence(const struct journal *journal); /* 0: empty */
uint64_t journal_last_sequence(const struct journal *journal);  /* committed; 0: never used */
/* What the next append gets, the trailer if nothing else is appended. */
uint64_t journal_next_sequence(const struct journal *journal);
/* The last committed trailer; all zero in a new journal, and for a reader with a range. */
const struct journal_trailer *journal_last_trailer(const struct journal *journal);

/* One transaction at a time. append assigns last + 1, last + 2 …, where the first after an open is
 * 1 + max(floor, last); the trailer takes one too. A failed append makes the commit fail (sticky).
 * STATUS_FULL from begin: JOURNAL_USED_PERCENT_MAX of size_max is in use; it passes with trimming.
 */
enum status journal_begin(struct journal *journal);
/* STATUS_TOO_BIG: more than JOURNAL_PAYLOAD_MAX. STATUS_NO_MEMORY. */
enum status journal_append(struct journal *journal, const struct journal_event *event,
                           uint64_t *sequence);
/* A transaction for journal_trim alone, nothing is appended but the trailer; it begins however much
 * is in use, so that a journal at its limit can be trimmed below it. */
enum status journal_begin_trim(struct journal *journal);
/* Within a transaction of either sort: records below `below` are no longer there. The last
 * committed trailer is kept, so that a journal is never empty once it was used. Their file goes
 * when all of its records are trimmed, at most one with each commit. */
void journal_trim(struct journal *journal, uint64_t below);
/* Appends the trailer and commits, synced. A failed append, or no space for a new segment: its
 * status; nothing has changed and the journal can go on. Otherwise STATUS_STORAGE_FULL or
 * STATUS_IO: nothing may be acknowledged and the journal must be closed (begin refuses from now
 * on); what is on disk is unknown until it is reopened. */
enum status journal_commit(struct journal *journal, const struct journal_trailer *trailer);
void journal_abort(struct journal *journal); /* does nothing when no transaction is open */

/* Calls cb for each event (no trailers) with sequence >= from, in order. The payload is valid
 * during the call. cb returns false to stop; it must not read the journal. What is trimmed
 * meanwhile may be left out: journal_first_sequence is behind it then. STATUS_CORRUPT on a bad
 * record: those before it were passed to cb. */
typedef bool (*journal_event_cb)(void *context, const struct journal_event *event);
enum status journal_read(struct journal *journal, uint64_t from, journal_event_cb cb,
                         void *context);

/* For audits: every record with sequence >= from as it is stored, damaged ones and trailers too (of
 * those behind one whose size is damaged, up to the next trailer, none); otherwise as journal_read.
 */
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
uint64_t journal_bytes_used(const struct journal *journal); /* of the segments with records */
/* From the first to the last sequence, with trailers. */
uint64_t journal_record_count(const struct journal *journal);

#endif
