#ifndef BOXOFFICE_FOLLOWERS_H
#define BOXOFFICE_FOLLOWERS_H

#include "limits.h"
#include "answer.h"

/* Those who follow the events as a stream (server-sent events). Each asks the relay for the next
 * page when its client has taken the one before, so at most a page waits for a slow client; one
 * that takes nothing for FOLLOWER_STALL_MS is cut off. A client that was cut off, or whose front
 * died, goes on with the id of the last event that it got (Last-Event-ID). */
enum {
    FOLLOWERS_MAX = 16,
    FOLLOWER_POLL_MS = 250,        /* between pages when there was nothing new */
    FOLLOWER_HEARTBEAT_MS = 10000, /* a comment, so that both sides notice when the other is gone */
    FOLLOWER_STALL_MS = 30000,
    FOLLOWER_PAGE_EVENTS = 500,
    FOLLOWER_VALUE = 0, /* exchange->values: the follower */
    FOLLOWERS_VALUE = 1,
};

struct follower {
    struct exchange *exchange; /* NULL: free */
    bool asked;                /* a page is on its way */
    bool streaming;            /* the head has been sent */
    uint64_t ask_at_ms, written_ms, taken_ms;
    uint32_t after_size;
    char after[EVENT_CURSOR_MAX];
};

struct followers {
    struct dispatch *dispatch;
    unsigned count;
    struct follower items[FOLLOWERS_MAX];
};

void followers_init(struct followers *followers, struct dispatch *dispatch);
/* From now on the exchange is theirs. False: there are too many; it is still the caller's. */
bool followers_add(struct followers *followers, struct exchange *exchange, struct text after,
                   uint64_t now_ms);
/* Each turn of the loop. */
void followers_turn(struct followers *followers, uint64_t now_ms);
/* The front stops: all streams end. */
void followers_close(struct followers *followers);

#endif
