#include "journal_internal.h"
#include "bytes.h"
#include "check.h"
#include "crash_point.h"
#include "records.h"
#include <stdlib.h>

/* The happy path: begin, append …, commit, where the commit adds the trailer and is synced by LMDB
 * (data pages, fdatasync, meta page through an O_DSYNC descriptor).
 *
 * What fails before LMDB's commit (a full map, a value that is too big) changes nothing on disk.
 * What fails within it may have reached the disk or not, so the journal is broken from then on:
 * only a new open can tell. */

enum status journal_open(struct journal **journal, const char *directory,
                         const struct journal_options *options)
{
    struct journal *made = calloc(1, sizeof *made);
    *journal = NULL;
    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->floor = options->floor;
    enum lmdb_access access = options->lock_only   ? LMDB_LOCK
                              : options->read_only ? LMDB_READ
                                                   : LMDB_WRITE;
    enum status status = lmdb_open(&made->lmdb, directory, options->map_size, access);
    if (status == STATUS_OK) {
        made->fill.ahead = access == LMDB_WRITE ? options->fill_ahead : 0;
        made->fill.limit = made->lmdb.page_count * made->lmdb.page_size;
        status = journal_read_begin(made);
    }
    if (status == STATUS_OK) {
        status = journal_refresh(made, made->read_txn);
        mdb_txn_reset(made->read_txn);
    }
    if (status == STATUS_OK)
        *journal = made;
    else
        journal_close(made);
    return status;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    journal_abort(journal);
    if (journal->read_txn != NULL)
        mdb_txn_abort(journal->read_txn);
    lmdb_close(&journal->lmdb);
    free(journal);
}

uint64_t journal_first_sequence(const struct journal *journal)
{
    return journal->first;
}

uint64_t journal_last_sequence(const struct journal *journal)
{
    return journal->last;
}

uint64_t journal_next_sequence(const struct journal *journal)
{
    if (journal->txn != NULL)
        return journal->txn_last + 1;
    return (journal->last > journal->floor ? journal->last : journal->floor) + 1;
}

const struct journal_trailer *journal_last_trailer(const struct journal *journal)
{
    return &journal->trailer;
}

static void fill_ahead(struct journal *journal)
{
    int fd;
    const struct lmdb_env *lmdb = &journal->lmdb;
    uint64_t used_pages = lmdb->page_count - lmdb_pages_untouched(lmdb);
    if (mdb_env_get_fd(lmdb->env, &fd) == 0)
        journal_fill_step(&journal->fill, fd, used_pages * lmdb->page_size);
}

static enum status begin(struct journal *journal, bool trim_only)
{
    check(journal->txn == NULL && !journal->lmdb.read_only);
    if (journal->broken != STATUS_OK)
        return journal->broken;
    enum status status = journal_room(journal, trim_only);
    if (status != STATUS_OK)
        return status;
    fill_ahead(journal);
    int error = mdb_txn_begin(journal->lmdb.env, NULL, 0, &journal->txn);
    if (error != 0) {
        journal->txn = NULL;
        return lmdb_status(error);
    }
    journal->result = STATUS_OK;
    journal->trim_only = trim_only;
    journal->txn_first = journal->first;
    journal->txn_last = journal->last > journal->floor ? journal->last : journal->floor;
    journal->txn_trimmed = 0;
    journal->block_size = 0;
    return STATUS_OK;
}

enum status journal_begin(struct journal *journal)
{
    return begin(journal, false);
}

enum status journal_begin_trim(struct journal *journal)
{
    return begin(journal, true);
}

/* Two blocks of this size fill a leaf page: 16 bytes of header, and for each 2 of its place, 8 of a
 * node's header and the key. LMDB puts a larger value on pages of its own. */
static size_t block_size_max(const struct lmdb_env *lmdb)
{
    return (size_t)(lmdb->page_size - 16) / 2 - 2 - 8 - JOURNAL_KEY_SIZE;
}

/* Puts the block under way, if it has records. */
static enum status put_block(struct journal *journal)
{
    uint8_t bytes[JOURNAL_KEY_SIZE];
    if (journal->block_size == 0)
        return STATUS_OK;
    store_be64(bytes, journal->block_first);
    MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes};
    MDB_val value = {.mv_size = journal->block_size, .mv_data = journal->block};
    journal->block_size = 0;
    int error = mdb_put(journal->txn, journal->lmdb.dbi, &key, &value, MDB_APPEND);
    return error == 0 ? STATUS_OK : lmdb_write_status(error);
}

static enum status put(struct journal *journal, const struct journal_event *event)
{
    if (event->payload_size > JOURNAL_PAYLOAD_MAX)
        return STATUS_TOO_BIG;
    size_t size = journal_record_size(event);
    if (journal->block_size + size > block_size_max(&journal->lmdb)) {
        enum status status = put_block(journal);
        if (status != STATUS_OK)
            return status;
    }
    uint64_t sequence = ++journal->txn_last;
    if (journal->block_size == 0) {
        journal_block_begin(journal->block);
        journal->block_size = JOURNAL_BLOCK_HEADER_SIZE;
        journal->block_first = sequence;
    }
    journal_record_encode(sequence, event, journal->block + journal->block_size);
    journal->block_size += size;
    if (journal->txn_first == 0)
        journal->txn_first = sequence;
    return STATUS_OK;
}

