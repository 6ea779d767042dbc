#include "check.h"
#include "clock.h"
#include "crash_point.h"
#include "dead_letters.h"
#include "runtime.h"
#include <string.h>

/* One message: decode, route, decide, journal and apply the events, write the reply into its slot.
 */

const struct actor_kind *worker_kind(const struct worker *worker, uint8_t number)
{
    for (unsigned i = 0; worker->behaviour->kinds[i] != NULL; i++)
        if (worker->behaviour->kinds[i]->number == number)
            return worker->behaviour->kinds[i];
    return NULL;
}

/* ---- the row sink that apply writes through; its context is the worker ---- */

static enum status sink_get(void *context, const struct row_key *key, struct row_bytes *value)
{
    const struct worker *worker = context;
    return row_get(&worker->rows, key, value);
}

static void sink_scan(void *context, const struct row_key *prefix, const struct row_key *from,
                      bool descending, row_visit_cb visit, void *visit_context)
{
    const struct worker *worker = context;
    worker->rows.scan(worker->rows.context, prefix, from, descending, visit, visit_context);
}

static void sink_put(void *context, const struct row_key *key, const void *payload, size_t size)
{
    struct worker *worker = context;
    overlay_put(&worker->overlay, worker->applying_owner, key, payload, size);
}

static void sink_delete(void *context, const struct row_key *key)
{
    struct worker *worker = context;
    overlay_delete(&worker->overlay, worker->applying_owner, key);
}

static void sink_timer(void *context, uint64_t at_ms)
{
    struct worker *worker = context;
    uint64_t id = actor_base(worker->applying_actor)->id;
    struct row_key key = timer_key(worker->applying_kind->number, id);
    uint8_t value[16];
    struct pack_writer writer;
    pack_writer_init(&writer, value, sizeof value);
    pack_u64(&writer, at_ms);
    if (at_ms == 0)
        sink_delete(worker, &key);
    else
        sink_put(worker, &key, value, writer.used);
    if (!worker->replaying)
        timers_set(&worker->timers, worker->applying_kind->number, id, at_ms);
}

static void note_change(struct worker *worker, uint64_t number, bool opened)
{
    if (!worker->replaying)
        batch_note_obligation(worker, worker->applying_kind->number,
                              actor_base(worker->applying_actor)->id, number, opened);
}

static void sink_oblige(void *context, uint64_t number, uint16_t request_kind,
                        const union request *request)
{
    struct worker *worker = context;
    uint8_t value[192];
    size_t size = obligation_encode(request_kind, request, value, sizeof value);
    check(size > 0);
    struct row_key key = obligation_key(worker->applying_kind->number,
                                        actor_base(worker->applying_actor)->id, number);
    overlay_put_new(&worker->overlay, worker->applying_owner, &key, value, size);
    note_change(worker, number, true);
}

static void sink_discharge(void *context, uint64_t number)
{
    struct worker *worker = context;
    struct row_key key = obligation_key(worker->applying_kind->number,
                                        actor_base(worker->applying_actor)->id, number);
    sink_delete(worker, &key);
    note_change(worker, number, false);
}

static void sink_expect(void *context, const struct row_key *key)
{
    const struct worker *worker = context;
    overlay_expect(&worker->overlay, key, 0);
}

void worker_apply(struct worker *worker, struct actor *actor, const struct event_view *event)
{
    struct row_sink sink = {.view = {worker, sink_get, sink_scan},
                            .put = sink_put,
                            .delete = sink_delete,
                            .timer = sink_timer,
                            .oblige = sink_oblige,
                            .discharge = sink_discharge,
                            .expect = sink_expect};
    worker->applying_owner = overlay_touch(&worker->overlay, actor->kind->number,
                                           actor_base(actor)->id, event->sequence, &actor->owner);
    worker->applying_kind = actor->kind;
    worker->applying_actor = actor;
    check(event->sequence > actor_base(actor)->last_sequence);
    actor_base(actor)->last_sequence = event->sequence;
    actor->kind->apply(actor->object, event, &sink);
    worker->applying_actor = NULL;
}

