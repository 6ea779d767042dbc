#include "window.h"
#include "check.h"

static unsigned place_of(const struct window *window, unsigned index)
{
    return (window->first + index) % WINDOW_MAX;
}

void window_reset(struct window *window, uint64_t sequence)
{
    window->scanned = sequence;
    window->first = window->count = window->delivered = 0;
}

void window_add(struct window *window, uint64_t sequence)
{
    check(!window_full(window) && sequence > window->scanned);
    unsigned at = place_of(window, window->count++);
    window->events[at].sequence = sequence;
    window->events[at].delivered = false;
    window->scanned = sequence;
}

void window_scanned(struct window *window, uint64_t sequence)
{
    if (sequence > window->scanned)
        window->scanned = sequence;
}

static void drop_delivered(struct window *window)
{
    while (window->count > 0 && window->events[window->first].delivered) {
        window->first = place_of(window, 1);
        window->count--;
        window->delivered--;
    }
}

bool window_delivered(struct window *window, uint64_t sequence)
{
    unsigned low = 0, high = window->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (window->events[place_of(window, middle)].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    unsigned at = place_of(window, low);
    if (low == window->count || window->events[at].sequence != sequence)
        return false;
    if (!window->events[at].delivered) {
        window->events[at].delivered = true;
        window->delivered++;
        drop_delivered(window);
    }
    return true;
}

uint64_t window_cursor(const struct window *window)
{
    return window->count > 0 ? window->events[window->first].sequence - 1 : window->scanned;
}
