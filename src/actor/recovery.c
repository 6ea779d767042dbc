#include "check.h"
#include "clock.h"
#include "crash_point.h"
#include "log.h"
#include "runtime.h"
#include <string.h>

/* The start of a worker: rows = state environment + what the journal has beyond it; then timers,
 * obligations and read snapshots from the rows; then the requests that its predecessor left. */

struct replay {
    struct worker *worker;
    uint64_t events;
    enum status status;
};

static bool replay_event(void *context, const struct journal_event *event)
{
    struct replay *replay = context;
    struct worker *worker = replay->worker;
    if (worker_must_stop(worker)) {
        replay->status = STATUS_CLOSED;
        return false;
    }
    const struct actor_kind *kind = worker_kind(worker, event->actor_kind);
    if (kind == NULL ||
        !event_decode(event->kind, &worker->event, event->payload, event->payload_size)) {
        log_error("journal-unreadable", "sequence=%llu kind=%u actor_kind=%u",
                  (unsigned long long)event->sequence, event->kind, event->actor_kind);
        replay->status = STATUS_CORRUPT;
        return false;
    }
    struct actor *actor = cache_get(&worker->cache, kind, event->actor, &worker->rows);
    if (actor == NULL) {
        log_error("actor-unreadable", "kind=%s id=%llu error=\"%s\"", kind->name,
                  (unsigned long long)event->actor, worker->cache.failure);
        replay->status = STATUS_CORRUPT;
        return false;
    }
    replay->events++;
    if (actor_base(actor)->last_sequence >= event->sequence)
        return true; /* its row was saved later than this */
    struct event_view view = {event->sequence, event->aggregate, event->aggregate_version,
                              event->at_ms,    event->kind,      &worker->event};
    worker_apply(worker, actor, &view);
    cache_weigh(&worker->cache, actor);
    cache_trim(&worker->cache);
    return true;
}

enum status worker_replay(struct worker *worker, uint64_t *events)
{
    struct replay replay = {worker, 0, STATUS_OK};
    uint64_t covered = 0;
    enum status status = STATUS_OK;
    if (worker->reader != NULL)
        status = state_reader_covered(worker->reader, &covered);
    worker->replaying = true;
    if (status == STATUS_OK)
        status = journal_read(worker->journal, covered + 1, replay_event, &replay);
    worker->replaying = false;
    *events = replay.events;
    return status == STATUS_OK ? replay.status : status;
}

static bool load_timer(void *context, const struct row_key *key, struct row_bytes value)
{
    struct worker *worker = context;
    const struct actor_kind *kind = worker_kind(worker, key->data[9]);
    check(kind != NULL);
    uint64_t at_ms = kind->wakes_at_start ? 1 : timer_decode(value);
    timers_set(&worker->timers, kind->number, row_key_u64(key, 1), at_ms);
    return true;
}

static bool load_obligation(void *context, const struct row_key *key, struct row_bytes value)
{
    struct worker *worker = context;
    obligations_add(&worker->obligations, key, value);
    return true;
}

static void scan_table(struct worker *worker, char table, row_visit_cb visit)
{
    struct row_key prefix = {.size = 1, .data = {(uint8_t)table}};
    worker->rows.scan(worker->rows.context, &prefix, NULL, false, visit, worker);
}

enum status worker_recover(struct worker *worker)
{
    uint64_t began_ns = clock_monotonic_ns(), events = 0;
    enum status status = worker_replay(worker, &events);
    if (status != STATUS_OK)
        return status;
    CRASH_POINT(RECOVERY_REPLAYED);
    scan_table(worker, 't', load_timer);
    scan_table(worker, 'o', load_obligation);
    if (worker->behaviour->start != NULL)
        worker->behaviour->start(&worker->rows, worker->options->publish_context);
    CRASH_POINT(RECOVERY_LOADED);
    uint64_t took_ms = (clock_monotonic_ns() - began_ns) / 1000000;
    stat_set(&worker->stats->recovery_events, events);
    stat_set(&worker->stats->recovery_ms, took_ms);
    log_info("recovered", "events=%llu ms=%llu obligations=%zu", (unsigned long long)events,
             (unsigned long long)took_ms, worker->obligations.count);
    return STATUS_OK;
}

