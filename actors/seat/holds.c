#include "idempotency.h"
#include "schedule.h"

/* The first ids are those of demo holds. */
static const uint64_t FIRST_SEQUENCE = UINT64_C(1) << 20;

enum { LAPSED_MAX = 15 };

/* Seats that the request names and somebody has. */
struct obstacles {
    uint64_t lapsed[LAPSED_MAX]; /* reservations that only wait for the timer */
    unsigned lapsed_count;
};

static bool seats_valid(const struct schedule *schedule, const struct hold *request)
{
    for (uint32_t i = 0; i < request->seats.count; i++) {
        uint64_t seat = request->seats.items[i], index = seat_id_index(seat);
        if (seat_id_schedule(seat) != schedule->base.id || index == 0 ||
            index > schedule->row.seat_count)
            return false;
        for (uint32_t j = 0; j < i; j++)
            if (request->seats.items[j] == seat)
                return false;
    }
    return request->seats.count > 0;
}

/* ---- idempotency keys: of a user in a schedule ---- */

static bool has_key(const struct hold *request)
{
    return request->idempotency_key.length > 0;
}

/* True when the key has settled the request. */
static bool key_replies(struct decision *decision, const struct schedule *schedule,
                        const struct hold *request)
{
    if (!has_key(request))
        return false;
    struct idempotency_name name = idempotency_name(request->user, request->idempotency_key.data,
                                                    request->idempotency_key.length);
    struct row_key key = idempotency_key('s', schedule->base.id, &name);
    struct hold_key_row answer;
    if (!hold_key_row_read(decision->rows, &key, &answer) ||
        answer.expires_at_ms <= decision->now_ms)
        return false;
    if (answer.body_hash != request->body_hash) {
        decision_reply(decision, OUTCOME_IDEMPOTENCY_KEY_REUSED, REPLY_NONE);
        return true;
    }
    struct reservation_row row;
    key = reservation_key(answer.reservation);
    check(reservation_row_read(decision->rows, &key, &row));
    row.state = answer.state;
    row.expires_at_ms = answer.hold_expires_at_ms;
    seat_reply_reservation(decision, answer.reservation, &row, answer.is_new != 0);
    return true;
}

static uint64_t keys_due(const struct decision *decision, const struct schedule *schedule)
{
    if (schedule->oldest_key_ms == 0 || schedule->oldest_key_ms > decision->now_ms)
        return 0;
    return idempotency_due(decision->rows, 's', schedule->base.id, decision->now_ms);
}

/* True when the user may not have this hold; it has been answered then. */
static bool buyer_limited(struct decision *decision, const struct schedule *schedule,
                          const struct hold *request, bool makes_hold)
{
    struct buyer_row buyer = {0};
    struct row_key key = buyer_key(schedule->base.id, request->user);
    (void)buyer_row_read(decision->rows, &key, &buyer);
    uint64_t limit = decision->config->user_seat_limit;
    if (makes_hold && limit != 0 && buyer.live_seats + request->seats.count > limit) {
        decision_reply(decision, OUTCOME_SEAT_LIMIT, REPLY_NONE);
        return true;
    }
    if (has_key(request) && buyer.live_keys >= IDEMPOTENCY_KEYS_PER_USER_MAX) {
        decision_reply(decision, OUTCOME_RATE_LIMITED, REPLY_NONE);
        return true;
    }
    return false;
}

/* ---- a hold that is there already ---- */

/* True when the user holds exactly these seats. */
static bool is_repeat(const struct decision *decision, const struct schedule *schedule,
                      const struct hold *request, uint64_t *reservation,
                      struct reservation_row *row)
{
    *reservation = schedule->reservations[seat_id_index(request->seats.items[0]) - 1];
    for (uint32_t i = 0; i < request->seats.count; i++)
        if (schedule->reservations[seat_id_index(request->seats.items[i]) - 1] != *reservation)
            return false;
    if (*reservation == 0)
        return false;
    struct row_key key = reservation_key(*reservation);
    check(reservation_row_read(decision->rows, &key, row));
    return row->user == request->user && row->seats.count == request->seats.count &&
           (row->state == RESERVATION_HELD || row->state == RESERVATION_CONFIRMING) &&
           !reservation_lapsed(row, decision->now_ms);
}

static void repeat_hold(struct decision *decision, const struct schedule *schedule,
                        const struct hold *request, uint64_t reservation,
                        const struct reservation_row *row)
{
    if (has_key(request)) {
        if (buyer_limited(decision, schedule, request, false))
            return;
        union event body;
        body.hold_repeated = (struct hold_repeated){
            .reservation = reservation,
            .schedule = schedule->base.id,
            .user = request->user,
            .body_hash = request->body_hash,
            .keys_dropped = keys_due(decision, schedule),
        };
        text_set(&body.hold_repeated.idempotency_key, request->idempotency_key.data,
                 request->idempotency_key.length);
        decision_emit(decision, EVENT_HOLD_REPEATED, reservation, VERSION_INTERNAL, &body);
    }
    seat_reply_reservation(decision, reservation, row, false);
}

