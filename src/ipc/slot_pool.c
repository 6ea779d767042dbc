#include "channel.h"
#include "crash_point.h"

#include <stdlib.h>
#include <string.h>

/* Ids have 56 bits; one beyond this is garbage, and counting on from it would wrap. */
#define REQUEST_ID_LIMIT (UINT64_C(1) << 55)

static void push_free(struct slot_pool *pool, uint32_t number)
{
    if (number < pool->area.small_count)
        pool->free_small[pool->free_small_count++] = number;
    else
        pool->free_large[pool->free_large_count++] = number;
}

/* Only the producer publishes, so a position that its ring's head has not passed was never seen by
 * anybody else. */
static bool never_published(const struct slot_pool *pool, const struct slot *slot)
{
    struct ring *requests, *completions;

    if (!segment_rings(pool->segment, pool->self, slot->consumer, &requests, &completions))
        return true;
    return (int64_t)(slot->position -
                     atomic_load_explicit(&requests->head, memory_order_acquire)) >= 0;
}

/* True when the slot is free afterwards. */
static bool adopt_slot(struct slot_pool *pool, struct slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    uint64_t id = slot_word_id(word);

    if (id >= pool->next_request_id && id < REQUEST_ID_LIMIT)
        pool->next_request_id = id + 1;
    switch (slot_word_state(word)) {
    case SLOT_FREE:
        return true;
    case SLOT_CLAIMED:
    case SLOT_REPLIED:
        return slot_move(slot, id, slot_word_state(word), SLOT_FREE);
    case SLOT_SUBMITTED:
        return never_published(pool, slot) && slot_move(slot, id, SLOT_SUBMITTED, SLOT_FREE);
    case SLOT_DEFERRED:
        return false;
    }
    /* garbage: nobody waits for it in a state that does not exist */
    stat_add(&segment_stats(pool->segment, pool->self)->messages_dropped_total, 1);
    return slot_move(slot, id, slot_word_state(word), SLOT_FREE);
}

static void adopt(struct slot_pool *pool, uint8_t *in_use)
{
    struct slot *slot;
    uint32_t number = 0;

    while ((slot = slot_area_next(&pool->area, &number)) != NULL)
        if (!adopt_slot(pool, slot))
            in_use[number - 1] = 1;
}

enum status slot_pool_open(struct slot_pool *pool, struct segment *segment, unsigned self)
{
    uint32_t count;

    memset(pool, 0, sizeof *pool);
    if (!segment_slot_area(segment, self, &pool->area))
        return STATUS_INVALID;
    pool->segment = segment;
    pool->self = self;
    pool->small_count = pool->area.small_count;
    pool->large_count = pool->area.large_count;
    pool->next_request_id = 1;
    count = pool->small_count + pool->large_count;
    pool->free_small = malloc((pool->small_count + 1) * sizeof pool->free_small[0]);
    pool->free_large = malloc((pool->large_count + 1) * sizeof pool->free_large[0]);
    pool->taken = calloc(count, 1);
    if (pool->free_small == NULL || pool->free_large == NULL || pool->taken == NULL) {
        slot_pool_close(pool);
        return STATUS_NO_MEMORY;
    }
    adopt(pool, pool->taken);
    for (uint32_t number = count; number-- > 0;) { /* the lowest on top: few pages get used */
        if (!pool->taken[number])
            push_free(pool, number);
        pool->taken[number] = 0;
    }
    return STATUS_OK;
}

void slot_pool_close(struct slot_pool *pool)
{
    free(pool->free_small);
    free(pool->free_large);
    free(pool->taken);
    memset(pool, 0, sizeof *pool);
}

/* Before the slot is touched: whoever scans must not stop short of it. */
static void mark_used(struct slot_pool *pool, uint32_t number)
{
    _Atomic uint32_t *used = &pool->area.marks->small_used;

    if (number >= pool->small_count) {
        used = &pool->area.marks->large_used;
        number -= pool->small_count;
    }
    if (number >= atomic_load_explicit(used, memory_order_relaxed))
        atomic_store_explicit(used, number + 1, memory_order_release);
}

struct slot *slot_pool_claim(struct slot_pool *pool, bool large)
{
    uint32_t *stack = large ? pool->free_large : pool->free_small;
    uint32_t *count = large ? &pool->free_large_count : &pool->free_small_count;

    while (*count > 0) {
        uint32_t number = stack[--*count];
        struct slot *slot = slot_area_at(&pool->area, number);
        uint64_t word;

        mark_used(pool, number);
        word = atomic_load_explicit(&slot->word, memory_order_relaxed);
        if (slot_word_state(word) == SLOT_FREE &&
            atomic_compare_exchange_strong_explicit(&slot->word, &word,
                                                    slot_word(pool->next_request_id, SLOT_CLAIMED),
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            pool->next_request_id++;
            slot->large = large;
            slot->suspicions = 0;
            slot->impatient = 0;
            CRASH_POINT(SLOT_CLAIMED);
            return slot;
        }
        /* overwritten by something: never used again by this process */
        stat_add(&segment_stats(pool->segment, pool->self)->messages_dropped_total, 1);
    }
    return NULL;
}

void slot_pool_release(struct slot_pool *pool, struct slot *slot)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    enum slot_state state = slot_word_state(word);
    uint32_t number = slot_area_number(&pool->area, slot);

    if ((state != SLOT_CLAIMED && state != SLOT_REPLIED) ||
        !slot_move(slot, slot_word_id(word), state, SLOT_FREE))
        return;
    pool->taken[number] = 0;
    push_free(pool, number);
    CRASH_POINT(SLOT_RELEASED);
}

uint32_t slot_pool_number(const struct slot_pool *pool, const struct slot *slot)
{
    return slot_area_number(&pool->area, slot);
}

struct slot *slot_pool_at(const struct slot_pool *pool, uint32_t number)
{
    return slot_area_at(&pool->area, number);
}
