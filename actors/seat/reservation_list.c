#include "schedule.h"

/* A user's reservations in this worker, newest first: by the time of the hold, then by id. Both
 * decide alone, whatever worker a reservation is in, so that the front can merge several lists. */

enum {
    PREFIX_SIZE = 10,  /* table, user, tag */
    VISITS_MAX = 4096, /* entries looked at for one page; the filter may skip most */
};

struct position {
    uint64_t at_ms, reservation;
};

struct collection {
    uint64_t schedule; /* 0: all */
    uint32_t count, limit, visits;
    bool more;
    struct position last; /* looked at */
    struct position found[LIST_MAX];
};

static bool visit_entry(void *context, const struct row_key *key, struct row_bytes value)
{
    struct collection *collection = context;
    struct user_reservation_row entry;
    if (collection->count == collection->limit || collection->visits == VISITS_MAX) {
        collection->more = true;
        return false;
    }
    check(key->size == PREFIX_SIZE + 16 &&
          user_reservation_row_decode(&entry, value.data, value.size));
    collection->visits++;
    collection->last =
        (struct position){row_key_u64(key, PREFIX_SIZE), row_key_u64(key, PREFIX_SIZE + 8)};
    if (collection->schedule == 0 || collection->schedule == entry.schedule)
        collection->found[collection->count++] = collection->last;
    return true;
}

/* False when the list has no more room for seats. */
static bool add_line(struct decision *decision, const struct position *position)
{
    struct reservations *reply = &decision->reply->reservations;
    struct reservation_row row;
    struct row_key key = reservation_key(position->reservation);
    check(reservation_row_read(decision->rows, &key, &row));
    if (row.seats.count > RESERVATION_LIST_SEATS_MAX - reply->seats.count)
        return false;
    reply->items.items[reply->items.count++] = (struct reservation_line){
        .reservation = position->reservation,
        .schedule = row.schedule,
        .state = reservation_lapsed(&row, decision->now_ms) ? RESERVATION_EXPIRED : row.state,
        .amount = row.amount,
        .expires_at_ms = row.expires_at_ms,
        .held_at_ms = position->at_ms,
        .seat_count = row.seats.count,
    };
    memcpy(reply->seats.items + reply->seats.count, row.seats.items,
           row.seats.count * sizeof row.seats.items[0]);
    reply->seats.count += row.seats.count;
    return true;
}

void seat_decide_list(struct decision *decision, const struct reservations_get *request)
{
    struct reservations *reply = &decision->reply->reservations;
    struct collection collection = {.schedule = request->schedule};
    bool all = request->limit == 0 || request->limit > LIST_MAX;
    collection.limit = all ? LIST_MAX : (uint32_t)request->limit;
    struct row_key prefix = user_reservation_prefix(request->user);
    struct row_key before =
        user_reservation_key(request->user, request->before_ms, request->before);
    bool newest = request->before_ms == 0 && request->before == 0;
    decision->rows->scan(decision->rows->context, &prefix, newest ? NULL : &before, true,
                         visit_entry, &collection);
    reply->items.count = reply->seats.count = 0;
    uint32_t added = 0;
    while (added < collection.count && add_line(decision, &collection.found[added]))
        added++;
    if (added < collection.count) {
        collection.more = true;
        collection.last = collection.found[added - 1];
    }
    reply->next_ms = collection.more ? collection.last.at_ms : 0;
    reply->next = collection.more ? collection.last.reservation : 0;
    decision_reply(decision, OUTCOME_OK, REPLY_RESERVATIONS);
}
