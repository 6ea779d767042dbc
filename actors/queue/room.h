#ifndef BOXOFFICE_ROOM_H
#define BOXOFFICE_ROOM_H

#include "behaviour.h"
#include "queue.h"
#include "row_io.h"

/* Inside the queue folder: a waiting room. Its tickets are rows, found by number or by user; what
 * the object holds does not grow with the line, but for the bits of those who left it early.
 *
 *   WAITING ─admitted→ ADMITTED ─used→ CLAIMED        a session: ADMITTED or CLAIMED
 *      │                  │               │
 *      └──────────────────┴───────────────┴─left, too late, too old→ EXPIRED
 *                         └───────────────┴────────────────────────────┴─purchase→ DONE */

/* Those who gave up their place in the line before it was served, a bit for each number of a block.
 * Block b: the numbers from b x LEAVERS_BLOCK. */
struct leavers {
    uint64_t block;
    uint32_t count;
    uint64_t words[LEAVERS_WORDS];
};

struct line {
    struct leavers *blocks; /* by block, ascending; none without leavers */
    uint32_t count, capacity;
};

/* What an event has changed that fronts see: told to shared memory after the commit. */
enum room_news_kind { NEWS_ADMITTED, NEWS_CLAIMED, NEWS_ENDED, NEWS_LEFT };
struct room_news {
    enum room_news_kind kind;
    uint64_t sequence, number, until_ms, at_ms;
};
struct room_news_list {
    struct room_news *items;
    uint32_t count, capacity;
};

struct room {
    struct actor_base base;
    struct room_row row; /* active_limit 0: there is no such room yet */
    struct line line;
    /* The first deadline is not before this one; `due_known`: it is this one (due_ms 0: none). */
    uint64_t due_ms, due_number;
    bool due_known;
    uint64_t head_number, head_issued_at_ms; /* of the line, when asked for last */
    uint64_t oldest_kept_ms;     /* the oldest ticket is kept until then; 0: not known */
    uint64_t armed_ms;           /* what the actor's timer is set to; 0: not set */
    struct room_news_list *news; /* its own memory: publishing empties it */
};

ROW_IO(room_row)
ROW_IO(ticket_row)
ROW_IO(holder_row)
ROW_IO(deadline_row)
ROW_IO(leavers_row)

static inline struct row_key room_key(uint64_t room)
{
    return row_key_of('q', room);
}
static inline struct row_key room_prefix(uint64_t room, char tag)
{
    struct row_key key = room_key(room);
    row_key_add_tag(&key, tag);
    return key;
}
static inline struct row_key ticket_key(uint64_t room, uint64_t number)
{
    struct row_key key = room_prefix(room, 'n');
    row_key_add_u64(&key, number);
    return key;
}
static inline struct row_key holder_key(uint64_t room, uint64_t user)
{
    struct row_key key = room_prefix(room, 'k');
    row_key_add_u64(&key, user);
    return key;
}
static inline struct row_key deadline_key(uint64_t room, uint64_t due_ms, uint64_t number)
{
    struct row_key key = room_prefix(room, 'd');
    row_key_add_u64(&key, due_ms);
    row_key_add_u64(&key, number);
    return key;
}
static inline uint64_t deadline_key_due_ms(const struct row_key *key)
{
    return row_key_u64(key, 10);
}
static inline uint64_t deadline_key_number(const struct row_key *key)
{
    return row_key_u64(key, 18);
}
static inline struct row_key leavers_key(uint64_t room, uint64_t block)
{
    struct row_key key = room_prefix(room, 'b');
    row_key_add_u64(&key, block);
    return key;
}

static inline bool ticket_in_session(const struct ticket_row *ticket)
{
    return ticket->state == TICKET_ADMITTED || ticket->state == TICKET_CLAIMED;
}
static inline bool ticket_is_live(const struct ticket_row *ticket)
{
    return ticket->state == TICKET_WAITING || ticket_in_session(ticket);
}

/* line.c */
void line_load(struct line *line, uint64_t room, const struct row_view *rows);
void line_fini(struct line *line);
/* The bits of a block; NULL: nobody of it has left. `line` is a struct line. */
const uint64_t *line_words(const void *line, uint64_t block);
/* The first number above `after` that has not left: perhaps one that is not issued yet. */
uint64_t line_next(const struct line *line, uint64_t after);
/* Notes that a number has left; its block, for the row. */
const struct leavers *line_leave(struct line *line, uint64_t number);
/* Forgets the first block when all its numbers are up to `serving`; false when it is not so. */
bool line_pass(struct line *line, uint64_t serving, uint64_t *block);

/* room_row.c: the counts, limits and the rate, for decide's plan and for apply alike */
bool room_may_admit(const struct room_row *row, uint64_t now_ms);
/* When the next of the line can be admitted, as far as is known; 0: not before something changes.
 */
uint64_t room_admits_at_ms(const struct room_row *row, uint64_t now_ms);
void room_row_issued(struct room_row *row);
void room_row_admitted(struct room_row *row, uint64_t now_ms);
void room_row_ended(struct room_row *row, enum ticket_state was, enum ticket_state is);
void room_row_changed(struct room_row *row, const struct room_changed *body, uint64_t now_ms);
/* End of the claim time of who is admitted now. */
uint64_t room_claim_until_ms(const struct room_row *row, uint64_t now_ms);
/* The settings as they must be: those of the command line where the room has none of its own. False
 * when they are in force already. */
bool room_settings(const struct room_row *row, uint64_t room, const struct config *config,
                   struct room_changed *wanted);

/* A decision in the making: the room as it will be after the events emitted so far. */
struct plan {
    struct decision *decision;
    const struct room *room;
    struct room_row row;
};

/* plan.c */
/* Brings the settings in force up to date first. */
void plan_begin(struct plan *plan, struct decision *decision, const struct room *room);
void plan_change(struct plan *plan, const struct room_changed *settings);
void plan_issue(struct plan *plan, uint64_t user); /* fills the reply too */
/* Returns the end of the session. */
uint64_t plan_admit(struct plan *plan, uint64_t number, const struct ticket_row *ticket);
void plan_expire(struct plan *plan, uint64_t number, const struct ticket_row *ticket,
                 enum ticket_end reason);
unsigned plan_room(const struct plan *plan); /* for that many events more */

/* decide, by what is asked for */
void room_decide_issue(struct decision *decision, const struct room *room,
                       const struct token_issue *request);
void room_decide_get(struct decision *decision, const struct room *room,
                     const struct ticket_get *request);
void room_decide_claim(struct decision *decision, const struct room *room,
                       const struct ticket_claim *request);
void room_decide_leave(struct decision *decision, const struct room *room,
                       const struct ticket_leave *request);
void room_decide_purchased(struct decision *decision, const struct room *room,
                           const struct purchased *request);
void room_decide_timer(struct decision *decision, const struct room *room);
void room_decide_status(struct decision *decision, const struct room *room);
void room_decide_change(struct decision *decision, const struct room *room,
                        const struct room_change *request);

/* publishing.c */
void room_publish(const void *object, void *publish_context);
void queue_start(const struct row_view *rows, void *publish_context);

/* room_apply.c */
void room_apply(void *object, const struct event_view *event, struct row_sink *sink);

#endif
