#ifndef BOXOFFICE_LIVENESS_H
#define BOXOFFICE_LIVENESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a child that is READY goes on: it shows signs of life, and where something waits for it
 * in a ring, it consumes. Pure. */

/* The supervisor's own time: the monotonic clock, less the time in which the supervisor did not run
 * itself. When a whole machine, container or process group is stopped for an hour and goes on,
 * almost nothing of that hour counts, so nobody has missed a deadline. */
enum { OWN_CLOCK_GAP_MAX_MS = 250 }; /* of a pause that counts; ticks come every 100 ms */
struct own_clock {
    uint64_t monotonic_ms; /* at the last look; 0: never */
    uint64_t own_ms;
};
uint64_t own_clock_now_ms(struct own_clock *clock, uint64_t monotonic_ms);

enum {
    LIVENESS_DEADLINE_MS = 3000,
    LIVENESS_STORAGE_MS = 30000, /* instead, while it waits for a disk and can't be ended anyway */
};

struct liveness {
    uint64_t life, consumed; /* as last seen to change */
    uint64_t life_ms, consumed_ms;
};
/* What a child shows; only that a number changes means anything. */
struct liveness_sample {
    uint64_t life;     /* heartbeat and progress */
    uint64_t consumed; /* positions of its rings */
    bool waiting;      /* something is in them */
};

/* From READY on. */
void liveness_begin(struct liveness *liveness, const struct liveness_sample *sample,
                    uint64_t own_ms);
void liveness_note(struct liveness *liveness, const struct liveness_sample *sample,
                   uint64_t own_ms);
/* How long it has not gone on, ms. */
uint64_t liveness_silent_ms(const struct liveness *liveness, uint64_t own_ms);

/* What /proc/PID/status says. */
struct process_look {
    char state; /* R, S, D, T, …; '?': not known */
    bool traced;
};
void process_look_parse(struct process_look *look, const char *status_text);
/* Whether a child that was silent for that long is to be ended. One under a debugger is not. */
bool liveness_is_missed(uint64_t silent_ms, const struct process_look *look);

#endif
