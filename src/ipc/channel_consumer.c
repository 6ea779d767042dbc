#include "channel.h"
#include "crash_point.h"

#include <string.h>

static void count_drop(const struct channel_consumer *channel)
{
    stat_add(&segment_stats(channel->segment, channel->self)->messages_dropped_total, 1);
}

enum status channel_consumer_open(struct channel_consumer *channel, struct segment *segment,
                                  unsigned producer, unsigned self)
{
    memset(channel, 0, sizeof *channel);
    if (!segment_rings(segment, producer, self, &channel->requests, &channel->completions) ||
        !segment_slot_area(segment, producer, &channel->area))
        return STATUS_INVALID;
    channel->segment = segment;
    channel->self = self;
    channel->producer = producer;
    channel->cursor = atomic_load_explicit(&channel->requests->tail, memory_order_relaxed);
    return STATUS_OK;
}

/* The slot that the entry at this position names, when it is in this state with the entry's id. The
 * position is compared too: the same entry twice would be decided twice. */
static struct slot *entry_slot(const struct channel_consumer *channel,
                               const struct ring_entry *entry, uint64_t position,
                               enum slot_state state)
{
    struct slot *slot = slot_area_at(&channel->area, entry->slot);

    if (slot == NULL ||
        atomic_load_explicit(&slot->word, memory_order_acquire) !=
            slot_word(entry->request_id, state) ||
        slot->position != position || slot->consumer != channel->self)
        return NULL;
    return slot;
}

struct slot *channel_receive(struct channel_consumer *channel, uint64_t *request_id,
                             uint64_t *position)
{
    struct ring_entry entry;

    while (ring_read(channel->requests, &channel->cursor, &entry)) {
        struct slot *slot = entry_slot(channel, &entry, channel->cursor - 1, SLOT_SUBMITTED);

        if (slot != NULL) {
            *request_id = entry.request_id;
            *position = channel->cursor - 1;
            return slot;
        }
        count_drop(channel);
    }
    return NULL;
}

bool channel_requests_waiting(const struct channel_consumer *channel)
{
    return atomic_load_explicit(&channel->requests->head, memory_order_acquire) !=
               channel->cursor &&
           ring_depth(channel->requests) > 0;
}

bool channel_defer(struct slot *slot, uint64_t request_id, uint64_t wait_key, uint64_t wait_attempt)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

    if (word != slot_word(request_id, SLOT_SUBMITTED) &&
        word != slot_word(request_id, SLOT_DEFERRED))
        return false;
    slot->wait_key = wait_key;
    slot->wait_attempt = wait_attempt;
    return slot_move(slot, request_id, slot_word_state(word), SLOT_DEFERRED);
}

bool channel_publish(struct channel_consumer *channel, struct slot *slot, uint64_t request_id)
{
    struct ring_entry entry = {.request_id = request_id,
                               .slot = slot_area_number(&channel->area, slot)};

    if (!slot_move(slot, request_id, SLOT_SUBMITTED, SLOT_REPLIED) &&
        !slot_move(slot, request_id, SLOT_DEFERRED, SLOT_REPLIED))
        return false;
    CRASH_POINT_OF(REPLY_MARKED, slot->kind);
    if (ring_publish(channel->completions, entry) != STATUS_OK)
        count_drop(channel); /* only when the ring is garbage; the producer's next scan finds it */
    channel->wake_pending = true;
    CRASH_POINT_OF(REPLY_COMPLETED, slot->kind);
    return true;
}

void channel_consumed(struct channel_consumer *channel)
{
    ring_consume(channel->requests, channel->cursor);
}

void channel_flush_completions(struct channel_consumer *channel)
{
    if (!channel->wake_pending)
        return;
    channel->wake_pending = false;
    segment_wake(channel->segment, channel->producer);
}

/* Slots whose deferral was not committed wait in the ring as before. */
static void undo_deferrals(struct channel_consumer *channel)
{
    uint64_t at = channel->cursor;
    struct ring_entry entry;

    while (ring_read(channel->requests, &at, &entry)) {
        struct slot *slot = entry_slot(channel, &entry, at - 1, SLOT_DEFERRED);

        if (slot != NULL)
            slot_move(slot, entry.request_id, SLOT_DEFERRED, SLOT_SUBMITTED);
    }
}

void channel_recover_decided(struct channel_consumer *channel, uint64_t decided, channel_slot_cb cb,
                             void *context)
{
    uint64_t tail = atomic_load_explicit(&channel->requests->tail, memory_order_relaxed);
    uint64_t end = decided > tail ? decided : tail;
    struct ring_entry entry;

    channel->cursor = tail;
    while (channel->cursor < end && ring_read(channel->requests, &channel->cursor, &entry)) {
        struct slot *slot = entry_slot(channel, &entry, channel->cursor - 1, SLOT_SUBMITTED);

        if (slot != NULL)
            cb(context, channel, slot, entry.request_id);
    }
    undo_deferrals(channel);
}

void channel_recover_deferred(struct channel_consumer *channel, channel_slot_cb cb, void *context)
{
    uint32_t number = 0;
    struct slot *slot;

    while ((slot = slot_area_next(&channel->area, &number)) != NULL) {
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);

        if (slot_word_state(word) == SLOT_DEFERRED && slot->consumer == channel->self)
            cb(context, channel, slot, slot_word_id(word));
    }
}
