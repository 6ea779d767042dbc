#include "dispatch.h"

#include "check.h"
#include <stdlib.h>

static bool is_worker(enum role role)
{
    return role == ROLE_QUEUE || role == ROLE_SEAT || role == ROLE_WALLET;
}

static enum status channels_open(struct dispatch *dispatch)
{
    struct segment *segment = dispatch->segment;
    for (unsigned index = 0; index < segment->header->process_count; index++) {
        if (!is_worker((enum role)segment_process(segment, index)->role))
            continue;
        struct channel_producer *channel = calloc(1, sizeof *channel);
        if (channel == NULL)
            return STATUS_NO_MEMORY;
        dispatch->channels[index] = channel;
        enum status status = channel_producer_open(channel, &dispatch->pool, index);
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

static struct slot *request_submit(struct dispatch *dispatch, uint16_t kind,
                                   const union request *request, uint64_t deadline_ms)
{
    const struct request_info *info = request_info(kind);
    check(info != NULL);
    uint64_t key = request_key(kind, request);
    unsigned owner = segment_owner(dispatch->segment, info->owner, key);
    check(owner < PROCESS_MAX && dispatch->channels[owner] != NULL);
    struct slot *slot = slot_pool_claim(&dispatch->pool, (info->flags & REQUEST_LARGE) != 0);
    if (slot == NULL)
        return NULL;
    size_t size = request_encode(kind, request, slot_request(slot), slot_request_capacity(slot));
    check(size > 0);
    slot->kind = kind;
    slot->actor = key;
    slot->deadline_ms = deadline_ms;
    slot->request_size = (uint32_t)size;
    if (channel_submit(dispatch->channels[owner], slot) == STATUS_OK)
        return slot;
    slot_pool_release(&dispatch->pool, slot);
    return NULL;
}

void dispatch_ask(struct dispatch *dispatch, struct exchange *exchange, uint16_t kind,
                  const union request *request, dispatch_reply_cb callback)
{
    uint64_t deadline_ms = clock_now_ms() + DISPATCH_DEADLINE_MS;
    struct slot *slot = request_submit(dispatch, kind, request, deadline_ms);
    if (slot == NULL) {
        stat_add(&dispatch->stats->overloads_total, 1);
        callback(exchange, &(struct dispatch_reply){.outcome = OUTCOME_OVERLOADED});
        return;
    }
    struct dispatch_wait *wait = &dispatch->waits[slot_pool_number(&dispatch->pool, slot)];
    check(wait->exchange == NULL);
    wait->exchange = exchange;
    wait->callback = callback;
    wait->deadline_ms = deadline_ms;
    wait_begin(dispatch, wait);
    exchange->values[DISPATCH_VALUE] = (uintptr_t)wait;
    if (exchange->on_abandon == NULL)
        exchange->on_abandon = dispatch_abandon;
}

void dispatch_abandon(struct exchange *exchange)
{
    struct dispatch_wait *wait = (struct dispatch_wait *)exchange->values[DISPATCH_VALUE];
    if (wait != NULL && wait->exchange == exchange)
        wait_end(wait);
}

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
        stat_add(&dispatch->stats->replies_orphaned_total, 1);
        slot_pool_release(&dispatch->pool, slot);
        return;
    }
    struct dispatch_reply reply;
    reply_read(dispatch, slot, &reply);
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
        struct exchange *exchange = wait_end(oldest);
        callback(exchange, &(struct dispatch_reply){.outcome = OUTCOME_UNAVAILABLE});
    }
}
