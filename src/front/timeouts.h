#ifndef BOXOFFICE_TIMEOUTS_H
#define BOXOFFICE_TIMEOUTS_H

#include <stdint.h>
#include <sys/queue.h>

/* Time-outs of connections. All of a class have the same duration, so that each class is a list in
 * the order of arming, and arming, disarming and finding the next are a few pointers each. */

enum timeout_class {
    TIMEOUT_NONE,   /* not armed */
    TIMEOUT_IDLE,   /* no request under way */
    TIMEOUT_HEAD,   /* since the first byte of a request */
    TIMEOUT_BODY,   /* since the end of its head */
    TIMEOUT_STALL,  /* the client takes none of its answers */
    TIMEOUT_LINGER, /* everything is sent; the client has not closed */
    TIMEOUT_CLASS_COUNT,
};

struct timeout {
    TAILQ_ENTRY(timeout) link;
    uint64_t deadline_ms;
    enum timeout_class class;
};

struct timeouts {
    TAILQ_HEAD(timeout_list, timeout) lists[TIMEOUT_CLASS_COUNT];
    unsigned duration_ms[TIMEOUT_CLASS_COUNT];
};

void timeouts_init(struct timeouts *timeouts);
/* (Re)starts it in this class; TIMEOUT_NONE disarms. */
void timeout_arm(struct timeouts *timeouts, struct timeout *timeout, enum timeout_class class,
                 uint64_t now_ms);
/* One that has expired, still armed, or NULL. */
struct timeout *timeouts_expired(struct timeouts *timeouts, uint64_t now_ms);

#endif
