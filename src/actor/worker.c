#include "check.h"
#include "clock.h"
#include "crash_point.h"
#include "log.h"
#include "runtime.h"
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* A worker process: open, recover, adopt, then turns until it is told to stop. */

enum {
    CHECKPOINT_EVENTS = 60000,     /* journal tail that starts a round */
    CHECKPOINT_INTERVAL_MS = 2000, /* and the time after which a shorter one does */
    REPLAY_EVENTS_MAX = 200000,    /* replays in about 200 ms (bench/README.md); beyond: 503 */
    BEHIND_PAUSE_NS = 500000,      /* near that, each turn pauses … */
    BEHIND_PAUSES_MAX = 32,        /* … so often at most */
    IDLE_POLL_MS = 100,            /* the coarse poll behind the doorbell */
    HOUSEKEEPING_MS = 1000,
    TRIM_IDLE_RECORDS = 1000, /* worth a transaction of its own */
    YIELD_EVENTS = 24,        /* with fewer in a batch, time is not short */
};
static const uint64_t SPACE_LOW_BYTES = UINT64_C(2) << 20;    /* no more writes below */
static const uint64_t SPACE_ENOUGH_BYTES = UINT64_C(4) << 20; /* they are tried again above */
static const uint64_t FILL_AHEAD_BYTES = UINT64_C(16) << 20;
enum { FILL_SPACE_SHARE = 32 }; /* never more than this part of the free space */

struct turns {
    unsigned batch_events; /* of the last one */
    uint64_t housekeeping_ms, checkpoint_ms;
    unsigned first_channel; /* taken in turn, so that no producer starves another */
};

