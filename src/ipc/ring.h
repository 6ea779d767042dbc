#ifndef BOXOFFICE_RING_H
#define BOXOFFICE_RING_H

#include "status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A bounded ring in shared memory, one producing and one consuming process (Lamport 1983; head and
 * tail on lines of their own). Positions only rise during the life of a segment: the position of an
 * entry is its number, and journals record it.
 *
 * The producer publishes the body first, then release-stores head. The consumer reads ahead with a
 * cursor of its own and moves `tail` only when what it read is dealt with for good, so a successor
 * finds everything that may be unfinished between tail and head.
 *
 * Nothing that stands in the ring is trusted with an address: when head and tail are further apart
 * than the capacity, or the capacity is no power of two up to RING_CAPACITY_MAX, the ring is full
 * for its producer and empty for its consumer. */
enum { RING_CAPACITY_MAX = 1 << 17 };

struct ring_entry {
    uint64_t request_id;
    uint32_t slot;
    uint32_t reserved;
};

struct ring {
    _Alignas(64) _Atomic uint64_t head; /* next position to publish; producer writes */
    _Alignas(64) _Atomic uint64_t tail; /* first position not dealt with; consumer writes */
    _Alignas(64) uint64_t capacity;     /* a power of two */
    _Alignas(64) struct ring_entry entries[];
};

size_t ring_size(uint64_t capacity); /* bytes, a multiple of 64 */
void ring_init(struct ring *ring, uint64_t capacity);
/* STATUS_FULL when head - tail is the capacity (or garbage says so). */
enum status ring_publish(struct ring *ring, struct ring_entry entry);
/* Reads the entry at *cursor and advances it; false when the cursor is at head. A cursor outside
 * [tail, head], as after garbage, is moved to the nearer end. */
bool ring_read(const struct ring *ring, uint64_t *cursor, struct ring_entry *entry);
void ring_consume(struct ring *ring, uint64_t cursor); /* tail = cursor, release */
uint64_t ring_depth(const struct ring *ring);          /* head - tail, at most the capacity */

#endif
