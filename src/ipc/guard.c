#include "guard.h"

#include "log.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct breaker_line) == 64, "an owner's lines share no cache line");

/* ---- names and modes ---- */

bool breaker_name(const struct segment *segment, unsigned target, char name[BREAKER_NAME_SIZE])
{
    static const enum role guarded[] = {ROLE_QUEUE, ROLE_SEAT, ROLE_WALLET};

    if (target == segment_process_of(segment, ROLE_RELAY, 0)) {
        snprintf(name, BREAKER_NAME_SIZE, "kafka");
        return true;
    }
    for (size_t i = 0; i < sizeof guarded / sizeof guarded[0]; i++) {
        unsigned first = segment_process_of(segment, guarded[i], 0), instance = 0;

        while (segment_process_of(segment, guarded[i], instance) != PROCESS_MAX)
            instance++;
        if (target >= first && target - first < instance) {
            snprintf(name, BREAKER_NAME_SIZE, "%s-%u", role_text(guarded[i]), target - first);
            return true;
        }
    }
    return false;
}

unsigned breaker_find(const struct segment *segment, const char *name, size_t size)
{
    char each[BREAKER_NAME_SIZE];

    for (unsigned target = 0; target < segment->header->process_count; target++)
        if (breaker_name(segment, target, each) && strlen(each) == size &&
            memcmp(each, name, size) == 0)
            return target;
    return PROCESS_MAX;
}

static enum breaker_mode mode_of(const _Atomic uint32_t *shared)
{
    uint32_t mode = atomic_load_explicit(shared, memory_order_relaxed);

    return mode <= BREAKER_MODE_DISABLED ? (enum breaker_mode)mode : BREAKER_MODE_AUTO;
}

void breaker_order(const struct segment *segment, unsigned target, enum breaker_mode mode)
{
    if (target < PROCESS_MAX)
        atomic_store(&segment_breakers(segment)->modes[target], (uint32_t)mode);
}

/* ---- the view over all owners ---- */

/* From harmless to worst. Modes and parking are seen from their source: owners follow later. */
static unsigned rank(enum breaker_state state)
{
    static const unsigned ranks[BREAKER_STATE_COUNT] = {
        [BREAKER_HALF_OPEN] = 1, [BREAKER_OPEN] = 2};

    return (unsigned)state < BREAKER_STATE_COUNT ? ranks[state] : 0;
}

static void view_add_totals(struct breaker_view *view, const struct breaker_line *line)
{
    for (unsigned kind = 0; kind < 2; kind++) {
        view->calls_total[kind] += stat_get(&line->calls_total[kind]);
        view->calls_us[kind] += stat_get(&line->calls_us[kind]);
    }
    view->not_permitted_total += stat_get(&line->not_permitted_total);
}

static void view_add_live(struct breaker_view *view, const struct breaker_line *line)
{
    enum breaker_state state = (enum breaker_state)atomic_load(&line->state);
    uint64_t probe_ms = stat_get(&line->next_probe_ms);

    if (rank(state) > rank(view->state))
        view->state = state;
    view->window.calls += atomic_load(&line->calls);
    view->window.failed += atomic_load(&line->failed);
    view->window.slow += atomic_load(&line->slow);
    if (probe_ms != 0 && (view->next_probe_ms == 0 || probe_ms < view->next_probe_ms))
        view->next_probe_ms = probe_ms;
}

void breaker_look(const struct segment *segment, unsigned target, struct breaker_view *view)
{
    const struct breaker_table *table = segment_breakers(segment);
    enum role role = ROLE_FRONT;
    unsigned process;

    memset(view, 0, sizeof *view);
    if (target >= segment->header->process_count)
        return;
    view->mode = mode_of(&table->modes[target]);
    if (target == segment_process_of(segment, ROLE_RELAY, 0))
        role = ROLE_RELAY;
    for (unsigned owner = 0; owner < BREAKER_OWNERS_MAX; owner++) {
        if ((process = segment_process_of(segment, role, owner)) == PROCESS_MAX)
            break;
        view_add_totals(view, &table->lines[owner][target]);
        if (atomic_load(&segment_process(segment, process)->pid) != 0)
            view_add_live(view, &table->lines[owner][target]);
    }
    if (role == ROLE_FRONT && atomic_load(&segment_process(segment, target)->parked) != 0)
        view->state = BREAKER_OPEN;
    if (view->mode != BREAKER_MODE_AUTO)
        view->state = view->mode == BREAKER_MODE_DISABLED ? BREAKER_DISABLED : BREAKER_FORCED_OPEN;
}

/* ---- an owner's breaker ---- */

/* xorshift32 (Marsaglia, 2003). */
static uint32_t next_random(struct guard *guard)
{
    guard->random ^= guard->random << 13;
    guard->random ^= guard->random >> 17;
    guard->random ^= guard->random << 5;
    return guard->random;
}

