#include "journal.h"
#include "check.h"
#include "crash_point.h"
#include "journal_internal.h"
#include "records.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The happy path: begin, append …, commit. Records gather in a buffer; the commit adds the trailer,
 * writes all with one pwrite and ends with fdatasync.
 *
 * What fails before the pwrite (a record that is too big, no space for a new segment) changes
 * nothing on disk. What fails from then on may have reached the disk or not, so the journal is
 * broken: only a new open can tell. */

enum { BUFFER_SIZE = 256 << 10, BUFFER_KEPT_MAX = 4 << 20 };

static uint64_t segment_size_of(uint64_t size_max)
{
    uint64_t size = size_max / JOURNAL_SEGMENTS_PER_JOURNAL;
    if (size < JOURNAL_SEGMENT_SIZE_MIN)
        return JOURNAL_SEGMENT_SIZE_MIN;
    return size < JOURNAL_SEGMENT_SIZE_MAX ? size : JOURNAL_SEGMENT_SIZE_MAX;
}

static enum status file_size(const struct journal *journal, uint64_t number, uint64_t *size)
{
    char path[JOURNAL_PATH_MAX];
    struct stat file;
    journal_segment_path(journal->directory, number, path);
    if (stat(path, &file) != 0)
        return file_status(errno);
    *size = (uint64_t)file.st_size;
    return STATUS_OK;
}

/* Older segments are as large as their files, to within what is filled. */
static enum status add_sizes(struct journal *journal)
{
    for (size_t i = 0; i < journal->segment_count; i++) {
        struct journal_segment *segment = &journal->segments[i];
        enum status status = STATUS_OK;
        if (segment->size == 0)
            status = file_size(journal, segment->number, &segment->size);
        if (status != STATUS_OK)
            return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
        journal->bytes += segment->size;
    }
    return STATUS_OK;
}

static void tell_range(const struct journal *journal)
{
    struct journal_range *range = journal->range;
    if (range == NULL)
        return;
    atomic_store_explicit(&range->bytes, journal->bytes, memory_order_relaxed);
    atomic_store_explicit(&range->first, journal->first, memory_order_relaxed);
    atomic_store_explicit(&range->last, journal->last, memory_order_release);
}

/* ---- opening ---- */

/* The last writer may have died before its sync, or of a sync that failed, and then what is read
 * need not be on its way to the disk: so the last transaction is written again. */
static enum status write_again(struct journal *journal)
{
    struct journal_view *view;
    const struct journal_segment *segment = journal_newest(journal);
    uint64_t from = journal->last_begins_at;
    enum status status = journal_view_open(journal, segment, &view);
    if (status == STATUS_OK)
        status = file_write(journal->fd, view->bytes + from, segment->size - from, from);
    if (status == STATUS_OK && fsync(journal->fd) != 0)
        status = STATUS_IO;
    return status;
}

static enum status open_newest(struct journal *journal)
{
    char path[JOURNAL_PATH_MAX];
    if (journal_newest(journal) == NULL)
        return STATUS_OK;
    journal_segment_path(journal->directory, journal_newest(journal)->number, path);
    journal->fd = open(path, O_RDWR | O_CLOEXEC);
    if (journal->fd < 0)
        return file_status(errno);
    enum status status = file_size(journal, journal_newest(journal)->number, &journal->filled);
    return status == STATUS_OK ? write_again(journal) : status;
}

static enum status open_to_write(struct journal *journal)
{
    bool is_damaged;
    enum status status = journal_segments_load(journal);
    if (status == STATUS_OK)
        status = journal_scan(journal, &is_damaged);
    if (status == STATUS_OK && is_damaged)
        status = STATUS_CORRUPT;
    if (status == STATUS_OK)
        status = add_sizes(journal);
    if (status == STATUS_OK)
        status = open_newest(journal);
    if (status == STATUS_OK && fsync(journal->directory_fd) != 0)
        status = STATUS_IO;
    if (status != STATUS_OK)
        return status;
    journal->capacity = BUFFER_SIZE;
    journal->buffer = malloc(BUFFER_SIZE);
    if (journal->buffer == NULL)
        return STATUS_NO_MEMORY;
    tell_range(journal);
    return STATUS_OK;
}

static enum status look(struct journal *journal)
{
    bool is_damaged;
    journal->first = journal->last = journal->bytes = 0;
    enum status status = journal_segments_load(journal);
    if (status == STATUS_OK)
        status = journal_scan(journal, &is_damaged);
    return status == STATUS_OK ? add_sizes(journal) : status;
}

/* What a writer does meanwhile may look like damage; then once more, while it can't. */
static enum status look_beside_writer(struct journal *journal)
{
    if (look(journal) == STATUS_OK)
        return STATUS_OK;
    enum status status = journal_lock(journal);
    if (status != STATUS_OK)
        return status;
    status = look(journal);
    journal_unlock(journal);
    return status;
}

