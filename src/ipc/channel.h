#ifndef BOXOFFICE_CHANNEL_H
#define BOXOFFICE_CHANNEL_H

#include "segment.h"

/* A channel joins one producing and one consuming process: a request ring, a completion ring back,
 * and slots from the producer's pool. Channels exist for front→{queue, seat, wallet, relay}
 * and seat→{wallet, queue}. Both sides survive the other's death (DESIGN: in-flight exactly-once);
 * a successor starts only when its predecessor has been reaped.
 *
 * Neither ring overflows while slots are the bound. Between tail and head of the request ring are
 * entries that are answered but not yet consumed (each of them had a slot of its own at one time)
 * and entries that are not answered yet (likewise): at most two for a slot. In the completion ring
 * a slot has at most its live completion and one that a rescan has overtaken. So each has twice as
 * many entries as the producer has slots. */

/* ---- the producer's side ---- */

struct slot_pool {
    struct segment *segment;
    unsigned self;
    struct slot_area area;
    uint32_t small_count, large_count;
    uint32_t *free_small, *free_large; /* stacks of slot numbers, heap, private to the process */
    uint32_t free_small_count, free_large_count; /* never used ones included */
    uint8_t *taken; /* by slot number: 1 while channel_next_reply has handed it to the caller */
    uint64_t next_request_id;
};

/* Adopts the pool of process `self`, also after a predecessor's death: FREE, CLAIMED and REPLIED
 * slots, and SUBMITTED ones that never reached their ring (their position is not below its head),
 * become free; SUBMITTED and DEFERRED ones stay with their consumer until it replies (their
 * completions are then orphans and free the slot). Request ids continue above every id found: a
 * slot's word keeps the last one it had, so no id is ever used twice. STATUS_INVALID when the
 * process has no pool, STATUS_NO_MEMORY. */
enum status slot_pool_open(struct slot_pool *pool, struct segment *segment, unsigned self);
void slot_pool_close(struct slot_pool *pool);
/* A CLAIMED slot with an id of its own, the most recently freed first; NULL when none is free. */
struct slot *slot_pool_claim(struct slot_pool *pool, bool large);
/* Gives back a CLAIMED or REPLIED slot; one in another state is left alone. */
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
    uint32_t generation;      /* own */
    bool wake_pending;
};

/* To be called right after slot_pool_open. Completions that stand in the ring are skipped, and the
 * first channel_next_reply calls find by a scan what they stood for and is still wanted: a
 * successor of a successor must not inherit entries of slots that were freed and used again.
 * STATUS_INVALID when there is no such channel. */
enum status channel_producer_open(struct channel_producer *channel, struct slot_pool *pool,
                                  unsigned consumer);
/* Encodes nothing: the caller has filled kind, actor, deadline and the request area of a CLAIMED
 * slot. Writes sender generation, consumer and position, then moves it to SUBMITTED, then publishes
 * it: a death in between leaves a position that the ring's head has not passed. STATUS_FULL leaves
 * it CLAIMED; STATUS_INVALID when it was not. */
enum status channel_submit(struct channel_producer *channel, struct slot *slot);
/* Rings the consumer's doorbell when it sleeps and something was submitted. Call once per turn. */
void channel_flush(struct channel_producer *channel);
/* The next REPLIED slot of this channel, or NULL. Each reply is returned once. Drops (and counts)
 * completions whose slot, id, state or consumer does not match. After the consumer's
 * ready_generation has risen, drains the completions and then finds REPLIED slots of this channel
 * by a scan, because its predecessor may have died between the slot's word and the completion
 * entry; the completion of a slot that was freed after a scan found it is dropped later. A slot
 * that the caller does not know was submitted by a predecessor: it is released like any other. The
 * caller reads the reply (slot_reply_view), then slot_pool_release. */
struct slot *channel_next_reply(struct channel_producer *channel);
/* Whether channel_next_reply has something to do: the recheck before blocking. */
bool channel_replies_waiting(const struct channel_producer *channel);

/* ---- the consumer's side ---- */

struct channel_consumer {
    struct segment *segment;
    struct slot_area area; /* the producer's slots */
    struct ring *requests, *completions;
    unsigned self, producer;
    uint64_t cursor; /* next position to read */
    bool wake_pending;
};

/* STATUS_INVALID when there is no such channel. */
enum status channel_consumer_open(struct channel_consumer *channel, struct segment *segment,
                                  unsigned producer, unsigned self);
/* The next request in state SUBMITTED, its id and its position, or NULL. Entries that name no slot
 * of the producer's pool, another id or another state, or a slot that was submitted elsewhere or at
 * another position, are dropped and counted (stats); so are those that a predecessor has answered.
 * Read the request through slot_request_view. */
struct slot *channel_receive(struct channel_consumer *channel, uint64_t *request_id,
                             uint64_t *position);
/* Whether channel_receive has something to do: the recheck before blocking. */
bool channel_requests_waiting(const struct channel_consumer *channel);
/* SUBMITTED → DEFERRED with what it waits for; one that is DEFERRED already gets the new wait. To
 * be called before the commit that starts the wait. False when it is in neither state with this id.
 */
bool channel_defer(struct slot *slot, uint64_t request_id, uint64_t wait_key,
                   uint64_t wait_attempt);
/* SUBMITTED or DEFERRED → REPLIED, then a completion entry. The reply area, size, kind and outcome
 * have been written. False (and nothing happens) when the slot is in neither state with this id. */
bool channel_publish(struct channel_consumer *channel, struct slot *slot, uint64_t request_id);
/* Everything read so far is dealt with: moves the ring's tail to the cursor. */
void channel_consumed(struct channel_consumer *channel);
void channel_flush_completions(struct channel_consumer *channel); /* doorbell of the producer */

/* A successor's first steps, in this order, before it receives anything. `decided` is the mark of
 * the predecessor's last commit: the first position not decided by it.
 *
 * channel_recover_decided calls cb for every SUBMITTED slot at a position in [tail, decided): its
 * reply is complete and committed; the cb publishes it. DEFERRED slots at or above the mark go back
 * to SUBMITTED, as the commit that would have started their wait never came; channel_receive brings
 * them again, in their order. The cursor then stands at max(tail, decided).
 *
 * channel_recover_deferred calls cb for every slot of the producer's pool that is DEFERRED here:
 * its wait is committed. The cb may publish it, defer it anew or leave it. */
typedef void (*channel_slot_cb)(void *context, struct channel_consumer *channel, struct slot *slot,
                                uint64_t request_id);
void channel_recover_decided(struct channel_consumer *channel, uint64_t decided, channel_slot_cb cb,
                             void *context);
void channel_recover_deferred(struct channel_consumer *channel, channel_slot_cb cb, void *context);

#endif
