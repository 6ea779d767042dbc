#ifndef BOXOFFICE_HASH_H
#define BOXOFFICE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The bucket of (kind, id) in a table of bucket_count buckets, a power of two: Fibonacci hashing
 * (Knuth, The Art of Computer Programming, volume 3, 6.4). */
static inline size_t hash_bucket(uint8_t kind, uint64_t id, size_t bucket_count)
{
    uint64_t mixed = (id ^ (uint64_t)kind << 56) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 20) & (bucket_count - 1);
}

#endif