enum status worker_probe(struct worker *worker)
{
    enum status status = journal_probe(worker->journal);
    if (status == STATUS_OK)
        status = state_probe(worker->state);
    worker->read_only = status == STATUS_STORAGE_FULL || status == STATUS_IO;
    return worker->read_only ? STATUS_OK : status;
}

static bool count_event(void *context, const struct journal_event *event)
{
    (void)event;
    ++*(uint64_t *)context;
    return true;
}

/* Nothing but memory keeps a load from running away from its checkpoints. */
static enum status save_some(struct worker *worker)
{
    uint64_t last = journal_last_sequence(worker->journal);
    checkpoint_begin(worker->checkpoint);
    enum status status = checkpoint_step(worker->checkpoint, last, worker->reader);
    while (status == STATUS_OK && checkpoint_active(worker->checkpoint) &&
           worker->overlay.bytes > worker->config->unsaved_limit_mib << 20) {
        checkpoint_wait(worker->checkpoint);
        status = checkpoint_step(worker->checkpoint, last, worker->reader);
    }
    return status;
}

/* Demo data is a fixed list of events, and before it is complete a worker does nothing else: after
 * an interrupted load as many of its events are there as the journal holds. */
enum status worker_seed(struct worker *worker)
{
    const struct config *config = worker->config;
    if (worker->behaviour->seed == NULL || worker->read_only ||
        (!config->demo && config->demo_holds == 0))
        return STATUS_OK;
    uint64_t loaded = 0;
    enum status status = journal_read(worker->journal, 0, count_event, &loaded);
    if (status != STATUS_OK)
        return status;
    uint64_t mine = 0;
    static struct seed_event seed;
    for (uint64_t index = 0;; index++) {
        uint64_t next = journal_next_sequence(worker->journal);
        if (!worker->behaviour->seed(config, index, clock_now_ms(), next, &seed))
            break;
        if (worker_must_stop(worker))
            return STATUS_CLOSED;
        if (segment_owner(worker->segment, worker->behaviour->role, seed.actor) != worker->index ||
            mine++ < loaded)
            continue;
        if (!batch_begin(worker))
            return STATUS_STORAGE_FULL;
        worker_seed_event(worker, &seed);
        if (worker->batch.events < BATCH_REQUESTS_MAX)
            continue;
        batch_end(worker);
        CRASH_POINT(SEEDED);
        status = save_some(worker);
        if (status != STATUS_OK)
            return status;
    }
    batch_end(worker);
    return STATUS_OK;
}

/* ---- in-flight requests ---- */

static void publish_decided(void *context, struct channel_consumer *channel, struct slot *slot,
                            uint64_t request_id)
{
    (void)context;
    channel_publish(channel, slot, request_id);
    CRASH_POINT(ADOPTED_DECIDED);
}

static void resume_deferred(void *context, struct channel_consumer *channel, struct slot *slot,
                            uint64_t request_id)
{
    struct worker *worker = context;
    worker_decide_request(worker, channel, slot, request_id, slot->wait_attempt);
    CRASH_POINT(ADOPTED_DEFERRED);
    if (worker->batch.requests >= BATCH_REQUESTS_MAX)
        batch_end(worker);
}

void worker_adopt_requests(struct worker *worker)
{
    const struct journal_trailer *trailer = journal_last_trailer(worker->journal);
    worker->now_ms = clock_now_ms();
    bool same_segment = trailer->segment_id == worker->segment->header->segment_id;
    for (unsigned i = 0; i < worker->channel_count; i++) {
        struct channel_consumer *channel = &worker->channels[i];
        uint64_t decided = 0;
        for (uint32_t mark = 0; same_segment && mark < trailer->mark_count; mark++)
            if (trailer->marks[mark].producer == channel->producer)
                decided = trailer->marks[mark].position;
        channel_recover_decided(channel, decided, publish_decided, worker);
    }
    for (unsigned i = 0; i < worker->channel_count; i++)
        channel_recover_deferred(&worker->channels[i], resume_deferred, worker);
    batch_end(worker);
    CRASH_POINT(ADOPTED);
}
