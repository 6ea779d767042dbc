#include "idempotency.h"
#include "schedule.h"

/* Carries out what an event says on the schedule and its rows. */

/* ---- a user's row in the schedule ---- */

static void change_buyer(const struct schedule *schedule, struct row_sink *sink, uint64_t user,
                         int64_t seats, int64_t keys)
{
    struct row_key key = buyer_key(schedule->base.id, user);
    struct buyer_row row = {0};
    (void)buyer_row_read(&sink->view, &key, &row);
    check((int64_t)row.live_seats + seats >= 0 && (int64_t)row.live_keys + keys >= 0);
    row.live_seats = (uint64_t)((int64_t)row.live_seats + seats);
    row.live_keys = (uint64_t)((int64_t)row.live_keys + keys);
    if (row.live_seats == 0 && row.live_keys == 0)
        row_delete(sink, &key);
    else
        buyer_row_write(sink, &key, &row);
}

static void drop_keys(struct schedule *schedule, struct row_sink *sink, uint64_t count)
{
    struct idempotency_name dropped[IDEMPOTENCY_DROPS_MAX];
    idempotency_drop(sink, 's', schedule->base.id, (unsigned)count, dropped);
    for (uint64_t i = 0; i < count; i++)
        change_buyer(schedule, sink, dropped[i].scope, 0, -1);
}

/* Drops what the event drops and stores its key. Returns how many keys more the user has. */
static int64_t change_keys(struct schedule *schedule, struct row_sink *sink, uint64_t user,
                           const char *text, uint32_t length, uint64_t dropped,
                           const struct hold_key_row *answer)
{
    int64_t added = 0;
    drop_keys(schedule, sink, dropped);
    if (length > 0) {
        struct idempotency_name name = idempotency_name(user, text, length);
        struct row_key key = idempotency_key('s', schedule->base.id, &name);
        struct hold_key_row old = {0};
        added = hold_key_row_read(&sink->view, &key, &old) ? 0 : 1;
        uint8_t data[ROW_SIZE_MAX(hold_key_row)];
        size_t size = hold_key_row_encode(answer, data, sizeof data);
        check(size > 0);
        idempotency_put(sink, 's', schedule->base.id, &name, old.expires_at_ms,
                        answer->expires_at_ms, data, size);
    }
    if (length > 0 || dropped > 0)
        schedule->oldest_key_ms = idempotency_oldest_ms(&sink->view, 's', schedule->base.id);
    return added;
}

/* ---- places ---- */

static void write_places(const struct schedule *schedule, struct row_sink *sink,
                         const struct reservation_row *row)
{
    for (uint32_t i = 0; i < row->seats.count; i++) {
        uint64_t index = seat_id_index(row->seats.items[i]);
        struct row_key key = place_key(schedule->base.id, index);
        struct place_row place = {schedule_state(schedule, index - 1),
                                  schedule->reservations[index - 1],
                                  schedule->expires_at_ms[index - 1]};
        if (place.state == SEAT_AVAILABLE)
            row_delete(sink, &key);
        else
            place_row_write(sink, &key, &place);
    }
}

static void set_places(struct schedule *schedule, struct row_sink *sink, uint64_t reservation,
                       const struct reservation_row *row, enum seat_state state,
                       uint64_t expires_at_ms)
{
    for (uint32_t i = 0; i < row->seats.count; i++) {
        uint64_t at = seat_id_index(row->seats.items[i]) - 1;
        check(schedule->reservations[at] == reservation);
        schedule_set_state(schedule, at, state);
        schedule->expires_at_ms[at] = expires_at_ms;
    }
    if (expires_at_ms != 0)
        expiries_add(schedule, seat_id_index(row->seats.items[0]));
    write_places(schedule, sink, row);
}

static void free_places(struct schedule *schedule, struct row_sink *sink, uint64_t reservation,
                        const struct reservation_row *row)
{
    for (uint32_t i = 0; i < row->seats.count; i++) {
        uint64_t index = seat_id_index(row->seats.items[i]);
        check(schedule->reservations[index - 1] == reservation);
        schedule_free(schedule, index);
    }
    write_places(schedule, sink, row);
    change_buyer(schedule, sink, row->user, -(int64_t)row->seats.count, 0);
}

/* ---- events ---- */

