#include "schedule.h"

bool seat_read_owned(struct decision *decision, uint64_t reservation, uint64_t user,
                     struct reservation_row *row)
{
    struct row_key key = reservation_key(reservation);
    if (!reservation_row_read(decision->rows, &key, row)) {
        decision_reply(decision, OUTCOME_NOT_FOUND, REPLY_NONE);
        return false;
    }
    if (user != 0 && user != row->user) {
        decision_reply(decision, OUTCOME_NOT_OWNER, REPLY_NONE);
        return false;
    }
    return true;
}

void seat_reply_reservation(struct decision *decision, uint64_t reservation,
                            const struct reservation_row *row, bool is_new)
{
    struct reservation *reply = &decision->reply->reservation;
    reply->reservation = reservation;
    reply->user = row->user;
    reply->schedule = row->schedule;
    reply->state = row->state;
    reply->amount = row->amount;
    reply->expires_at_ms = row->expires_at_ms;
    reply->is_new = is_new;
    reply->seats.count = row->seats.count;
    memcpy(reply->seats.items, row->seats.items, row->seats.count * sizeof row->seats.items[0]);
    decision_reply(decision, OUTCOME_OK, REPLY_RESERVATION);
}

void seat_decide_get(struct decision *decision, const struct schedule *schedule,
                     const struct reservation_get *request)
{
    struct reservation_row row;
    (void)schedule;
    if (!seat_read_owned(decision, request->reservation, request->user, &row))
        return;
    if (reservation_lapsed(&row, decision->now_ms))
        row.state = RESERVATION_EXPIRED;
    seat_reply_reservation(decision, request->reservation, &row, false);
}

void seat_decide_release(struct decision *decision, const struct schedule *schedule,
                         const struct release *request)
{
    struct reservation_row row;
    if (!seat_read_owned(decision, request->reservation, request->user, &row))
        return;
    switch (row.state) {
    case RESERVATION_HELD: {
        union event body;
        body.reservation_released = (struct reservation_released){
            .reservation = request->reservation, .schedule = schedule->base.id, .user = row.user};
        decision_emit(decision, EVENT_RESERVATION_RELEASED, request->reservation, row.version + 1,
                      &body);
        decision_reply(decision, OUTCOME_OK, REPLY_NONE);
        break;
    }
    case RESERVATION_RELEASED:
    case RESERVATION_EXPIRED: /* what was asked for is so */
        decision_reply(decision, OUTCOME_OK, REPLY_NONE);
        break;
    default:
        decision_reply(decision, OUTCOME_RESERVATION_STATE, REPLY_NONE);
    }
}

void seat_emit_expired(struct decision *decision, uint64_t reservation,
                       const struct reservation_row *row)
{
    union event body;
    body.reservation_expired = (struct reservation_expired){
        .reservation = reservation, .schedule = row->schedule, .user = row->user};
    decision_emit(decision, EVENT_RESERVATION_EXPIRED, reservation, row->version + 1, &body);
}

/* A part of what is due when there is much of it; apply sets the timer again for the rest. */
void seat_decide_expiry(struct decision *decision, const struct schedule *schedule)
{
    uint64_t due[EXPIRIES_PER_TIMER_MAX];
    unsigned count = expiries_due(schedule, decision->now_ms, due, EXPIRIES_PER_TIMER_MAX);
    for (unsigned i = 0; i < count; i++) {
        struct row_key key = reservation_key(due[i]);
        struct reservation_row row;
        check(reservation_row_read(decision->rows, &key, &row));
        check(reservation_lapsed(&row, decision->now_ms));
        seat_emit_expired(decision, due[i], &row);
    }
}
