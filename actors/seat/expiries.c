#include "schedule.h"
#include <stdlib.h>

/* A textbook binary heap, earliest first. */

enum { HEAP_CAPACITY_MIN = 8 };

bool expiry_holds(const struct schedule *schedule, uint64_t expiry)
{
    uint32_t seat = expiry_seat(expiry);
    return schedule_state(schedule, seat) == SEAT_TEMP_RESERVED &&
           schedule->expires_at_ms[seat] == expiry_ms(expiry);
}

static void sift_down(struct schedule *schedule, uint32_t at)
{
    uint64_t *heap = schedule->heap, moving = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= schedule->heap_count)
            break;
        if (child + 1 < schedule->heap_count && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= moving)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void sift_up(struct schedule *schedule, uint32_t at)
{
    uint64_t *heap = schedule->heap, moving = heap[at];
    for (; at > 0 && heap[(at - 1) / 2] > moving; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = moving;
}

/* True for one seat of each run of neighbours that one hold has. */
static bool begins_hold(const struct schedule *schedule, uint32_t seat)
{
    return schedule_state(schedule, seat) == SEAT_TEMP_RESERVED &&
           schedule->expires_at_ms[seat] != 0 &&
           (seat == 0 || schedule->reservations[seat - 1] != schedule->reservations[seat]);
}

void expiries_rebuild(struct schedule *schedule)
{
    uint32_t seats = (uint32_t)schedule->row.seat_count, count = 0;
    for (uint32_t seat = 0; seat < seats; seat++)
        count += begins_hold(schedule, seat);
    uint32_t capacity = count < HEAP_CAPACITY_MIN / 2 ? HEAP_CAPACITY_MIN : 2 * count;
    if (capacity != schedule->heap_capacity) {
        free(schedule->heap);
        schedule->heap = calloc(capacity, sizeof *schedule->heap);
        check(schedule->heap != NULL);
        schedule->heap_capacity = capacity;
    }
    schedule->heap_count = 0;
    for (uint32_t seat = 0; seat < seats; seat++)
        if (begins_hold(schedule, seat))
            schedule->heap[schedule->heap_count++] = expiry_of(schedule->expires_at_ms[seat], seat);
    for (uint32_t at = count / 2; at-- > 0;)
        sift_down(schedule, at);
}

static int expiry_order(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Without what is stale, and with room for as much again: the next time is as many additions away
 * as there are entries now, whatever the schedule's size. A hold whose payments fail can have
 * several equal entries. What is sorted is a heap. */
static void compact(struct schedule *schedule)
{
    uint64_t *heap = schedule->heap;
    uint32_t kept = 0;
    qsort(heap, schedule->heap_count, sizeof *heap, expiry_order);
    for (uint32_t i = 0; i < schedule->heap_count; i++)
        if (expiry_holds(schedule, heap[i]) && (kept == 0 || heap[kept - 1] != heap[i]))
            heap[kept++] = heap[i];
    schedule->heap_count = kept;
    if (kept <= schedule->heap_capacity / 2)
        return;
    schedule->heap_capacity *= 2;
    schedule->heap = reallocarray(heap, schedule->heap_capacity, sizeof *heap);
    check(schedule->heap != NULL);
}

void expiries_add(struct schedule *schedule, uint64_t index)
{
    uint32_t seat = (uint32_t)index - 1;
    if (schedule->expires_at_ms[seat] == 0)
        return;
    if (schedule->heap_capacity == 0) {
        expiries_rebuild(schedule); /* which finds this seat too */
        return;
    }
    if (schedule->heap_count == schedule->heap_capacity)
        compact(schedule);
    schedule->heap[schedule->heap_count] = expiry_of(schedule->expires_at_ms[seat], seat);
    sift_up(schedule, schedule->heap_count++);
}

uint64_t expiries_next_ms(struct schedule *schedule)
{
    while (schedule->heap_count > 0 && !expiry_holds(schedule, schedule->heap[0])) {
        schedule->heap[0] = schedule->heap[--schedule->heap_count];
        if (schedule->heap_count > 0)
            sift_down(schedule, 0);
    }
    return schedule->heap_count > 0 ? expiry_ms(schedule->heap[0]) : 0;
}

struct due {
    const struct schedule *schedule;
    uint64_t now_ms;
    uint64_t *reservations;
    unsigned count, max;
};

static bool known(const struct due *due, uint64_t reservation)
{
    for (unsigned i = 0; i < due->count; i++)
        if (due->reservations[i] == reservation)
            return true;
    return false;
}

/* What is due is the top of the heap: a node that is not has nothing below it that is. As deep as
 * the heap, so at most 18 calls. */
static void collect_due(struct due *due, uint32_t at)
{
    if (at >= due->schedule->heap_count || due->count == due->max)
        return;
    uint64_t expiry = due->schedule->heap[at];
    if (expiry_ms(expiry) > due->now_ms)
        return;
    uint64_t reservation = due->schedule->reservations[expiry_seat(expiry)];
    if (expiry_holds(due->schedule, expiry) && !known(due, reservation))
        due->reservations[due->count++] = reservation;
    collect_due(due, 2 * at + 1);
    collect_due(due, 2 * at + 2);
}

unsigned expiries_due(const struct schedule *schedule, uint64_t now_ms, uint64_t *reservations,
                      unsigned max)
{
    struct due due = {schedule, now_ms, reservations, 0, max};
    collect_due(&due, 0);
    return due.count;
}
