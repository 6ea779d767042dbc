#include "buffers.h"

#include <stdlib.h>

void buffers_init(struct buffers *buffers)
{
    *buffers = (struct buffers){0};
}

void buffers_fini(struct buffers *buffers)
{
    while (buffers->spare != NULL) {
        struct buffer *buffer = buffers->spare;
        buffers->spare = buffer->next;
        free(buffer);
    }
    buffers->spare_count = 0;
}

struct buffer *buffers_take(struct buffers *buffers, size_t size)
{
    size_t capacity = size <= BUFFER_SMALL_SIZE ? BUFFER_SMALL_SIZE : size;
    size_t bound = BUFFERS_LENT_SIZE_MAX;
    if (capacity > BUFFER_SMALL_SIZE)
        bound = bound / 4 * 3;
    if (capacity > bound || buffers->lent_size > bound - capacity)
        return NULL;
    struct buffer *buffer = buffers->spare;
    if (buffer != NULL && capacity == BUFFER_SMALL_SIZE) {
        buffers->spare = buffer->next;
        buffers->spare_count--;
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
    buffers->lent_size -= buffer->capacity;
    if (buffer->capacity == BUFFER_SMALL_SIZE && buffers->spare_count < BUFFERS_SPARE_MAX) {
        buffer->next = buffers->spare;
        buffers->spare = buffer;
        buffers->spare_count++;
    } else {
        free(buffer);
    }
}
