#ifndef BOXOFFICE_GUARD_H
#define BOXOFFICE_GUARD_H

#include "breaker.h"
#include "segment.h"

/* Circuit breakers in use. Every queue, seat and wallet worker has one, and Kafka; a breaker is
 * known by the process index of what is behind it (Kafka's by the relay's) and by name: "wallet-0",
 * "kafka".
 *
 * Each front has a breaker of its own before each worker, and the relay has Kafka's: what decides
 * is private memory of one process, so nothing another process writes can open it. In shared memory
 * are one mode for each breaker, set by the admin call and read by all, and one line for each
 * breaker and owner, written by the owner and read for display only. */

enum { BREAKER_OWNERS_MAX = 8 }; /* fronts */

/* What an owner publishes; one writer. Totals go on over restarts of the owner. */
struct breaker_line {
    _Alignas(64) _Atomic uint32_t state;  /* enum breaker_state */
    _Atomic uint32_t calls, failed, slow; /* in the window */
    _Atomic uint64_t next_probe_ms;       /* clock_now_ms; 0: none is due */
    _Atomic uint64_t calls_total[2];      /* ended well, failed */
    _Atomic uint64_t calls_us[2];         /* their durations, summed */
    _Atomic uint64_t not_permitted_total;
};
struct breaker_table {
    _Atomic uint32_t modes[PROCESS_MAX]; /* enum breaker_mode */
    struct breaker_line lines[BREAKER_OWNERS_MAX][PROCESS_MAX];
};

enum { BREAKER_NAME_SIZE = 16 };
/* False when nothing guards that process. */
bool breaker_name(const struct segment *segment, unsigned target, char name[BREAKER_NAME_SIZE]);
/* PROCESS_MAX when there is no such breaker. */
unsigned breaker_find(const struct segment *segment, const char *name, size_t size);
/* By the admin call; owners follow with their next call or tick. */
void breaker_order(const struct segment *segment, unsigned target, enum breaker_mode mode);

/* All owners' lines of one breaker together. */
struct breaker_view {
    enum breaker_mode mode;
    enum breaker_state state; /* the worst that a living owner is in */
    struct breaker_counts window;
    uint64_t next_probe_ms; /* clock_now_ms, the earliest; 0: none is due */
    uint64_t calls_total[2], calls_us[2], not_permitted_total;
};
void breaker_look(const struct segment *segment, unsigned target, struct breaker_view *view);

/* An owner's breaker. One thread. */
struct guard {
    struct breaker breaker;
    char name[BREAKER_NAME_SIZE];
    enum breaker_state logged; /* its last state in the log: one line for each transition */
    const _Atomic uint32_t *mode;
    const struct process_entry *entry; /* of the target, whose parking trips it */
    struct breaker_line *line;
    enum breaker_mode mode_seen;
    uint32_t random;
};

/* owner: a front's instance; 0 for the relay. STATUS_INVALID: no such breaker or owner. */
enum status guard_open(struct guard *guard, const struct segment *segment, unsigned target,
                       unsigned owner);
/* May a call go? When not, it is counted as not permitted. When so, exactly one of guard_record and
 * guard_cancel follows with the permit. now_ns: clock_monotonic_ns. */
bool guard_admit(struct guard *guard, uint64_t now_ns, uint32_t *permit);
void guard_record(struct guard *guard, uint32_t permit, bool failed, uint64_t duration_ns,
                  uint64_t now_ns);
void guard_cancel(struct guard *guard, uint32_t permit);
/* Whether guard_admit would refuse; counts nothing. */
bool guard_refuses(const struct guard *guard, uint64_t now_ns);
/* Known from elsewhere that what is behind it works: an open one is half-open at once. */
void guard_recovered(struct guard *guard, uint64_t now_ns);
/* Likewise, but half-open it is not, however many permits are out. */
bool guard_is_open(const struct guard *guard, uint64_t now_ns);
/* Somebody was not even asked, because guard_is_open. */
void guard_count_refusal(struct guard *guard);
/* For Retry-After, s, at least 1: until the next call passes, as far as that is known. */
unsigned guard_retry_s(const struct guard *guard, uint64_t now_ns);
/* Takes up mode and parking, publishes the line. Some times a second. */
void guard_tick(struct guard *guard, uint64_t now_ns);

#endif