static enum status open_to_read(struct journal *journal)
{
    if (journal->range != NULL &&
        atomic_load_explicit(&journal->range->last, memory_order_acquire) == 0)
        return STATUS_NOT_FOUND;
    return journal->range != NULL ? journal_segments_load(journal) : look_beside_writer(journal);
}

static enum status open_directory(struct journal *journal, const char *directory)
{
    enum status status = STATUS_OK;
    if (strlen(directory) >= sizeof journal->directory)
        return STATUS_TOO_BIG;
    memcpy(journal->directory, directory, strlen(directory) + 1);
    if (!journal->read_only)
        status = directory_make(directory);
    if (status != STATUS_OK)
        return status;
    journal->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return journal->directory_fd < 0 ? file_status(errno) : STATUS_OK;
}

enum status journal_open(struct journal **journal, const char *directory,
                         const struct journal_options *options)
{
    struct journal *made = calloc(1, sizeof *made);
    *journal = NULL;
    if (made == NULL)
        return STATUS_NO_MEMORY;
    made->directory_fd = made->fd = made->next.fd = -1;
    made->read_only = options->read_only;
    made->range = options->range;
    made->size_max = options->size_max;
    made->segment_size = segment_size_of(options->size_max);
    made->fill_ahead = options->fill_ahead;
    made->floor = options->floor;
    enum status status = open_directory(made, directory);
    if (status == STATUS_OK)
        status = made->read_only ? open_to_read(made) : open_to_write(made);
    if (status == STATUS_OK)
        *journal = made;
    else
        journal_close(made);
    return status;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    journal_views_close(journal, UINT64_MAX);
    journal_segments_forget(journal);
    close_if_open(journal->fd);
    close_if_open(journal->next.fd);
    close_if_open(journal->directory_fd);
    free(journal->segments);
    free(journal->buffer);
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

/* Before a transaction. */
static uint64_t next_free(const struct journal *journal)
{
    return (journal->last > journal->floor ? journal->last : journal->floor) + 1;
}

uint64_t journal_next_sequence(const struct journal *journal)
{
    return journal->in_transaction ? journal->txn_last + 1 : next_free(journal);
}

const struct journal_trailer *journal_last_trailer(const struct journal *journal)
{
    return &journal->trailer;
}

uint64_t journal_bytes_used(const struct journal *journal)
{
    return journal->bytes;
}

uint64_t journal_record_count(const struct journal *journal)
{
    return journal->last == 0 ? 0 : journal->last - journal->first + 1;
}

/* ---- transactions ---- */

static enum status begin(struct journal *journal, bool trim_only)
{
    check(!journal->in_transaction && !journal->read_only);
    if (journal->broken != STATUS_OK)
        return journal->broken;
    if (!trim_only && journal->bytes >= journal->size_max / 100 * JOURNAL_USED_PERCENT_MAX)
        return STATUS_FULL;
    journal_fill_step(journal);
    journal->txn_first = journal->first;
    journal->txn_last = next_free(journal) - 1;
    journal->in_transaction = true;
    journal->trim_only = trim_only;
    journal->result = STATUS_OK;
    /* Where sequences are left out, a new segment says so. */
    journal->begins_segment = journal_newest(journal) == NULL ||
                              journal_newest(journal)->size >= journal->segment_size ||
                              journal->txn_last != journal->last;
    journal->used = journal->begins_segment ? JOURNAL_SEGMENT_HEADER_SIZE : 0;
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

static enum status make_room(struct journal *journal, size_t size)
{
    size_t capacity = journal->capacity;
    while (capacity < size)
        capacity *= 2;
    if (capacity == journal->capacity)
        return STATUS_OK;
    uint8_t *grown = realloc(journal->buffer, capacity);
    if (grown == NULL)
        return STATUS_NO_MEMORY;
    journal->buffer = grown;
    journal->capacity = capacity;
    return STATUS_OK;
}

static enum status put(struct journal *journal, const struct journal_event *event)
{
    if (event->payload_size > JOURNAL_PAYLOAD_MAX)
        return STATUS_TOO_BIG;
    size_t size = journal_record_size(event);
    enum status status = make_room(journal, journal->used + size);
    if (status != STATUS_OK)
        return status;
    journal_record_encode(++journal->txn_last, event, journal->buffer + journal->used);
    journal->used += size;
    if (journal->txn_first == 0)
        journal->txn_first = journal->txn_last;
    return STATUS_OK;
}

enum status journal_append(struct journal *journal, const struct journal_event *event,
                           uint64_t *sequence)
{
    check(journal->in_transaction && !journal->trim_only && event->kind != EVENT_TRAILER);
    if (journal->result == STATUS_OK)
        journal->result = put(journal, event);
    if (sequence != NULL)
        *sequence = journal->txn_last;
    return journal->result;
}

void journal_trim(struct journal *journal, uint64_t below)
{
    check(journal->in_transaction);
    if (below > journal->last)
        below = journal->last; /* the committed trailer stays */
    if (below > journal->txn_first)
        journal->txn_first = below;
    CRASH_POINT(JOURNAL_TRIMMED);
}

static enum status put_trailer(struct journal *journal, const struct journal_trailer *trailer)
{
    uint8_t payload[JOURNAL_TRAILER_SIZE_MAX];
    check(trailer->mark_count <= JOURNAL_MARKS_MAX);
    const struct journal_links links = {
        .sequence = journal->txn_last + 1,
        .previous = journal->last,
        .first = journal->txn_first == 0 ? journal->txn_last + 1 : journal->txn_first,
    };
    const struct journal_event event = {
        .kind = EVENT_TRAILER,
        .at_ms = trailer->clock_ms,
        .payload = payload,
        .payload_size = journal_trailer_encode(trailer, &links, payload),
    };
    return put(journal, &event);
}

static struct journal_segment segment_to_begin(const struct journal *journal)
{
    return (struct journal_segment){
        .number = journal_next_number(journal),
        .first = next_free(journal),
        .previous = journal->last,
        .fd = -1,
    };
}

/* The file for it, its name, its line in the table and its header: what can fail without a trace.
 */
static enum status prepare_segment(struct journal *journal)
{
    const struct journal_segment segment = segment_to_begin(journal);
    enum status status = journal_next_ready(journal);
    if (status == STATUS_OK)
        status = journal_segments_reserve(journal);
    journal_segment_header(&segment, journal->buffer);
    return status;
}

/* The write and the sync that make the transaction durable. */
static enum status write_transaction(const struct journal *journal)
{
    int fd = journal->begins_segment ? journal->next.fd : journal->fd;
    uint64_t at = journal->begins_segment ? 0 : journal_newest(journal)->size;
    enum status status = file_write(fd, journal->buffer, journal->used, at);
    CRASH_POINT(JOURNAL_WRITTEN);
    return status == STATUS_OK && fdatasync(fd) != 0 ? file_status(errno) : status;
}

static void take_over(struct journal *journal, const struct journal_trailer *trailer)
{
    if (journal->begins_segment) {
        const struct journal_segment segment = segment_to_begin(journal);
        check(journal_segments_add(journal, &segment) == STATUS_OK); /* reserved */
        close_if_open(journal->fd);
        journal->fd = journal->next.fd;
        journal->filled = journal->next.filled;
        journal->next = (struct journal_next){.fd = -1};
    }
    journal_newest(journal)->size += journal->used;
    journal->bytes += journal->used;
    if (journal->filled < journal_newest(journal)->size)
        journal->filled = journal_newest(journal)->size;
    journal->first = journal->txn_first;
    journal->last = journal->txn_last;
    journal->trailer = *trailer;
    tell_range(journal);
}

static void end_transaction(struct journal *journal)
{
    journal->in_transaction = false;
    if (journal->capacity <= BUFFER_KEPT_MAX)
        return;
    uint8_t *smaller = realloc(journal->buffer, BUFFER_KEPT_MAX);
    if (smaller == NULL)
        return;
    journal->buffer = smaller;
    journal->capacity = BUFFER_KEPT_MAX;
}

/* *was_written: so that a failure leaves the outcome open. */
static enum status commit(struct journal *journal, const struct journal_trailer *trailer,
                          bool *was_written)
{
    *was_written = false;
    if (journal->result == STATUS_OK)
        journal->result = put_trailer(journal, trailer);
    if (journal->result == STATUS_OK && journal->begins_segment)
        journal->result = prepare_segment(journal);
    if (journal->result != STATUS_OK)
        return journal->result;
    *was_written = true;
    enum status status = write_transaction(journal);
    if (status == STATUS_OK)
        status = journal_lock(journal); /* nobody is told while somebody has it */
    if (status != STATUS_OK)
        return status;
    take_over(journal, trailer);
    journal_drop_segment(journal);
    journal_unlock(journal);
    return STATUS_OK;
}

enum status journal_commit(struct journal *journal, const struct journal_trailer *trailer)
{
    bool was_written;
    check(journal->in_transaction);
    enum status status = commit(journal, trailer, &was_written);
    if (was_written)
        journal->broken = status;
    end_transaction(journal);
    return status;
}

void journal_abort(struct journal *journal)
{
    if (journal->in_transaction)
        end_transaction(journal);
}

enum status journal_probe(struct journal *journal)
{
    bool was_written;
    struct journal_trailer trailer = journal->trailer;
    enum status status = begin(journal, true);
    if (status != STATUS_OK)
        return status;
    status = commit(journal, &trailer, &was_written);
    /* A write that found no space has told nobody anything, and is written over. */
    if (was_written && status != STATUS_STORAGE_FULL)
        journal->broken = status;
    end_transaction(journal);
    return status;
}
