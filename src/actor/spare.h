#ifndef BOXOFFICE_SPARE_H
#define BOXOFFICE_SPARE_H

#include "check.h"
#include <stddef.h>
#include <stdlib.h>

/* Blocks of one size that come and go by the thousand: freed ones are kept for the next, up to a
 * limit, because an allocator that has to find, split and merge them again takes longer than what
 * is done with them. Not in builds for AddressSanitizer, which is to see every free. */
struct spare {
    void *first; /* each block begins with a pointer to the next */
    size_t count;
};

/* Not zeroed; owned by the caller until spare_give. Memory that cannot be had ends the process. */
static inline void *spare_take(struct spare *spare, size_t size)
{
    void *block = spare->first;
    if (block == NULL) {
        block = malloc(size);
        check(block != NULL);
        return block;
    }
    spare->first = *(void **)block;
    spare->count--;
    return block;
}

static inline void spare_give(struct spare *spare, void *block, size_t count_max)
{
#ifdef __SANITIZE_ADDRESS__
    count_max = 0;
#endif
    if (spare->count >= count_max) {
        free(block);
        return;
    }
    *(void **)block = spare->first;
    spare->first = block;
    spare->count++;
}

static inline void spare_fini(struct spare *spare)
{
    while (spare->count > 0) {
        void *block = spare->first;
        spare->first = *(void **)block;
        spare->count--;
        free(block);
    }
}

#endif
