#ifndef BOXOFFICE_TIMERS_H
#define BOXOFFICE_TIMERS_H

#include "state.h"
#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At most one timer for each actor, in a binary heap. Moving a timer to a later time, which holds
 * do all day, leaves the heap alone: the node fires early and is put back. So there is one node for
 * each actor that has a timer, however often it moves. */

struct timer_node {
    uint64_t due_ms;   /* where it stands in the heap */
    uint64_t armed_ms; /* when it really is due; 0: dropped */
    uint64_t id;
    uint8_t kind;
    struct timer_node *hash_next;
};

struct timers {
    struct timer_node **heap;
    size_t count, capacity;
    struct timer_node **buckets;
    size_t bucket_count;
};

enum status timers_init(struct timers *timers);
void timers_fini(struct timers *timers);
void timers_set(struct timers *timers, uint8_t kind, uint64_t id, uint64_t at_ms); /* 0 drops */
/* Takes one timer that is due; false when none is. It is no longer set then. */
bool timers_take(struct timers *timers, uint64_t now_ms, uint8_t *kind, uint64_t *id);
uint64_t timers_next_ms(const struct timers *timers); /* UINT64_MAX: none */

/* The row of a timer: its key, and the time in its value. */
struct row_key timer_key(uint8_t kind, uint64_t id);
uint64_t timer_decode(struct row_bytes value);

#endif