enum status journal_append(struct journal *journal, const struct journal_event *event,
                           uint64_t *sequence)
{
    check(journal->txn != NULL && !journal->trim_only && event->kind != EVENT_TRAILER);
    if (journal->result == STATUS_OK)
        journal->result = put(journal, event);
    if (sequence != NULL)
        *sequence = journal->txn_last;
    return journal->result;
}

static enum status sequence_at(MDB_cursor *cursor, MDB_cursor_op op, uint64_t *sequence)
{
    MDB_val key, value;
    int error = mdb_cursor_get(cursor, &key, &value, op);
    if (error != 0)
        return lmdb_status(error);
    if (key.mv_size != JOURNAL_KEY_SIZE)
        return STATUS_CORRUPT;
    *sequence = load_be64(key.mv_data);
    return STATUS_OK;
}

/* A block goes when the next one begins no later than `below`. From the first key each time:
 * nothing depends on where a delete leaves a cursor. */
static enum status trim(struct journal *journal, MDB_cursor *cursor, uint64_t below)
{
    while (journal->txn_trimmed < JOURNAL_TRIM_MAX) {
        uint64_t first = 0, next = 0;
        enum status status = sequence_at(cursor, MDB_FIRST, &first);
        if (status != STATUS_OK)
            return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
        status = sequence_at(cursor, MDB_NEXT, &next);
        if (status == STATUS_NOT_FOUND || (status == STATUS_OK && next > below))
            return STATUS_OK;
        if (status == STATUS_OK)
            status = sequence_at(cursor, MDB_FIRST, &first);
        if (status != STATUS_OK)
            return status;
        int error = mdb_cursor_del(cursor, 0);
        if (error != 0)
            return lmdb_write_status(error);
        journal->txn_first = next;
        journal->txn_trimmed += next - first;
    }
    return STATUS_OK;
}

enum status journal_trim(struct journal *journal, uint64_t below)
{
    MDB_cursor *cursor;
    check(journal->txn != NULL);
    if (below > journal->last)
        below = journal->last; /* the committed trailer stays */
    if (journal->result != STATUS_OK || journal->first == 0 || journal->txn_first >= below)
        return journal->result;
    int error = mdb_cursor_open(journal->txn, journal->lmdb.dbi, &cursor);
    if (error != 0)
        return journal->result = lmdb_status(error);
    journal->result = trim(journal, cursor, below);
    mdb_cursor_close(cursor);
    CRASH_POINT(JOURNAL_TRIMMED);
    return journal->result;
}

static enum status put_trailer(struct journal *journal, const struct journal_trailer *trailer)
{
    uint8_t payload[JOURNAL_TRAILER_SIZE_MAX];
    check(trailer->mark_count <= JOURNAL_MARKS_MAX);
    struct journal_event event = {
        .kind = EVENT_TRAILER,
        .at_ms = trailer->clock_ms,
        .payload = payload,
        .payload_size = journal_trailer_encode(trailer, payload),
    };
    return put(journal, &event);
}

/* *was_tried: LMDB's commit was called, so a failure leaves the outcome open. */
static enum status commit(struct journal *journal, const struct journal_trailer *trailer,
                          bool *was_tried)
{
    *was_tried = false;
    if (journal->result == STATUS_OK)
        journal->result = put_trailer(journal, trailer);
    if (journal->result == STATUS_OK)
        journal->result = put_block(journal);
    if (journal->result != STATUS_OK) {
        enum status result = journal->result;
        journal_abort(journal);
        return result;
    }
    *was_tried = true;
    uint64_t pages_used = lmdb_pages_used(&journal->lmdb, journal->txn);
    int error = mdb_txn_commit(journal->txn);
    journal->txn = NULL; /* freed, whatever the result */
    if (error != 0)
        return lmdb_write_status(error);
    journal->first = journal->txn_first;
    journal->last = journal->txn_last;
    journal->trailer = *trailer;
    journal->pages_used = pages_used;
    return STATUS_OK;
}

enum status journal_commit(struct journal *journal, const struct journal_trailer *trailer)
{
    bool was_tried;
    check(journal->txn != NULL);
    enum status status = commit(journal, trailer, &was_tried);
    if (was_tried)
        journal->broken = status;
    return status;
}

void journal_abort(struct journal *journal)
{
    if (journal->txn != NULL)
        mdb_txn_abort(journal->txn);
    journal->txn = NULL;
}

enum status journal_probe(struct journal *journal)
{
    bool was_tried;
    struct journal_trailer trailer = journal->trailer;
    enum status status = begin(journal, true);
    if (status == STATUS_FULL)
        return STATUS_STORAGE_FULL;
    return status == STATUS_OK ? commit(journal, &trailer, &was_tried) : status;
}

void journal_clear_readers(struct journal *journal)
{
    lmdb_clear_readers(&journal->lmdb);
}

uint64_t journal_bytes_used(const struct journal *journal)
{
    return journal->pages_used * journal->lmdb.page_size;
}

uint64_t journal_record_count(const struct journal *journal)
{
    return journal->last == 0 ? 0 : journal->last - journal->first + 1;
}
