#include "channel.h"
#include "crash_point.h"

#include <string.h>

static uint32_t pool_size(const struct slot_pool *pool)
{
    return pool->small_count + pool->large_count;
}

static uint32_t consumer_generation(const struct channel_producer *channel)
{
    const struct process_entry *entry = segment_process(channel->segment, channel->consumer);

    return atomic_load_explicit(&entry->ready_generation, memory_order_acquire);
}

enum status channel_producer_open(struct channel_producer *channel, struct slot_pool *pool,
                                  unsigned consumer)
{
    memset(channel, 0, sizeof *channel);
    if (!segment_rings(pool->segment, pool->self, consumer, &channel->requests,
                       &channel->completions))
        return STATUS_INVALID;
    channel->segment = pool->segment;
    channel->pool = pool;
    channel->self = pool->self;
    channel->consumer = consumer;
    channel->generation = atomic_load_explicit(
        &segment_process(pool->segment, pool->self)->generation, memory_order_relaxed);
    channel->seen_generation = consumer_generation(channel);
    /* A slot becomes REPLIED before its completion is published, so the scan that begins here finds
     * all that these completions stand for. */
    channel->completion_cursor =
        atomic_load_explicit(&channel->completions->head, memory_order_acquire);
    ring_consume(channel->completions, channel->completion_cursor);
    channel->rescan_at = 0;
    return STATUS_OK;
}

enum status channel_submit(struct channel_producer *channel, struct slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
    struct ring_entry entry = {.request_id = slot_word_id(word),
                               .slot = slot_pool_number(channel->pool, slot)};

    slot->sender_generation = channel->generation;
    slot->consumer = (uint16_t)channel->consumer;
    slot->position = atomic_load_explicit(&channel->requests->head, memory_order_relaxed);
    if (!slot_move(slot, entry.request_id, SLOT_CLAIMED, SLOT_SUBMITTED))
        return STATUS_INVALID;
    CRASH_POINT(SLOT_SUBMITTED);
    if (ring_publish(channel->requests, entry) != STATUS_OK) {
        slot_move(slot, entry.request_id, SLOT_SUBMITTED, SLOT_CLAIMED);
        return STATUS_FULL;
    }
    channel->wake_pending = true;
    CRASH_POINT(ENTRY_PUBLISHED);
    return STATUS_OK;
}

void channel_flush(struct channel_producer *channel)
{
    if (!channel->wake_pending)
        return;
    channel->wake_pending = false;
    segment_wake(channel->segment, channel->consumer);
}

/* Hands a REPLIED slot of this channel out, once. */
static bool take(struct channel_producer *channel, struct slot *slot, uint32_t number)
{
    if (slot->consumer != channel->consumer || channel->pool->taken[number])
        return false;
    channel->pool->taken[number] = 1;
    CRASH_POINT(REPLY_TAKEN);
    return true;
}

static struct slot *next_completion(struct channel_producer *channel)
{
    struct ring_entry entry;

    while (ring_read(channel->completions, &channel->completion_cursor, &entry)) {
        struct slot *slot = slot_pool_at(channel->pool, entry.slot);

        ring_consume(channel->completions, channel->completion_cursor);
        if (slot != NULL &&
            atomic_load_explicit(&slot->word, memory_order_acquire) ==
                slot_word(entry.request_id, SLOT_REPLIED) &&
            take(channel, slot, entry.slot))
            return slot;
        stat_add(&segment_stats(channel->segment, channel->self)->messages_dropped_total, 1);
    }
    return NULL;
}

static struct slot *next_scanned(struct channel_producer *channel)
{
    struct slot *slot;

    while ((slot = slot_area_next(&channel->pool->area, &channel->rescan_at)) != NULL)
        if (slot_word_state(atomic_load_explicit(&slot->word, memory_order_acquire)) ==
                SLOT_REPLIED &&
            take(channel, slot, channel->rescan_at - 1))
            return slot;
    channel->rescan_at = pool_size(channel->pool);
    return NULL;
}

struct slot *channel_next_reply(struct channel_producer *channel)
{
    for (;;) {
        struct slot *slot = next_completion(channel);
        uint32_t generation;

        if (slot == NULL && channel->rescan_at < pool_size(channel->pool))
            slot = next_scanned(channel);
        if (slot != NULL)
            return slot;
        generation = consumer_generation(channel);
        if (generation == channel->seen_generation)
            return NULL;
        channel->seen_generation = generation;
        channel->rescan_at = 0;
    }
}

bool channel_replies_waiting(const struct channel_producer *channel)
{
    return ring_depth(channel->completions) > 0 || channel->rescan_at < pool_size(channel->pool) ||
           channel->seen_generation != consumer_generation(channel);
}
