#ifndef BOXOFFICE_WINDOW_H
#define BOXOFFICE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* The events of one journal that have been handed to Kafka and are not all delivered: reports come
 * in any order, because keys are spread over partitions, but the cursor moves in the journal's
 * order only. Pure. */
enum { WINDOW_MAX = 4096 };

struct window {
    uint64_t scanned; /* everything up to here is delivered, in the window, or not public */
    unsigned first, count, delivered; /* of the ring; `delivered` of them are */
    struct {
        uint64_t sequence;
        bool delivered;
    } events[WINDOW_MAX];
};

/* Empty: everything up to `sequence` counts as done. */
void window_reset(struct window *window, uint64_t sequence);
static inline bool window_full(const struct window *window)
{
    return window->count == WINDOW_MAX;
}
static inline unsigned window_in_flight(const struct window *window)
{
    return window->count - window->delivered;
}
/* `sequence` is above all before; the window is not full. */
void window_add(struct window *window, uint64_t sequence);
/* Nothing up to `sequence`, but what was added, needs to be sent. */
void window_scanned(struct window *window, uint64_t sequence);
/* A report came. False: it is not about an event in the window. */
bool window_delivered(struct window *window, uint64_t sequence);
/* Every event up to here is delivered. */
uint64_t window_cursor(const struct window *window);

#endif
