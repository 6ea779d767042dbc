#include "ring.h"

_Static_assert(sizeof(struct ring_entry) == 16, "entries have no padding");
_Static_assert(offsetof(struct ring, tail) == 64 && offsetof(struct ring, capacity) == 128 &&
                   offsetof(struct ring, entries) == 192,
               "head, tail and capacity have a cache line each");
_Static_assert(sizeof(struct ring) == 192, "a ring's entries start right after it");

/* The capacity, or 0 (always full, always empty) when something has overwritten it: it is the one
 * word here that indices are computed from. */
static uint64_t ring_capacity(const struct ring *ring)
{
    uint64_t capacity = __atomic_load_n(&ring->capacity, __ATOMIC_RELAXED);

    return capacity <= RING_CAPACITY_MAX && (capacity & (capacity - 1)) == 0 ? capacity : 0;
}

size_t ring_size(uint64_t capacity)
{
    size_t size = sizeof(struct ring) + (size_t)capacity * sizeof(struct ring_entry);

    return (size + 63) & ~(size_t)63;
}

void ring_init(struct ring *ring, uint64_t capacity)
{
    ring->capacity = capacity;
    atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->head, 0, memory_order_release);
}

enum status ring_publish(struct ring *ring, struct ring_entry entry)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t capacity = ring_capacity(ring);

    if (head - tail >= capacity)
        return STATUS_FULL;
    ring->entries[head & (capacity - 1)] = entry;
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return STATUS_OK;
}

bool ring_read(const struct ring *ring, uint64_t *cursor, struct ring_entry *entry)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t capacity = ring_capacity(ring);

    if (head - tail > capacity)
        return false;
    if (*cursor - tail > head - tail)
        *cursor = *cursor - head <= tail - *cursor ? head : tail;
    if (*cursor == head)
        return false;
    *entry = ring->entries[*cursor & (capacity - 1)];
    ++*cursor;
    return true;
}

void ring_consume(struct ring *ring, uint64_t cursor)
{
    atomic_store_explicit(&ring->tail, cursor, memory_order_release);
}

uint64_t ring_depth(const struct ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t capacity = ring_capacity(ring);

    return head - tail <= capacity ? head - tail : capacity;
}
