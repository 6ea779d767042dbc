#ifndef BOXOFFICE_CHANNEL_H
#define BOXOFFICE_CHANNEL_H

#include "segment.h"

/* A channel joins one producing and one consuming process: a request ring, a completion ring back,
 * and slots from the producer's pool. Channels exist for front→{queue, seat, wallet} and
 * seat→{wallet, queue}. Both sides survive the other's death (DESIGN: in-flight exactly-once). */

/* ---- the producer's side ---- */

struct slot_pool {
    struct segment *segment;
    unsigned self;
    uint32_t small_count, large_count;
    uint32_t *free_small, *free_large; /* stacks of slot numbers, heap, private to the process */
    uint32_t free_small_count, free_large_count;
    uint64_t next_request_id;
};

/* Adopts the pool of process `self`, also after a predecessor's death: FREE, CLAIMED and REPLIED
 * slots, and SUBMITTED ones that never reached their ring, become free; SUBMITTED and DEFERRED ones
 * stay with their consumer until it replies (their completions are then orphans and free the slot).
 * Request ids continue above every id found. STATUS_NO_MEMORY. */
enum status slot_pool_open(struct slot_pool *pool, struct segment *segment, unsigned self);
void slot_pool_close(struct slot_pool *pool);
/* A CLAIMED slot, or NULL when none is free. */
struct slot *slot_pool_claim(struct slot_pool *pool, bool large);
/* Gives back a CLAIMED or REPLIED slot. */
void slot_pool_release(struct slot_pool *pool, struct slot *slot);
uint32_t slot_pool_number(const struct slot_pool *pool, const struct slot *slot);
/* NULL for a number outside the pool. */
struct slot *slot_pool_at(const struct slot_pool *pool, uint32_t number);

struct channel_producer {
    struct segment *segment;
    struct slot_pool *pool;
    struct ring *requests, *completions;
    unsigned self, consumer;
    uint64_t completion_cursor;
    uint32_t seen_generation; /* of the consumer, for channel_next_reply's rescan */
    uint32_t rescan_at;       /* next slot to look at; pool size when no rescan is under way */
    bool wake_pending;
};

enum status channel_producer_open(struct channel_producer *channel, struct slot_pool *pool,
                                  unsigned consumer);
/* Encodes nothing: the caller has filled kind, actor, deadline and the request area of a CLAIMED
 * slot. Sets sender generation, consumer and position, moves it to SUBMITTED and publishes it.
 * STATUS_FULL leaves it CLAIMED. */
enum status channel_submit(struct channel_producer *channel, struct slot *slot);
/* Rings the consumer's doorbell when it sleeps and something was submitted. Call once per turn. */
void channel_flush(struct channel_producer *channel);
/* The next REPLIED slot, or NULL. Drops (and counts) completions whose slot or id does not match.
 * After the consumer's ready_generation has risen, drains the completions and then finds REPLIED
 * slots of this channel by a scan. The caller reads the reply, then slot_pool_release. */
struct slot *channel_next_reply(struct channel_producer *channel);

/* ---- the consumer's side ---- */

struct channel_consumer {
    struct segment *segment;
    struct ring *requests, *completions;
    unsigned self, producer;
    uint64_t cursor; /* next position to read */
    bool wake_pending;
};

enum status channel_consumer_open(struct channel_consumer *channel, struct segment *segment,
                                  unsigned producer, unsigned self);
/* The next request in state SUBMITTED, its id and its position, or NULL. Entries that name no slot of
 * the producer's pool, another id or another state are dropped and counted (stats). */
struct slot *channel_receive(struct channel_consumer *channel, uint64_t *request_id,
                             uint64_t *position);
/* SUBMITTED → DEFERRED with what it waits for. To be called before the commit that starts the wait. */
bool channel_defer(struct slot *slot, uint64_t request_id, uint64_t wait_key,
                   uint64_t wait_attempt);
/* SUBMITTED or DEFERRED → REPLIED and a completion entry. The reply area, size, kind and outcome have
 * been written. False (and nothing happens) when the slot is in neither state with this id. The
 * completion ring has an entry for every slot that can complete into it, so it is never full. */
bool channel_publish(struct channel_consumer *channel, struct slot *slot, uint64_t request_id);
/* Everything read so far is dealt with: moves the ring's tail to the cursor. */
void channel_consumed(struct channel_consumer *channel);
void channel_flush_completions(struct channel_consumer *channel); /* doorbell of the producer */

/* A successor's first steps, before it receives anything:
 * channel_recover_decided calls cb for every SUBMITTED slot at a position in [tail, decided): its
 * reply is complete and committed; the cb publishes it. The cursor then stands at max(tail, decided).
 * channel_recover_deferred calls cb for every slot of the producer's pool that is DEFERRED here. */
typedef void (*channel_slot_cb)(void *context, struct channel_consumer *channel, struct slot *slot,
                                uint64_t request_id);
void channel_recover_decided(struct channel_consumer *channel, uint64_t decided, channel_slot_cb cb,
                             void *context);
void channel_recover_deferred(struct channel_consumer *channel, channel_slot_cb cb, void *context);

#endif
