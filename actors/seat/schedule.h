#ifndef BOXOFFICE_SCHEDULE_H
#define BOXOFFICE_SCHEDULE_H

#include "behaviour.h"
#include "catalogue.h"
#include "row_io.h"

/* Inside the seat folder: a decoded schedule. Seats are numbered from 1; the arrays have one entry
 * for each, at number - 1. They repeat the place rows. States are kept as a seat map has them, so
 * that publishing one copies words. */

/* When a hold expires, Unix ms, above the seat (0-based, one of the reservation's): order of time,
 * and eight bytes. */
enum { EXPIRY_SEAT_BITS = 17 };
static inline uint64_t expiry_of(uint64_t at_ms, uint32_t seat)
{
    check(at_ms >> (64 - EXPIRY_SEAT_BITS) == 0);
    return at_ms << EXPIRY_SEAT_BITS | seat;
}
static inline uint64_t expiry_ms(uint64_t expiry)
{
    return expiry >> EXPIRY_SEAT_BITS;
}
static inline uint32_t expiry_seat(uint64_t expiry)
{
    return (uint32_t)(expiry & SCHEDULE_SEATS_MAX);
}

struct schedule {
    struct actor_base base;
    struct schedule_row row; /* seat_count 0: there is no such schedule */
    uint32_t section_count;
    struct section *sections;
    uint64_t *reservations;  /* 0: available */
    uint64_t *expires_at_ms; /* 0: does not expire */
    uint64_t *words;         /* enum seat_state of each, as in seat_maps.h */
    uint64_t *open_words;    /* a bit for each of those words: it has an available seat */
    /* A binary heap of hold expiries. Entries are not taken out when a hold ends another way; they
     * are stale then (expiry_holds) and go when they reach the top or when the heap is made anew.
     */
    uint64_t *heap; /* of expiries (expiry_of) */
    uint32_t heap_count, heap_capacity;
    uint64_t armed_ms;      /* what the actor's timer is set to; 0: not set */
    uint64_t oldest_key_ms; /* expiry of the first idempotency key; 0: none */
};

/* `at`: number - 1 */
static inline enum seat_state schedule_state(const struct schedule *schedule, uint64_t at)
{
    return (enum seat_state)seat_map_state(schedule->words, (uint32_t)at);
}

struct concert {
    struct actor_base base;
    struct concert_row row;
};

ROW_IO(concert_row)
ROW_IO(schedule_row)
ROW_IO(layout_row)
ROW_IO(place_row)
ROW_IO(buyer_row)
ROW_IO(hold_key_row)
ROW_IO(reservation_row)
ROW_IO(user_reservation_row)

static inline struct row_key schedule_key(uint64_t schedule)
{
    return row_key_of('s', schedule);
}
static inline struct row_key layout_key(uint64_t schedule)
{
    struct row_key key = row_key_of('s', schedule);
    row_key_add_tag(&key, 'l');
    return key;
}
static inline struct row_key place_prefix(uint64_t schedule)
{
    struct row_key key = row_key_of('s', schedule);
    row_key_add_tag(&key, 'p');
    return key;
}
static inline struct row_key place_key(uint64_t schedule, uint64_t index)
{
    struct row_key key = place_prefix(schedule);
    row_key_add_u64(&key, index);
    return key;
}
static inline struct row_key buyer_key(uint64_t schedule, uint64_t user)
{
    struct row_key key = row_key_of('s', schedule);
    row_key_add_tag(&key, 'u');
    row_key_add_u64(&key, user);
    return key;
}
enum { RESERVATION_TABLE = 'r' };
static inline struct row_key reservation_key(uint64_t reservation)
{
    return row_key_of(RESERVATION_TABLE, reservation);
}
static inline struct row_key user_reservation_prefix(uint64_t user)
{
    struct row_key key = row_key_of('u', user);
    row_key_add_tag(&key, 'r');
    return key;
}
static inline struct row_key user_reservation_key(uint64_t user, uint64_t held_at_ms,
                                                  uint64_t reservation)
{
    struct row_key key = user_reservation_prefix(user);
    row_key_add_u64(&key, held_at_ms);
    row_key_add_u64(&key, reservation);
    return key;
}
static inline struct row_key concert_key(uint64_t concert)
{
    return row_key_of('c', concert);
}

