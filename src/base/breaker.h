#ifndef BOXOFFICE_BREAKER_H
#define BOXOFFICE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

/* A circuit breaker before something that may fail: a worker, Kafka. Pure: time comes with each
 * call (any monotonic clock, ms), and so does chance. One thread.
 *
 *              trip · park                    wait-over · unpark
 *   CLOSED ───────────────────→ OPEN ──────────────────────────→ HALF_OPEN
 *      ↑                         ↑                                 │   │
 *      │                         └──────── trial-bad · park ───────┘   │
 *      └──────────────────────── trial-well ───────────────────────────┘
 *
 *   each of these ── force ──→ FORCED_OPEN ── auto ──→ CLOSED
 *   each of these ── disable ─→ DISABLED   ── auto ──→ CLOSED
 *
 * The names, the window and the half-open permits are those of resilience4j. */
enum breaker_state {
    BREAKER_CLOSED,
    BREAKER_OPEN,
    BREAKER_HALF_OPEN,
    BREAKER_FORCED_OPEN, /* by hand: nothing passes */
    BREAKER_DISABLED,    /* by hand: everything passes, nothing is judged */
    BREAKER_STATE_COUNT
};
enum breaker_event {
    BREAKER_TRIP,       /* a rate in the window has reached its threshold */
    BREAKER_PARK,       /* what is behind it is known to be away */
    BREAKER_UNPARK,     /* it is back */
    BREAKER_WAIT_OVER,  /* it was open for long enough */
    BREAKER_TRIAL_WELL, /* the half-open calls went well */
    BREAKER_TRIAL_BAD,
    BREAKER_FORCE,
    BREAKER_DISABLE,
    BREAKER_AUTO,
    BREAKER_EVENT_COUNT
};
enum breaker_mode { BREAKER_MODE_AUTO, BREAKER_MODE_FORCED_OPEN, BREAKER_MODE_DISABLED };

enum {
    BREAKER_SLICES = 10, /* the window: this many slices of a second */
    BREAKER_SLICE_MS = 1000,
    BREAKER_CALLS_MIN = 20, /* in the window, before it is judged */
    BREAKER_FAILURE_PERCENT = 50,
    BREAKER_SLOW_PERCENT = 80,
    BREAKER_SLOW_MS = 250,        /* a call that took longer is slow */
    BREAKER_OPEN_FIRST_MS = 1000, /* doubles with each opening until it closes again */
    BREAKER_OPEN_MAX_MS = 30000,
    BREAKER_JITTER_PERCENT = 20, /* to both sides */
    BREAKER_PERMITS = 5,         /* calls let through half-open */
};

struct breaker_counts {
    uint32_t calls, failed, slow;
};

struct breaker {
    enum breaker_state state;
    bool parked;
    uint32_t epoch;         /* rises with every transition; never 0 */
    uint32_t opens;         /* in a row */
    uint64_t open_until_ms; /* OPEN, not parked */
    uint64_t slice;         /* number of the newest */
    struct breaker_counts slices[BREAKER_SLICES];
    uint32_t permits_out;        /* HALF_OPEN */
    struct breaker_counts trial; /* HALF_OPEN: calls that ended */
};

const char *breaker_state_text(enum breaker_state state); /* "half_open": as resilience4j's label */
/* The table. False when `event` means nothing in `state`; *next is then `state`. */
bool breaker_next(enum breaker_state state, enum breaker_event event, enum breaker_state *next);

void breaker_init(struct breaker *breaker);
/* May a call go? Then *permit goes back once, through breaker_record or breaker_cancel. Also moves
 * OPEN to HALF_OPEN when its time is over. */
bool breaker_admit(struct breaker *breaker, uint64_t now_ms, uint32_t *permit);
/* Whether breaker_admit would refuse, without taking a permit. */
bool breaker_refuses(const struct breaker *breaker, uint64_t now_ms);
/* A call has ended. One that was admitted before the last transition is not counted. `random`: any
 * number, for the jitter. */
void breaker_record(struct breaker *breaker, uint32_t permit, bool failed, uint64_t duration_ms,
                    uint64_t now_ms, uint32_t random);
/* A call was not made after all, or its end says nothing about what is behind the breaker. */
void breaker_cancel(struct breaker *breaker, uint32_t permit);
/* Known from elsewhere: while parked it stays OPEN, afterwards it is HALF_OPEN at once. */
void breaker_set_parked(struct breaker *breaker, bool parked, uint64_t now_ms, uint32_t random);
void breaker_set_mode(struct breaker *breaker, enum breaker_mode mode, uint64_t now_ms,
                      uint32_t random);
/* Sums over the window, for display; zero where it is not kept. */
struct breaker_counts breaker_window(const struct breaker *breaker, uint64_t now_ms);
/* part of calls in percent; -1 below BREAKER_CALLS_MIN (as resilience4j says it). */
double breaker_rate(uint32_t part, uint32_t calls);
/* When OPEN lets the next call through; 0: it does not, or it is not OPEN. */
uint64_t breaker_next_probe_ms(const struct breaker *breaker);

#endif
