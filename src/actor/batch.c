#include "check.h"
#include "clock.h"
#include "crash_point.h"
#include "log.h"
#include "runtime.h"
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Decide → commit → publish snapshots → send replies and messages: nothing of a batch is seen
 * outside before its commit, reads and refusals included, because they may rest on what is not
 * committed. */

bool batch_begin(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    if (batch->in_transaction)
        return true;
    if (journal_begin(worker->journal) != STATUS_OK)
        return false;
    batch->in_transaction = true;
    return true;
}

static void *grow(void *array, unsigned count, unsigned *capacity, size_t element_size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? BATCH_REQUESTS_MAX * 2 : *capacity * 2;
    array = realloc(array, *capacity * element_size);
    check(array != NULL);
    return array;
}

void batch_reply(struct worker *worker, struct channel_consumer *channel, struct slot *slot,
                 uint64_t request_id, enum outcome outcome, uint16_t reply_kind,
                 const union reply *reply)
{
    struct batch *batch = &worker->batch;
    size_t size = 0;
    if (reply_kind != REPLY_NONE) {
        size = reply_encode(reply_kind, reply, slot_reply(slot), slot_reply_capacity(slot));
        check(size > 0); /* the table of requests says which need a large slot */
    }
    slot->reply_size = (uint32_t)size;
    slot->reply_kind = reply_kind;
    slot->outcome = (uint16_t)outcome;
    batch->replies =
        grow(batch->replies, batch->reply_count, &batch->reply_capacity, sizeof *batch->replies);
    batch->replies[batch->reply_count++] = (struct pending_reply){channel, slot, request_id};
}

void batch_touch(struct worker *worker, struct actor *actor)
{
    if (actor->touched)
        return;
    struct batch *batch = &worker->batch;
    batch->touched = grow(batch->touched, batch->touched_count, &batch->touched_capacity,
                          sizeof(struct actor *));
    actor->touched = true;
    batch->touched[batch->touched_count++] = actor;
}

void batch_note_obligation(struct worker *worker, uint8_t actor_kind, uint64_t actor,
                           uint64_t number, bool opened)
{
    struct batch *batch = &worker->batch;
    batch->changes =
        grow(batch->changes, batch->change_count, &batch->change_capacity, sizeof *batch->changes);
    batch->changes[batch->change_count++] =
        (struct obligation_change){actor_kind, opened, actor, number};
}

void batch_note_event(struct worker *worker, uint16_t kind, const union event *event)
{
    struct batch *batch = &worker->batch;
    tally_note(&batch->tally, kind, event);
    batch->events++;
    batch->has_events = true;
    batch->event_kinds |= UINT64_C(1) << (kind & 63);
}

static void publish_replies(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    for (unsigned i = 0; i < batch->reply_count; i++) {
        const struct pending_reply *reply = &batch->replies[i];
        channel_publish(reply->channel, reply->slot, reply->request_id);
    }
    for (unsigned i = 0; i < worker->channel_count; i++) {
        channel_consumed(&worker->channels[i]);
        CRASH_POINT(TAIL_MOVED);
        channel_flush_completions(&worker->channels[i]);
    }
}

/* What is on disk is unknown now, so the process ends and its successor looks. Its clients get a
 * true answer: not acknowledged. */
static _Noreturn void commit_failed(struct worker *worker, enum status status)
{
    log_error("commit-failed", "status=\"%s\" requests=%u", status_text(status),
              worker->batch.requests);
    stat_add(&worker->stats->storage_errors_total, 1);
    enum outcome outcome =
        status == STATUS_STORAGE_FULL ? OUTCOME_STORAGE_FULL : OUTCOME_UNAVAILABLE;
    for (unsigned i = 0; i < worker->batch.reply_count; i++) {
        struct slot *slot = worker->batch.replies[i].slot;
        slot->reply_size = 0;
        slot->reply_kind = REPLY_NONE;
        slot->outcome = (uint16_t)outcome;
    }
    publish_replies(worker);
    exit(EX_IOERR);
}

