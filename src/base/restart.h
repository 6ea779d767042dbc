#ifndef BOXOFFICE_RESTART_H
#define BOXOFFICE_RESTART_H

#include <stdbool.h>
#include <stdint.h>

/* When what has failed is tried again: a process by its supervisor, an actor by its runtime. Pure:
 * no clock and no randomness of its own.
 *
 * The first fault is followed by a restart at once, further ones by exponential back-off with
 * jitter. More than RESTART_INTENSITY faults in RESTART_PERIOD_MS park it: it is away for those who
 * depend on it, and the restarts, which go on at the same back-off, are probes. Being well for
 * RESTART_STABLE_MS clears the record. */
enum {
    RESTART_INTENSITY = 5,
    RESTART_PERIOD_MS = 30000,
    RESTART_BACKOFF_FIRST_MS = 100,
    RESTART_BACKOFF_MAX_MS = 30000,
    RESTART_JITTER_PERCENT = 20, /* to both sides */
    RESTART_STABLE_MS = 30000,
};

struct restart_record {
    bool parked;
    uint32_t faults;                           /* since the record was clear */
    uint64_t recent_ms[RESTART_INTENSITY + 1]; /* when; the n-th at n mod size */
};

/* Notes a fault at now_ms (any monotonic clock) after well_ms of being well, and returns how long
 * to wait, ms; 0: not at all. record->parked says whether it is parked. `random`: any number, for
 * the jitter. */
uint64_t restart_after_fault(struct restart_record *record, uint64_t now_ms, uint64_t well_ms,
                             uint32_t random);

#endif
