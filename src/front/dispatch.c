#include "dispatch.h"

#include "check.h"
#include <stdlib.h>

static bool is_consumer(enum role role)
{
    return role == ROLE_QUEUE || role == ROLE_SEAT || role == ROLE_WALLET || role == ROLE_RELAY;
}

/* The breaker that the relay's index names is Kafka's, and the relay's own: nothing that a front
 * asks of the relay needs Kafka. */
static bool is_guarded(const struct segment *segment, unsigned index)
{
    return segment_process(segment, index)->role != ROLE_RELAY;
}

static enum status channels_open(struct dispatch *dispatch)
{
    struct segment *segment = dispatch->segment;
    unsigned owner = segment_process(segment, dispatch->pool.self)->instance;
    for (unsigned index = 0; index < segment->header->process_count; index++) {
        if (!is_consumer((enum role)segment_process(segment, index)->role))
            continue;
        struct channel_producer *channel = calloc(1, sizeof *channel);
        if (channel == NULL)
            return STATUS_NO_MEMORY;
        dispatch->channels[index] = channel;
        enum status status = channel_producer_open(channel, &dispatch->pool, index);
        if (status == STATUS_OK && is_guarded(segment, index))
            status = guard_open(&dispatch->guards[index], segment, index, owner);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status dispatch_open(struct dispatch *dispatch, struct segment *segment, unsigned self)
{
    *dispatch = (struct dispatch){.segment = segment, .stats = segment_stats(segment, self)};
    dispatch->list.older = dispatch->list.newer = &dispatch->list;
    enum status status = slot_pool_open(&dispatch->pool, segment, self);
    if (status != STATUS_OK)
        return status;
    size_t slot_count = dispatch->pool.small_count + dispatch->pool.large_count;
    dispatch->waits = calloc(slot_count, sizeof *dispatch->waits);
    status = dispatch->waits == NULL ? STATUS_NO_MEMORY : channels_open(dispatch);
    if (status != STATUS_OK)
        dispatch_close(dispatch);
    return status;
}

void dispatch_close(struct dispatch *dispatch)
{
    for (unsigned index = 0; index < PROCESS_MAX; index++)
        free(dispatch->channels[index]);
    free(dispatch->waits);
    slot_pool_close(&dispatch->pool);
}

static void wait_begin(struct dispatch *dispatch, struct dispatch_wait *wait)
{
    wait->newer = &dispatch->list;
    wait->older = dispatch->list.older;
    wait->older->newer = wait;
    dispatch->list.older = wait;
}

static struct exchange *wait_end(struct dispatch_wait *wait)
{
    struct exchange *exchange = wait->exchange;
    wait->older->newer = wait->newer;
    wait->newer->older = wait->older;
    wait->exchange = NULL;
    return exchange;
}

/* ---- breakers ---- */

static const char not_asked[] =
    "What answers this is not available at the moment. Nothing was done. Ask again.";
static const char rebuilt[] = "This wallet, schedule or room has failed and is being rebuilt. "
                              "Nothing was done. Ask again.";
static const char begun[] = "What this waits for is not available at the moment. It was begun and "
                            "ends by itself; ask again for its outcome.";

/* The generation that is READY, or 0. */
static uint32_t ready_generation(const struct process_entry *entry)
{
    uint32_t state = atomic_load_explicit(&entry->state, memory_order_relaxed);
    uint32_t generation = atomic_load_explicit(&entry->generation, memory_order_relaxed);
    bool ready = (state == PROCESS_READY || state == PROCESS_READ_ONLY) &&
                 atomic_load_explicit(&entry->ready_generation, memory_order_relaxed) == generation;
    return ready ? generation : 0;
}

static void permit_return(struct dispatch_wait *wait)
{
    if (wait->guard != NULL)
        guard_cancel(wait->guard, wait->permit);
    wait->permit = 0;
}

/* How a request ended, for its worker's breaker. */
static void feed(struct dispatch_wait *wait, enum outcome outcome)
{
    uint64_t now_ns = clock_monotonic_ns(), duration_ns = now_ns - wait->asked_ns;
    uint32_t permit = wait->permit;
    bool failed =
        (outcome == OUTCOME_UNAVAILABLE && wait->saga == NULL) || outcome == OUTCOME_INTERNAL;
    bool opens_saga = (request_info(wait->kind)->flags & REQUEST_OPENS_SAGA) != 0;
    if (permit == 0)
        return;
    wait->permit = 0;
    if (wait->generation == 0 || wait->generation != ready_generation(wait->guard->entry) ||
        (opens_saga && duration_ns / 1000000 > BREAKER_SLOW_MS))
        guard_cancel(wait->guard, permit);
    else
        guard_record(wait->guard, permit, failed, duration_ns, now_ns);
}

/* The breaker before the wallet that a saga will need, when it is open. Without a user the wallet
 * is known if there is one worker only. */
static struct guard *saga_guard(struct dispatch *dispatch, uint16_t kind,
                                const union request *request, uint64_t now_ns)
{
    uint64_t user = 0;
    if (kind == REQUEST_CONFIRM)
        user = request->confirm.user;
    else if (kind == REQUEST_CANCEL)
        user = request->cancel.user;
    else
        return NULL;
    if (user == 0 && dispatch->segment->header->config.wallet_workers > 1)
        return NULL;
    struct guard *guard = &dispatch->guards[segment_owner(dispatch->segment, ROLE_WALLET, user)];
    return guard_is_open(guard, now_ns) ? guard : NULL;
}

void dispatch_watch(struct dispatch *dispatch)
{
    uint64_t now_ns = clock_monotonic_ns();
    for (unsigned index = 0; index < dispatch->segment->header->process_count; index++)
        if (dispatch->channels[index] != NULL && is_guarded(dispatch->segment, index))
            guard_tick(&dispatch->guards[index], now_ns);
}

/* ---- asking ---- */

static struct slot *request_submit(struct dispatch *dispatch, const struct request_info *info,
                                   const union request *request, unsigned owner,
                                   uint64_t deadline_ms, bool impatient)
{
    struct slot *slot = slot_pool_claim(&dispatch->pool, (info->flags & REQUEST_LARGE) != 0);
    if (slot == NULL)
        return NULL;
    size_t size =
        request_encode(info->kind, request, slot_request(slot), slot_request_capacity(slot));
    check(size > 0);
    slot->kind = info->kind;
    slot->actor = request_key(info->kind, request);
    slot->deadline_ms = deadline_ms;
    slot->request_size = (uint32_t)size;
    slot->impatient = impatient;
    if (channel_submit(dispatch->channels[owner], slot) == STATUS_OK)
        return slot;
    slot_pool_release(&dispatch->pool, slot);
    return NULL;
}

void dispatch_ask(struct dispatch *dispatch, struct exchange *exchange, uint16_t kind,
                  const union request *request, dispatch_reply_cb callback)
{
    const struct request_info *info = request_info(kind);
    check(info != NULL);
    unsigned owner = segment_owner(dispatch->segment, info->owner, request_key(kind, request));
    check(owner < PROCESS_MAX && dispatch->channels[owner] != NULL);
    uint64_t now_ns = clock_monotonic_ns(), deadline_ms = clock_now_ms() + DISPATCH_DEADLINE_MS;
    struct guard *guard = is_guarded(dispatch->segment, owner) ? &dispatch->guards[owner] : NULL;
    uint32_t permit = 0;
    if (guard != NULL && !guard_admit(guard, now_ns, &permit)) {
        callback(exchange, &(struct dispatch_reply){.outcome = OUTCOME_UNAVAILABLE,
                                                    .retry_s = guard_retry_s(guard, now_ns),
                                                    .detail = not_asked});
        return;
    }
    struct guard *saga = saga_guard(dispatch, kind, request, now_ns);
    struct slot *slot = request_submit(dispatch, info, request, owner, deadline_ms, saga != NULL);
    if (slot == NULL) {
        if (guard != NULL)
            guard_cancel(guard, permit);
        stat_add(&dispatch->stats->overloads_total, 1);
        callback(exchange, &(struct dispatch_reply){.outcome = OUTCOME_OVERLOADED});
        return;
    }
    struct dispatch_wait *wait = &dispatch->waits[slot_pool_number(&dispatch->pool, slot)];
    check(wait->exchange == NULL);
    *wait = (struct dispatch_wait){.exchange = exchange,
                                   .callback = callback,
                                   .deadline_ms = deadline_ms,
                                   .asked_ns = now_ns,
                                   .guard = guard,
                                   .saga = saga,
                                   .permit = permit,
                                   .generation = guard != NULL ? ready_generation(guard->entry) : 0,
                                   .kind = kind};
    wait_begin(dispatch, wait);
    exchange->values[DISPATCH_VALUE] = (uintptr_t)wait;
    if (exchange->on_abandon == NULL)
        exchange->on_abandon = dispatch_abandon;
}

void dispatch_tell(struct dispatch *dispatch, uint16_t kind, const union request *request)
{
    const struct slot_pool *pool = &dispatch->pool;
    const struct request_info *info = request_info(kind);
    check(info != NULL);
    if (pool->free_small_count * 2 < pool->small_count)
        return;
    unsigned owner = segment_owner(dispatch->segment, info->owner, request_key(kind, request));
    struct slot *slot = request_submit(dispatch, info, request, owner, UINT64_MAX, false);
    if (slot != NULL)
        dispatch->waits[slot_pool_number(pool, slot)] = (struct dispatch_wait){.told = true};
}

/* The client's going says nothing about the worker. */
void dispatch_abandon(struct exchange *exchange)
{
    struct dispatch_wait *wait = (struct dispatch_wait *)exchange->values[DISPATCH_VALUE];
    if (wait == NULL || wait->exchange != exchange)
        return;
    wait_end(wait);
    permit_return(wait);
}

/* ---- replies ---- */

/* The slot is in shared memory: each field is read once, and nothing in it is believed. */
static void reply_read(struct dispatch *dispatch, const struct slot *slot,
                       struct dispatch_reply *reply)
{
    const uint8_t *data;
    size_t size;
    uint16_t outcome = slot->outcome, kind = slot->reply_kind;
    bool sound = outcome < OUTCOME_COUNT;
    if (sound && kind != REPLY_NONE)
        sound =
            slot_reply_view(slot, &data, &size) && reply_decode(kind, &dispatch->reply, data, size);
    if (sound) {
        *reply = (struct dispatch_reply){
            .outcome = (enum outcome)outcome, .kind = kind, .value = &dispatch->reply};
        return;
    }
    stat_add(&dispatch->stats->messages_malformed_total, 1);
    *reply = (struct dispatch_reply){.outcome = OUTCOME_INTERNAL};
}

static void reply_deliver(struct dispatch *dispatch, struct slot *slot)
{
    struct dispatch_wait *wait = &dispatch->waits[slot_pool_number(&dispatch->pool, slot)];
    if (wait->exchange == NULL) {
        if (!wait->told)
            stat_add(&dispatch->stats->replies_orphaned_total, 1);
        wait->told = false;
        slot_pool_release(&dispatch->pool, slot);
        return;
    }
    struct dispatch_reply reply;
    reply_read(dispatch, slot, &reply);
    feed(wait, reply.outcome);
    if (reply.outcome == OUTCOME_ACTOR_UNAVAILABLE) {
        reply.retry_s = 1;
        reply.detail = rebuilt;
    }
    if (wait->saga != NULL && reply.outcome == OUTCOME_UNAVAILABLE) {
        guard_count_refusal(wait->saga);
        reply.retry_s = guard_retry_s(wait->saga, clock_monotonic_ns());
        reply.detail = begun;
    }
    struct exchange *exchange = wait_end(wait);
    slot_pool_release(&dispatch->pool, slot); /* before the callback, which may ask again */
    wait->callback(exchange, &reply);
}

unsigned dispatch_poll(struct dispatch *dispatch)
{
    unsigned delivered = 0;
    for (unsigned index = 0; index < dispatch->segment->header->process_count; index++) {
        if (dispatch->channels[index] == NULL)
            continue;
        struct slot *slot;
        while ((slot = channel_next_reply(dispatch->channels[index])) != NULL) {
            reply_deliver(dispatch, slot);
            delivered++;
        }
    }
    return delivered;
}

void dispatch_flush(struct dispatch *dispatch)
{
    for (unsigned index = 0; index < dispatch->segment->header->process_count; index++)
        if (dispatch->channels[index] != NULL)
            channel_flush(dispatch->channels[index]);
}

bool dispatch_is_idle(const struct dispatch *dispatch)
{
    for (unsigned index = 0; index < dispatch->segment->header->process_count; index++)
        if (dispatch->channels[index] != NULL && channel_replies_waiting(dispatch->channels[index]))
            return false;
    return true;
}

void dispatch_expire(struct dispatch *dispatch, uint64_t now_ms)
{
    struct dispatch_wait *oldest;
    while ((oldest = dispatch->list.newer) != &dispatch->list && oldest->deadline_ms <= now_ms) {
        dispatch_reply_cb callback = oldest->callback;
        feed(oldest, OUTCOME_UNAVAILABLE);
        struct exchange *exchange = wait_end(oldest);
        callback(exchange, &(struct dispatch_reply){.outcome = OUTCOME_UNAVAILABLE});
    }
}
