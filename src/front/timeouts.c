#include "timeouts.h"

#include <stddef.h>

void timeouts_init(struct timeouts *timeouts)
{
    for (unsigned class = 0; class < TIMEOUT_CLASS_COUNT; class ++) {
        TAILQ_INIT(&timeouts->lists[class]);
        timeouts->duration_ms[class] = 0;
    }
}

void timeout_arm(struct timeouts *timeouts, struct timeout *timeout, enum timeout_class class,
                 uint64_t now_ms)
{
    if (timeout->class != TIMEOUT_NONE)
        TAILQ_REMOVE(&timeouts->lists[timeout->class], timeout, link);
    timeout->class = class;
    if (class == TIMEOUT_NONE)
        return;
    timeout->deadline_ms = now_ms + timeouts->duration_ms[class];
    TAILQ_INSERT_TAIL(&timeouts->lists[class], timeout, link);
}

struct timeout *timeouts_expired(struct timeouts *timeouts, uint64_t now_ms)
{
    for (unsigned class = TIMEOUT_IDLE; class < TIMEOUT_CLASS_COUNT; class ++) {
        struct timeout *first = TAILQ_FIRST(&timeouts->lists[class]);
        if (first != NULL && first->deadline_ms <= now_ms)
            return first;
    }
    return NULL;
}
