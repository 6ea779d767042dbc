#ifndef BOXOFFICE_RESTART_H
#define BOXOFFICE_RESTART_H

#include <stdbool.h>
#include <stdint.h>

/* When a dead child is started again. Pure: no clock and no randomness of its own.
 *
 * A death that somebody outside caused (SIGKILL or SIGTERM that the supervisor did not send) is
 * followed by a restart at once and counts towards nothing. A fault of the child's own is followed
 * by an immediate restart the first time, then by exponential back-off with jitter. A child that
 * was READY for RESTART_STABLE_MS has a clean record again. */

enum exit_cause {
    EXIT_CAUSE_STOPPED,     /* it was asked to */
    EXIT_CAUSE_KILLED,      /* by a signal from outside */
    EXIT_CAUSE_CRASH,       /* by a signal of its own making: SIGSEGV, SIGABRT, … */
    EXIT_CAUSE_CODE,        /* it exited */
    EXIT_CAUSE_NEVER_READY, /* the supervisor ended it at its start's deadline */
    EXIT_CAUSE_NO_SPAWN,    /* it could not be started */
    EXIT_CAUSE_COUNT
};
const char *exit_cause_text(enum exit_cause cause);

enum {
    RESTART_BACKOFF_FIRST_MS = 100,
    RESTART_BACKOFF_MAX_MS = 30000,
    RESTART_JITTER_PERCENT = 20, /* to both sides */
    RESTART_STABLE_MS = 30000,
};

struct restart_record {
    uint32_t faults; /* in a row */
    uint64_t count[EXIT_CAUSE_COUNT];
};

/* How a child ended. */
struct child_exit {
    int signal; /* 0: it exited with `code` */
    int code;
    bool asked;       /* it had been asked to stop */
    bool never_ready; /* the supervisor had ended it for that */
};
enum exit_cause restart_classify(const struct child_exit *end);

/* Counts the death and says how long to wait, ms; 0: at once. ready_ms: how long it was READY.
 * `random`: any number, for the jitter. */
uint64_t restart_delay_ms(struct restart_record *record, enum exit_cause cause, uint64_t ready_ms,
                          uint32_t random);

#endif
