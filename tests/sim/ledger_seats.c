#include "ledger_internal.h"

/* Seats and reservations. */

/* Where the points of a reservation are, as its state says. */
static uint64_t points_of(const struct ledger_reservation *reservation)
{
    bool paid = reservation->state == RESERVATION_CONFIRMED ||
                (reservation->state == RESERVATION_CANCELLING && reservation->refunds == 0) ||
                (reservation->state == RESERVATION_CONFIRMING && reservation->debits == 1);
    return paid ? reservation->amount : 0;
}

static void enter_state(struct ledger_reservation *reservation, uint64_t state)
{
    check(reservation->state_count < LEDGER_STATES_MAX);
    reservation->state = state;
    reservation->states[reservation->state_count].moment = ledger.moment;
    reservation->states[reservation->state_count].state = state;
    reservation->states[reservation->state_count++].expires_at_ms = reservation->expires_at_ms;
}

static void reservation_held(const struct journal_event *event, const struct reservation_held *held)
{
    unsigned schedule = ledger_schedule_at(held->schedule);
    require(event->aggregate_version == 1 && ledger_reservation(held->reservation) == NULL,
            "reservation %llu: made twice", (unsigned long long)held->reservation);
    require(held->expires_at_ms == event->at_ms + ledger.hold_ttl_ms,
            "reservation %llu: is held too long", (unsigned long long)held->reservation);
    check(ledger.reservation_count < TABLE_MAX);
    struct ledger_reservation *made = &ledger.reservations[ledger.reservation_count++];
    memset(made, 0, offsetof(struct ledger_reservation, seats));
    made->id = held->reservation;
    made->user = held->user;
    made->schedule = held->schedule;
    made->amount = held->amount;
    made->expires_at_ms = made->first_expires_at_ms = held->expires_at_ms;
    made->version = 1;
    made->room = held->room;
    made->ticket = held->ticket;
    made->seat_count = held->seats.count;
    made->state_count = 0;
    memcpy(made->seats, held->seats.items, held->seats.count * sizeof made->seats[0]);
    for (uint32_t i = 0; i < made->seat_count; i++) {
        uint64_t index = seat_id_index(made->seats[i]);
        require(index >= 1 && index <= LEDGER_SEATS && ledger.seats[schedule][index].owner == 0,
                "seat %llu is sold to reservation %llu and to %llu",
                (unsigned long long)made->seats[i], (unsigned long long)made->id,
                (unsigned long long)ledger.seats[schedule][index].owner);
        ledger.seats[schedule][index].owner = made->id;
        ledger.seats[schedule][index].taken_moment = ledger.moment;
    }
    enter_state(made, RESERVATION_HELD);
    ledger_use_key(REQUEST_HOLD, held->user, held->schedule, held->idempotency_key.data,
                   held->idempotency_key.length, held->body_hash, event->at_ms, held->reservation);
}

static void free_seats(const struct ledger_reservation *reservation)
{
    unsigned schedule = ledger_schedule_at(reservation->schedule);
    for (uint32_t i = 0; i < reservation->seat_count; i++) {
        uint64_t index = seat_id_index(reservation->seats[i]);
        check(ledger.seats[schedule][index].owner == reservation->id);
        ledger.seats[schedule][index].owner = 0;
        ledger.seats[schedule][index].freed_moment = ledger.moment;
    }
}

static void from_state(const struct ledger_reservation *reservation, uint64_t state,
                       const struct journal_event *event)
{
    require(reservation->state == state, "reservation %llu: %s in state %llu",
            (unsigned long long)reservation->id, event_text(event->kind),
            (unsigned long long)reservation->state);
}

static void begin_attempt(struct ledger_reservation *reservation, uint64_t attempt, uint64_t state)
{
    require(attempt == reservation->attempt + 1 && reservation->ended == reservation->attempt,
            "reservation %llu: attempt %llu after %llu", (unsigned long long)reservation->id,
            (unsigned long long)attempt, (unsigned long long)reservation->attempt);
    reservation->attempt = attempt;
    enter_state(reservation, state);
}

static void end_attempt(struct ledger_reservation *reservation, uint64_t attempt, uint64_t state)
{
    require(attempt == reservation->attempt && ++reservation->ended == attempt,
            "reservation %llu: the end of attempt %llu", (unsigned long long)reservation->id,
            (unsigned long long)attempt);
    enter_state(reservation, state);
}

