#ifndef BOXOFFICE_DISPATCH_H
#define BOXOFFICE_DISPATCH_H

#include "channel.h"
#include "guard.h"
#include "http.h"

/* Carries requests to the workers and their replies back to the exchanges that wait. One slot pool
 * and one channel to every queue, seat and wallet worker and to the relay. What a slot waits for
 * stands in a private table: nothing that another process writes can name an exchange.
 *
 * Happy path: dispatch_ask claims a slot, submits it; dispatch_poll takes the reply, frees the slot
 * and calls back. A request to a worker that is down waits in its ring for the successor. When the
 * deadline passes first the callback gets UNAVAILABLE, and when the client goes first nothing is
 * called; either way the slot is given up and comes back with its late completion.
 *
 * Before each worker stands a circuit breaker. One that is open answers UNAVAILABLE at once, with
 * the time after which to ask again, and nothing was done. What is fed to it: replies, and
 * deadlines that passed; UNAVAILABLE and INTERNAL are failures, any other outcome is an answer.
 * What is not: what a client left, what was under way when its worker died or was not READY (that
 * is late, and the supervisor's state says so), and a saga's time, which is another worker's.
 *
 * A confirm or cancel while the breaker before its wallet is open goes to the seat worker all the
 * same, so that the buyer's seats are kept, but does not wait there for the wallet: UNAVAILABLE
 * comes as soon as the saga is begun. It ends when the wallet is back, and who asks again joins it.
 */

enum { DISPATCH_DEADLINE_MS = 5000 };

struct dispatch_reply {
    enum outcome outcome;
    uint16_t kind;            /* enum reply_kind */
    const union reply *value; /* decoded as `kind` says; valid during the callback */
    unsigned retry_s;         /* not 0: a breaker is open; ask again after that */
    const char *detail;       /* then: what that means */
};
/* Called once for each dispatch_ask whose client is still there, perhaps within dispatch_ask. */
typedef void (*dispatch_reply_cb)(struct exchange *exchange, const struct dispatch_reply *reply);

/* What a slot waits for: a member of the list of waiting ones, oldest first. */
struct dispatch_wait {
    struct exchange *exchange; /* NULL: nobody waits (any more) */
    dispatch_reply_cb callback;
    uint64_t deadline_ms;
    uint64_t asked_ns;
    struct guard *guard; /* of the worker that was asked */
    struct guard *saga;  /* open, before the worker that a saga needs; NULL: it may wait for that */
    uint32_t permit;     /* of that; 0: given back */
    uint32_t generation; /* of the worker, when it was READY; else 0 */
    uint16_t kind;
    bool told; /* nobody was to wait */
    struct dispatch_wait *older, *newer;
};

struct dispatch {
    struct segment *segment;
    struct process_stats *stats;
    struct slot_pool pool;
    struct channel_producer *channels[PROCESS_MAX]; /* by process index; NULL: no channel */
    struct guard guards[PROCESS_MAX];               /* likewise; none for the relay */
    struct dispatch_wait *waits;                    /* by slot number */
    struct dispatch_wait list;                      /* its head; newer = oldest waiting */
    union reply reply;
};

/* Adopts the pool of process `self`. STATUS_NO_MEMORY, or what the channels say. */
enum status dispatch_open(struct dispatch *dispatch, struct segment *segment, unsigned self);
void dispatch_close(struct dispatch *dispatch);

/* Sends one request of `kind`. No free slot or a full ring: the callback gets OVERLOADED at once;
 * an open breaker: UNAVAILABLE. Sets exchange->on_abandon to dispatch_abandon unless the caller has
 * set one, which must then call it. Uses exchange->values[DISPATCH_VALUE]. */
enum { DISPATCH_VALUE = 5 };
void dispatch_ask(struct dispatch *dispatch, struct exchange *exchange, uint16_t kind,
                  const union request *request, dispatch_reply_cb callback);
void dispatch_abandon(struct exchange *exchange);
/* Sends a request whose reply concerns nobody. It is not sent while half of the slots are taken. */
void dispatch_tell(struct dispatch *dispatch, uint16_t kind, const union request *request);

/* Delivers all replies that are there and returns their number. */
unsigned dispatch_poll(struct dispatch *dispatch);
void dispatch_flush(struct dispatch *dispatch);         /* wakes the workers that got something */
bool dispatch_is_idle(const struct dispatch *dispatch); /* the recheck before sleeping */
void dispatch_expire(struct dispatch *dispatch, uint64_t now_ms);
void dispatch_watch(struct dispatch *dispatch); /* keeps the breakers up to date; every tick */

#endif
