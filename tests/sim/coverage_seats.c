#include "check.h"
#include "coverage_internal.h"
#include "schedule.h"
#include "seat.h"

/* What a schedule's decision was about. */

static unsigned state_of(const struct decision *decision, uint64_t reservation)
{
    struct reservation_row row;
    struct row_key key = reservation_key(reservation);
    if (!reservation_row_read(decision->rows, &key, &row))
        return NONE;
    return reservation_lapsed(&row, decision->now_ms) ? LAPSED : (unsigned)row.state;
}

static void decide_one(struct decision *decision, const void *object, const struct message *message,
                       uint64_t reservation, enum input input)
{
    unsigned state = state_of(decision, reservation);
    schedule_kind.decide(decision, object, message);
    if (decision->replied && decision->outcome == OUTCOME_NOT_OWNER)
        return;
    coverage_take(state, input, coverage_event(decision, reservation), coverage_answer(decision));
}

/* A hold is about the reservations that have its seats. */
static void decide_hold(struct decision *decision, const void *object,
                        const struct message *message)
{
    const struct schedule *schedule = object;
    const struct hold *hold = &message->request->hold;
    uint64_t owners[RESERVATION_SEATS_MAX];
    unsigned states[RESERVATION_SEATS_MAX], count = 0;
    for (uint32_t i = 0; i < hold->seats.count; i++) {
        uint64_t index = seat_id_index(hold->seats.items[i]);
        if (index == 0 || index > schedule->row.seat_count ||
            schedule->reservations[index - 1] == 0)
            continue;
        owners[count] = schedule->reservations[index - 1];
        states[count] = state_of(decision, owners[count]);
        count++;
    }
    schedule_kind.decide(decision, object, message);
    bool old_answer = decision->outcome == OUTCOME_OK && decision->event_count == 0 &&
                      hold->idempotency_key.length > 0;
    if (old_answer || (decision->outcome != OUTCOME_OK && decision->outcome != OUTCOME_SEAT_TAKEN))
        return;
    for (unsigned i = 0; i < count; i++) {
        struct reservation_row row;
        struct row_key key = reservation_key(owners[i]);
        check(reservation_row_read(decision->rows, &key, &row));
        coverage_take(states[i], row.user == hold->user ? HOLD_AGAIN : HOLD_OTHER,
                      coverage_event(decision, owners[i]), coverage_answer(decision));
    }
}

static void decide_timer(struct decision *decision, const void *object,
                         const struct message *message)
{
    schedule_kind.decide(decision, object, message);
    for (unsigned i = 0; i < decision->event_count; i++)
        coverage_take(state_of(decision, decision->events[i].aggregate), TIMER,
                      decision->events[i].kind, coverage_answer(decision));
}

static enum input verdict_of(const struct message *message)
{
    if (message->outcome == OUTCOME_OK)
        return message->kind == REQUEST_DEBIT    ? DEBIT_ACCEPTED
               : message->kind == REQUEST_REFUND ? REFUNDED
                                                 : REPORTED;
    return message->outcome == OUTCOME_INSUFFICIENT_POINTS ? DEBIT_REFUSED : NO_VERDICT;
}

void seat_decide_covered(struct decision *decision, const void *object,
                         const struct message *message)
{
    static const enum input inputs[][2] = {
        {CONFIRM, CONFIRM_RESUMED}, {CANCEL, CANCEL_RESUMED}, {RELEASE, RELEASE}, {GET, GET}};
    bool resumed = decision->resumed_attempt != 0;
    if (message->origin == MESSAGE_TIMER) {
        decide_timer(decision, object, message);
        return;
    }
    if (message->origin == MESSAGE_REPLY) {
        uint64_t reservation = message->kind == REQUEST_PURCHASED
                                   ? message->request->purchased.reservation
                                   : message->request->debit.reservation; /* or the refund's */
        decide_one(decision, object, message, reservation, verdict_of(message));
        return;
    }
    uint64_t reservation = message->request->confirm.reservation; /* likewise in these four */
    switch (message->kind) {
    case REQUEST_HOLD:
        decide_hold(decision, object, message);
        break;
    case REQUEST_CONFIRM:
        decide_one(decision, object, message, reservation, inputs[0][resumed]);
        break;
    case REQUEST_CANCEL:
        decide_one(decision, object, message, reservation, inputs[1][resumed]);
        break;
    case REQUEST_RELEASE:
        decide_one(decision, object, message, reservation, inputs[2][resumed]);
        break;
    case REQUEST_RESERVATION_GET:
        decide_one(decision, object, message, reservation, inputs[3][resumed]);
        break;
    default:
        schedule_kind.decide(decision, object, message);
    }
}
