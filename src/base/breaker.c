#include "breaker.h"
#include <stddef.h>
#include <string.h>

static const struct transition {
    enum breaker_state from;
    enum breaker_event event;
    enum breaker_state to;
} transitions[] = {
    {BREAKER_CLOSED, BREAKER_TRIP, BREAKER_OPEN},
    {BREAKER_CLOSED, BREAKER_PARK, BREAKER_OPEN},
    {BREAKER_CLOSED, BREAKER_FORCE, BREAKER_FORCED_OPEN},
    {BREAKER_CLOSED, BREAKER_DISABLE, BREAKER_DISABLED},
    {BREAKER_OPEN, BREAKER_WAIT_OVER, BREAKER_HALF_OPEN},
    {BREAKER_OPEN, BREAKER_UNPARK, BREAKER_HALF_OPEN},
    {BREAKER_OPEN, BREAKER_FORCE, BREAKER_FORCED_OPEN},
    {BREAKER_OPEN, BREAKER_DISABLE, BREAKER_DISABLED},
    {BREAKER_HALF_OPEN, BREAKER_TRIAL_WELL, BREAKER_CLOSED},
    {BREAKER_HALF_OPEN, BREAKER_TRIAL_BAD, BREAKER_OPEN},
    {BREAKER_HALF_OPEN, BREAKER_PARK, BREAKER_OPEN},
    {BREAKER_HALF_OPEN, BREAKER_FORCE, BREAKER_FORCED_OPEN},
    {BREAKER_HALF_OPEN, BREAKER_DISABLE, BREAKER_DISABLED},
    {BREAKER_FORCED_OPEN, BREAKER_AUTO, BREAKER_CLOSED},
    {BREAKER_FORCED_OPEN, BREAKER_DISABLE, BREAKER_DISABLED},
    {BREAKER_DISABLED, BREAKER_AUTO, BREAKER_CLOSED},
    {BREAKER_DISABLED, BREAKER_FORCE, BREAKER_FORCED_OPEN},
};

const char *breaker_state_text(enum breaker_state state)
{
    static const char *const texts[BREAKER_STATE_COUNT] = {
        [BREAKER_CLOSED] = "closed",       [BREAKER_OPEN] = "open",
        [BREAKER_HALF_OPEN] = "half_open", [BREAKER_FORCED_OPEN] = "forced_open",
        [BREAKER_DISABLED] = "disabled",
    };
    return (unsigned)state < BREAKER_STATE_COUNT ? texts[state] : "unknown";
}

bool breaker_next(enum breaker_state state, enum breaker_event event, enum breaker_state *next)
{
    *next = state;
    for (size_t i = 0; i < sizeof transitions / sizeof transitions[0]; i++)
        if (transitions[i].from == state && transitions[i].event == event) {
            *next = transitions[i].to;
            return true;
        }
    return false;
}

void breaker_init(struct breaker *breaker)
{
    memset(breaker, 0, sizeof *breaker);
    breaker->epoch = 1;
}

static bool enter(struct breaker *breaker, enum breaker_event event)
{
    if (!breaker_next(breaker->state, event, &breaker->state))
        return false;
    breaker->epoch = breaker->epoch == UINT32_MAX ? 1 : breaker->epoch + 1;
    breaker->permits_out = 0;
    breaker->trial = (struct breaker_counts){0};
    breaker->open_until_ms = 0;
    if (breaker->state != BREAKER_OPEN) /* what tripped it stays to be seen */
        memset(breaker->slices, 0, sizeof breaker->slices);
    if (breaker->state != BREAKER_OPEN && breaker->state != BREAKER_HALF_OPEN)
        breaker->opens = 0;
    return true;
}

static uint64_t open_ms(uint32_t opens, uint32_t random)
{
    uint64_t wait_ms = BREAKER_OPEN_FIRST_MS;
    for (uint32_t i = 1; i < opens && wait_ms < BREAKER_OPEN_MAX_MS; i++)
        wait_ms *= 2;
    if (wait_ms > BREAKER_OPEN_MAX_MS)
        wait_ms = BREAKER_OPEN_MAX_MS;
    uint64_t span_ms = 2 * wait_ms * BREAKER_JITTER_PERCENT / 100;
    return wait_ms - span_ms / 2 + random % (span_ms + 1);
}

static void open_up(struct breaker *breaker, enum breaker_event event, uint64_t now_ms,
                    uint32_t random)
{
    if (!enter(breaker, event))
        return;
    if (breaker->opens < UINT32_MAX)
        breaker->opens++;
    breaker->open_until_ms = now_ms + open_ms(breaker->opens, random);
}

static bool wait_is_over(const struct breaker *breaker, uint64_t now_ms)
{
    return breaker->state == BREAKER_OPEN && !breaker->parked && now_ms >= breaker->open_until_ms;
}

bool breaker_refuses(const struct breaker *breaker, uint64_t now_ms)
{
    switch (breaker->state) {
    case BREAKER_OPEN:
        return !wait_is_over(breaker, now_ms);
    case BREAKER_HALF_OPEN:
        return breaker->permits_out + breaker->trial.calls >= BREAKER_PERMITS;
    default:
        return breaker->state == BREAKER_FORCED_OPEN;
    }
}

