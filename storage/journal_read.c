#include "journal_internal.h"
#include "bytes.h"
#include "check.h"
#include "records.h"

enum status journal_read_begin(struct journal *journal)
{
    int error = journal->read_txn == NULL
                    ? mdb_txn_begin(journal->lmdb.env, NULL, MDB_RDONLY, &journal->read_txn)
                    : mdb_txn_renew(journal->read_txn);
    return lmdb_status(error);
}

enum status journal_pin(struct journal *journal)
{
    enum status status = journal_read_begin(journal);
    journal->is_pinned = status == STATUS_OK;
    return status;
}

static enum status read_at(MDB_cursor *cursor, MDB_cursor_op op, MDB_val *key,
                           struct journal_event *event)
{
    MDB_val value;
    int error = mdb_cursor_get(cursor, key, &value, op);
    return error != 0 ? lmdb_status(error) : journal_record_decode(key, &value, event);
}

/* Verifies the records of the last transaction: those behind the trailer before the last one. */
static enum status read_last_transaction(MDB_cursor *cursor, struct journal *journal)
{
    MDB_val key;
    struct journal_event event = {0};
    enum status status = read_at(cursor, MDB_LAST, &key, &event);
    if (status == STATUS_NOT_FOUND) {
        journal->first = journal->last = 0;
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = journal_trailer_decode(&event, &journal->trailer);
    if (status != STATUS_OK)
        return status;
    journal->last = event.sequence;
    do
        status = read_at(cursor, MDB_PREV, &key, &event);
    while (status == STATUS_OK && event.kind != EVENT_TRAILER);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    status = read_at(cursor, MDB_FIRST, &key, &event);
    if (status == STATUS_OK)
        journal->first = event.sequence;
    return status;
}

enum status journal_refresh(struct journal *journal, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    journal->pages_used = lmdb_pages_used(&journal->lmdb, txn);
    int error = mdb_cursor_open(txn, journal->lmdb.dbi, &cursor);
    if (error != 0)
        return lmdb_status(error);
    enum status status = STATUS_OK;
    bool is_known = journal->last != 0 &&
                    mdb_cursor_get(cursor, &key, &value, MDB_LAST) == MDB_SUCCESS &&
                    key.mv_size == JOURNAL_KEY_SIZE && load_be64(key.mv_data) == journal->last;
    if (!is_known)
        status = read_last_transaction(cursor, journal);
    mdb_cursor_close(cursor);
    return status;
}

static enum status read_from(struct journal *journal, uint64_t from, journal_event_cb cb,
                             void *context)
{
    MDB_cursor *cursor;
    uint8_t bytes[JOURNAL_KEY_SIZE];
    MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes};
    struct journal_event event = {0};
    int error = mdb_cursor_open(journal->read_txn, journal->lmdb.dbi, &cursor);
    if (error != 0)
        return lmdb_status(error);
    store_be64(bytes, from);
    enum status status = read_at(cursor, MDB_SET_RANGE, &key, &event);
    while (status == STATUS_OK) {
        if (event.kind != EVENT_TRAILER && !cb(context, &event))
            break;
        status = read_at(cursor, MDB_NEXT, &key, &event);
    }
    mdb_cursor_close(cursor);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status reading_begin(struct journal *journal)
{
    check(!journal->is_reading);
    enum status status = journal->is_pinned ? STATUS_OK : journal_read_begin(journal);
    journal->is_reading = status == STATUS_OK;
    return status;
}

static void reading_end(struct journal *journal)
{
    if (!journal->is_pinned)
        mdb_txn_reset(journal->read_txn);
    journal->is_reading = false;
}

enum status journal_read(struct journal *journal, uint64_t from, journal_event_cb cb, void *context)
{
    enum status status = reading_begin(journal);
    if (status != STATUS_OK)
        return status;
    if (journal->lmdb.read_only)
        status = journal_refresh(journal, journal->read_txn);
    if (status == STATUS_OK)
        status = read_from(journal, from, cb, context);
    reading_end(journal);
    return status;
}

static void record_take(const MDB_val *key, const MDB_val *value, struct journal_record *record)
{
    uint64_t sequence = key->mv_size == JOURNAL_KEY_SIZE ? load_be64(key->mv_data) : 0;
    record->status = journal_record_decode(key, value, &record->event);
    if (record->status == STATUS_OK && record->event.kind == EVENT_TRAILER)
        record->status = journal_trailer_decode(&record->event, &record->trailer);
    record->event.sequence = sequence;
}

enum status journal_walk(struct journal *journal, uint64_t from, journal_record_cb cb,
                         void *context)
{
    MDB_cursor *cursor = NULL;
    uint8_t bytes[JOURNAL_KEY_SIZE];
    MDB_val value, key = {.mv_size = sizeof bytes, .mv_data = bytes};
    enum status status = reading_begin(journal);
    if (status != STATUS_OK)
        return status;
    store_be64(bytes, from);
    int error = mdb_cursor_open(journal->read_txn, journal->lmdb.dbi, &cursor);
    if (error == 0)
        error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (error == 0) {
        struct journal_record record = {0};
        record_take(&key, &value, &record);
        if (!cb(context, &record))
            break;
        error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    reading_end(journal);
    return error == MDB_NOTFOUND ? STATUS_OK : lmdb_status(error);
}