static void apply_created(struct schedule *schedule, const struct schedule_created *body,
                          struct row_sink *sink)
{
    check(schedule->row.seat_count == 0);
    schedule->row.concert = body->concert;
    text_set(&schedule->row.title, body->title.data, body->title.length);
    text_set(&schedule->row.open_date, body->open_date.data, body->open_date.length);
    text_set(&schedule->row.start_time, body->start_time.data, body->start_time.length);
    text_set(&schedule->row.end_time, body->end_time.data, body->end_time.length);
    uint64_t seats = sections_seat_count(body->sections.items, body->sections.count);
    schedule->row.seat_count = seats;
    schedule->row.available = seats;
    schedule->row.first_free = 1;
    schedule_lay_out(schedule, body->sections.items, body->sections.count);
    struct layout_row layout;
    layout.sections.count = body->sections.count;
    memcpy(layout.sections.items, body->sections.items, sizeof layout.sections.items);
    struct row_key key = layout_key(schedule->base.id);
    layout_row_write(sink, &key, &layout);
}

static void apply_held(struct schedule *schedule, const struct event_view *event,
                       struct row_sink *sink)
{
    const struct reservation_held *body = &event->body->reservation_held;
    struct hold_key_row answer = {
        .expires_at_ms = event->at_ms + IDEMPOTENCY_TTL_MS,
        .body_hash = body->body_hash,
        .reservation = body->reservation,
        .state = RESERVATION_HELD,
        .hold_expires_at_ms = body->expires_at_ms,
        .is_new = 1,
    };
    struct row_key key = reservation_key(body->reservation);
    struct row_key entry_key = user_reservation_key(body->user, event->at_ms, body->reservation);
    row_expect(sink, &key);
    row_expect(sink, &entry_key);
    int64_t keys = change_keys(schedule, sink, body->user, body->idempotency_key.data,
                               body->idempotency_key.length, body->keys_dropped, &answer);
    change_buyer(schedule, sink, body->user, body->seats.count, keys);
    struct reservation_row row = {
        .schedule = body->schedule,
        .user = body->user,
        .state = RESERVATION_HELD,
        .version = event->aggregate_version,
        .amount = body->amount,
        .expires_at_ms = body->expires_at_ms,
        .first_expires_at_ms = body->expires_at_ms,
        .room = body->room,
        .ticket = body->ticket,
        .held_at_ms = event->at_ms,
    };
    row.seats.count = body->seats.count;
    memcpy(row.seats.items, body->seats.items, sizeof row.seats.items);
    for (uint32_t i = 0; i < row.seats.count; i++)
        schedule_take(schedule, seat_id_index(row.seats.items[i]), body->reservation,
                      body->expires_at_ms);
    set_places(schedule, sink, body->reservation, &row, SEAT_TEMP_RESERVED, body->expires_at_ms);
    reservation_row_write(sink, &key, &row);
    struct user_reservation_row entry = {.schedule = body->schedule};
    user_reservation_row_write(sink, &entry_key, &entry);
}

static void apply_repeated(struct schedule *schedule, const struct event_view *event,
                           const struct reservation_row *row, struct row_sink *sink)
{
    const struct hold_repeated *body = &event->body->hold_repeated;
    struct hold_key_row answer = {
        .expires_at_ms = event->at_ms + IDEMPOTENCY_TTL_MS,
        .body_hash = body->body_hash,
        .reservation = body->reservation,
        .state = row->state,
        .hold_expires_at_ms = row->expires_at_ms,
        .is_new = 0,
    };
    int64_t keys = change_keys(schedule, sink, body->user, body->idempotency_key.data,
                               body->idempotency_key.length, body->keys_dropped, &answer);
    change_buyer(schedule, sink, body->user, 0, keys);
}

static void owe(struct row_sink *sink, const struct event_view *event, uint16_t kind,
                const struct reservation_row *row)
{
    union request request;
    if (kind == REQUEST_DEBIT)
        request.debit = (struct debit){row->user, event->aggregate, row->attempt, row->amount};
    else
        request.refund = (struct refund){row->user, event->aggregate, row->attempt, row->amount};
    sink->oblige(sink->view.context, event->sequence, kind, &request);
}

static void begin_attempt(const struct event_view *event, struct row_sink *sink,
                          struct reservation_row *row, enum reservation_state state, uint16_t kind,
                          uint64_t attempt)
{
    check(attempt == row->attempt + 1 && row->obligation == 0);
    row->state = (uint64_t)state;
    row->attempt = attempt;
    row->obligation = event->sequence;
    owe(sink, event, kind, row);
}

/* The waiting room is to know of a sale, however long its worker may be down. */
static void owe_report(const struct event_view *event, struct row_sink *sink,
                       struct reservation_row *row)
{
    union request request;
    row->report = event->sequence;
    request.purchased = (struct purchased){row->room, row->user, row->ticket, event->aggregate};
    sink->oblige(sink->view.context, event->sequence, REQUEST_PURCHASED, &request);
}

static void end_attempt(struct row_sink *sink, struct reservation_row *row,
                        enum reservation_state state, uint64_t attempt)
{
    check(attempt == row->attempt && row->obligation != 0);
    sink->discharge(sink->view.context, row->obligation);
    row->obligation = 0;
    row->state = (uint64_t)state;
}

