#include "buffers.h"

#include <stdlib.h>

static const struct {
    uint32_t size, spare_max;
} size_classes[BUFFER_CLASSES] = {
    {BUFFER_SMALL_SIZE, BUFFERS_SPARE_MAX},
    {BUFFER_MEDIUM_SIZE, BUFFERS_MEDIUM_SPARE_MAX},
    {BUFFER_LARGE_SIZE, BUFFERS_LARGE_SPARE_MAX},
};

void buffers_init(struct buffers *buffers)
{
    *buffers = (struct buffers){0};
}

void buffers_fini(struct buffers *buffers)
{
    for (unsigned size_class = 0; size_class < BUFFER_CLASSES; size_class++) {
        while (buffers->spare[size_class] != NULL) {
            struct buffer *buffer = buffers->spare[size_class];
            buffers->spare[size_class] = buffer->next;
            free(buffer);
        }
        buffers->spare_count[size_class] = 0;
    }
}

/* The smallest class that holds `size` bytes; BUFFER_CLASSES: none. */
static unsigned size_class_of(size_t size)
{
    unsigned size_class = 0;
    while (size_class < BUFFER_CLASSES && size > size_classes[size_class].size)
        size_class++;
    return size_class;
}

struct buffer *buffers_take(struct buffers *buffers, size_t size)
{
    unsigned size_class = size_class_of(size);
    size_t capacity = size_class < BUFFER_CLASSES ? size_classes[size_class].size : size;
    size_t bound = BUFFERS_LENT_SIZE_MAX;
    if (capacity > BUFFER_SMALL_SIZE)
        bound = bound / 4 * 3;
    if (capacity > bound || buffers->lent_size > bound - capacity)
        return NULL;
    struct buffer *buffer = size_class < BUFFER_CLASSES ? buffers->spare[size_class] : NULL;
    if (buffer != NULL) {
        buffers->spare[size_class] = buffer->next;
        buffers->spare_count[size_class]--;
    } else {
        buffer = malloc(sizeof *buffer + capacity);
        if (buffer == NULL)
            return NULL;
        buffer->capacity = (uint32_t)capacity;
    }
    buffer->next = NULL;
    buffer->start = buffer->end = 0;
    buffers->lent_size += capacity;
    return buffer;
}

void buffers_give(struct buffers *buffers, struct buffer *buffer)
{
    unsigned size_class = size_class_of(buffer->capacity);
    buffers->lent_size -= buffer->capacity;
    if (size_class < BUFFER_CLASSES &&
        buffers->spare_count[size_class] < size_classes[size_class].spare_max) {
        buffer->next = buffers->spare[size_class];
        buffers->spare[size_class] = buffer;
        buffers->spare_count[size_class]++;
    } else {
        free(buffer);
    }
}