enum status guard_open(struct guard *guard, const struct segment *segment, unsigned target,
                       unsigned owner)
{
    memset(guard, 0, sizeof *guard);
    if (owner >= BREAKER_OWNERS_MAX || !breaker_name(segment, target, guard->name))
        return STATUS_INVALID;
    breaker_init(&guard->breaker);
    guard->mode = &segment_breakers(segment)->modes[target];
    guard->entry = segment_process(segment, target);
    guard->line = &segment_breakers(segment)->lines[owner][target];
    guard->random = (uint32_t)clock_monotonic_ns() | 1;
    guard_tick(guard, clock_monotonic_ns());
    return STATUS_OK;
}

static void follow_orders(struct guard *guard, uint64_t now_ms)
{
    enum breaker_mode mode = mode_of(guard->mode);
    bool parked = atomic_load_explicit(&guard->entry->parked, memory_order_relaxed) != 0;

    if (parked != guard->breaker.parked)
        breaker_set_parked(&guard->breaker, parked, now_ms, next_random(guard));
    if (mode != guard->mode_seen)
        breaker_set_mode(&guard->breaker, mode, now_ms, next_random(guard));
    guard->mode_seen = mode;
}

static void log_transition(struct guard *guard, const struct breaker_counts *window)
{
    enum breaker_state state = guard->breaker.state;

    if (state == guard->logged)
        return;
    log_write(state == BREAKER_OPEN ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "breaker",
              "name=%s from=%s to=%s parked=%d calls=%u failed=%u slow=%u", guard->name,
              breaker_state_text(guard->logged), breaker_state_text(state), guard->breaker.parked,
              window->calls, window->failed, window->slow);
    guard->logged = state;
}

static void publish(struct guard *guard, uint64_t now_ms)
{
    struct breaker_line *line = guard->line;
    struct breaker_counts window = breaker_window(&guard->breaker, now_ms);
    uint64_t probe_ms = breaker_next_probe_ms(&guard->breaker);

    log_transition(guard, &window);
    if (probe_ms != 0)
        probe_ms = clock_now_ms() + (probe_ms > now_ms ? probe_ms - now_ms : 0);
    atomic_store_explicit(&line->state, guard->breaker.state, memory_order_relaxed);
    atomic_store_explicit(&line->calls, window.calls, memory_order_relaxed);
    atomic_store_explicit(&line->failed, window.failed, memory_order_relaxed);
    atomic_store_explicit(&line->slow, window.slow, memory_order_relaxed);
    stat_set(&line->next_probe_ms, probe_ms);
}

static void publish_change(struct guard *guard, uint32_t epoch, uint64_t now_ms)
{
    if (guard->breaker.epoch != epoch)
        publish(guard, now_ms);
}

bool guard_admit(struct guard *guard, uint64_t now_ns, uint32_t *permit)
{
    uint64_t now_ms = now_ns / 1000000;
    uint32_t epoch = guard->breaker.epoch;
    bool admitted;

    follow_orders(guard, now_ms);
    admitted = breaker_admit(&guard->breaker, now_ms, permit);
    if (!admitted)
        guard_count_refusal(guard);
    publish_change(guard, epoch, now_ms);
    return admitted;
}

void guard_record(struct guard *guard, uint32_t permit, bool failed, uint64_t duration_ns,
                  uint64_t now_ns)
{
    uint64_t now_ms = now_ns / 1000000;
    uint32_t epoch = guard->breaker.epoch;

    stat_add(&guard->line->calls_total[failed], 1);
    stat_add(&guard->line->calls_us[failed], duration_ns / 1000);
    breaker_record(&guard->breaker, permit, failed, duration_ns / 1000000, now_ms,
                   next_random(guard));
    publish_change(guard, epoch, now_ms);
}

void guard_cancel(struct guard *guard, uint32_t permit)
{
    breaker_cancel(&guard->breaker, permit);
}

void guard_recovered(struct guard *guard, uint64_t now_ns)
{
    uint64_t now_ms = now_ns / 1000000;

    if (guard->breaker.state != BREAKER_OPEN || guard->breaker.parked)
        return;
    breaker_set_parked(&guard->breaker, true, now_ms, next_random(guard));
    breaker_set_parked(&guard->breaker, false, now_ms, next_random(guard));
    publish(guard, now_ms);
}

bool guard_refuses(const struct guard *guard, uint64_t now_ns)
{
    return breaker_refuses(&guard->breaker, now_ns / 1000000);
}

bool guard_is_open(const struct guard *guard, uint64_t now_ns)
{
    return guard->breaker.state != BREAKER_HALF_OPEN && guard_refuses(guard, now_ns);
}

void guard_count_refusal(struct guard *guard)
{
    stat_add(&guard->line->not_permitted_total, 1);
}

unsigned guard_retry_s(const struct guard *guard, uint64_t now_ns)
{
    enum { UNKNOWN_S = 5 }; /* parked, or open by hand */
    uint64_t now_ms = now_ns / 1000000, probe_ms = breaker_next_probe_ms(&guard->breaker);

    if (probe_ms != 0)
        return probe_ms > now_ms ? (unsigned)((probe_ms - now_ms + 999) / 1000) : 1;
    return guard->breaker.state == BREAKER_OPEN || guard->breaker.state == BREAKER_FORCED_OPEN
               ? UNKNOWN_S
               : 1;
}

void guard_tick(struct guard *guard, uint64_t now_ns)
{
    follow_orders(guard, now_ns / 1000000);
    publish(guard, now_ns / 1000000);
}
