#include "checkpoint.h"
#include "check.h"
#include "crash_point.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The writing thread gives way to requests when the core is short. */
enum { CHECKPOINT_NICE = 5 };

struct round_entry {
    uint64_t id;
    struct overlay_owner *owner; /* not touched by the thread */
};

struct slice_row {
    struct row_key key;
    bool deleted;
    uint32_t size;
    size_t offset; /* in bytes */
};

struct slice {
    struct slice_row *rows;
    size_t row_count, row_capacity;
    uint8_t *bytes;
    size_t used, capacity;
    uint64_t stamp;
    uint64_t covered; /* 0: not the last of its round */
};

enum work { WORK_NONE, WORK_SORT, WORK_WRITE, WORK_STOP };

struct checkpoint {
    struct overlay *overlay;
    struct state *state;
    int doorbell;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    enum work work; /* given to the thread */
    bool done;      /* it has finished */
    enum status result;
    /* the worker's thread, or the writing thread while it works */
    struct round_entry *entries;
    size_t entry_count, entry_capacity;
    struct slice slice;
    /* the worker's thread */
    bool active;
    enum work given;
    size_t next_entry, slice_first;
    uint64_t covered, rounds, rows;
};

static int by_id(const void *a, const void *b)
{
    const struct round_entry *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_key(const void *a, const void *b)
{
    return row_key_compare(&((const struct slice_row *)a)->key,
                           &((const struct slice_row *)b)->key);
}

static enum status write_slice(struct checkpoint *checkpoint)
{
    struct slice *slice = &checkpoint->slice;
    qsort(slice->rows, slice->row_count, sizeof *slice->rows, by_key);
    enum status status = state_begin(checkpoint->state);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < slice->row_count; i++) {
        const struct slice_row *row = &slice->rows[i];
        if (row->deleted)
            state_delete(checkpoint->state, &row->key);
        else
            state_put(checkpoint->state, &row->key, slice->bytes + row->offset, row->size);
    }
    CRASH_POINT(CHECKPOINT_WRITTEN);
    status = state_commit(checkpoint->state, slice->covered);
    CRASH_POINT(CHECKPOINT_SAVED);
    return status;
}

static void *thread_main(void *context)
{
    struct checkpoint *checkpoint = context;
    /* Only this thread: on Linux the nice value belongs to the thread. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), CHECKPOINT_NICE);
    pthread_mutex_lock(&checkpoint->lock);
    for (;;) {
        while (checkpoint->work == WORK_NONE)
            pthread_cond_wait(&checkpoint->changed, &checkpoint->lock);
        enum work work = checkpoint->work;
        checkpoint->work = WORK_NONE;
        pthread_mutex_unlock(&checkpoint->lock);
        if (work == WORK_STOP)
            return NULL;
        enum status result = STATUS_OK;
        if (work == WORK_SORT)
            qsort(checkpoint->entries, checkpoint->entry_count, sizeof *checkpoint->entries, by_id);
        else
            result = write_slice(checkpoint);
        pthread_mutex_lock(&checkpoint->lock);
        checkpoint->result = result;
        checkpoint->done = true;
        pthread_cond_broadcast(&checkpoint->changed);
        uint64_t one = 1;
        (void)!write(checkpoint->doorbell, &one, sizeof one); /* full: it is awake anyway */
    }
}