static enum status open_channels(struct worker *worker)
{
    struct segment *segment = worker->segment;
    for (unsigned i = 0; i < segment->header->process_count; i++) {
        if (segment->header->channels_at[i][worker->index] == 0)
            continue;
        enum status status = channel_consumer_open(&worker->channels[worker->channel_count++],
                                                   segment, i, worker->index);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status open_storage(struct worker *worker)
{
    const struct worker_options *options = worker->options;
    enum status status = state_open(&worker->state, options->state_path,
                                    worker->config->state_size_mib << 20, false);
    if (status != STATUS_OK)
        return status;
    uint64_t fill = state_free_space(worker->state) / FILL_SPACE_SHARE;
    struct journal_options journal = {
        .size_max = worker->config->journal_size_mib << 20,
        .fill_ahead = fill < FILL_AHEAD_BYTES ? fill : FILL_AHEAD_BYTES,
        .floor = state_covered(worker->state),
        .range = &worker->self->journal,
    };
    if (options->sequence_floor > journal.floor)
        journal.floor = options->sequence_floor;
    status = journal_open(&worker->journal, options->journal_path, &journal);
    if (status != STATUS_OK)
        return status;
    return state_reader_open(&worker->reader, worker->state);
}

static enum status open_worker(struct worker *worker)
{
    enum status status = open_storage(worker);
    if (status == STATUS_OK)
        status = overlay_init(&worker->overlay, worker->reader);
    if (status == STATUS_OK)
        status = cache_init(&worker->cache, worker->config->actor_cache_mib << 20);
    if (status == STATUS_OK)
        status = timers_init(&worker->timers);
    if (status == STATUS_OK)
        status = obligations_open(&worker->obligations, worker->segment, worker->index);
    if (status == STATUS_OK)
        status = open_channels(worker);
    if (status != STATUS_OK)
        return status;
    worker->rows = overlay_view(&worker->overlay);
    status = worker_recover(worker);
    if (status == STATUS_OK)
        status = worker_probe(worker);
    if (status == STATUS_OK)
        status = checkpoint_open(&worker->checkpoint, &worker->overlay, worker->state,
                                 worker->segment->doorbells[worker->index]);
    if (status == STATUS_OK)
        status = worker_seed(worker);
    return status;
}

static void close_worker(struct worker *worker)
{
    checkpoint_close(worker->checkpoint);
    obligations_close(&worker->obligations);
    pool_fini(&worker->waiter_pool);
    timers_fini(&worker->timers);
    cache_fini(&worker->cache);
    overlay_fini(&worker->overlay);
    state_reader_close(worker->reader);
    journal_close(worker->journal);
    state_close(worker->state);
    free(worker->batch.replies);
    free(worker->batch.changes);
    free((void *)worker->batch.touched);
}

static void beat(struct worker *worker)
{
    atomic_store_explicit(&worker->self->heartbeat_ns, clock_monotonic_ns(), memory_order_relaxed);
}

/* ---- one turn ---- */

/* Fetches what deciding a request looks at; the next step looks at what this one has fetched. */
static void expect(const struct worker *worker, const struct slot *slot, unsigned step)
{
    struct expectation expected = worker->behaviour->expect(slot->kind);
    if (expected.kind != NULL && step < CACHE_EXPECT_STEPS)
        cache_expect(&worker->cache, expected.kind, slot->actor, step);
    if (expected.kind != NULL && step == 0)
        overlay_touch_expect(&worker->overlay, expected.kind->number, slot->actor);
    if (expected.table != 0) {
        struct row_key key = row_key_of(expected.table, slot->actor);
        overlay_expect(&worker->overlay, &key, step);
    }
}

/* Some requests at a time, so that the memory of their actors and rows, which lie anywhere, is on
 * its way while others are decided. */
static unsigned take_some(struct worker *worker, struct channel_consumer *channel)
{
    enum { AHEAD = 16 };
    struct {
        struct slot *slot;
        uint64_t request_id;
    } taken[AHEAD];
    unsigned count = 0, room = BATCH_REQUESTS_MAX - worker->batch.requests;
    uint64_t position = 0;
    while (count < AHEAD && count < room &&
           (taken[count].slot = channel_receive(channel, &taken[count].request_id, &position)) !=
               NULL)
        count++;
    if (worker->behaviour->expect != NULL && count > 1)
        for (unsigned step = 0; step < OVERLAY_EXPECT_STEPS; step++)
            for (unsigned i = 0; i < count; i++)
                expect(worker, taken[i].slot, step);
    for (unsigned i = 0; i < count; i++)
        worker_decide_request(worker, channel, taken[i].slot, taken[i].request_id, 0);
    return count;
}

static bool is_front(const struct worker *worker, unsigned process)
{
    return segment_process(worker->segment, process)->role == ROLE_FRONT;
}

static void take_requests(struct worker *worker, unsigned first)
{
    for (unsigned i = 0; i < worker->channel_count; i++) {
        struct channel_consumer *channel = &worker->channels[(first + i) % worker->channel_count];
        while (take_some(worker, channel) > 0)
            worker->batch.has_clients |= is_front(worker, channel->producer);
    }
}

static void take_replies(struct worker *worker)
{
    struct obligation *obligation;
    struct slot *slot;
    struct batch *batch = &worker->batch;
    worker->full = false;
    if (worker->read_only || !obligations_pending(&worker->obligations))
        return;
    if (!batch_begin(worker)) {
        worker->full = true;
        return;
    }
    for (; batch->answers < BATCH_ANSWERS_MAX &&
           obligations_next_reply(&worker->obligations, &obligation, &slot);
         batch->answers++) {
        uint16_t kind = obligation->request_kind;
        CRASH_POINT_OF(ANSWER_TAKEN, kind);
        worker_decide_reply(worker, obligation, slot);
        CRASH_POINT_OF(ANSWER_DECIDED, kind);
        obligations_replied(&worker->obligations, slot, worker->now_ms);
        CRASH_POINT_OF(ANSWER_RELEASED, kind);
    }
}

static void take_timers(struct worker *worker)
{
    uint64_t id = 0;
    uint8_t kind = 0;
    struct batch *batch = &worker->batch;
    if (worker->read_only || timers_next_ms(&worker->timers) > worker->now_ms ||
        !batch_begin(worker))
        return;
    for (; batch->timers < BATCH_TIMERS_MAX &&
           timers_take(&worker->timers, worker->now_ms, &kind, &id);
         batch->timers++)
        worker_decide_timer(worker, kind, id);
}

/* True when the batch has anything. The clock is read once for all of it. */
static bool take_all(struct worker *worker, struct turns *turns)
{
    const struct batch *batch = &worker->batch;
    worker->now_ms = clock_now_ms();
    take_replies(worker);
    take_timers(worker);
    if (worker->channel_count > 0)
        take_requests(worker, turns->first_channel++);
    return batch->requests > 0 || batch->answers > 0 || batch->timers > 0;
}

/* In the last quarter before a limit, more and more of them. */
static uint64_t pauses_before(uint64_t value, uint64_t limit)
{
    uint64_t near = limit / 4 * 3;
    if (value <= near || value > limit)
        return 0;
    return (value - near) * BEHIND_PAUSES_MAX / (limit - near);
}

/* On a core that is never idle the writing thread, with its low priority, falls behind, and so it
 * does while the disk is slow. Before requests must be refused for that, all of them wait, as long
 * as it is the thread that has something to do. */
static void wait_for_checkpoint(struct worker *worker, uint64_t bytes, uint64_t limit,
                                uint64_t tail)
{
    const struct timespec pause = {.tv_nsec = BEHIND_PAUSE_NS};
    uint64_t count = pauses_before(bytes, limit), by_tail = pauses_before(tail, REPLAY_EVENTS_MAX);
    if (by_tail > count)
        count = by_tail;
    while (count-- > 0 && !checkpoint_pending(worker->checkpoint))
        (void)nanosleep(&pause, NULL);
}

static void drive_checkpoint(struct worker *worker, struct turns *turns, uint64_t now_ms)
{
    if (worker->read_only)
        return;
    uint64_t last = journal_last_sequence(worker->journal);
    enum status status = checkpoint_step(worker->checkpoint, last, worker->reader);
    if (status != STATUS_OK) {
        log_error("checkpoint-failed", "status=\"%s\"", status_text(status));
        stat_add(&worker->stats->storage_errors_total, 1);
        exit(EX_IOERR);
    }
    uint64_t tail = last - checkpoint_covered(worker->checkpoint);
    size_t limit = worker->config->unsaved_limit_mib << 20, bytes = worker->overlay.bytes;
    worker->throttled = bytes > limit || tail > REPLAY_EVENTS_MAX;
    checkpoint_hurry(worker->checkpoint, bytes > limit / 2 || tail > REPLAY_EVENTS_MAX / 2);
    if (checkpoint_active(worker->checkpoint)) {
        wait_for_checkpoint(worker, bytes, limit, tail);
        return;
    }
    if (tail < CHECKPOINT_EVENTS && bytes < limit / 2 &&
        now_ms - turns->checkpoint_ms < CHECKPOINT_INTERVAL_MS)
        return;
    turns->checkpoint_ms = now_ms;
    checkpoint_begin(worker->checkpoint);
}

static void set_gauges(struct worker *worker)
{
    struct process_stats *stats = worker->stats;
    stat_set(&stats->journal_records, journal_record_count(worker->journal));
    stat_set(&stats->journal_bytes, journal_bytes_used(worker->journal));
    stat_set(&stats->journal_last_sequence, journal_last_sequence(worker->journal));
    stat_set(&stats->checkpoint_sequence, checkpoint_covered(worker->checkpoint));
    stat_set(&stats->checkpoints_total, checkpoint_rounds(worker->checkpoint));
    stat_set(&stats->checkpoint_rows_total, checkpoint_rows(worker->checkpoint));
    stat_set(&stats->unsaved_bytes, worker->overlay.bytes);
    stat_set(&stats->unsaved_rows, worker->overlay.row_count);
    stat_set(&stats->actors_cached, worker->cache.count);
    stat_set(&stats->actors_failing, failing_parked(&worker->failing));
    stat_set(&stats->obligations_open, worker->obligations.count);
    stat_set(&stats->saga_waiters, worker->waiter_count);
    stat_set(&stats->slots_free, worker->obligations.pool.free_small_count);
}

/* A full disk is met before LMDB meets it where possible; coming back is a fresh start, which
 * proves by test writes that there is room. */
static void watch_space(struct worker *worker)
{
    uint64_t space = state_free_space(worker->state);
    if (worker->read_only && space >= SPACE_ENOUGH_BYTES) {
        log_info("space-returned", "bytes=%llu", (unsigned long long)space);
        exit(EX_TEMPFAIL);
    }
    if (!worker->read_only && space < SPACE_LOW_BYTES) {
        log_warn("read-only", "bytes=%llu", (unsigned long long)space);
        worker->read_only = true;
        segment_announce_ready(worker->segment, worker->index, PROCESS_READ_ONLY);
    }
}

static void housekeep(struct worker *worker, struct turns *turns, uint64_t now_ms)
{
    if (now_ms - turns->housekeeping_ms < HOUSEKEEPING_MS)
        return;
    turns->housekeeping_ms = now_ms;
    set_gauges(worker);
    watch_space(worker);
    if (!worker->read_only)
        batch_trim(worker, TRIM_IDLE_RECORDS);
    /* A snapshot held for long would pin the pages that checkpoints free; so would a dead reader's.
     */
    state_reader_reset(worker->reader);
    state_clear_readers(worker->state);
}

static bool requests_waiting(const struct worker *worker)
{
    for (unsigned i = 0; i < worker->channel_count; i++)
        if (channel_requests_waiting(&worker->channels[i]))
            return true;
    return false;
}

/* True when it did something. When batches are large, whoever is ready to run on this core may run
 * before the commit, where that may bring more: the first of a hundred requests that arrive
 * together are not committed without the others. (What comes from another worker comes all at
 * once.) */
static bool turn(struct worker *worker, struct turns *turns)
{
    beat(worker);
    bool worked = take_all(worker, turns);
    if (worker->batch.has_clients && turns->batch_events >= YIELD_EVENTS) {
        (void)sched_yield();
        (void)take_all(worker, turns);
    }
    turns->batch_events = worker->batch.events;
    if (worked)
        batch_end(worker);
    else
        batch_drop(worker);
    obligations_send(&worker->obligations, worker->now_ms);
    drive_checkpoint(worker, turns, worker->now_ms);
    housekeep(worker, turns, worker->now_ms);
    return worked;
}

static bool has_work(const struct worker *worker)
{
    if (requests_waiting(worker))
        return true;
    return !worker->read_only && (checkpoint_pending(worker->checkpoint) ||
                                  (!worker->full && obligations_pending(&worker->obligations)));
}

static int sleep_ms(const struct worker *worker)
{
    uint64_t now_ms = clock_now_ms(), until = now_ms + IDLE_POLL_MS;
    uint64_t timer = worker->read_only ? UINT64_MAX : timers_next_ms(&worker->timers);
    uint64_t send = obligations_next_ms(&worker->obligations);
    if (timer < until)
        until = timer;
    if (send < until)
        until = send;
    return until > now_ms ? (int)(until - now_ms) : 1;
}

static void sleep_until_rung(struct worker *worker)
{
    segment_sleep_begin(worker->segment, worker->index);
    if (!has_work(worker)) {
        struct pollfd bell = {.fd = worker->segment->doorbells[worker->index], .events = POLLIN};
        uint64_t rung;
        if (poll(&bell, 1, sleep_ms(worker)) > 0)
            (void)!read(bell.fd, &rung, sizeof rung); /* the checkpoint's thread rings too */
    }
    segment_sleep_end(worker->segment, worker->index);
}

static void run(struct worker *worker)
{
    struct turns turns = {.checkpoint_ms = clock_now_ms()};
    for (;;) {
        if (turn(worker, &turns))
            continue;
        if (worker_must_stop(worker))
            return;
        sleep_until_rung(worker);
    }
}

/* With one more transaction behind it, damage to the last one can't be taken for a torn end. */
static void seal(struct worker *worker)
{
    enum status status = worker->read_only ? STATUS_OK : journal_probe(worker->journal);
    if (status != STATUS_OK)
        log_warn("journal-not-sealed", "status=\"%s\"", status_text(status));
}

static int exit_code_of(enum status status)
{
    switch (status) {
    case STATUS_CORRUPT:
        return EX_DATAERR;
    case STATUS_MISMATCH:
        return EX_CONFIG;
    default:
        return EX_IOERR;
    }
}

int worker_run(const struct worker_options *options)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return EX_OSERR;
    worker->options = options;
    worker->batch_number = 1;
    worker->segment = options->segment;
    worker->index = options->self;
    worker->self = segment_process(options->segment, options->self);
    worker->stats = segment_stats(options->segment, options->self);
    worker->behaviour = options->behaviour;
    worker->config = &options->segment->header->config;
    worker->started_at_ms = segment_process(options->segment, PROCESS_SUPERVISOR)->started_ms;
    beat(worker);
    enum status status = open_worker(worker);
    if (status == STATUS_CLOSED) {
        log_info("stopped-in-recovery", "journal=%s", options->journal_path);
        return EX_OK;
    }
    if (status != STATUS_OK) {
        log_error("start-failed", "status=\"%s\" journal=%s", status_text(status),
                  options->journal_path);
        return exit_code_of(status); /* the process ends; its memory goes with it */
    }
    worker_adopt_requests(worker);
    segment_announce_ready(worker->segment, worker->index,
                           worker->read_only ? PROCESS_READ_ONLY : PROCESS_READY);
    CRASH_POINT(READY_ANNOUNCED);
    run(worker);
    seal(worker);
    close_worker(worker);
    free(worker);
    return EX_OK;
}
