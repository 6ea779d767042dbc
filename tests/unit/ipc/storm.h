#ifndef BOXOFFICE_TEST_IPC_STORM_H
#define BOXOFFICE_TEST_IPC_STORM_H

#include "fixture.h"

#include <poll.h>

/* What outlives the processes of test_killed.c, in shared memory: a journal whose commit is one
 * atomic store, and tallies by request id. Ids are never used twice, so they name requests. */
enum {
    REQUESTS_MAX = 4 * 1024 * 1024,
    BATCH_MAX = 24,
};
enum record { RECORD_EFFECT = 1, RECORD_WAIT = 2, RECORD_END = 4 };

enum violation {
    VIOLATION_NONE,
    VIOLATION_DECIDED_TWICE,
    VIOLATION_ANSWERED_TWICE,
    VIOLATION_ANSWERED_UNCOMMITTED,
    VIOLATION_WRONG_REPLY,
    VIOLATION_PUBLISH_REFUSED,
    VIOLATION_WAIT_UNCOMMITTED,
    VIOLATION_RING_FULL,
    VIOLATION_ORPHAN,
    VIOLATION_LOST_WAKE_UP,
    VIOLATION_SETUP,
};

struct storm {
    _Atomic uint32_t violation; /* the first one */
    _Atomic uint32_t stop;      /* submit no more, and exit when every slot is free */
    _Atomic uint32_t worker_turns, front_turns;
    _Atomic uint64_t recovered_decided, recovered_deferred,
        orphans;             /* so that it is no empty test */
    _Atomic uint32_t commit; /* which of the two holds */
    struct {
        uint64_t records, mark;
    } commits[2];
    uint64_t folded;                       /* records that `decided` says */
    uint64_t records[2 * REQUESTS_MAX];    /* id << 8 | enum record */
    _Atomic uint8_t decided[REQUESTS_MAX]; /* enum record, or-ed */
    _Atomic uint8_t submitted[REQUESTS_MAX], answered[REQUESTS_MAX];
};

/* What becomes of a request, by its id: a read, a wait, or an effect at once. */
static inline bool request_reads(uint64_t id)
{
    return id % 4 == 1;
}
static inline bool request_waits(uint64_t id)
{
    return id % 4 == 0;
}
static inline uint64_t token_of(uint64_t id)
{
    return id * UINT64_C(0x9e3779b97f4a7c15);
}

static inline void storm_violate(struct storm *storm, enum violation violation)
{
    uint32_t none = VIOLATION_NONE;

    atomic_compare_exchange_strong(&storm->violation, &none, violation);
}

/* Sleeps on the own doorbell unless `work` says that there is some. It is a violation when the
 * time-out comes although there is work, nobody has taken the flag, and another second changes
 * nothing about it. */
static inline void storm_sleep(struct storm *storm, const struct segment *segment, unsigned self,
                               bool (*work)(const void *context), const void *context)
{
    segment_sleep_begin(segment, self);
    if (!work(context)) {
        struct pollfd doorbell = {.fd = segment->doorbells[self], .events = POLLIN};

        if (poll(&doorbell, 1, 1000) == 0 && work(context) && poll(&doorbell, 1, 1000) == 0)
            storm_violate(storm, VIOLATION_LOST_WAKE_UP);
    }
    segment_sleep_end(segment, self);
}

#endif