enum status checkpoint_open(struct checkpoint **opened, struct overlay *overlay,
                            struct state *state, int doorbell)
{
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    if (checkpoint == NULL)
        return STATUS_NO_MEMORY;
    checkpoint->overlay = overlay;
    checkpoint->state = state;
    checkpoint->doorbell = doorbell;
    checkpoint->covered = state_covered(state);
    pthread_mutex_init(&checkpoint->lock, NULL);
    pthread_cond_init(&checkpoint->changed, NULL);
    /* Signals are the worker thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&checkpoint->thread, NULL, thread_main, checkpoint);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        free(checkpoint);
        return STATUS_NO_MEMORY;
    }
    *opened = checkpoint;
    return STATUS_OK;
}

static void give(struct checkpoint *checkpoint, enum work work)
{
    pthread_mutex_lock(&checkpoint->lock);
    checkpoint->work = work;
    checkpoint->done = false;
    pthread_cond_broadcast(&checkpoint->changed);
    pthread_mutex_unlock(&checkpoint->lock);
    checkpoint->given = work;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    if (checkpoint->given != WORK_NONE)
        checkpoint_wait(checkpoint);
    give(checkpoint, WORK_STOP);
    pthread_join(checkpoint->thread, NULL);
    pthread_mutex_destroy(&checkpoint->lock);
    pthread_cond_destroy(&checkpoint->changed);
    free(checkpoint->entries);
    free(checkpoint->slice.rows);
    free(checkpoint->slice.bytes);
    free(checkpoint);
}

bool checkpoint_active(const struct checkpoint *checkpoint)
{
    return checkpoint->active;
}

void checkpoint_begin(struct checkpoint *checkpoint)
{
    if (checkpoint->active)
        return;
    size_t count = overlay_round_begin(checkpoint->overlay, NULL);
    if (count == 0)
        return;
    if (count > checkpoint->entry_capacity) {
        free(checkpoint->entries);
        checkpoint->entries = malloc(count * sizeof *checkpoint->entries);
        check(checkpoint->entries != NULL);
        checkpoint->entry_capacity = count;
    }
    struct overlay_owner **owners = malloc(count * sizeof(struct overlay_owner *));
    check(owners != NULL);
    overlay_round_begin(checkpoint->overlay, owners);
    for (size_t i = 0; i < count; i++)
        checkpoint->entries[i] = (struct round_entry){owners[i]->id, owners[i]};
    free(owners);
    checkpoint->entry_count = count;
    checkpoint->next_entry = checkpoint->slice_first = 0;
    checkpoint->active = true;
    give(checkpoint, WORK_SORT);
    CRASH_POINT(CHECKPOINT_BEGUN);
}

static void slice_add(struct slice *slice, const struct overlay_row *row)
{
    if (slice->row_count == slice->row_capacity) {
        slice->row_capacity =
            slice->row_capacity == 0 ? CHECKPOINT_SLICE_ROWS * 2 : slice->row_capacity * 2;
        slice->rows = realloc(slice->rows, slice->row_capacity * sizeof *slice->rows);
        check(slice->rows != NULL);
    }
    if (slice->used + row->size > slice->capacity) {
        slice->capacity = (slice->used + row->size) * 2;
        slice->bytes = realloc(slice->bytes, slice->capacity);
        check(slice->bytes != NULL);
    }
    if (row->size > 0)
        memcpy(slice->bytes + slice->used, row->value, row->size);
    slice->rows[slice->row_count++] =
        (struct slice_row){row->key, row->deleted, row->size, slice->used};
    slice->used += row->size;
}

/* Copies the next owners' rows and hands them over. */
static void slice_begin(struct checkpoint *checkpoint, uint64_t last_sequence)
{
    struct slice *slice = &checkpoint->slice;
    slice->row_count = slice->used = 0;
    checkpoint->slice_first = checkpoint->next_entry;
    while (checkpoint->next_entry < checkpoint->entry_count &&
           slice->row_count < CHECKPOINT_SLICE_ROWS) {
        struct overlay_owner *owner = checkpoint->entries[checkpoint->next_entry++].owner;
        const struct overlay_row *row;
        TAILQ_FOREACH(row, &owner->rows, sibling)
        slice_add(slice, row);
        overlay_saving(owner);
    }
    slice->stamp = checkpoint->overlay->stamp;
    slice->covered = checkpoint->next_entry == checkpoint->entry_count
                         ? overlay_covered(checkpoint->overlay, last_sequence)
                         : 0;
    give(checkpoint, WORK_WRITE);
    CRASH_POINT(CHECKPOINT_COPIED);
}

static void slice_end(struct checkpoint *checkpoint)
{
    struct slice *slice = &checkpoint->slice;
    for (size_t i = checkpoint->slice_first; i < checkpoint->next_entry; i++)
        overlay_saved(checkpoint->overlay, checkpoint->entries[i].owner, slice->stamp);
    checkpoint->rows += slice->row_count;
    if (slice->covered != 0) {
        checkpoint->covered = slice->covered;
        checkpoint->rounds++;
        checkpoint->active = false;
        CRASH_POINT(CHECKPOINT_ENDED);
    }
}

enum status checkpoint_step(struct checkpoint *checkpoint, uint64_t last_sequence,
                            struct state_reader *reader)
{
    if (checkpoint->given == WORK_NONE)
        return STATUS_OK;
    pthread_mutex_lock(&checkpoint->lock);
    bool done = checkpoint->done;
    enum status result = checkpoint->result;
    pthread_mutex_unlock(&checkpoint->lock);
    if (!done)
        return STATUS_OK;
    enum work finished = checkpoint->given;
    checkpoint->given = WORK_NONE;
    if (result != STATUS_OK)
        return result;
    if (finished == WORK_WRITE) {
        /* The saved rows must be visible before those in memory go. */
        result = state_reader_refresh(reader);
        if (result != STATUS_OK)
            return result;
        slice_end(checkpoint);
    }
    if (checkpoint->active)
        slice_begin(checkpoint, last_sequence);
    return STATUS_OK;
}

void checkpoint_wait(struct checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->lock);
    while (!checkpoint->done)
        pthread_cond_wait(&checkpoint->changed, &checkpoint->lock);
    pthread_mutex_unlock(&checkpoint->lock);
}

uint64_t checkpoint_covered(const struct checkpoint *checkpoint)
{
    return checkpoint->covered;
}

uint64_t checkpoint_rounds(const struct checkpoint *checkpoint)
{
    return checkpoint->rounds;
}

uint64_t checkpoint_rows(const struct checkpoint *checkpoint)
{
    return checkpoint->rows;
}