static void journal_and_apply(struct worker *worker, struct actor *actor,
                              struct journal_event *event)
{
    uint64_t sequence = 0;
    /* A failure is sticky in the transaction: the commit reports it and nothing is acknowledged. */
    if (journal_append(worker->journal, event, &sequence) != STATUS_OK)
        sequence = actor_base(actor)->last_sequence + 1;
    check(event_decode(event->kind, &worker->event, event->payload, event->payload_size));
    struct event_view view = {sequence,     event->aggregate, event->aggregate_version,
                              event->at_ms, event->kind,      &worker->event};
    worker_apply(worker, actor, &view);
    batch_touch(worker, actor);
    batch_note_event(worker, event->kind, &worker->event);
    CRASH_POINT_OF(EVENT_APPLIED, event->kind);
}

void worker_seed_event(struct worker *worker, const struct seed_event *seed)
{
    uint8_t payload[JOURNAL_PAYLOAD_MAX];
    struct actor *actor = cache_get(&worker->cache, seed->kind, seed->actor, &worker->rows);
    check(actor != NULL);
    struct journal_event event = {
        .aggregate = seed->aggregate,
        .aggregate_version = seed->aggregate_version,
        .actor = seed->actor,
        .at_ms = clock_now_ms(),
        .kind = seed->event_kind,
        .actor_kind = seed->kind->number,
        .payload = payload,
        .payload_size = event_encode(seed->event_kind, &seed->body, payload, sizeof payload),
    };
    check(event.payload_size > 0);
    journal_and_apply(worker, actor, &event);
}

static void apply_events(struct worker *worker, struct actor *actor)
{
    struct decision *decision = &worker->decision;
    for (unsigned i = 0; i < decision->event_count; i++) {
        const struct decided_event *decided = &decision->events[i];
        struct actor *to =
            decided->actor_kind == NULL
                ? actor
                : cache_get(&worker->cache, decided->actor_kind, decided->actor, &worker->rows);
        check(to != NULL);
        struct journal_event event = {
            .aggregate = decided->aggregate,
            .aggregate_version = decided->aggregate_version,
            .actor = actor_base(to)->id,
            .at_ms = decision->now_ms,
            .kind = decided->kind,
            .actor_kind = to->kind->number,
            .payload = decision->bytes + decided->offset,
            .payload_size = decided->size,
        };
        journal_and_apply(worker, to, &event);
    }
}

static void decision_begin(struct worker *worker, uint64_t resumed_attempt)
{
    struct decision *decision = &worker->decision;
    decision_init(decision);
    decision->now_ms = worker->now_ms;
    decision->started_at_ms = worker->started_at_ms;
    decision->claim_gate = worker->options->claim_gate;
    decision->capacity_gate = worker->options->capacity_gate;
    decision->next_sequence = journal_next_sequence(worker->journal);
    decision->resumed_attempt = resumed_attempt;
    decision->config = worker->config;
    decision->rows = &worker->rows;
    decision->reply = &worker->reply;
}

static void answer_waiter(struct worker *worker, const struct waiter *waiter)
{
    const struct decision *decision = &worker->decision;
    batch_reply(worker, waiter->channel, waiter->slot, waiter->request_id, decision->outcome,
                decision->reply_kind, decision->reply);
}

/* ---- what is being decided, for the supervisor when it is the last ---- */

