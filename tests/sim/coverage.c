#include "coverage_internal.h"
#include "queue.h"
#include "schedule.h"
#include "seat.h"
#include "trace.h"
#include "wallet.h"

struct coverage coverage;
struct behaviour covered_seat_behaviour, covered_wallet_behaviour, covered_queue_behaviour;

static const char *const state_names[STATE_COUNT] = {
    "none",       "HELD",      "CONFIRMING", "CONFIRMED", "RELEASED",   "EXPIRED",
    "CANCELLING", "CANCELLED", "LAPSED",     "WAITING",   "ADMITTED",   "CLAIMED",
    "EXPIRED",    "DONE",      "OLD",        "OVER",      "CLAIM OVER",
};
static const char *const input_names[INPUT_COUNT] = {
    "get",        "confirm",        "confirm resumed", "release",
    "cancel",     "cancel resumed", "hold again",      "hold by another",
    "timer",      "debit accepted", "debit refused",   "refunded",
    "no verdict", "reported",       "issue",           "get ticket",
    "claim",      "leave",          "purchased",       "clock",
};

static const struct row {
    uint8_t state, input;
    uint16_t event;
    uint8_t answer;
    bool rare;
} table[] = {
#define ROW(state, input, event, answer) {state, input, event, answer, false},
#define RARE(state, input, event, answer) {state, input, event, answer, true},
#include "transitions.def"
#undef ROW
#undef RARE
};
_Static_assert(sizeof table / sizeof table[0] <= COVERAGE_ROWS_MAX, "every row is counted");

static const char *answer_text(unsigned answer)
{
    return answer == WAITS       ? "waits"
           : answer == NO_ANSWER ? "-"
                                 : outcome_text((enum outcome)answer);
}

void coverage_take(unsigned state, enum input input, uint16_t event, unsigned answer)
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

uint16_t coverage_event(const struct decision *decision, uint64_t aggregate)
{
    for (unsigned i = 0; i < decision->event_count; i++)
        if (decision->events[i].aggregate == aggregate)
            return decision->events[i].kind;
    return 0;
}

unsigned coverage_answer(const struct decision *decision)
{
    if (decision->deferred)
        return WAITS;
    return decision->replied || decision->answers_waiters ? (unsigned)decision->outcome : NO_ANSWER;
}

/* ---- the behaviours ---- */

enum { WORKERS_KINDS = 3 };
static struct actor_kind covered_kinds[WORKERS_KINDS][ACTOR_KINDS_MAX];
static const struct actor_kind *lists[WORKERS_KINDS][ACTOR_KINDS_MAX + 1];

static void cover(unsigned at, struct behaviour *to, const struct behaviour *from)
{
    *to = *from;
    to->kinds = lists[at];
    for (unsigned i = 0; from->kinds[i] != NULL; i++) {
        covered_kinds[at][i] = *from->kinds[i];
        lists[at][i] = &covered_kinds[at][i];
    }
}

/* No front reads the seats' snapshots here. */
static void hide_snapshots(unsigned at, struct behaviour *behaviour)
{
    behaviour->start = NULL;
    for (unsigned i = 0; lists[at][i] != NULL; i++)
        covered_kinds[at][i].publish = NULL;
}

static struct actor_kind *covered_kind(unsigned at, uint8_t number)
{
    unsigned i = 0;
    while (covered_kinds[at][i].number != number)
        i++;
    return &covered_kinds[at][i];
}

static enum status seat_route(const struct message *message, const struct row_view *rows,
                              const struct actor_kind **kind, uint64_t *id)
{
    enum status status = seat_behaviour.route(message, rows, kind, id);
    *kind = covered_kind(0, (*kind)->number);
    return status;
}

static enum status queue_route(const struct message *message, const struct row_view *rows,
                               const struct actor_kind **kind, uint64_t *id)
{
    enum status status = queue_behaviour.route(message, rows, kind, id);
    *kind = covered_kind(2, (*kind)->number);
    return status;
}

void coverage_open(void)
{
    cover(0, &covered_seat_behaviour, &seat_behaviour);
    hide_snapshots(0, &covered_seat_behaviour);
    covered_kind(0, SCHEDULE_KIND)->decide = seat_decide_covered;
    covered_seat_behaviour.route = seat_route;
    covered_wallet_behaviour = wallet_behaviour;
    cover(2, &covered_queue_behaviour, &queue_behaviour);
    covered_kind(2, ROOM_KIND)->decide = room_decide_covered;
    covered_queue_behaviour.route = queue_route;
}

bool coverage_print(const struct coverage *sum, FILE *to)
{
    bool whole = true;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *name = event_text(table[i].event);
        fprintf(to, "%10llu  %-10s %-15s → %s, %s\n", (unsigned long long)sum->taken[i],
                state_names[table[i].state], input_names[table[i].input],
                name == NULL ? "no event" : name, answer_text(table[i].answer));
        whole &= sum->taken[i] > 0 || table[i].rare;
    }
    if (!whole)
        fprintf(to, "rows of the table of transitions were never taken\n");
    return whole;
}
