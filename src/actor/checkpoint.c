#include "checkpoint.h"
#include "check.h"
#include "crash_point.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The writing thread gives way to requests when the core is short. A nice value alone does not do:
 * once it runs, the scheduler leaves it its slice of some milliseconds, and whoever waits for a
 * commit waits for that too. So it sleeps after every few rows, while there is time. */
enum { CHECKPOINT_NICE = 5, ROWS_PER_PAUSE = 128, PAUSE_NS = 20000 };

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

/* What a slice is sorted by, in two words: table and id, tag and what follows. The environment
 * takes rows in any order; it is quicker when neighbours come together. */
struct slice_place {
    uint64_t group, within;
    size_t row; /* of the slice's */
};

struct slice {
    struct slice_place *places;
    struct slice_row *rows;
    size_t row_count, row_capacity;
    uint8_t *bytes;
    size_t used, capacity;
    uint64_t covered; /* 0: not the last of its round */
};

enum work { WORK_NONE, WORK_SORT, WORK_WRITE, WORK_STOP };

/* What a round is at. Each slice is copied, written and dropped before the next is begun. */
enum phase {
    PHASE_IDLE,
    PHASE_TAKE, /* the round's owners, into `entries` */
    PHASE_SORT, /* the thread */
    PHASE_COPY,
    PHASE_WRITE, /* the thread */
    PHASE_DROP,
};

struct checkpoint {
    struct overlay *overlay;
    struct state *state;
    int doorbell;
    _Atomic bool hurry; /* no time to sleep */
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
    enum phase phase;
    size_t next_entry, next_drop; /* of `entries`: to be copied, to be dropped */
    uint64_t seen_stamp;          /* of the overlay, at the last step */
    uint64_t covered, rounds, rows;
};

static int by_id(const void *a, const void *b)
{
    const struct round_entry *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_place(const void *a, const void *b)
{
    const struct slice_place *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->within > y->within) - (x->within < y->within);
}

/* A byte, and the lower seven of the eight that follow, as far as the key has them. */
static uint64_t order_word(const struct row_key *key, size_t at)
{
    uint64_t number = row_key_u64(key, at + 1) & UINT64_MAX >> 8;
    return (uint64_t)(at < key->size ? key->data[at] : 0) << 56 | number;
}

static void slice_sort(struct slice *slice)
{
    for (size_t i = 0; i < slice->row_count; i++) {
        const struct row_key *key = &slice->rows[i].key;
        slice->places[i] = (struct slice_place){order_word(key, 0), order_word(key, 9), i};
    }
    qsort(slice->places, slice->row_count, sizeof *slice->places, by_place);
}

static void give_way(const struct checkpoint *checkpoint, size_t rows_written)
{
    struct timespec pause = {.tv_nsec = PAUSE_NS};
    if (rows_written % ROWS_PER_PAUSE == 0 &&
        !atomic_load_explicit(&checkpoint->hurry, memory_order_relaxed))
        (void)nanosleep(&pause, NULL);
}

static enum status write_slice(struct checkpoint *checkpoint)
{
    struct slice *slice = &checkpoint->slice;
    slice_sort(slice);
    enum status status = state_begin(checkpoint->state);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < slice->row_count; i++) {
        const struct slice_row *row = &slice->rows[slice->places[i].row];
        if (row->deleted)
            state_delete(checkpoint->state, &row->key);
        else
            state_put(checkpoint->state, &row->key, slice->bytes + row->offset, row->size);
        give_way(checkpoint, i + 1);
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
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    checkpoint_wait(checkpoint);
    give(checkpoint, WORK_STOP);
    pthread_join(checkpoint->thread, NULL);
    pthread_mutex_destroy(&checkpoint->lock);
    pthread_cond_destroy(&checkpoint->changed);
    free(checkpoint->entries);
    free(checkpoint->slice.places);
    free(checkpoint->slice.rows);
    free(checkpoint->slice.bytes);
    free(checkpoint);
}

void checkpoint_hurry(struct checkpoint *checkpoint, bool hurry)
{
    atomic_store_explicit(&checkpoint->hurry, hurry, memory_order_relaxed);
}

bool checkpoint_active(const struct checkpoint *checkpoint)
{
    return checkpoint->phase != PHASE_IDLE;
}

void checkpoint_begin(struct checkpoint *checkpoint)
{
    if (checkpoint_active(checkpoint) || !overlay_round_begin(checkpoint->overlay))
        return;
    checkpoint->entry_count = checkpoint->next_entry = checkpoint->next_drop = 0;
    checkpoint->seen_stamp = checkpoint->overlay->stamp;
    checkpoint->phase = PHASE_TAKE;
    CRASH_POINT(CHECKPOINT_BEGUN);
}

static void entry_add(struct checkpoint *checkpoint, struct overlay_owner *owner)
{
    if (checkpoint->entry_count == checkpoint->entry_capacity) {
        checkpoint->entry_capacity = checkpoint->entry_capacity == 0
                                         ? CHECKPOINT_SLICE_ROWS
                                         : checkpoint->entry_capacity * 2;
        checkpoint->entries = reallocarray(checkpoint->entries, checkpoint->entry_capacity,
                                           sizeof *checkpoint->entries);
        check(checkpoint->entries != NULL);
    }
    checkpoint->entries[checkpoint->entry_count++] = (struct round_entry){owner->id, owner};
}

static void step_take(struct checkpoint *checkpoint, size_t budget)
{
    struct overlay_owner *owner;
    for (; budget > 0; budget--) {
        if ((owner = overlay_round_next(checkpoint->overlay)) == NULL) {
            checkpoint->phase = PHASE_SORT;
            give(checkpoint, WORK_SORT);
            return;
        }
        entry_add(checkpoint, owner);
    }
}