static void fill_trailer(const struct worker *worker, struct journal_trailer *trailer)
{
    trailer->clock_ms = clock_now_ms();
    trailer->segment_id = worker->segment->header->segment_id;
    trailer->mark_count = worker->channel_count;
    check(trailer->mark_count <= JOURNAL_MARKS_MAX);
    for (unsigned i = 0; i < worker->channel_count; i++) {
        trailer->marks[i].producer = worker->channels[i].producer;
        trailer->marks[i].position = worker->channels[i].cursor;
    }
}

static uint64_t trim_below(const struct worker *worker)
{
    uint64_t covered = worker->checkpoint != NULL ? checkpoint_covered(worker->checkpoint) : 0;
    uint64_t released =
        atomic_load_explicit(&worker->self->released_sequence, memory_order_acquire);
    return (covered < released ? covered : released) + 1;
}

static uint64_t trim_pending(const struct worker *worker)
{
    uint64_t first = journal_first_sequence(worker->journal), below = trim_below(worker);
    return below > first ? below - first : 0;
}

static void commit(struct worker *worker)
{
    if (trim_pending(worker) > 0)
        journal_trim(worker->journal, trim_below(worker));
    CRASH_POINT(BATCH_DECIDED);
    struct journal_trailer trailer = {0};
    fill_trailer(worker, &trailer);
    uint64_t began_ns = clock_monotonic_ns();
    enum status status = journal_commit(worker->journal, &trailer);
    if (status != STATUS_OK)
        commit_failed(worker, status);
    histogram_observe(&worker->stats->commit_us, (clock_monotonic_ns() - began_ns) / 1000, 32);
    histogram_observe(&worker->stats->batch_events, worker->batch.events, 1);
    stat_add(&worker->stats->commits_total, 1);
    stat_add(&worker->stats->events_total, worker->batch.events);
    tally_commit(&worker->batch.tally, worker->stats);
}

static void publish_snapshots(struct worker *worker)
{
    for (unsigned i = 0; i < worker->batch.touched_count; i++) {
        struct actor *actor = worker->batch.touched[i];
        actor->touched = false;
        cache_weigh(&worker->cache, actor);
        if (actor->kind->publish != NULL)
            actor->kind->publish(actor->object, worker->options->publish_context);
    }
}

static void carry_out_obligations(struct worker *worker)
{
    for (unsigned i = 0; i < worker->batch.change_count; i++) {
        const struct obligation_change *change = &worker->batch.changes[i];
        struct row_key key = obligation_key(change->actor_kind, change->actor, change->number);
        struct row_bytes value;
        if (!change->opened)
            obligations_remove(&worker->obligations, change->actor_kind, change->actor,
                               change->number);
        else if (row_get(&worker->rows, &key, &value) == STATUS_OK)
            obligations_add(&worker->obligations, &key, value);
    }
}

void batch_drop(struct worker *worker)
{
    if (worker->batch.in_transaction)
        journal_abort(worker->journal);
    worker->batch.in_transaction = false;
}

void batch_trim(struct worker *worker, uint64_t records_min)
{
    check(!worker->batch.in_transaction);
    if (trim_pending(worker) < records_min || journal_begin_trim(worker->journal) != STATUS_OK)
        return;
    commit(worker);
    CRASH_POINT(TRIM_COMMITTED);
    worker->batch.in_transaction = false;
}

void batch_end(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    if (batch->has_events)
        commit(worker);
    else
        batch_drop(worker);
    CRASH_POINT_OF_EACH(EVENT_COMMITTED, batch->event_kinds);
    stat_add(&worker->stats->messages_total, batch->requests); /* who is answered may look at it */
    publish_snapshots(worker);
    CRASH_POINT(BATCH_SHOWN);
    publish_replies(worker);
    CRASH_POINT_OF_EACH(EVENT_PUBLISHED, batch->event_kinds);
    carry_out_obligations(worker);
    batch->in_transaction = batch->has_events = batch->has_clients = false;
    batch->requests = batch->answers = batch->timers = batch->events = 0;
    batch->event_kinds = 0;
    batch->reply_count = batch->touched_count = batch->change_count = 0;
    worker_drop_failed(worker);
    cache_trim(&worker->cache);
}
