#include "application.h"
#include "handlers.h"
#include "input.h"
#include "reservation_json.h"

/* Reservations: held, confirmed, released and cancelled by the seat worker that owns the schedule.
 */

static void reservation_found(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_RESERVATION, "seatIds"))
        return;
    const struct reservation *reservation = &reply->value->reservation;
    char data[ANSWER_SIZE + RESERVATION_SEATS_MAX * 21];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    struct reservation_line line = {
        .reservation = reservation->reservation,
        .schedule = reservation->schedule,
        .state = reservation->state,
        .amount = reservation->amount,
        .expires_at_ms = reservation->expires_at_ms,
        .seat_count = reservation->seats.count,
    };
    reservation_render(&json, &line, reservation->seats.items);
    bool created = exchange->route == ROUTE_RESERVE && reservation->is_new != 0;
    answer_close(exchange, created ? 201 : 200, &json);
}

static bool has_repeats(const uint64_t *items, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (items[i] == items[j])
                return true;
    return false;
}

static bool input_seats(struct exchange *exchange, const struct call *call, struct hold *hold)
{
    switch (body_ids(&call->body, "seatIds", RESERVATION_SEATS_MAX, hold->seats.items,
                     &hold->seats.count)) {
    case BODY_FIELD_OK:
        break;
    case BODY_FIELD_RANGE:
        answer_problem(exchange, PROBLEM_SEAT_LIMIT, NULL);
        return false;
    default:
        answer_invalid_field(exchange, "seatIds", "The field is not an array of seat ids.");
        return false;
    }
    if (hold->seats.count > 0 && !has_repeats(hold->seats.items, hold->seats.count))
        return true;
    answer_invalid_field(exchange, "seatIds", "Name at least one seat, and each once.");
    return false;
}

void handle_reservation_make(struct application *application, struct exchange *exchange,
                             const struct call *call)
{
    union request request;
    struct hold *hold = &request.hold;
    hold->user = call->ticket.user;
    hold->room = call->ticket.room;
    hold->ticket = call->ticket.number;
    if (!input_id(exchange, call, "scheduleId", &hold->schedule) ||
        !input_seats(exchange, call, hold))
        return;
    text_set(&hold->idempotency_key, call->idempotency_key.data, call->idempotency_key.size);
    hold->body_hash = call->idempotency_key.size > 0 ? body_hash(call->request->body) : 0;
    dispatch_ask(&application->dispatch, exchange, REQUEST_HOLD, &request, reservation_found);
}

void handle_reservation_get(struct application *application, struct exchange *exchange,
                            const struct call *call)
{
    union request request;
    request.reservation_get =
        (struct reservation_get){.reservation = call->id, .user = call->ticket.user};
    dispatch_ask(&application->dispatch, exchange, REQUEST_RESERVATION_GET, &request,
                 reservation_found);
}

static void confirm_done(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_CONFIRMED, "reservationId"))
        return;
    const struct confirmed *confirmed = &reply->value->confirmed;
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_u64(&json, "reservationId", confirmed->reservation);
    json_member_u64(&json, "paymentId", confirmed->payment);
    json_member_text(&json, "status", "CONFIRMED");
    json_member_u64(&json, "paidAmount", confirmed->paid);
    json_member_u64(&json, "balance", confirmed->balance);
    json_object_close(&json);
    answer_close(exchange, 200, &json);
}

/* user 0: the owner is not checked (messages.def). */
static void confirm_ask(struct application *application, struct exchange *exchange,
                        uint64_t reservation, uint64_t user)
{
    union request request;
    request.confirm = (struct confirm){.reservation = reservation, .user = user};
    dispatch_ask(&application->dispatch, exchange, REQUEST_CONFIRM, &request, confirm_done);
}

void handle_reservation_confirm(struct application *application, struct exchange *exchange,
                                const struct call *call)
{
    confirm_ask(application, exchange, call->id, call->ticket.user);
}

void handle_reservation_confirm_named(struct application *application, struct exchange *exchange,
                                      const struct call *call)
{
    uint64_t reservation;
    if (input_id(exchange, call, "reservationId", &reservation))
        confirm_ask(application, exchange, reservation, call->ticket.user);
}

static void release_done(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (reply->outcome == OUTCOME_OK) /* whatever it tells besides: 204 has no body */
        answer_empty(exchange, 204, NULL);
    else
        answer_expect(exchange, reply, REPLY_NONE, "reservationId");
}

void handle_reservation_release(struct application *application, struct exchange *exchange,
                                const struct call *call)
{
    union request request;
    request.release = (struct release){.reservation = call->id, .user = call->ticket.user};
    dispatch_ask(&application->dispatch, exchange, REQUEST_RELEASE, &request, release_done);
}

static void cancel_done(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_CANCELLED, "reservationId"))
        return;
    const struct cancelled *cancelled = &reply->value->cancelled;
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_u64(&json, "reservationId", cancelled->reservation);
    json_member_text(&json, "status", "CANCELLED");
    json_member_u64(&json, "refundedAmount", cancelled->refunded);
    json_member_u64(&json, "balance", cancelled->balance);
    json_object_close(&json);
    answer_close(exchange, 200, &json);
}

void handle_reservation_cancel(struct application *application, struct exchange *exchange,
                               const struct call *call)
{
    union request request;
    request.cancel = (struct cancel){.reservation = call->id, .user = call->ticket.user};
    dispatch_ask(&application->dispatch, exchange, REQUEST_CANCEL, &request, cancel_done);
}