static void mark(struct worker *worker, enum deciding what, uint16_t kind, uint64_t actor)
{
    struct process_entry *self = worker->self;
    atomic_store_explicit(&self->progress,
                          atomic_load_explicit(&self->progress, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&self->deciding_kind, kind, memory_order_relaxed);
    atomic_store_explicit(&self->deciding_actor, actor, memory_order_relaxed);
    atomic_store_explicit(&self->deciding_what, what, memory_order_release);
}

/* The id comes last: with it the request is named. */
static void mark_request(struct worker *worker, const struct channel_consumer *channel,
                         const struct slot *slot, uint64_t request_id)
{
    struct process_entry *self = worker->self;
    atomic_store_explicit(&self->deciding_pool, channel->producer, memory_order_relaxed);
    atomic_store_explicit(&self->deciding_slot, slot_area_number(&channel->area, slot),
                          memory_order_relaxed);
    mark(worker, DECIDING_REQUEST, slot->kind, slot->actor);
    atomic_store_explicit(&self->deciding_id, request_id, memory_order_release);
}

static void unmark(struct worker *worker)
{
    atomic_store_explicit(&worker->self->deciding_id, 0, memory_order_release);
    atomic_store_explicit(&worker->self->deciding_what, DECIDING_NOTHING, memory_order_release);
}

/* ---- requests ---- */

/* Why a request is not decided at the moment, or OUTCOME_OK. A saga goes on whatever the throttles
 * say; where it cannot, its sender keeps the obligation and asks again. */
static enum outcome refusal(struct worker *worker, unsigned flags)
{
    if (!(flags & REQUEST_WRITES))
        return OUTCOME_OK;
    if (flags & REQUEST_SAGA)
        return !worker->read_only && batch_begin(worker) ? OUTCOME_OK : OUTCOME_UNAVAILABLE;
    if (worker->read_only)
        return OUTCOME_STORAGE_FULL;
    if (worker->throttled || !batch_begin(worker))
        return OUTCOME_OVERLOADED;
    if (flags & REQUEST_OPENS_SAGA && !obligations_room(&worker->obligations))
        return OUTCOME_OVERLOADED;
    return OUTCOME_OK;
}

static void refuse(struct worker *worker, struct channel_consumer *channel, struct slot *slot,
                   uint64_t request_id, enum outcome outcome)
{
    if (outcome == OUTCOME_OVERLOADED)
        stat_add(&worker->stats->overloads_total, 1);
    batch_reply(worker, channel, slot, request_id, outcome, REPLY_NONE, NULL);
}

static void decide_decoded(struct worker *worker, struct channel_consumer *channel,
                           struct slot *slot, uint64_t request_id, uint64_t resumed_attempt,
                           const struct request_info *info)
{
    struct message message = {
        .origin = MESSAGE_REQUEST, .kind = info->kind, .request = &worker->request};
    const struct actor_kind *kind = NULL;
    uint64_t id = 0;
    if (worker->behaviour->route(&message, &worker->rows, &kind, &id) != STATUS_OK) {
        refuse(worker, channel, slot, request_id, OUTCOME_NOT_FOUND);
        return;
    }
    struct actor *actor = worker_actor(worker, kind, id);
    decision_begin(worker, resumed_attempt);
    if (actor == NULL || !worker_try_decide(worker, actor, &message)) {
        refuse(worker, channel, slot, request_id, OUTCOME_ACTOR_UNAVAILABLE);
        return;
    }
    const struct decision *decision = &worker->decision;
    check(decision->event_count == 0 || worker->batch.in_transaction);
    apply_events(worker, actor);
    if (decision->deferred && slot->impatient != 0) {
        refuse(worker, channel, slot, request_id, OUTCOME_UNAVAILABLE);
        return;
    }
    if (decision->deferred) {
        if (channel_defer(slot, request_id, decision->wait_key, decision->wait_attempt) &&
            !waiter_add(worker, channel, slot, request_id, decision->wait_key))
            refuse(worker, channel, slot, request_id, OUTCOME_OVERLOADED);
        CRASH_POINT_OF(REQUEST_DEFERRED, info->kind);
        return;
    }
    check(decision->replied);
    batch_reply(worker, channel, slot, request_id, decision->outcome, decision->reply_kind,
                decision->reply);
    CRASH_POINT_OF(REQUEST_DECIDED, info->kind);
}

void worker_decide_request(struct worker *worker, struct channel_consumer *channel,
                           struct slot *slot, uint64_t request_id, uint64_t resumed_attempt)
{
    worker->batch.requests++;
    if (slot->suspicions >= SUSPICIONS_MAX) {
        stat_add(&worker->stats->dead_letters_total, 1);
        refuse(worker, channel, slot, request_id, OUTCOME_DEAD_LETTERED);
        return;
    }
    mark_request(worker, channel, slot, request_id);
    CRASH_POINT_OF(REQUEST_TAKEN, slot->actor);
    const struct request_info *info = request_info(slot->kind);
    size_t size = slot->request_size;
    if (info == NULL || info->owner != worker->behaviour->role ||
        size > slot_request_capacity(slot) ||
        !request_decode(info->kind, &worker->request, slot_request(slot), size)) {
        stat_add(&worker->stats->messages_malformed_total, 1);
        refuse(worker, channel, slot, request_id, OUTCOME_INTERNAL);
        unmark(worker);
        return;
    }
    /* Whoever asked has been told "unknown" already; not doing it keeps a worker that was down, or
     * overrun, from spending itself on answers that nobody reads. */
    bool late = slot->deadline_ms < worker->now_ms && resumed_attempt == 0;
    unsigned flags = info->flags | (resumed_attempt != 0 ? REQUEST_SAGA : 0u);
    enum outcome outcome = late ? OUTCOME_UNAVAILABLE : refusal(worker, flags);
    if (outcome != OUTCOME_OK)
        refuse(worker, channel, slot, request_id, outcome);
    else
        decide_decoded(worker, channel, slot, request_id, resumed_attempt, info);
    unmark(worker);
}

/* ---- messages that are not requests ---- */

/* False when the actor takes no messages now, or has failed. */
static bool decide_message(struct worker *worker, const struct actor_kind *kind, uint64_t id,
                           const struct message *message)
{
    struct actor *actor = worker_actor(worker, kind, id);
    decision_begin(worker, 0);
    bool decided = actor != NULL && worker_try_decide(worker, actor, message);
    if (decided) {
        apply_events(worker, actor);
        if (worker->decision.answers_waiters)
            waiters_take(worker, worker->decision.wait_key, answer_waiter);
    }
    unmark(worker);
    return decided;
}

void worker_decide_reply(struct worker *worker, const struct obligation *obligation,
                         struct slot *slot)
{
    const struct actor_kind *kind = worker_kind(worker, obligation->actor_kind);
    check(kind != NULL);
    size_t size = slot->reply_size;
    struct message message = {.origin = MESSAGE_REPLY,
                              .kind = obligation->request_kind,
                              .request = &worker->request,
                              .obligation = obligation->number,
                              .outcome = slot->outcome < OUTCOME_COUNT ? (enum outcome)slot->outcome
                                                                       : OUTCOME_INTERNAL,
                              .reply_kind = slot->reply_kind};
    static union reply received;
    if (size > slot_reply_capacity(slot) ||
        (message.reply_kind != REPLY_NONE &&
         !reply_decode(message.reply_kind, &received, slot_reply(slot), size)) ||
        !request_decode(message.kind, &worker->request, obligation->request, obligation->size)) {
        stat_add(&worker->stats->messages_malformed_total, 1);
        return;
    }
    message.reply = &received;
    mark(worker, DECIDING_REPLY, message.kind, obligation->actor);
    (void)decide_message(worker, kind, obligation->actor, &message); /* else it is sent again */
}

/* A timer that went off before it was due (wakes_at_start) is still to come. */
static void keep_timer(struct worker *worker, uint8_t kind_number, uint64_t id)
{
    struct row_key key = timer_key(kind_number, id);
    struct row_bytes value;
    if (row_get(&worker->rows, &key, &value) != STATUS_OK)
        return;
    uint64_t at_ms = timer_decode(value);
    if (at_ms > worker->decision.now_ms)
        timers_set(&worker->timers, kind_number, id, at_ms);
}

void worker_decide_timer(struct worker *worker, uint8_t kind_number, uint64_t id)
{
    enum { RETRY_MS = 1000 }; /* of an actor that takes no messages now */
    const struct actor_kind *kind = worker_kind(worker, kind_number);
    check(kind != NULL);
    struct message message = {.origin = MESSAGE_TIMER};
    mark(worker, DECIDING_TIMER, 0, id);
    bool decided = decide_message(worker, kind, id, &message);
    CRASH_POINT(TIMER_DECIDED);
    if (!decided)
        timers_set(&worker->timers, kind_number, id, worker->now_ms + RETRY_MS);
    else if (worker->decision.event_count == 0)
        keep_timer(worker, kind_number, id);
}