/* ---- a new hold ---- */

static void note_lapsed(struct obstacles *obstacles, uint64_t reservation)
{
    for (unsigned i = 0; i < obstacles->lapsed_count; i++)
        if (obstacles->lapsed[i] == reservation)
            return;
    obstacles->lapsed[obstacles->lapsed_count++] = reservation;
}

/* True when all seats can be had; otherwise it has been answered with those that can't. */
static bool seats_free(struct decision *decision, const struct schedule *schedule,
                       const struct hold *request, struct obstacles *obstacles)
{
    struct taken taken = {0};
    for (uint32_t i = 0; i < request->seats.count; i++) {
        uint64_t at = seat_id_index(request->seats.items[i]) - 1;
        uint64_t expires_at_ms = schedule->expires_at_ms[at];
        if (schedule_state(schedule, at) == SEAT_AVAILABLE)
            continue;
        if (expires_at_ms != 0 && expires_at_ms <= decision->now_ms &&
            obstacles->lapsed_count < LAPSED_MAX)
            note_lapsed(obstacles, schedule->reservations[at]);
        else
            taken.seats.items[taken.seats.count++] = request->seats.items[i];
    }
    if (taken.seats.count == 0)
        return true;
    decision->reply->taken = taken;
    decision_reply(decision, OUTCOME_SEAT_TAKEN, REPLY_TAKEN);
    return false;
}

static void expire_lapsed(struct decision *decision, const struct obstacles *obstacles)
{
    for (unsigned i = 0; i < obstacles->lapsed_count; i++) {
        struct row_key key = reservation_key(obstacles->lapsed[i]);
        struct reservation_row row;
        check(reservation_row_read(decision->rows, &key, &row));
        seat_emit_expired(decision, obstacles->lapsed[i], &row);
    }
}

static void place_hold(struct decision *decision, const struct schedule *schedule,
                       const struct hold *request)
{
    union event body;
    struct reservation_held *held = &body.reservation_held;
    *held = (struct reservation_held){
        .reservation = (FIRST_SEQUENCE + decision->next_sequence) * PARTITION_COUNT +
                       schedule->base.id % PARTITION_COUNT,
        .schedule = schedule->base.id,
        .user = request->user,
        .expires_at_ms = decision->now_ms + decision->config->hold_ttl_s * 1000,
        .body_hash = request->body_hash,
        .keys_dropped = keys_due(decision, schedule),
        .room = request->room,
        .ticket = request->ticket,
    };
    held->seats.count = request->seats.count;
    for (uint32_t i = 0; i < request->seats.count; i++) {
        held->seats.items[i] = request->seats.items[i];
        held->amount += schedule_seat(schedule, seat_id_index(request->seats.items[i])).amount;
    }
    text_set(&held->idempotency_key, request->idempotency_key.data,
             request->idempotency_key.length);
    decision_emit(decision, EVENT_RESERVATION_HELD, held->reservation, 1, &body);
    struct reservation_row row = {
        .schedule = held->schedule,
        .user = held->user,
        .state = RESERVATION_HELD,
        .amount = held->amount,
        .expires_at_ms = held->expires_at_ms,
    };
    row.seats.count = held->seats.count;
    memcpy(row.seats.items, held->seats.items, sizeof row.seats.items);
    seat_reply_reservation(decision, held->reservation, &row, true);
}

void seat_decide_hold(struct decision *decision, const struct schedule *schedule,
                      const struct hold *request)
{
    if (schedule->row.seat_count == 0) {
        decision_reply(decision, OUTCOME_NOT_FOUND, REPLY_NONE);
        return;
    }
    if (key_replies(decision, schedule, request))
        return;
    if (!seats_valid(schedule, request)) {
        decision_reply(decision, OUTCOME_INVALID_FIELD, REPLY_NONE);
        return;
    }
    if (request->seats.count > decision->config->seat_limit) {
        decision_reply(decision, OUTCOME_SEAT_LIMIT, REPLY_NONE);
        return;
    }
    uint64_t reservation;
    struct reservation_row row;
    if (is_repeat(decision, schedule, request, &reservation, &row)) {
        repeat_hold(decision, schedule, request, reservation, &row);
        return;
    }
    struct obstacles obstacles = {0};
    if (!seats_free(decision, schedule, request, &obstacles) ||
        buyer_limited(decision, schedule, request, true))
        return;
    expire_lapsed(decision, &obstacles);
    place_hold(decision, schedule, request);
}
