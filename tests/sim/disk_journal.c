#include "check.h"
#include "disk.h"
#include "machine.h"
#include "trace.h"
#include <stdlib.h>
#include <string.h>

struct journal {
    struct disk *disk;
    bool whole, read_only, begun, failed;
    uint64_t next_sequence, trim_below;
    /* of the open transaction; offsets are in bytes */
    struct disk_event *events;
    size_t count, capacity;
    struct disk_bytes bytes;
};

static struct disk disks[DISKS_MAX];
static disk_event_cb on_event;

struct disk *disk_at(unsigned number)
{
    check(number < DISKS_MAX);
    return &disks[number];
}

void disks_reset(disk_event_cb callback)
{
    on_event = callback;
    for (unsigned i = 0; i < DISKS_MAX; i++) {
        struct disk *disk = &disks[i];
        memory_rows_fini(&disk->rows);
        struct disk fresh = {.number = i, .events = disk->events, .capacity = disk->capacity};
        fresh.bytes = (struct disk_bytes){disk->bytes.data, 0, disk->bytes.capacity};
        fresh.changes = disk->changes;
        fresh.change_capacity = disk->change_capacity;
        fresh.change_bytes =
            (struct disk_bytes){disk->change_bytes.data, 0, disk->change_bytes.capacity};
        *disk = fresh;
        memory_rows_init(&disk->rows);
    }
}

size_t disk_bytes_add(struct disk_bytes *bytes, const void *data, size_t size)
{
    if (bytes->used + size > bytes->capacity) {
        bytes->capacity = (bytes->used + size) * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        check(bytes->data != NULL);
    }
    size_t offset = bytes->used;
    if (size > 0)
        memcpy(bytes->data + offset, data, size);
    bytes->used += size;
    return offset;
}

static struct disk_event *event_add(struct disk_event **events, size_t *count, size_t *capacity)
{
    if (*count == *capacity) {
        *capacity = *capacity == 0 ? 64 : *capacity * 2;
        *events = reallocarray(*events, *capacity, sizeof **events);
        check(*events != NULL);
    }
    return &(*events)[(*count)++];
}

enum status journal_open(struct journal **opened, const char *directory,
                         const struct journal_options *options)
{
    struct journal *journal = calloc(1, sizeof *journal);
    check(journal != NULL);
    machine_point("journal open");
    journal->disk = disk_at((unsigned)(directory[0] - '0'));
    journal->whole = directory[1] == '!';
    journal->read_only = options->read_only;
    uint64_t last = journal->disk->last_sequence;
    journal->next_sequence = 1 + (last > options->floor ? last : options->floor);
    *opened = journal;
    return STATUS_OK;
}

void journal_close(struct journal *journal)
{
    if (journal == NULL)
        return;
    free(journal->events);
    free(journal->bytes.data);
    free(journal);
}

uint64_t journal_first_sequence(const struct journal *journal)
{
    const struct disk *disk = journal->disk;
    if (disk->last_sequence == 0)
        return 0;
    return disk->trimmed_below > 0 ? disk->trimmed_below : 1;
}

uint64_t journal_last_sequence(const struct journal *journal)
{
    return journal->disk->last_sequence;
}

uint64_t journal_next_sequence(const struct journal *journal)
{
    return journal->next_sequence;
}

const struct journal_trailer *journal_last_trailer(const struct journal *journal)
{
    return &journal->disk->trailer;
}

enum status journal_begin(struct journal *journal)
{
    check(!journal->begun && !journal->read_only);
    if (journal->failed)
        return STATUS_IO;
    if (journal->disk->journal_full)
        return STATUS_FULL;
    journal->begun = true;
    return STATUS_OK;
}

enum status journal_begin_trim(struct journal *journal)
{
    check(!journal->begun);
    if (journal->failed)
        return STATUS_IO;
    journal->begun = true;
    return STATUS_OK;
}

enum status journal_append(struct journal *journal, const struct journal_event *event,
                           uint64_t *sequence)
{
    check(journal->begun && event->payload_size <= JOURNAL_PAYLOAD_MAX);
    *sequence = journal->next_sequence++;
    struct disk_event *added = event_add(&journal->events, &journal->count, &journal->capacity);
    *added = (struct disk_event){
        .sequence = *sequence,
        .aggregate = event->aggregate,
        .aggregate_version = event->aggregate_version,
        .actor = event->actor,
        .at_ms = event->at_ms,
        .kind = event->kind,
        .actor_kind = event->actor_kind,
        .size = (uint32_t)event->payload_size,
        .offset = disk_bytes_add(&journal->bytes, event->payload, event->payload_size),
    };
    return STATUS_OK;
}

