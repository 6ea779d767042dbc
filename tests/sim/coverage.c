#include "cache.h"
#include "coverage_internal.h"
#include "queue.h"
#include "schedule.h"
#include "seat.h"
#include "trace.h"
#include "wallet.h"

struct coverage coverage;
struct behaviour covered_seat_behaviour, covered_wallet_behaviour, covered_queue_behaviour;

static const char *const state_names[STATE_COUNT] = {
    "none",           "HELD",      "CONFIRMING", "CONFIRMED",     "RELEASED",   "EXPIRED",
    "CANCELLING",     "CANCELLED", "LAPSED",     "WAITING",       "ADMITTED",   "CLAIMED",
    "EXPIRED",        "DONE",      "OLD",        "OVER",          "CLAIM OVER", "no verdict",
    "verdict before", "accepted",  "refused",    "verdict later",
};
static const char *const input_names[INPUT_COUNT] = {
    "get",        "confirm",        "confirm resumed", "release",
    "cancel",     "cancel resumed", "hold again",      "hold by another",
    "timer",      "debit accepted", "debit refused",   "refunded",
    "no verdict", "reported",       "issue",           "get ticket",
    "claim",      "leave",          "purchased",       "clock",
    "debit",      "refund",
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

enum { COVERED_SEAT, COVERED_WALLET, COVERED_QUEUE, COVERED_COUNT };
static struct actor_kind covered_kinds[COVERED_COUNT][ACTOR_KINDS_MAX];
static const struct actor_kind *lists[COVERED_COUNT][ACTOR_KINDS_MAX + 1];

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

/* Whoever asks for an actor gets one of the covered kind; decisions name kinds by the real ones. */
struct actor *__real_cache_get(struct cache *cache, const struct actor_kind *kind, uint64_t id,
                               const struct row_view *rows);
struct actor *__wrap_cache_get(struct cache *cache, const struct actor_kind *kind, uint64_t id,
                               const struct row_view *rows);

struct actor *__wrap_cache_get(struct cache *cache, const struct actor_kind *kind, uint64_t id,
                               const struct row_view *rows)
{
    for (unsigned at = 0; at < COVERED_COUNT; at++)
        for (unsigned i = 0; lists[at][i] != NULL; i++)
            if (lists[at][i]->load == kind->load)
                return __real_cache_get(cache, lists[at][i], id, rows);
    return __real_cache_get(cache, kind, id, rows);
}

void coverage_open(void)
{
    cover(COVERED_SEAT, &covered_seat_behaviour, &seat_behaviour);
    hide_snapshots(COVERED_SEAT, &covered_seat_behaviour);
    covered_kind(COVERED_SEAT, SCHEDULE_KIND)->decide = seat_decide_covered;
    cover(COVERED_WALLET, &covered_wallet_behaviour, &wallet_behaviour);
    covered_kind(COVERED_WALLET, WALLET_KIND)->decide = wallet_decide_covered;
    cover(COVERED_QUEUE, &covered_queue_behaviour, &queue_behaviour);
    covered_kind(COVERED_QUEUE, ROOM_KIND)->decide = room_decide_covered;
}

bool coverage_print(const struct coverage *sum, FILE *to)
{
    bool whole = true;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *name = event_text(table[i].event);
        fprintf(to, "%10llu  %-14s %-15s → %s, %s\n", (unsigned long long)sum->taken[i],
                state_names[table[i].state], input_names[table[i].input],
                name == NULL ? "no event" : name, answer_text(table[i].answer));
        whole &= sum->taken[i] > 0 || table[i].rare;
    }
    if (!whole)
        fprintf(to, "rows of the table of transitions were never taken\n");
    return whole;
}