bool breaker_admit(struct breaker *breaker, uint64_t now_ms, uint32_t *permit)
{
    *permit = 0;
    if (breaker_refuses(breaker, now_ms))
        return false;
    if (breaker->state == BREAKER_OPEN)
        enter(breaker, BREAKER_WAIT_OVER);
    if (breaker->state == BREAKER_HALF_OPEN)
        breaker->permits_out++;
    *permit = breaker->epoch;
    return true;
}

/* Slices that the clock has passed are empty; one that goes backwards counts into the newest. */
static struct breaker_counts *slice_now(struct breaker *breaker, uint64_t now_ms)
{
    uint64_t number = now_ms / BREAKER_SLICE_MS;
    if (number > breaker->slice + BREAKER_SLICES)
        breaker->slice = number - BREAKER_SLICES;
    while (breaker->slice < number)
        breaker->slices[++breaker->slice % BREAKER_SLICES] = (struct breaker_counts){0};
    return &breaker->slices[breaker->slice % BREAKER_SLICES];
}

static void count(struct breaker_counts *counts, bool failed, bool slow)
{
    counts->calls++;
    counts->failed += failed;
    counts->slow += slow;
}

static bool too_many(const struct breaker_counts *counts)
{
    return (uint64_t)counts->failed * 100 >= (uint64_t)counts->calls * BREAKER_FAILURE_PERCENT ||
           (uint64_t)counts->slow * 100 >= (uint64_t)counts->calls * BREAKER_SLOW_PERCENT;
}

void breaker_record(struct breaker *breaker, uint32_t permit, bool failed, uint64_t duration_ms,
                    uint64_t now_ms, uint32_t random)
{
    bool slow = duration_ms > BREAKER_SLOW_MS;
    if (permit != breaker->epoch)
        return;
    if (breaker->state == BREAKER_CLOSED) {
        count(slice_now(breaker, now_ms), failed, slow);
        if (!failed && !slow)
            return; /* no rate rises by it */
        struct breaker_counts window = breaker_window(breaker, now_ms);
        if (window.calls >= BREAKER_CALLS_MIN && too_many(&window))
            open_up(breaker, BREAKER_TRIP, now_ms, random);
    } else if (breaker->state == BREAKER_HALF_OPEN) {
        breaker->permits_out--;
        count(&breaker->trial, failed, slow);
        if (breaker->trial.calls < BREAKER_PERMITS)
            return;
        if (too_many(&breaker->trial))
            open_up(breaker, BREAKER_TRIAL_BAD, now_ms, random);
        else
            enter(breaker, BREAKER_TRIAL_WELL);
    }
}

void breaker_cancel(struct breaker *breaker, uint32_t permit)
{
    if (permit == breaker->epoch && breaker->state == BREAKER_HALF_OPEN)
        breaker->permits_out--;
}

void breaker_set_parked(struct breaker *breaker, bool parked, uint64_t now_ms, uint32_t random)
{
    if (parked == breaker->parked)
        return;
    breaker->parked = parked;
    if (parked)
        open_up(breaker, BREAKER_PARK, now_ms, random);
    else
        enter(breaker, BREAKER_UNPARK);
}

void breaker_set_mode(struct breaker *breaker, enum breaker_mode mode, uint64_t now_ms,
                      uint32_t random)
{
    switch (mode) {
    case BREAKER_MODE_FORCED_OPEN:
        enter(breaker, BREAKER_FORCE);
        break;
    case BREAKER_MODE_DISABLED:
        enter(breaker, BREAKER_DISABLE);
        break;
    case BREAKER_MODE_AUTO:
        enter(breaker, BREAKER_AUTO);
        if (breaker->parked)
            open_up(breaker, BREAKER_PARK, now_ms, random);
        break;
    }
}

struct breaker_counts breaker_window(const struct breaker *breaker, uint64_t now_ms)
{
    struct breaker_counts sum = {0};
    uint64_t oldest = now_ms / BREAKER_SLICE_MS;
    oldest = oldest >= BREAKER_SLICES ? oldest - BREAKER_SLICES + 1 : 0;
    if (breaker->state == BREAKER_HALF_OPEN)
        return breaker->trial;
    for (unsigned back = 0; back < BREAKER_SLICES && back <= breaker->slice; back++) {
        if (breaker->slice - back < oldest)
            break;
        const struct breaker_counts *slice =
            &breaker->slices[(breaker->slice - back) % BREAKER_SLICES];
        sum.calls += slice->calls;
        sum.failed += slice->failed;
        sum.slow += slice->slow;
    }
    return sum;
}

double breaker_rate(uint32_t part, uint32_t calls)
{
    return calls < BREAKER_CALLS_MIN ? -1.0 : 100.0 * part / calls;
}

uint64_t breaker_next_probe_ms(const struct breaker *breaker)
{
    return breaker->state == BREAKER_OPEN && !breaker->parked ? breaker->open_until_ms : 0;
}
