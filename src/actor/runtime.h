#ifndef BOXOFFICE_RUNTIME_H
#define BOXOFFICE_RUNTIME_H

#include "cache.h"
#include "checkpoint.h"
#include "failing.h"
#include "journal.h"
#include "obligations.h"
#include "overlay.h"
#include "tally.h"
#include "timers.h"
#include "worker.h"

/* The inside of a worker process, shared by its files: decide.c (one message), batch.c (commit and
 * publish), recovery.c (start), worker.c (turns). One thread, but for the checkpoint's. */

enum {
    BATCH_REQUESTS_MAX = 512, /* requests decided before a commit */
    BATCH_ANSWERS_MAX = 512,  /* replies of other workers taken up before a commit */
    BATCH_TIMERS_MAX = 64,    /* likewise */
    WAITERS_MAX = 16384,
};

/* A reply that is written in its slot and leaves after the commit. */
struct pending_reply {
    struct channel_consumer *channel;
    struct slot *slot;
    uint64_t request_id;
};

/* A request that is DEFERRED. */
struct waiter {
    struct waiter *next; /* of the same bucket */
    struct channel_consumer *channel;
    struct slot *slot;
    uint64_t request_id, key;
};

/* What an applied event opened or closed; carried out after the commit. */
struct obligation_change {
    uint8_t actor_kind;
    bool opened;
    uint64_t actor, number;
};

struct batch {
    bool in_transaction;
    bool has_events;
    bool has_clients; /* some of its requests came from a front */
    unsigned requests, answers, timers, events;
    struct tally tally;
    uint64_t event_kinds;                 /* a bit for each, for crash points */
    unsigned reply_count, reply_capacity; /* at most one for each request and each waiter */
    struct pending_reply *replies;
    unsigned touched_count, touched_capacity;
    struct actor **touched;
    unsigned change_count, change_capacity;
    struct obligation_change *changes;
};

enum { WAITER_BUCKETS = 4096 };

struct worker {
    struct segment *segment;
    struct process_entry *self;
    struct process_stats *stats;
    const struct worker_options *options;
    const struct behaviour *behaviour;
    const struct config *config;
    uint64_t now_ms;        /* when this turn last looked at the clock */
    uint64_t started_at_ms; /* of the server */
    unsigned index;

    struct journal *journal;
    struct state *state;
    struct state_reader *reader;
    struct overlay overlay;
    struct row_view rows;
    struct cache cache;
    struct timers timers;
    struct obligations obligations;
    struct checkpoint *checkpoint; /* NULL while read-only */
    bool read_only;
    bool full;      /* the journal took nothing at the last try: replies wait for room in it */
    bool throttled; /* too much is not checkpointed yet: new work is refused */

    struct channel_consumer channels[PROCESS_MAX];
    unsigned channel_count;

    struct waiter *waiters[WAITER_BUCKETS];
    unsigned waiter_count;
    struct pool waiter_pool;

    struct batch batch;
    uint64_t batch_number; /* from 1 */
    struct failing failing;
    unsigned failed_count; /* actors that failed in this batch: dropped at its end */
    struct actor *failed[BATCH_REQUESTS_MAX + BATCH_ANSWERS_MAX + BATCH_TIMERS_MAX];
    struct overlay_owner *applying_owner; /* of the event that is being applied */
    const struct actor_kind *applying_kind;
    struct actor *applying_actor;
    bool replaying;

    struct decision decision;
    union request request;
    union reply reply;
    union event event;
};

/* decide.c */
const struct actor_kind *worker_kind(const struct worker *worker, uint8_t number);
/* Applies one event to its actor and its rows; also in recovery. */
void worker_apply(struct worker *worker, struct actor *actor, const struct event_view *event);
/* Decides one request; its reply, if any, joins the batch. */
void worker_decide_request(struct worker *worker, struct channel_consumer *channel,
                           struct slot *slot, uint64_t request_id, uint64_t resumed_attempt);
void worker_decide_reply(struct worker *worker, const struct obligation *obligation,
                         struct slot *slot);
void worker_decide_timer(struct worker *worker, uint8_t kind, uint64_t id);
/* Journals and applies an event that no decision made (demo data). */
void worker_seed_event(struct worker *worker, const struct seed_event *seed);

/* batch.c */
/* Opens the batch's journal transaction; false when the journal takes no more. */
bool batch_begin(struct worker *worker);
void batch_reply(struct worker *worker, struct channel_consumer *channel, struct slot *slot,
                 uint64_t request_id, enum outcome outcome, uint16_t reply_kind,
                 const union reply *reply);
void batch_touch(struct worker *worker, struct actor *actor);
/* An event of that kind is in the transaction. */
void batch_note_event(struct worker *worker, uint16_t kind, const union event *event);
void batch_note_obligation(struct worker *worker, uint8_t actor_kind, uint64_t actor,
                           uint64_t number, bool opened);
/* Commits what was decided, then publishes: snapshots, replies, messages to other workers. A failed
 * commit ends the process (nothing of the batch is acknowledged). */
void batch_end(struct worker *worker);
void batch_drop(struct worker *worker); /* nothing was decided: gives the transaction back */
/* A transaction of its own for trimming, when at least records_min may go. */
void batch_trim(struct worker *worker, uint64_t records_min);

/* actor_failure.c: an actor whose load or decide fails a check */
/* The actor, or NULL when it takes no messages now. */
struct actor *worker_actor(struct worker *worker, const struct actor_kind *kind, uint64_t id);
/* Decides into worker->decision. False when the actor has failed: nothing was decided. */
bool worker_try_decide(struct worker *worker, struct actor *actor, const struct message *message);
/* After the commit: drops the state of those that failed in the batch. */
void worker_drop_failed(struct worker *worker);

/* waiters.c */
bool waiter_add(struct worker *worker, struct channel_consumer *channel, struct slot *slot,
                uint64_t request_id, uint64_t key);
/* Calls cb for each waiter of key and forgets it. */
void waiters_take(struct worker *worker, uint64_t key,
                  void (*cb)(struct worker *worker, const struct waiter *waiter));

/* Told to stop; also looked at during recovery, which may be long. Never in an inspection. */
static inline bool worker_must_stop(const struct worker *worker)
{
    return worker->self != NULL &&
           atomic_load_explicit(&worker->self->stop, memory_order_acquire) != 0;
}

/* recovery.c: STATUS_CLOSED when the worker was told to stop meanwhile. */
enum status worker_recover(struct worker *worker);
enum status worker_replay(struct worker *worker, uint64_t *events);
enum status worker_seed(struct worker *worker);
void worker_adopt_requests(struct worker *worker);
/* Test writes to both environments; sets read_only. Other failures than a full disk are returned.
 */
enum status worker_probe(struct worker *worker);

#endif
