#include "coverage.h"
#include "check.h"
#include "schedule.h"
#include "seat.h"
#include "trace.h"
#include "wallet.h"
#include <string.h>

struct coverage coverage;
struct behaviour covered_seat_behaviour, covered_wallet_behaviour;

/* What happens to a reservation. */
enum input {
    GET,
    CONFIRM,
    CONFIRM_RESUMED, /* it waited for an attempt when its worker died */
    RELEASE,
    CANCEL,
    CANCEL_RESUMED,
    HOLD_AGAIN, /* its user asks for a seat of it */
    HOLD_OTHER, /* somebody else does */
    TIMER,
    DEBIT_ACCEPTED,
    DEBIT_REFUSED,
    REFUNDED,
    NO_VERDICT, /* the wallet could not be asked */
    INPUT_COUNT
};

/* LAPSED: held, but its time is over and nobody has noticed. */
enum { NONE = 0, LAPSED = RESERVATION_CANCELLED + 1, STATE_COUNT };

static const char *const state_names[STATE_COUNT] = {
    "none",    "HELD",       "CONFIRMING", "CONFIRMED", "RELEASED",
    "EXPIRED", "CANCELLING", "CANCELLED",  "LAPSED",
};
static const char *const input_names[INPUT_COUNT] = {
    "get",        "confirm",        "confirm resumed", "release",
    "cancel",     "cancel resumed", "hold again",      "hold by another",
    "timer",      "debit accepted", "debit refused",   "refunded",
    "no verdict",
};

/* How it ends: an event of the reservation (0: none), and an answer or a wait. */
enum {
    WAITS = OUTCOME_COUNT,
    NO_ANSWER,
};

static const struct row {
    uint8_t state, input;
    uint16_t event;
    uint8_t answer;
} table[] = {
#define ROW(state, input, event, answer) {state, input, event, answer},
#include "transitions.def"
#undef ROW
};
_Static_assert(sizeof table / sizeof table[0] <= COVERAGE_ROWS_MAX, "every row is counted");

static const char *answer_text(unsigned answer)
{
    return answer == WAITS       ? "waits"
           : answer == NO_ANSWER ? "-"
                                 : outcome_text((enum outcome)answer);
}

static void take(unsigned state, enum input input, uint16_t event, unsigned answer)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].state == state && table[i].input == input && table[i].event == event &&
            table[i].answer == answer) {
            coverage.taken[i]++;
            return;
        }
    const char *name = event_text(event);
    trace_fail("not in the table of transitions: %s, %s → %s, %s", state_names[state],
               input_names[input], name == NULL ? "no event" : name, answer_text(answer));
}

/* ---- what a decision was about ---- */

static unsigned state_of(const struct decision *decision, uint64_t reservation)
{
    struct reservation_row row;
    struct row_key key = reservation_key(reservation);
    if (!reservation_row_read(decision->rows, &key, &row))
        return NONE;
    return reservation_lapsed(&row, decision->now_ms) ? LAPSED : (unsigned)row.state;
}

static uint16_t event_of(const struct decision *decision, uint64_t reservation)
{
    for (unsigned i = 0; i < decision->event_count; i++)
        if (decision->events[i].aggregate == reservation)
            return decision->events[i].kind;
    return 0;
}

static unsigned answer_of(const struct decision *decision)
{
    if (decision->deferred)
        return WAITS;
    return decision->replied || decision->answers_waiters ? (unsigned)decision->outcome : NO_ANSWER;
}

static void decide_one(struct decision *decision, const void *object, const struct message *message,
                       uint64_t reservation, enum input input)
{
    unsigned state = state_of(decision, reservation);
    schedule_kind.decide(decision, object, message);
    if (decision->replied && decision->outcome == OUTCOME_NOT_OWNER)
        return;
    take(state, input, event_of(decision, reservation), answer_of(decision));
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
        take(states[i], row.user == hold->user ? HOLD_AGAIN : HOLD_OTHER,
             event_of(decision, owners[i]), answer_of(decision));
    }
}

static void decide_timer(struct decision *decision, const void *object,
                         const struct message *message)
{
    schedule_kind.decide(decision, object, message);
    for (unsigned i = 0; i < decision->event_count; i++)
        take(state_of(decision, decision->events[i].aggregate), TIMER, decision->events[i].kind,
             answer_of(decision));
}

static enum input verdict_of(const struct message *message)
{
    if (message->outcome == OUTCOME_OK)
        return message->kind == REQUEST_DEBIT ? DEBIT_ACCEPTED : REFUNDED;
    return message->outcome == OUTCOME_INSUFFICIENT_POINTS ? DEBIT_REFUSED : NO_VERDICT;
}

static void seat_decide(struct decision *decision, const void *object,
                        const struct message *message)
{
    static const enum input inputs[][2] = {
        {CONFIRM, CONFIRM_RESUMED}, {CANCEL, CANCEL_RESUMED}, {RELEASE, RELEASE}, {GET, GET}};
    bool resumed = decision->resumed_attempt != 0;
    if (message->origin == MESSAGE_TIMER) {
        decide_timer(decision, object, message);
        return;
    }
    if (message->origin == MESSAGE_REPLY) { /* the reservation is at the same place in both */
        decide_one(decision, object, message, message->request->debit.reservation,
                   verdict_of(message));
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

/* ---- the behaviours ---- */

static struct actor_kind covered_schedule_kind, covered_concert_kind;
static const struct actor_kind *const seat_kinds[] = {&covered_concert_kind, &covered_schedule_kind,
                                                      NULL};

static enum status covered_route(const struct message *message, const struct row_view *rows,
                                 const struct actor_kind **kind, uint64_t *id)
{
    enum status status = seat_behaviour.route(message, rows, kind, id);
    *kind = *kind == &schedule_kind ? &covered_schedule_kind : &covered_concert_kind;
    return status;
}

static void setup(struct actor_kind *kind, const struct actor_kind *from)
{
    *kind = *from;
    kind->publish = NULL;
}

void coverage_open(void)
{
    setup(&covered_concert_kind, &concert_kind);
    setup(&covered_schedule_kind, &schedule_kind);
    covered_schedule_kind.decide = seat_decide;
    covered_seat_behaviour = seat_behaviour;
    covered_seat_behaviour.kinds = seat_kinds;
    covered_seat_behaviour.route = covered_route;
    covered_seat_behaviour.start = NULL;
    covered_wallet_behaviour = wallet_behaviour;
}

bool coverage_print(const struct coverage *sum, FILE *to)
{
    bool whole = true;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *name = event_text(table[i].event);
        fprintf(to, "%10llu  %-10s %-15s → %s, %s\n", (unsigned long long)sum->taken[i],
                state_names[table[i].state], input_names[table[i].input],
                name == NULL ? "no event" : name, answer_text(table[i].answer));
        whole &= sum->taken[i] > 0;
    }
    if (!whole)
        fprintf(to, "rows of the table of transitions were never taken\n");
    return whole;
}
