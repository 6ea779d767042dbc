#ifndef BOXOFFICE_BUFFERS_H
#define BOXOFFICE_BUFFERS_H

#include <stddef.h>
#include <stdint.h>

/* Memory for what connections have received or are about to send. Buffers of the common sizes are
 * recycled; larger ones are allocated for one use. All that is lent together is bounded. */

enum {
    /* With its header an odd number of cache lines, so that buffers side by side don't all compete
     * for the same sets of the first-level cache. */
    BUFFER_SMALL_SIZE = 67 * 64 - 32,
    BUFFER_MEDIUM_SIZE = 259 * 64 - 32, /* the seat map of a small hall */
    BUFFER_LARGE_SIZE = 1027 * 64 - 32, /* a hundred schedules */
    BUFFER_CLASSES = 3,                 /* of those three sizes */
    BUFFERS_SPARE_MAX = 4096,           /* small buffers kept for reuse */
    BUFFERS_LARGE_SPARE_MAX = 128,
    BUFFERS_MEDIUM_SPARE_MAX = 512,            /* medium ones likewise */
    BUFFERS_LENT_SIZE_MAX = 128 * 1024 * 1024, /* large ones may take three quarters of it */
};

struct buffer {
    struct buffer *next;
    uint32_t capacity;
    uint32_t start, end; /* what is in it: data[start] to data[end - 1] */
    char data[];
};

struct buffers {
    struct buffer *spare[BUFFER_CLASSES];
    uint32_t spare_count[BUFFER_CLASSES];
    size_t lent_size;
};

void buffers_init(struct buffers *buffers);
void buffers_fini(struct buffers *buffers);
/* An empty buffer of at least `size` bytes, or NULL when the bound is reached or memory is out. */
struct buffer *buffers_take(struct buffers *buffers, size_t size);
void buffers_give(struct buffers *buffers, struct buffer *buffer);

#endif
