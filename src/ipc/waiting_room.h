#ifndef BOXOFFICE_WAITING_ROOM_H
#define BOXOFFICE_WAITING_ROOM_H

#include "limits.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What fronts know of waiting rooms without a hop. The queue worker, its only owner, publishes here
 * what it has committed; fronts read, and write one thing: that a session has been claimed.
 *
 * Rooms are added and never go. A ticket above `serving` is in the line, unless it is noted as one
 * that left; one that is not above is in a session when the table of sessions has it, and otherwise
 * has ended (the owner knows how). A session is in the table before `serving` moves past it.
 *
 * A session's state is one word, moved by compare-and-swap:
 *
 *   ADMITTED ─a front, at the first request→ CLAIMED
 *      │↑─a successor, when the claim had not been ended durably
 *      └┴─the owner, before it ends the claim→ CLOSING
 *
 * so either the buyer or the end of the claim time wins. Each use of an entry has a generation of
 * its own: a claim of what was there before fails.
 *
 * A death of the owner leaves what is here readable; its successor mends it in place. */

enum { ROOM_DEFAULT = 0 }; /* any other room has its concert's id */

enum session_state { SESSION_NONE, SESSION_ADMITTED, SESSION_CLAIMED, SESSION_CLOSING };

enum {
    SESSION_BUCKET = 16, /* entries; neighbours in number share a bucket */
    SESSION_BUCKETS = 131072,
    SESSION_PROBES = 16, /* buckets in which a session may be */
    SESSION_ENTRIES = SESSION_BUCKETS * SESSION_BUCKET,
    LINE_BLOCKS =
        256, /* of LEAVERS_BLOCK numbers from `serving` on: whose leavers are known here */
    ROOM_INDEX_SIZE = 4096,
};
_Static_assert(ROOM_INDEX_SIZE >= 4 * ROOMS_MAX, "the index stays nearly empty");
_Static_assert(SESSION_ENTRIES >= 2 * ACTIVE_LIMIT_MAX, "the table stays half empty");

struct waiting_session {
    _Atomic uint64_t word; /* generation << 8 | enum session_state */
    _Atomic uint64_t room, number, until_ms;
};

struct waiting_room {
    _Alignas(64) _Atomic uint64_t room;
    _Atomic uint64_t serving;
    _Atomic uint64_t shape;       /* odd: blocks are being given to other numbers */
    _Atomic uint64_t left_beyond; /* numbers beyond the known blocks have left */
    _Atomic uint64_t issued, waiting, admitted, done, expired;
    _Atomic uint64_t active_limit, admit_per_second, paused, session_ttl_s, claim_ttl_s;
    _Atomic uint64_t pace, paced_at_ms; /* thousandths of an admission per second, lately */
    uint64_t paced_count;               /* owner only: admissions by paced_at_ms */
    _Atomic uint32_t left[LINE_BLOCKS]; /* block b at b mod LINE_BLOCKS: how many left */
    _Atomic uint64_t words[LINE_BLOCKS][LEAVERS_WORDS]; /* and who */
};

struct waiting_rooms {
    _Alignas(64) _Atomic uint32_t ready; /* 1: once the first owner has published its rooms */
    _Atomic uint32_t room_count;
    _Atomic uint32_t index[ROOM_INDEX_SIZE];     /* by hash of the id: position + 1; 0: none */
    _Atomic uint64_t used[SESSION_BUCKETS / 64]; /* a bit for each bucket ever written */
    struct waiting_session sessions[SESSION_ENTRIES];
    struct waiting_room rooms[ROOMS_MAX];
};

/* ---- readers ---- */

/* False: nothing can be said before the queue worker's first start. */
bool waiting_rooms_ready(const struct waiting_rooms *rooms);
uint32_t waiting_rooms_count(const struct waiting_rooms *rooms);
/* NULL: the concert has no room of its own. */
struct waiting_room *waiting_room_find(struct waiting_rooms *rooms, uint64_t room);

enum line_place {
    LINE_WAITING, /* *ahead: how many are before it */
    LINE_LEFT,
    LINE_SERVED,
    LINE_UNSURE, /* the owner knows */
};
/* While a ticket waits its *ahead never grows: each number before it is counted until it is known
 * to have left or been served, and neither is ever taken back. */
enum line_place waiting_room_place(const struct waiting_room *room, uint64_t number,
                                   uint64_t *ahead);

struct session_view {
    enum session_state state;
    uint64_t until_ms;
    struct waiting_session *entry;
    uint64_t word;
};
/* SESSION_NONE: it is not in the table. */
struct session_view waiting_session_find(struct waiting_rooms *rooms, uint64_t room,
                                         uint64_t number);
/* True when this call has taken it from ADMITTED to CLAIMED. */
bool waiting_session_claim(const struct session_view *view);

/* How long the line takes at the pace of lately, at least at the pace at which sessions must end,
 * and at most at the allowed rate. Seconds. */
uint64_t waiting_room_eta_s(const struct waiting_room *room, uint64_t ahead, uint64_t now_ms);
/* When a ticket should ask again. Never later than half the claim time, so that whoever obeys has
 * the other half left to claim; far from the front a quarter of the way, at least a second. ms. */
uint64_t waiting_room_next_poll_ms(const struct waiting_room *room, uint64_t eta_s);

/* ---- owner ---- */

/* The room, made when it is new; NULL when there are ROOMS_MAX. */
struct waiting_room *waiting_room_add(struct waiting_rooms *rooms, uint64_t room);
/* Admits, or finds it admitted already; `claimed` also marks a claim. Returns the entry's number,
 * or SESSION_ENTRIES when the table has no place for it. */
uint32_t waiting_session_admit(struct waiting_rooms *rooms, uint64_t room, uint64_t number,
                               uint64_t until_ms, bool claimed);
/* False: it has been claimed. */
bool waiting_session_close(struct waiting_rooms *rooms, uint64_t room, uint64_t number);
void waiting_session_end(struct waiting_rooms *rooms, uint64_t room, uint64_t number);
/* A successor's repair: ends every session whose entry is not in `live`, a bit for each entry, and
 * opens again those that its predecessor was closing. */
void waiting_sessions_mend(struct waiting_rooms *rooms, const uint64_t *live);

/* A number above `serving` has left; `word`: the bits of it and its 63 neighbours. */
void waiting_room_leave(struct waiting_room *room, uint64_t number, uint64_t word);
/* The bits of a block, LEAVERS_WORDS of them, or NULL when nobody of it has left. */
typedef const uint64_t *(*leavers_cb)(const void *context, uint64_t block);
/* Moves `serving`; `leavers` tells of the blocks that come within reach. */
void waiting_room_serve(struct waiting_room *room, uint64_t serving, leavers_cb leavers,
                        const void *context);
/* Makes `serving` and all blocks anew, after the owner's predecessor may have died anywhere. */
void waiting_room_mend(struct waiting_room *room, uint64_t serving, leavers_cb leavers,
                       const void *context);
/* `count` admissions, ever, by now. */
void waiting_room_set_pace(struct waiting_room *room, uint64_t count, uint64_t now_ms);
void waiting_rooms_set_ready(struct waiting_rooms *rooms);

#endif