static void slice_add(struct slice *slice, const struct overlay_row *row)
{
    if (slice->row_count == slice->row_capacity) {
        slice->row_capacity =
            slice->row_capacity == 0 ? CHECKPOINT_SLICE_ROWS * 2 : slice->row_capacity * 2;
        slice->rows = reallocarray(slice->rows, slice->row_capacity, sizeof *slice->rows);
        slice->places = reallocarray(slice->places, slice->row_capacity, sizeof *slice->places);
        check(slice->rows != NULL && slice->places != NULL);
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

/* Fetches what comes after the entry at `at`, up to `end`: owners and rows lie anywhere. First the
 * owner, and some entries later, when it is there, the row that it names. */
static void expect_entries(const struct round_entry *entries, size_t at, size_t end)
{
    enum { OWNERS_AHEAD = 4, ROWS_AHEAD = 2 };
    if (at + OWNERS_AHEAD < end)
        overlay_owner_expect(entries[at + OWNERS_AHEAD].owner);
    if (at + ROWS_AHEAD < end)
        overlay_row_expect(TAILQ_FIRST(&entries[at + ROWS_AHEAD].owner->rows));
}

static void copy_owner(struct checkpoint *checkpoint, struct overlay_owner *owner)
{
    const struct overlay_row *row;
    TAILQ_FOREACH(row, &owner->rows, sibling)
    {
        overlay_row_expect(TAILQ_NEXT(row, sibling));
        slice_add(&checkpoint->slice, row);
    }
    overlay_saving(checkpoint->overlay, owner);
}

static void step_copy(struct checkpoint *checkpoint, size_t budget, uint64_t last_sequence)
{
    struct slice *slice = &checkpoint->slice;
    size_t row_count = slice->row_count + budget;
    while (checkpoint->next_entry < checkpoint->entry_count &&
           slice->row_count < CHECKPOINT_SLICE_ROWS) {
        if (slice->row_count >= row_count)
            return;
        expect_entries(checkpoint->entries, checkpoint->next_entry, checkpoint->entry_count);
        copy_owner(checkpoint, checkpoint->entries[checkpoint->next_entry++].owner);
    }
    slice->covered = checkpoint->next_entry == checkpoint->entry_count
                         ? overlay_covered(checkpoint->overlay, last_sequence)
                         : 0;
    checkpoint->phase = PHASE_WRITE;
    give(checkpoint, WORK_WRITE);
    CRASH_POINT(CHECKPOINT_COPIED);
}

static void begin_slice(struct checkpoint *checkpoint)
{
    checkpoint->slice.row_count = checkpoint->slice.used = 0;
    checkpoint->phase = PHASE_COPY;
}

static void step_drop(struct checkpoint *checkpoint, size_t budget)
{
    for (; checkpoint->next_drop < checkpoint->next_entry; checkpoint->next_drop++) {
        expect_entries(checkpoint->entries, checkpoint->next_drop, checkpoint->next_entry);
        if (!overlay_saved(checkpoint->overlay, checkpoint->entries[checkpoint->next_drop].owner,
                           &budget))
            return;
    }
    checkpoint->rows += checkpoint->slice.row_count;
    if (checkpoint->slice.covered == 0) {
        begin_slice(checkpoint);
        return;
    }
    checkpoint->covered = checkpoint->slice.covered;
    checkpoint->rounds++;
    checkpoint->phase = PHASE_IDLE;
    CRASH_POINT(CHECKPOINT_ENDED);
}

static bool thread_is_done(struct checkpoint *checkpoint)
{
    pthread_mutex_lock(&checkpoint->lock);
    bool done = checkpoint->done;
    pthread_mutex_unlock(&checkpoint->lock);
    return done;
}

static bool waits_for_thread(const struct checkpoint *checkpoint)
{
    return checkpoint->phase == PHASE_SORT || checkpoint->phase == PHASE_WRITE;
}

bool checkpoint_pending(struct checkpoint *checkpoint)
{
    if (waits_for_thread(checkpoint))
        return thread_is_done(checkpoint);
    return checkpoint->phase != PHASE_IDLE;
}

/* The thread's result, once it is done. */
static enum status take_up(struct checkpoint *checkpoint, struct state_reader *reader)
{
    if (checkpoint->phase == PHASE_SORT) {
        begin_slice(checkpoint);
        return STATUS_OK;
    }
    if (checkpoint->result != STATUS_OK)
        return checkpoint->result;
    /* The saved rows must be visible before those in memory go. */
    checkpoint->phase = PHASE_DROP;
    return state_reader_refresh(reader);
}

enum status checkpoint_step(struct checkpoint *checkpoint, uint64_t last_sequence,
                            struct state_reader *reader)
{
    uint64_t written = checkpoint->overlay->stamp - checkpoint->seen_stamp;
    size_t budget = CHECKPOINT_STEP_ROWS + 2 * written;
    checkpoint->seen_stamp += written;
    if (!checkpoint_pending(checkpoint))
        return STATUS_OK;
    if (waits_for_thread(checkpoint)) {
        enum status status = take_up(checkpoint, reader);
        if (status != STATUS_OK)
            return status;
    }
    if (checkpoint->phase == PHASE_TAKE)
        step_take(checkpoint, budget);
    else if (checkpoint->phase == PHASE_COPY)
        step_copy(checkpoint, budget, last_sequence);
    else
        step_drop(checkpoint, budget);
    return STATUS_OK;
}

void checkpoint_wait(struct checkpoint *checkpoint)
{
    if (!waits_for_thread(checkpoint))
        return;
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