void journal_trim(struct journal *journal, uint64_t below)
{
    check(journal->begun);
    journal->trim_below = below;
}

static void forget(struct journal *journal)
{
    journal->begun = false;
    journal->count = journal->bytes.used = 0;
    journal->trim_below = 0;
}

void journal_abort(struct journal *journal)
{
    if (!journal->begun)
        return;
    journal->next_sequence -= journal->count;
    forget(journal);
}

static struct journal_event event_of(const struct disk_event *event, const uint8_t *bytes)
{
    return (struct journal_event){
        .sequence = event->sequence,
        .aggregate = event->aggregate,
        .aggregate_version = event->aggregate_version,
        .actor = event->actor,
        .at_ms = event->at_ms,
        .kind = event->kind,
        .actor_kind = event->actor_kind,
        .payload = bytes + event->offset,
        .payload_size = event->size,
    };
}

static void make_durable(struct journal *journal, const struct journal_trailer *trailer)
{
    struct disk *disk = journal->disk;
    struct task *task = machine_leave();
    size_t first = disk->count;
    for (size_t i = 0; i < journal->count; i++) {
        struct disk_event *event = event_add(&disk->events, &disk->count, &disk->capacity);
        *event = journal->events[i];
        event->offset =
            disk_bytes_add(&disk->bytes, journal->bytes.data + event->offset, event->size);
    }
    disk->last_sequence = journal->next_sequence;
    disk->trailer = *trailer;
    if (journal->trim_below > disk->trimmed_below)
        disk->trimmed_below =
            journal->trim_below < disk->last_sequence ? journal->trim_below : disk->last_sequence;
    for (size_t i = first; i < disk->count; i++) {
        struct journal_event event = event_of(&disk->events[i], disk->bytes.data);
        on_event(disk->number, &event);
    }
    machine_return(task);
}

void disk_seed(unsigned number, const struct journal_event *event)
{
    struct disk *disk = disk_at(number);
    struct disk_event *added = event_add(&disk->events, &disk->count, &disk->capacity);
    *added = (struct disk_event){
        .sequence = disk->last_sequence + 1,
        .aggregate = event->aggregate,
        .aggregate_version = event->aggregate_version,
        .actor = event->actor,
        .at_ms = event->at_ms,
        .kind = event->kind,
        .actor_kind = event->actor_kind,
        .size = (uint32_t)event->payload_size,
        .offset = disk_bytes_add(&disk->bytes, event->payload, event->payload_size),
    };
    disk->last_sequence += 2; /* it and its trailer */
}

enum status journal_commit(struct journal *journal, const struct journal_trailer *trailer)
{
    check(journal->begun);
    machine_point("commit");
    enum commit_fault fault = journal->disk->full ? COMMIT_DISK_FULL : journal->disk->next_commit;
    journal->disk->next_commit = COMMIT_WELL;
    if (fault == COMMIT_WELL || fault == COMMIT_UNKNOWN)
        make_durable(journal, trailer);
    machine_point("committed");
    journal->failed = fault != COMMIT_WELL;
    journal->next_sequence++;
    forget(journal);
    if (fault == COMMIT_WELL)
        return STATUS_OK;
    return fault == COMMIT_DISK_FULL ? STATUS_STORAGE_FULL : STATUS_IO;
}

/* The first event at or above a sequence. */
static size_t find(const struct disk *disk, uint64_t from)
{
    size_t low = 0, high = disk->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (disk->events[middle].sequence < from)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum status journal_read(struct journal *journal, uint64_t from, journal_event_cb cb, void *context)
{
    const struct disk *disk = journal->disk;
    if (!journal->whole && from < disk->trimmed_below)
        from = disk->trimmed_below;
    for (size_t i = find(disk, from); i < disk->count; i++) {
        struct journal_event event = event_of(&disk->events[i], disk->bytes.data);
        if (!cb(context, &event))
            break;
    }
    return STATUS_OK;
}

enum status journal_probe(struct journal *journal)
{
    machine_point("probe");
    if (journal->disk->full)
        return STATUS_STORAGE_FULL;
    journal->disk->last_sequence = journal->next_sequence++;
    return STATUS_OK;
}

uint64_t journal_bytes_used(const struct journal *journal)
{
    return journal->disk->bytes.used;
}

uint64_t journal_record_count(const struct journal *journal)
{
    return journal->disk->count;
}
