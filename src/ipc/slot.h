#ifndef BOXOFFICE_SLOT_H
#define BOXOFFICE_SLOT_H

#include "status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A request and the room for its reply, in shared memory. One atomic word says whose turn it is:
 *
 *   FREE → CLAIMED → SUBMITTED ───────────→ REPLIED → FREE
 *                        └──→ DEFERRED ───────┘
 *
 * FREE→CLAIMED→SUBMITTED and REPLIED→FREE are the producer's moves, the others the consumer's; all
 * by compare-and-swap on (request id, state), so a move meant for an earlier use of the slot fails.
 * The consumer writes the reply area while it is SUBMITTED or DEFERRED, before its commit. */
enum slot_state { SLOT_FREE, SLOT_CLAIMED, SLOT_SUBMITTED, SLOT_DEFERRED, SLOT_REPLIED };

struct slot {
    _Atomic uint64_t word;       /* request id << 8 | state */
    uint64_t actor;              /* key: user, schedule, reservation or room */
    uint64_t deadline_ms;        /* the producer stops waiting then (clock_now_ms) */
    uint64_t position;           /* in the consumer's request ring; written before SUBMITTED */
    uint64_t wait_key;           /* DEFERRED: what it waits for (reservation) */
    uint64_t wait_attempt;       /* DEFERRED: attempt of that saga */
    uint32_t sender_generation;  /* of the producer that claimed it */
    uint16_t kind;               /* enum request_kind */
    uint16_t consumer;           /* process index */
    uint32_t request_size;       /* readers on the other side: slot_request_view */
    uint32_t reply_size;         /* likewise slot_reply_view */
    uint16_t reply_kind;         /* enum reply_kind */
    uint16_t outcome;            /* enum outcome */
    uint16_t suspicions;         /* deaths of a worker while it decided this request */
    uint16_t large;              /* set at every claim; see slot_request_capacity */
    uint16_t impatient;          /* 1: UNAVAILABLE instead of waiting for another worker */
    _Alignas(64) uint8_t body[]; /* request area, then reply area */
};

enum {
    SLOT_SMALL_REQUEST_SIZE = 896,
    SLOT_SMALL_REPLY_SIZE = 1024,
    SLOT_LARGE_REQUEST_SIZE = 32 * 1024,
    SLOT_LARGE_REPLY_SIZE = 128 * 1024,
};

/* A slot's whole size. The stride of large ones is a multiple of the page size. */
enum {
    SLOT_SMALL_STRIDE = 2048,
    SLOT_LARGE_STRIDE = 164 * 1024,
};

static inline enum slot_state slot_word_state(uint64_t word)
{
    return (enum slot_state)(word & 0xff);
}
static inline uint64_t slot_word_id(uint64_t word)
{
    return word >> 8;
}
static inline uint64_t slot_word(uint64_t request_id, enum slot_state state)
{
    return request_id << 8 | (uint64_t)state;
}

uint8_t *slot_request(struct slot *slot);
uint8_t *slot_reply(struct slot *slot);
/* The areas' sizes as `large` says. A wrong `large` leads into other slots, never out of the
 * segment (it ends with SEGMENT_GUARD_SIZE unused bytes). */
size_t slot_request_capacity(const struct slot *slot);
size_t slot_reply_capacity(const struct slot *slot);
/* What the other process left in an area. Its size is read once; false when it is beyond the area.
 */
bool slot_request_view(const struct slot *slot, const uint8_t **data, size_t *size);
bool slot_reply_view(const struct slot *slot, const uint8_t **data, size_t *size);
/* Compare-and-swap to `to` when the slot is in `from` with this request id. Everything written to
 * the slot before a successful move is seen by whoever sees the new word. */
bool slot_move(struct slot *slot, uint64_t request_id, enum slot_state from, enum slot_state to);

/* The slots of one process in the segment: the small ones, then the large ones, numbered through.
 * `marks` say how far slots have ever been claimed: those beyond are FREE, and their memory is not
 * touched, not even by a scan (a shared page is allocated when it is first read). */
struct slot_marks {
    _Alignas(64) _Atomic uint32_t
        small_used;              /* small slots from the first that were ever claimed */
    _Atomic uint32_t large_used; /* large ones likewise */
};
struct slot_area {
    struct slot_marks *marks;
    uint8_t *slots;
    uint32_t small_count, large_count;
};
/* NULL for a number outside the area. */
struct slot *slot_area_at(const struct slot_area *area, uint32_t number);
uint32_t slot_area_number(const struct slot_area *area, const struct slot *slot);
/* For scans: the next slot at or after *number that was ever claimed, and moves *number behind it;
 * NULL at the end. */
struct slot *slot_area_next(const struct slot_area *area, uint32_t *number);

#endif
