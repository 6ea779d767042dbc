#ifndef BOXOFFICE_JOURNAL_INTERNAL_H
#define BOXOFFICE_JOURNAL_INTERNAL_H

#include "files.h"
#include "journal.h"

/* Shared by the journal's files. */

enum {
    JOURNAL_HEADER_SIZE = 43, /* of a record */
    JOURNAL_TRAILER_HEAD_SIZE = 40,
    JOURNAL_TRAILER_SIZE_MAX = JOURNAL_TRAILER_HEAD_SIZE + JOURNAL_MARKS_MAX * 16,
    JOURNAL_SEGMENT_HEADER_SIZE = 40,
    JOURNAL_SEGMENTS_PER_JOURNAL = 64,   /* about: a segment is this part of size_max … */
    JOURNAL_SEGMENT_SIZE_MIN = 64 << 10, /* … within these limits, bytes */
    JOURNAL_SEGMENT_SIZE_MAX = 16 << 20,
    JOURNAL_PATH_MAX = FILE_PATH_MAX + 32,
    JOURNAL_VIEWS = 4,
    JOURNAL_VIEW_MARKS = 256,
};

/* One that has records, or had its first ones torn. */
struct journal_segment {
    uint64_t number;   /* from 1, without gaps */
    uint64_t first;    /* sequence of its first record */
    uint64_t previous; /* of the last record before it; 0: none */
    uint64_t size;     /* bytes up to the end of its last record; a reader's, of the newest: 0 */
    int fd;            /* open, with a shared lock, for a pin; otherwise -1 */
};

/* A segment's file, mapped for reading. */
struct journal_view {
    uint64_t number; /* 0: not in use */
    int fd;          /* with a shared lock on the file; -1: the segment's */
    const uint8_t *bytes;
    size_t size, mapped; /* the file's, when it was last looked at; more may be mapped */
    size_t mark_count;   /* places on the way, so that not every seek begins at the beginning */
    struct {
        uint64_t sequence;
        size_t offset;
    } marks[JOURNAL_VIEW_MARKS];
};

/* What a trailer says of its transaction, beside the caller's. */
struct journal_links {
    uint64_t sequence; /* its own */
    uint64_t previous; /* the trailer's before it; 0: none */
    uint64_t first;    /* the journal's first record from now on */
};

/* The file after the current one, while it is made ready. */
struct journal_next {
    int fd;           /* -1: not there */
    uint64_t filled;  /* bytes that need not be allocated any more */
    bool is_name_new; /* its directory is not synced */
};

struct journal {
    char directory[FILE_PATH_MAX];
    int directory_fd; /* flocked: see journal_lock */
    bool read_only, is_pinned, is_reading;
    struct journal_range *range;
    uint64_t segment_size; /* from here on a transaction begins the next one */
    uint64_t size_max, fill_ahead, floor;

    struct journal_segment *segments; /* the oldest first */
    size_t segment_count, segment_capacity;
    uint64_t first, last;    /* committed; 0: none */
    uint64_t bytes;          /* of the segments */
    uint64_t last_begins_at; /* the last transaction's place in its file, as of a scan */
    struct journal_trailer trailer;
    struct journal_view views[JOURNAL_VIEWS];
    unsigned next_view;

    /* the writer's */
    int fd;          /* the last segment's file; -1: there is none */
    uint64_t filled; /* its bytes that need not be allocated any more */
    struct journal_next next;
    unsigned fill_pause; /* calls to let pass after a failure */

    enum status result; /* of the transaction under way */
    enum status broken; /* a commit failed: not to be used any more */
    bool in_transaction, trim_only, begins_segment;
    uint64_t txn_first, txn_last;
    uint8_t *buffer; /* what the commit writes */
    size_t used, capacity;
};

/* ---- journal_record.c: the bytes of records ---- */

size_t journal_trailer_encode(const struct journal_trailer *trailer,
                              const struct journal_links *links,
                              uint8_t payload[JOURNAL_TRAILER_SIZE_MAX]);
enum status journal_trailer_decode(const struct journal_event *event,
                                   struct journal_trailer *trailer, struct journal_links *links);

