#ifndef BOXOFFICE_OBLIGATIONS_H
#define BOXOFFICE_OBLIGATIONS_H

#include "channel.h"
#include "pool.h"
#include "rows.h"
#include <sys/queue.h>

/* Messages that this worker owes to others. The row is the fact (opened and closed by events); this
 * is the sender: it submits each open obligation to its target's ring, again after a restart of
 * either side or when the answer did not settle it, paced by free slots. */

struct obligation {
    TAILQ_ENTRY(obligation) link; /* waiting to be sent, resting, or sent */
    struct obligation *hash_next;
    uint8_t actor_kind;
    uint64_t actor, number;
    uint16_t request_kind;
    bool sent, resting;
    bool patient;          /* nobody waits for what it brings: it is never in the way of a saga */
    unsigned dead_letters; /* how often its target gave up on it */
    uint64_t send_at_ms;   /* waiting: not before */
    uint32_t slot;         /* sent: its slot's number */
    unsigned target;       /* process index */
    uint64_t key;          /* the request's actor key */
    uint32_t size;
    uint8_t request[128]; /* encoded */
};

TAILQ_HEAD(obligation_list, obligation);

enum {
    OBLIGATION_TARGETS_MAX = 24,
    OBLIGATION_RETRY_MS = 100,
    OBLIGATION_DEAD_RETRY_MS = 30000, /* after a dead letter; doubles with each of a row */
    OBLIGATION_DEAD_RETRY_MAX_MS = 900000,
};

struct obligations {
    struct segment *segment;
    bool has_pool; /* this role sends at all */
    struct slot_pool pool;
    struct channel_producer channels[OBLIGATION_TARGETS_MAX];
    unsigned channel_count;
    struct obligation **buckets;
    struct obligation **by_slot;          /* who waits for a slot's reply; NULL: nobody any more */
    struct obligation_list waiting, sent; /* waiting: those that are due first come first */
    struct obligation_list patient;       /* the patient ones that wait, likewise */
    struct obligation_list resting;       /* dead-lettered ones until their next try */
    size_t count, patient_count;          /* open ones; of these, patient ones */
    size_t patient_sent;                  /* at most a quarter of the slots */
    struct pool blocks;                   /* of obligations */
};

enum status obligations_open(struct obligations *obligations, struct segment *segment,
                             unsigned self);
void obligations_close(struct obligations *obligations);

/* The row of an obligation: its key, and its value from a request. */
struct row_key obligation_key(uint8_t actor_kind, uint64_t actor, uint64_t number);
size_t obligation_encode(uint16_t request_kind, const union request *request, void *data,
                         size_t size);
/* False when the value is not one. */
bool obligation_decode(struct row_bytes value, uint16_t *request_kind, union request *request);

/* Takes up the obligation that a committed row states; an open one is left as it is. */
void obligations_add(struct obligations *obligations, const struct row_key *key,
                     struct row_bytes value);
void obligations_remove(struct obligations *obligations, uint8_t actor_kind, uint64_t actor,
                        uint64_t number);
/* Room for a new saga: fewer are open than would fill the pool. Patient ones, what the queue worker
 * is to know, do not count: while it is down sales go on, and they are told later. */
bool obligations_room(const struct obligations *obligations);
/* Submits what is due while there are slots, and rings doorbells. */
void obligations_send(struct obligations *obligations, uint64_t now_ms);
/* The next reply: its obligation (still open) and its slot, which the caller gives back with
 * obligations_replied. False when there is none. Replies that nobody waits for are dropped. */
bool obligations_next_reply(struct obligations *obligations, struct obligation **obligation,
                            struct slot **slot);
/* Frees the slot; if the obligation is still open it is sent again after OBLIGATION_RETRY_MS. One
 * that its target died of twice is still owed: it is sent again after a much longer time, suspect
 * from the start, so that each try costs the target at most one death. */
void obligations_replied(struct obligations *obligations, struct slot *slot, uint64_t now_ms);
/* True when a reply is waiting in a completion ring. */
bool obligations_pending(const struct obligations *obligations);
/* When the next one is to be sent; UINT64_MAX: none waits. */
uint64_t obligations_next_ms(const struct obligations *obligations);

#endif
