#ifndef BOXOFFICE_HASH_H
#define BOXOFFICE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* (kind, id) as one word; others may be the same word. */
static inline uint64_t hash_word(uint8_t kind, uint64_t id)
{
    return id ^ (uint64_t)kind << 56;
}

/* The bucket of a word in a table of bucket_count buckets, a power of two above 1: Fibonacci
 * hashing (Knuth, The Art of Computer Programming, volume 3, 6.4). */
static inline size_t hash_word_bucket(uint64_t word, size_t bucket_count)
{
    return (size_t)(word * UINT64_C(0x9e3779b97f4a7c15) >>
                    (64 - __builtin_ctzll((unsigned long long)bucket_count)));
}

static inline size_t hash_bucket(uint8_t kind, uint64_t id, size_t bucket_count)
{
    return hash_word_bucket(hash_word(kind, id), bucket_count);
}

#endif
