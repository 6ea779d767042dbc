#include "check.h"
#include "disk.h"
#include "machine.h"
#include <stdlib.h>
#include <string.h>

struct state {
    struct disk *disk;
    bool empty, begun;
    /* of the open transaction */
    struct disk_change *changes;
    size_t count, capacity;
    struct disk_bytes bytes;
};

struct state_reader {
    struct state *state;
};

struct state_cursor {
    struct state_reader *reader;
    struct memory_row *at;
};

/* A snapshot begins: it shows what is committed by now. */
static void snapshot(struct disk *disk)
{
    struct task *task = machine_leave();
    for (size_t i = 0; i < disk->change_count; i++) {
        const struct disk_change *change = &disk->changes[i];
        if (change->deleted)
            memory_rows_delete(&disk->rows, &change->key);
        else
            memory_rows_put(&disk->rows, &change->key, disk->change_bytes.data + change->offset,
                            change->size);
    }
    disk->change_count = disk->change_bytes.used = 0;
    machine_return(task);
}

enum status state_open(struct state **opened, const char *directory, uint64_t map_size,
                       bool read_only)
{
    (void)map_size;
    (void)read_only;
    machine_point("state open");
    struct state *state = calloc(1, sizeof *state);
    check(state != NULL);
    state->disk = disk_at((unsigned)(directory[0] - '0'));
    state->empty = directory[1] == '!';
    *opened = state;
    return STATUS_OK;
}

void state_close(struct state *state)
{
    if (state == NULL)
        return;
    free(state->changes);
    free(state->bytes.data);
    free(state);
}

enum status state_begin(struct state *state)
{
    check(!state->begun);
    state->begun = true;
    state->count = state->bytes.used = 0;
    return STATUS_OK;
}

static void add(struct state *state, const struct disk_change *change)
{
    check(state->begun);
    if (state->count == state->capacity) {
        state->capacity = state->capacity == 0 ? 64 : state->capacity * 2;
        state->changes = reallocarray(state->changes, state->capacity, sizeof *state->changes);
        check(state->changes != NULL);
    }
    state->changes[state->count++] = *change;
}

void state_put(struct state *state, const struct row_key *key, const void *payload, size_t size)
{
    check(size <= STATE_PAYLOAD_MAX);
    add(state, &(struct disk_change){.key = *key,
                                     .size = (uint32_t)size,
                                     .offset = disk_bytes_add(&state->bytes, payload, size)});
}

void state_delete(struct state *state, const struct row_key *key)
{
    add(state, &(struct disk_change){.key = *key, .deleted = true});
}

enum status state_commit(struct state *state, uint64_t covered)
{
    struct disk *disk = state->disk;
    check(state->begun);
    machine_point("checkpoint");
    state->begun = false;
    if (disk->full)
        return STATUS_STORAGE_FULL;
    bool fails = disk->fail_checkpoint;
    disk->fail_checkpoint = false;
    struct task *task = machine_leave();
    for (size_t i = 0; i < state->count; i++) {
        if (disk->change_count == disk->change_capacity) {
            disk->change_capacity = disk->change_capacity == 0 ? 64 : disk->change_capacity * 2;
            disk->changes =
                reallocarray(disk->changes, disk->change_capacity, sizeof *disk->changes);
            check(disk->changes != NULL);
        }
        struct disk_change *change = &disk->changes[disk->change_count++];
        *change = state->changes[i];
        change->offset =
            disk_bytes_add(&disk->change_bytes, state->bytes.data + change->offset, change->size);
    }
    if (covered != 0)
        disk->covered = covered;
    machine_return(task);
    machine_point("checkpointed");
    return fails ? STATUS_IO : STATUS_OK; /* it says so, but everything is there */
}

void state_abort(struct state *state)
{
    state->begun = false;
}

uint64_t state_covered(struct state *state)
{
    return state->empty ? 0 : state->disk->covered;
}

enum status state_probe(struct state *state)
{
    check(!state->begun);
    return state->disk->full ? STATUS_STORAGE_FULL : STATUS_OK;
}

void state_clear_readers(struct state *state)
{
    (void)state;
}

enum status state_reader_open(struct state_reader **opened, struct state *state)
{
    struct state_reader *reader = calloc(1, sizeof *reader);
    check(reader != NULL);
    reader->state = state;
    snapshot(state->disk);
    *opened = reader;
    return STATUS_OK;
}

void state_reader_close(struct state_reader *reader)
{
    free(reader);
}

enum status state_reader_refresh(struct state_reader *reader)
{
    snapshot(reader->state->disk);
    return STATUS_OK;
}

void state_reader_reset(struct state_reader *reader)
{
    snapshot(reader->state->disk);
}

enum status state_get(struct state_reader *reader, const struct row_key *key,
                      struct row_bytes *value)
{
    struct row_view view = memory_rows_view(&reader->state->disk->rows);
    return reader->state->empty ? STATUS_NOT_FOUND : row_get(&view, key, value);
}

enum status state_reader_covered(struct state_reader *reader, uint64_t *covered)
{
    *covered = state_covered(reader->state);
    return STATUS_OK;
}

enum status state_cursor_open(struct state_cursor **opened, struct state_reader *reader)
{
    struct state_cursor *cursor = calloc(1, sizeof *cursor);
    check(cursor != NULL);
    cursor->reader = reader;
    *opened = cursor;
    return STATUS_OK;
}

void state_cursor_close(struct state_cursor *cursor)
{
    free(cursor);
}

static enum status take(struct state_cursor *cursor, struct memory_row *row, struct row_key *key,
                        struct row_bytes *value)
{
    cursor->at = row;
    if (row == NULL)
        return STATUS_NOT_FOUND;
    *key = row->key;
    *value = (struct row_bytes){row->value, row->size};
    return STATUS_OK;
}

enum status state_cursor_seek(struct state_cursor *cursor, const struct row_key *from,
                              bool descending, struct row_key *key, struct row_bytes *value)
{
    const struct state *state = cursor->reader->state;
    if (state->empty)
        return STATUS_NOT_FOUND;
    return take(cursor, memory_rows_seek(&state->disk->rows, from, descending), key, value);
}

enum status state_cursor_next(struct state_cursor *cursor, bool descending, struct row_key *key,
                              struct row_bytes *value)
{
    check(cursor->at != NULL);
    return take(cursor, memory_rows_next(cursor->at, descending), key, value);
}

uint64_t state_free_space(const struct state *state)
{
    return state->disk->full ? 0 : UINT64_MAX;
}
