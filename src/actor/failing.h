#ifndef BOXOFFICE_FAILING_H
#define BOXOFFICE_FAILING_H

#include "restart.h"
#include <stddef.h>

/* Actors that have failed: a check did not hold while one was loaded or decided. Pure and bounded.
 *
 * It takes no more messages until the batch that it failed in has committed; then its state is
 * dropped and rebuilt from storage. More than RESTART_INTENSITY failures in RESTART_PERIOD_MS open
 * a breaker of its own: it is refused for the back-off, after which one message is let through. The
 * words and numbers are the supervisor's for processes (restart.h). */
enum { FAILING_MAX = 256 };

struct failing_actor {
    uint8_t kind;
    uint64_t id;
    struct restart_record record;
    uint64_t failed_ms; /* last */
    uint64_t due_ms;    /* parked: the next message is let through */
    uint64_t batch;     /* the number of the batch that it failed in last */
};

/* One that finds no place takes that of the actor whose last failure is the oldest. */
struct failing {
    size_t count;
    struct failing_actor actors[FAILING_MAX];
};

/* Whether a message to that actor is refused now. Times are any monotonic clock's, ms. */
bool failing_refuses(const struct failing *failing, uint8_t kind, uint64_t id, uint64_t batch,
                     uint64_t now_ms);
/* It failed. Returns how long it is refused, ms; 0: for the rest of the batch only. */
uint64_t failing_note(struct failing *failing, uint8_t kind, uint64_t id, uint64_t batch,
                      uint64_t now_ms, uint32_t random);
/* It has taken a message well: its breaker closes, and what it did RESTART_STABLE_MS ago is
 * forgotten. */
void failing_well(struct failing *failing, uint8_t kind, uint64_t id, uint64_t now_ms);
/* How many breakers are open. */
size_t failing_parked(const struct failing *failing);

#endif