static void apply_to_reservation(struct schedule *schedule, const struct event_view *event,
                                 struct row_sink *sink, struct reservation_row *row)
{
    const union event *body = event->body;
    uint64_t id = event->aggregate;
    switch (event->kind) {
    case EVENT_HOLD_REPEATED:
        apply_repeated(schedule, event, row, sink);
        break;
    case EVENT_RESERVATION_CONFIRMING:
        check(row->state == RESERVATION_HELD);
        begin_attempt(event, sink, row, RESERVATION_CONFIRMING, REQUEST_DEBIT,
                      body->reservation_confirming.attempt);
        set_places(schedule, sink, id, row, SEAT_TEMP_RESERVED, 0);
        break;
    case EVENT_RESERVATION_CONFIRMED:
        check(row->state == RESERVATION_CONFIRMING);
        end_attempt(sink, row, RESERVATION_CONFIRMED, body->reservation_confirmed.attempt);
        row->payment = body->reservation_confirmed.payment;
        row->balance = body->reservation_confirmed.balance;
        row->expires_at_ms = 0;
        set_places(schedule, sink, id, row, SEAT_RESERVED, 0);
        if (row->ticket != 0)
            owe_report(event, sink, row);
        break;
    case EVENT_PURCHASE_REPORTED:
        check(row->report == body->purchase_reported.obligation);
        sink->discharge(sink->view.context, row->report);
        row->report = 0;
        break;
    case EVENT_PAYMENT_FAILED:
        check(row->state == RESERVATION_CONFIRMING);
        end_attempt(sink, row, RESERVATION_HELD, body->payment_failed.attempt);
        row->balance = body->payment_failed.balance;
        row->expires_at_ms = body->payment_failed.expires_at_ms;
        set_places(schedule, sink, id, row, SEAT_TEMP_RESERVED, row->expires_at_ms);
        break;
    case EVENT_RESERVATION_RELEASED:
    case EVENT_RESERVATION_EXPIRED:
        check(row->state == RESERVATION_HELD);
        row->state =
            event->kind == EVENT_RESERVATION_RELEASED ? RESERVATION_RELEASED : RESERVATION_EXPIRED;
        free_places(schedule, sink, id, row);
        break;
    case EVENT_RESERVATION_CANCELLING:
        check(row->state == RESERVATION_CONFIRMED);
        begin_attempt(event, sink, row, RESERVATION_CANCELLING, REQUEST_REFUND,
                      body->reservation_cancelling.attempt);
        break;
    case EVENT_RESERVATION_CANCELLED:
        check(row->state == RESERVATION_CANCELLING);
        end_attempt(sink, row, RESERVATION_CANCELLED, body->reservation_cancelled.attempt);
        row->refund_balance = body->reservation_cancelled.balance;
        free_places(schedule, sink, id, row);
        break;
    default:
        check_never("an event of another actor kind");
    }
}

/* The timer stands at the earliest expiry. An expiry sets it anew even when the time is the same,
 * because it has gone off. */
static void arm_timer(struct schedule *schedule, const struct event_view *event,
                      struct row_sink *sink)
{
    uint64_t next_ms = expiries_next_ms(schedule);
    if (next_ms == schedule->armed_ms && event->kind != EVENT_RESERVATION_EXPIRED)
        return;
    schedule->armed_ms = next_ms;
    sink->timer(sink->view.context, next_ms);
}

void seat_apply(void *object, const struct event_view *event, struct row_sink *sink)
{
    struct schedule *schedule = object;
    if (event->kind == EVENT_SCHEDULE_CREATED) {
        apply_created(schedule, &event->body->schedule_created, sink);
    } else if (event->kind == EVENT_RESERVATION_HELD) {
        apply_held(schedule, event, sink);
    } else {
        struct reservation_row row;
        struct row_key key = reservation_key(event->aggregate);
        check(reservation_row_read(&sink->view, &key, &row));
        apply_to_reservation(schedule, event, sink, &row);
        row.version = event_version(event, row.version);
        reservation_row_write(sink, &key, &row);
    }
    arm_timer(schedule, event, sink);
    schedule->row.last_sequence = event->sequence;
    struct row_key key = schedule_key(schedule->base.id);
    schedule_row_write(sink, &key, &schedule->row);
}

void concert_apply(void *object, const struct event_view *event, struct row_sink *sink)
{
    struct concert *concert = object;
    check(event->kind == EVENT_CONCERT_CREATED);
    text_set(&concert->row.title, event->body->concert_created.title.data,
             event->body->concert_created.title.length);
    concert->row.last_sequence = event->sequence;
    struct row_key key = concert_key(concert->base.id);
    concert_row_write(sink, &key, &concert->row);
}
