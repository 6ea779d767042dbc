#include "slot.h"

_Static_assert(offsetof(struct slot, body) == 128, "a slot's head is two cache lines");
_Static_assert(offsetof(struct slot, impatient) == 72,
               "a slot's head has no padding between fields");
_Static_assert(128 + SLOT_SMALL_REQUEST_SIZE + SLOT_SMALL_REPLY_SIZE == SLOT_SMALL_STRIDE,
               "small slots fill their stride");
_Static_assert(128 + SLOT_LARGE_REQUEST_SIZE + SLOT_LARGE_REPLY_SIZE <= SLOT_LARGE_STRIDE,
               "large slots fit their stride");
_Static_assert(SLOT_LARGE_STRIDE % 4096 == 0 && 4096 % SLOT_SMALL_STRIDE == 0,
               "no slot shares a page with more than it must");

static bool slot_is_large(const struct slot *slot)
{
    return __atomic_load_n(&slot->large, __ATOMIC_RELAXED) != 0;
}

uint8_t *slot_request(struct slot *slot)
{
    return slot->body;
}

uint8_t *slot_reply(struct slot *slot)
{
    return slot->body + slot_request_capacity(slot);
}

size_t slot_request_capacity(const struct slot *slot)
{
    return slot_is_large(slot) ? SLOT_LARGE_REQUEST_SIZE : SLOT_SMALL_REQUEST_SIZE;
}

size_t slot_reply_capacity(const struct slot *slot)
{
    return slot_is_large(slot) ? SLOT_LARGE_REPLY_SIZE : SLOT_SMALL_REPLY_SIZE;
}

bool slot_request_view(const struct slot *slot, const uint8_t **data, size_t *size)
{
    *size = __atomic_load_n(&slot->request_size, __ATOMIC_RELAXED);
    *data = slot->body;
    return *size <= slot_request_capacity(slot);
}

bool slot_reply_view(const struct slot *slot, const uint8_t **data, size_t *size)
{
    bool large = slot_is_large(slot);

    *size = __atomic_load_n(&slot->reply_size, __ATOMIC_RELAXED);
    *data = slot->body + (large ? SLOT_LARGE_REQUEST_SIZE : SLOT_SMALL_REQUEST_SIZE);
    return *size <= (size_t)(large ? SLOT_LARGE_REPLY_SIZE : SLOT_SMALL_REPLY_SIZE);
}

bool slot_move(struct slot *slot, uint64_t request_id, enum slot_state from, enum slot_state to)
{
    uint64_t expected = slot_word(request_id, from);

    return atomic_compare_exchange_strong_explicit(&slot->word, &expected,
                                                   slot_word(request_id, to), memory_order_acq_rel,
                                                   memory_order_acquire);
}

struct slot *slot_area_at(const struct slot_area *area, uint32_t number)
{
    if (number < area->small_count)
        return (struct slot *)(void *)(area->slots + (size_t)number * SLOT_SMALL_STRIDE);
    number -= area->small_count;
    if (number >= area->large_count)
        return NULL;
    return (struct slot *)(void *)(area->slots + (size_t)area->small_count * SLOT_SMALL_STRIDE +
                                   (size_t)number * SLOT_LARGE_STRIDE);
}

uint32_t slot_area_number(const struct slot_area *area, const struct slot *slot)
{
    size_t at = (size_t)((const uint8_t *)slot - area->slots);
    size_t small_size = (size_t)area->small_count * SLOT_SMALL_STRIDE;

    if (at < small_size)
        return (uint32_t)(at / SLOT_SMALL_STRIDE);
    return area->small_count + (uint32_t)((at - small_size) / SLOT_LARGE_STRIDE);
}

struct slot *slot_area_next(const struct slot_area *area, uint32_t *number)
{
    uint32_t small = atomic_load_explicit(&area->marks->small_used, memory_order_acquire);
    uint32_t large = atomic_load_explicit(&area->marks->large_used, memory_order_acquire);

    if (large > area->large_count)
        large = area->large_count;
    if (*number >= small && *number < area->small_count)
        *number = area->small_count;
    if (*number >= area->small_count + large)
        return NULL;
    return slot_area_at(area, (*number)++);
}