size_t journal_record_size(const struct journal_event *event);
/* `record` has journal_record_size(event) bytes. */
void journal_record_encode(uint64_t sequence, const struct journal_event *event, uint8_t *record);
/* The size of the record that begins `left` bytes; 0: this can't be one. */
size_t journal_record_size_at(const uint8_t *bytes, size_t left);
/* The payload points into the bytes. STATUS_CORRUPT: only event->sequence is set. */
enum status journal_record_decode(const uint8_t *bytes, size_t left, uint64_t sequence,
                                  struct journal_event *event);
/* The first sound trailer behind `offset` whose sequence is above `above` and whose previous one is
 * at least `previous`. False: there is none. */
bool journal_trailer_find(const uint8_t *bytes, size_t size, size_t offset, uint64_t above,
                          uint64_t previous, size_t *at, struct journal_links *links);

/* ---- journal_segments.c: files and the table of them ---- */

void journal_segment_path(const char *directory, uint64_t number, char path[JOURNAL_PATH_MAX]);
void journal_segment_header(const struct journal_segment *segment,
                            uint8_t header[JOURNAL_SEGMENT_HEADER_SIZE]);
/* Reads the header of segment->number's file. STATUS_NOT_FOUND: no file, or not begun. */
enum status journal_segment_look(const struct journal *journal, struct journal_segment *segment);
/* Forgets the table and reads it from the directory. STATUS_CORRUPT: sequences that can't follow
 * each other. */
enum status journal_segments_load(struct journal *journal);
/* Adds those that have been begun since. */
enum status journal_segments_extend(struct journal *journal);
/* STATUS_NO_MEMORY; not after room for one was reserved. */
enum status journal_segments_add(struct journal *journal, const struct journal_segment *segment);
enum status journal_segments_reserve(struct journal *journal);
void journal_segments_forget(struct journal *journal);
/* The oldest ones, and their views. */
void journal_segments_remove(struct journal *journal, size_t count);
/* Leaves out those whose records are all trimmed, and their views: their files may be gone. */
void journal_segments_trim(struct journal *journal);
/* Opens all of them for good, so that nobody uses their files again. */
enum status journal_segments_hold(struct journal *journal);
struct journal_segment *journal_newest(const struct journal *journal); /* NULL: there is none */
/* Of the segment behind the newest one. */
uint64_t journal_next_number(const struct journal *journal);
/* The last sequence that can be in it. */
uint64_t journal_segment_last(const struct journal *journal, size_t index);

/* The segment's view, mapped as far as its file goes now. STATUS_NOT_FOUND: the file is gone. */
enum status journal_view_open(struct journal *journal, const struct journal_segment *segment,
                              struct journal_view **view);
/* Those of segments with smaller numbers. */
void journal_views_close(struct journal *journal, uint64_t below);

/* A writer has it for a moment at the end of each commit, when the transaction is durable and
 * nobody has been told. So while another process has it, nothing that is committed has an effect
 * elsewhere, and no segment is dropped. Waits for it; a dead process holds nothing. */
enum status journal_lock(struct journal *journal);
void journal_unlock(struct journal *journal);

/* ---- journal_scan.c ---- */

/* Finds the end of the log, from where it is known to have been: sets last, first, trailer, and the
 * newest segment's size; a segment that was begun with a torn transaction leaves the table.
 * *is_damaged: records before the end are. */
enum status journal_scan(struct journal *journal, bool *is_damaged);
/* Looks again and keeps everything as it is now: from now on every read sees this. With the lock
 * held. */
enum status journal_pin(struct journal *journal);

/* ---- journal_copy.c ---- */

typedef enum status (*journal_copy_cb)(const void *context);
/* Copies a pinned journal's files to a directory, each record verified, durable but for the
 * directory's own name. Asks cb now and then whether to go on. Adds to *records and *bytes. */
enum status journal_copy(struct journal *journal, const char *directory, journal_copy_cb cb,
                         const void *context, uint64_t *records, uint64_t *bytes);

/* ---- journal_prepare.c: the writer's files ---- */

/* At most one step of filling. */
void journal_fill_step(struct journal *journal);
/* Makes sure that the next segment's file is there and that its name is durable. */
enum status journal_next_ready(struct journal *journal);
/* Removes the oldest segment when all its records are trimmed, or makes it the next one. */
void journal_drop_segment(struct journal *journal);

#endif
