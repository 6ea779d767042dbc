#include "room.h"
#include <stdlib.h>

/* Waiting rooms in shared memory are a snapshot of the rows for the fronts. */

static bool gate_close(void *context, uint64_t room, uint64_t number)
{
    const struct queue_rooms *rooms = context;
    return waiting_session_close(rooms->shared, room, number);
}

void queue_rooms_init(struct queue_rooms *rooms, struct waiting_rooms *shared)
{
    *rooms = (struct queue_rooms){.shared = shared, .gate = {rooms, gate_close}};
}

/* What is made is bounded by what fits here. */
static struct waiting_room *shared_room(const struct queue_rooms *to, uint64_t room)
{
    struct waiting_room *shared = waiting_room_add(to->shared, room);
    check(shared != NULL);
    return shared;
}

static void publish_value(_Atomic uint64_t *to, uint64_t value)
{
    atomic_store_explicit(to, value, memory_order_relaxed);
}

static void publish_counts(struct waiting_room *to, const struct room_row *row)
{
    publish_value(&to->issued, row->issued);
    publish_value(&to->waiting, row->waiting);
    publish_value(&to->admitted, row->admitted);
    publish_value(&to->done, row->done);
    publish_value(&to->expired, row->expired);
    publish_value(&to->active_limit, row->active_limit);
    publish_value(&to->admit_per_second, row->admit_per_second);
    publish_value(&to->paused, row->paused);
    publish_value(&to->session_ttl_s, row->session_ttl_s);
    publish_value(&to->claim_ttl_s, row->claim_ttl_s);
}

/* Whatever must be seen before `serving` moves. A session for which the table has no place is told
 * by the owner alone, and admits nowhere. */
static void publish_news(const struct queue_rooms *to, struct waiting_room *shared,
                         const struct room *room, const struct room_news *news)
{
    uint64_t id = room->base.id;
    if (news->kind == NEWS_LEFT) {
        const uint64_t *words = line_words(&room->line, news->number / LEAVERS_BLOCK);
        if (words != NULL)
            waiting_room_leave(shared, news->number, words[news->number % LEAVERS_BLOCK / 64]);
    } else if (news->kind != NEWS_ENDED) {
        (void)waiting_session_admit(to->shared, id, news->number, news->until_ms,
                                    news->kind == NEWS_CLAIMED);
    }
}

void room_publish(const void *object, void *publish_context)
{
    const struct queue_rooms *to = publish_context;
    const struct room *room = object;
    struct waiting_room *shared = shared_room(to, room->base.id);
    struct room_news_list none = {.count = 0}, *news = room->news != NULL ? room->news : &none;
    uint64_t at_ms = 0;
    for (uint32_t i = 0; i < news->count; i++)
        if (news->items[i].sequence > to->started_at_sequence)
            publish_news(to, shared, room, &news->items[i]);
    waiting_room_serve(shared, room->row.serving, line_words, &room->line);
    for (uint32_t i = 0; i < news->count; i++) {
        at_ms = news->items[i].at_ms;
        if (news->items[i].sequence > to->started_at_sequence && news->items[i].kind == NEWS_ENDED)
            waiting_session_end(to->shared, room->base.id, news->items[i].number);
    }
    publish_counts(shared, &room->row);
    if (at_ms != 0)
        waiting_room_set_pace(shared, room->row.issued - room->row.waiting, at_ms);
    news->count = 0;
}

/* ---- the start of a worker: everything from the rows ---- */

struct start {
    const struct queue_rooms *to;
    uint64_t room; /* the one found; `found` false: none */
    bool found;
    struct room_row row;
    uint64_t *live;
};

static bool start_head(void *context, const struct row_key *key, struct row_bytes value)
{
    struct start *start = context;
    check(key->size == 9 && room_row_decode(&start->row, value.data, value.size));
    start->room = row_key_u64(key, 1);
    start->found = true;
    return false;
}

static bool start_session(void *context, const struct row_key *key, struct row_bytes value)
{
    struct start *start = context;
    struct deadline_row row;
    check(deadline_row_decode(&row, value.data, value.size));
    uint32_t entry = waiting_session_admit(start->to->shared, start->room, deadline_key_number(key),
                                           row.until_ms, row.claimed != 0);
    if (entry < SESSION_ENTRIES)
        start->live[entry / 64] |= UINT64_C(1) << (entry % 64);
    return true;
}

static void start_room(struct start *start, const struct row_view *rows)
{
    struct waiting_room *shared = shared_room(start->to, start->room);
    struct row_key prefix = room_prefix(start->room, 'd');
    rows->scan(rows->context, &prefix, NULL, false, start_session, start);
    struct line line = {.count = 0};
    line_load(&line, start->room, rows);
    waiting_room_mend(shared, start->row.serving, line_words, &line);
    line_fini(&line);
    publish_counts(shared, &start->row);
}

void queue_start(const struct row_view *rows, void *publish_context)
{
    struct queue_rooms *to = publish_context;
    struct start start = {.to = to, .live = calloc(SESSION_ENTRIES / 64, sizeof(uint64_t))};
    check(start.live != NULL);
    (void)shared_room(to, ROOM_DEFAULT);
    struct row_key prefix = {.size = 1, .data = {'q'}};
    for (uint64_t from = 0;; from = start.room + 1) {
        struct row_key from_key = room_key(from);
        start.found = false;
        rows->scan(rows->context, &prefix, &from_key, false, start_head, &start);
        if (!start.found)
            break;
        start_room(&start, rows);
        if (to->started_at_sequence < start.row.last_sequence)
            to->started_at_sequence = start.row.last_sequence;
    }
    waiting_sessions_mend(to->shared, start.live);
    free(start.live);
    waiting_rooms_set_ready(to->shared);
}
