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

static enum status block_at(MDB_cursor *cursor, MDB_cursor_op op, MDB_val *key,
                            struct journal_block *block)
{
    MDB_val value;
    int error = mdb_cursor_get(cursor, key, &value, op);
    if (error != 0)
        return lmdb_status(error);
    *block = journal_block_of(key, &value);
    return STATUS_OK;
}

static enum status last_of(struct journal_block block, struct journal_event *event)
{
    journal_block_skip_to(&block, journal_block_last(block));
    return journal_block_next(&block, event);
}

/* Verifies the records of the last transaction: those behind the trailer before the last one. (A
 * trailer ends its block.) */
static enum status read_last_transaction(MDB_cursor *cursor, struct journal *journal)
{
    MDB_val key;
    struct journal_block block = {0};
    struct journal_event last = {0};
    enum status status = block_at(cursor, MDB_LAST, &key, &block);
    if (status == STATUS_NOT_FOUND) {
        journal->first = journal->last = 0;
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = journal_block_verify(block, &last);
    if (status == STATUS_OK)
        status = journal_trailer_decode(&last, &journal->trailer);
    if (status != STATUS_OK)
        return status;
    journal->last = last.sequence;
    for (bool is_older = false; status == STATUS_OK && !is_older;) {
        status = block_at(cursor, MDB_PREV, &key, &block);
        if (status == STATUS_OK)
            status = last_of(block, &last);
        is_older = status == STATUS_OK && last.kind == EVENT_TRAILER;
        if (status == STATUS_OK && !is_older)
            status = journal_block_verify(block, &last);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    status = block_at(cursor, MDB_FIRST, &key, &block);
    if (status == STATUS_OK)
        status = journal_block_next(&block, &last);
    if (status == STATUS_OK)
        journal->first = last.sequence;
    return status;
}

enum status journal_refresh(struct journal *journal, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key;
    struct journal_block block = {0};
    journal->pages_used = lmdb_pages_used(&journal->lmdb, txn);
    int error = mdb_cursor_open(txn, journal->lmdb.dbi, &cursor);
    if (error != 0)
        return lmdb_status(error);
    enum status status = STATUS_OK;
    bool is_known = journal->last != 0 && block_at(cursor, MDB_LAST, &key, &block) == STATUS_OK &&
                    journal_block_last(block) == journal->last;
    if (!is_known)
        status = read_last_transaction(cursor, journal);
    mdb_cursor_close(cursor);
    return status;
}

/* The block with the first record >= from, as far as there is one. */
static enum status seek(MDB_cursor *cursor, uint64_t from, struct journal_block *block)
{
    uint8_t bytes[JOURNAL_KEY_SIZE];
    MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes};
    store_be64(bytes, from);
    enum status status = block_at(cursor, MDB_SET_RANGE, &key, block);
    if (status == STATUS_OK && block->sequence == from)
        return STATUS_OK;
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return status;
    /* Those that the block before it ends with may be meant. */
    status = block_at(cursor, status == STATUS_OK ? MDB_PREV : MDB_LAST, &key, block);
    if (status == STATUS_NOT_FOUND)
        status = block_at(cursor, MDB_FIRST, &key, block);
    if (status == STATUS_OK)
        journal_block_skip_to(block, from);
    return status;
}

/* Calls cb for each record from `from` on, damaged ones too, until it returns false. */
static enum status walk(struct journal *journal, uint64_t from,
                        bool (*cb)(void *context, enum status status,
                                   const struct journal_event *event),
                        void *context)
{
    MDB_cursor *cursor;
    MDB_val key;
    struct journal_block block = {0};
    int error = mdb_cursor_open(journal->read_txn, journal->lmdb.dbi, &cursor);
    if (error != 0)
        return lmdb_status(error);
    bool goes_on = true;
    enum status status = seek(cursor, from, &block);
    while (status == STATUS_OK) {
        struct journal_event event;
        enum status found;
        while (goes_on && (found = journal_block_next(&block, &event)) != STATUS_NOT_FOUND)
            goes_on = cb(context, found, &event);
        if (!goes_on)
            break;
        status = block_at(cursor, MDB_NEXT, &key, &block);
    }
    mdb_cursor_close(cursor);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

struct event_read {
    journal_event_cb cb;
    void *context;
    enum status status;
};

static bool read_event(void *context, enum status status, const struct journal_event *event)
{
    struct event_read *read = context;
    read->status = status;
    if (status != STATUS_OK)
        return false;
    return event->kind == EVENT_TRAILER || read->cb(read->context, event);
}

static enum status read_from(struct journal *journal, uint64_t from, journal_event_cb cb,
                             void *context)
{
    struct event_read read = {cb, context, STATUS_OK};
    enum status status = walk(journal, from, read_event, &read);
    return status == STATUS_OK ? read.status : status;
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

struct record_walk {
    journal_record_cb cb;
    void *context;
};

static bool walk_record(void *context, enum status status, const struct journal_event *event)
{
    const struct record_walk *walk = context;
    struct journal_record record = {.status = status, .event = *event};
    if (status == STATUS_OK && event->kind == EVENT_TRAILER)
        record.status = journal_trailer_decode(event, &record.trailer);
    return walk->cb(walk->context, &record);
}

enum status journal_walk(struct journal *journal, uint64_t from, journal_record_cb cb,
                         void *context)
{
    enum status status = reading_begin(journal);
    if (status != STATUS_OK)
        return status;
    struct record_walk records = {cb, context};
    status = walk(journal, from, walk_record, &records);
    reading_end(journal);
    return status;
}
