#ifndef BOXOFFICE_POOL_H
#define BOXOFFICE_POOL_H

#include "check.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Blocks of one size that come and go by the thousand. They are cut from large pieces of memory,
 * and given back they are kept for the next, because an allocator that has to find, split and merge
 * them again takes longer than what is done with them. What a pool has at most is what was taken at
 * one time. Each block is made of whole cache lines, and those of the next one are fetched while
 * this one is used: nobody has looked at it for a while.
 *
 * All zero is an empty pool. In builds for AddressSanitizer, which is to see every free, blocks are
 * the allocator's. */
struct pool {
    void *given;          /* each block begins with a pointer to the next */
    uint8_t *fresh, *end; /* of the newest piece: never taken yet */
    struct pool_piece *pieces;
};

struct pool_piece {
    struct pool_piece *older;
};

enum { POOL_LINE = 64, POOL_PIECE_SIZE = 64 * 1024 };

static inline size_t pool_round(size_t size)
{
    return (size + POOL_LINE - 1) & ~((size_t)POOL_LINE - 1);
}

static inline void *pool_alloc(size_t size)
{
    void *memory = aligned_alloc(POOL_LINE, size);
    check(memory != NULL); /* memory that cannot be had ends the process */
    return memory;
}

/* Asks the processor for the lines of a block (or of NULL: nothing) that will be looked at soon. */
static inline void pool_expect(const void *block, size_t size)
{
    for (size_t line = 0; block != NULL && line < size; line += POOL_LINE)
        __builtin_prefetch((const char *)block + line);
}

/* Not zeroed; the caller's until pool_give or pool_fini. `size` is the same in every call. */
static inline void *pool_take(struct pool *pool, size_t size)
{
    size = pool_round(size);
#ifdef __SANITIZE_ADDRESS__
    return pool_alloc(size);
#endif
    void *block = pool->given;
    if (block != NULL) {
        pool->given = *(void **)block;
        pool_expect(pool->given, size);
        return block;
    }
    if ((size_t)(pool->end - pool->fresh) < size) {
        struct pool_piece *piece = pool_alloc(POOL_PIECE_SIZE);
        piece->older = pool->pieces;
        pool->pieces = piece;
        pool->fresh = (uint8_t *)piece + POOL_LINE;
        pool->end = (uint8_t *)piece + POOL_PIECE_SIZE;
    }
    block = pool->fresh;
    pool->fresh += size;
    return block;
}

static inline void pool_give(struct pool *pool, void *block)
{
#ifdef __SANITIZE_ADDRESS__
    free(block);
    return;
#endif
    *(void **)block = pool->given;
    pool->given = block;
}

/* All blocks go, those that were not given back too. */
static inline void pool_fini(struct pool *pool)
{
    struct pool_piece *piece;
    while ((piece = pool->pieces) != NULL) {
        pool->pieces = piece->older;
        free(piece);
    }
    *pool = (struct pool){0};
}

#endif