/* Holds that one timer message ends; the timer is set again for the rest. */
enum { EXPIRIES_PER_TIMER_MAX = 16 };

/* schedule.c */
enum status schedule_load(void *object, const struct row_view *rows);
void schedule_unload(void *object);
size_t schedule_weight(const void *object);
/* A large one stays in memory: to load it means to read every seat that is taken. All seats
 * together are CATALOGUE_SEATS_MAX, so these take at most 2,000,000 × 33 bytes. */
enum { SCHEDULE_KEPT_SEATS_MIN = 512 };
bool schedule_keeps(const void *object);
/* Allocates what belongs to a schedule of these sections, all seats available. */
void schedule_lay_out(struct schedule *schedule, const struct section *sections, uint32_t count);
uint64_t sections_seat_count(const struct section *sections, uint32_t count);
/* Where a seat (1-based index) is. */
struct seat schedule_seat(const struct schedule *schedule, uint64_t index);
void schedule_set_state(struct schedule *schedule, uint64_t at, enum seat_state state);
/* Seats that stop or start being available; `available` and `first_free` follow. Rows are the
 * caller's. */
void schedule_take(struct schedule *schedule, uint64_t index, uint64_t reservation,
                   uint64_t expires_at_ms);
void schedule_free(struct schedule *schedule, uint64_t index);

/* expiries.c */
/* True while the entry stands for a hold that expires then. */
bool expiry_holds(const struct schedule *schedule, uint64_t expiry);
void expiries_add(struct schedule *schedule, uint64_t index); /* after schedule_take */
void expiries_rebuild(struct schedule *schedule);
uint64_t expiries_next_ms(struct schedule *schedule); /* 0: none */
/* Up to `max` reservations whose holds are due. */
unsigned expiries_due(const struct schedule *schedule, uint64_t now_ms, uint64_t *reservations,
                      unsigned max);

/* A hold that is due is over, whether or not the timer has been seen yet. */
static inline bool reservation_lapsed(const struct reservation_row *row, uint64_t now_ms)
{
    return row->state == RESERVATION_HELD && row->expires_at_ms != 0 &&
           row->expires_at_ms <= now_ms;
}

/* decide, by what is asked for */
void seat_decide_hold(struct decision *decision, const struct schedule *schedule,
                      const struct hold *request); /* holds.c */
void seat_decide_get(struct decision *decision, const struct schedule *schedule,
                     const struct reservation_get *request); /* reservations.c */
void seat_decide_release(struct decision *decision, const struct schedule *schedule,
                         const struct release *request);
void seat_decide_expiry(struct decision *decision, const struct schedule *schedule);
void seat_decide_confirm(struct decision *decision, const struct schedule *schedule,
                         const struct confirm *request); /* sagas.c */
void seat_decide_cancel(struct decision *decision, const struct schedule *schedule,
                        const struct cancel *request);
void seat_decide_reply(struct decision *decision, const struct schedule *schedule,
                       const struct message *message);
void seat_decide_list(struct decision *decision,
                      const struct reservations_get *request); /* reservation_list.c */
void seat_decide_map(struct decision *decision, const struct schedule *schedule,
                     const struct seats_get *request); /* seat_map.c */

/* reservations.c: shared by the above */
/* Reads the reservation; replies NOT_FOUND or NOT_OWNER and returns false when it is not there or
 * not the user's (user 0: whoever asks). */
bool seat_read_owned(struct decision *decision, uint64_t reservation, uint64_t user,
                     struct reservation_row *row);
void seat_emit_expired(struct decision *decision, uint64_t reservation,
                       const struct reservation_row *row);
void seat_reply_reservation(struct decision *decision, uint64_t reservation,
                            const struct reservation_row *row, bool is_new);

/* apply.c */
void seat_apply(void *object, const struct event_view *event, struct row_sink *sink);
void concert_apply(void *object, const struct event_view *event, struct row_sink *sink);

/* publishing.c */
void schedule_publish(const void *object, void *publish_context);
void concert_publish(const void *object, void *publish_context);
void seat_start(const struct row_view *rows, void *publish_context);

#endif