static void payment_failed(struct ledger_reservation *reservation,
                           const struct journal_event *event, const struct payment_failed *failed)
{
    uint64_t latest = reservation->first_expires_at_ms + ledger.hold_grace_ms;
    uint64_t wanted = event->at_ms + ledger.hold_grace_ms;
    from_state(reservation, RESERVATION_CONFIRMING, event);
    require(reservation->refused_attempt == failed->attempt &&
                reservation->failed_balance == failed->balance,
            "reservation %llu: the payment failed, but the wallet did not refuse it",
            (unsigned long long)reservation->id);
    require(failed->expires_at_ms <= latest, "reservation %llu: held beyond the grace",
            (unsigned long long)reservation->id);
    require(failed->expires_at_ms >= (wanted < latest ? wanted : latest) &&
                failed->expires_at_ms >= reservation->expires_at_ms,
            "reservation %llu: a failed payment took the seat too early",
            (unsigned long long)reservation->id);
    reservation->failed++;
    reservation->expires_at_ms = failed->expires_at_ms;
    end_attempt(reservation, failed->attempt, RESERVATION_HELD);
}

bool ledger_was_sold(const struct ledger_reservation *reservation)
{
    return ledger_was_in_state(reservation, RESERVATION_CONFIRMED, 0);
}

static void reservation_event(struct ledger_reservation *reservation,
                              const struct journal_event *event, const union event *body)
{
    ledger_next_version(event, &reservation->version);
    switch (event->kind) {
    case EVENT_RESERVATION_CONFIRMING:
        from_state(reservation, RESERVATION_HELD, event);
        require(event->at_ms < reservation->expires_at_ms,
                "reservation %llu: sold after its hold had expired",
                (unsigned long long)reservation->id);
        begin_attempt(reservation, body->reservation_confirming.attempt, RESERVATION_CONFIRMING);
        break;
    case EVENT_RESERVATION_CONFIRMED:
        from_state(reservation, RESERVATION_CONFIRMING, event);
        require(body->reservation_confirmed.payment == reservation->payment &&
                    body->reservation_confirmed.balance == reservation->paid_balance,
                "reservation %llu: confirmed with another payment than the wallet's",
                (unsigned long long)reservation->id);
        end_attempt(reservation, body->reservation_confirmed.attempt, RESERVATION_CONFIRMED);
        break;
    case EVENT_PAYMENT_FAILED:
        payment_failed(reservation, event, &body->payment_failed);
        break;
    case EVENT_RESERVATION_RELEASED:
        from_state(reservation, RESERVATION_HELD, event);
        enter_state(reservation, RESERVATION_RELEASED);
        free_seats(reservation);
        break;
    case EVENT_RESERVATION_EXPIRED:
        from_state(reservation, RESERVATION_HELD, event);
        require(event->at_ms >= reservation->expires_at_ms, "reservation %llu: expired too early",
                (unsigned long long)reservation->id);
        enter_state(reservation, RESERVATION_EXPIRED);
        free_seats(reservation);
        break;
    case EVENT_RESERVATION_CANCELLING:
        from_state(reservation, RESERVATION_CONFIRMED, event);
        begin_attempt(reservation, body->reservation_cancelling.attempt, RESERVATION_CANCELLING);
        break;
    case EVENT_RESERVATION_CANCELLED:
        from_state(reservation, RESERVATION_CANCELLING, event);
        require(body->reservation_cancelled.balance == reservation->refund_balance,
                "reservation %llu: cancelled without the wallet's refund",
                (unsigned long long)reservation->id);
        end_attempt(reservation, body->reservation_cancelled.attempt, RESERVATION_CANCELLED);
        free_seats(reservation);
        break;
    case EVENT_PURCHASE_REPORTED:
        require(ledger_was_sold(reservation) && reservation->ticket != 0 && !reservation->reported,
                "reservation %llu: a report of no sale", (unsigned long long)reservation->id);
        reservation->reported = true;
        break;
    case EVENT_HOLD_REPEATED:
        ledger_use_key(REQUEST_HOLD, reservation->user, reservation->schedule,
                       body->hold_repeated.idempotency_key.data,
                       body->hold_repeated.idempotency_key.length, body->hold_repeated.body_hash,
                       event->at_ms, reservation->id);
        break;
    default:
        trace_fail("event kind %u in a seat worker's journal", event->kind);
    }
    ledger_check_money(reservation);
}

uint64_t ledger_seat_event(const struct journal_event *event, const union event *body)
{
    if (event->kind == EVENT_RESERVATION_HELD) {
        reservation_held(event, &body->reservation_held);
        return 0;
    }
    struct ledger_reservation *reservation = ledger_reservation(event->aggregate);
    require(reservation != NULL, "%s of a reservation that is not there", event_text(event->kind));
    uint64_t before = points_of(reservation);
    reservation_event(reservation, event, body);
    return points_of(reservation) - before;
}
