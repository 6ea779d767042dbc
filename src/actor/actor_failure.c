#include "check.h"
#include "clock.h"
#include "log.h"
#include "runtime.h"

/* One actor's fault is not its neighbours': where a check fails while an actor is loaded or
 * decides, which are pure, that actor fails and not the process. Nothing of the decision is kept. A
 * check that fails in apply ends the process, as the event is in the journal's transaction by then.
 */

static uint64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

static void note(struct worker *worker, const struct actor_kind *kind, uint64_t id,
                 const char *what)
{
    uint64_t now_ns = clock_monotonic_ns();
    uint64_t refused_ms = failing_note(&worker->failing, kind->number, id, worker->batch_number,
                                       now_ns / 1000000, (uint32_t)(now_ns >> 4));
    overlay_view_reset(&worker->overlay);
    stat_add(&worker->stats->actor_failures_total, 1);
    log_error("actor-failed", "kind=%s id=%llu refused_ms=%llu error=\"%s\"", kind->name,
              (unsigned long long)id, (unsigned long long)refused_ms, what);
}

struct actor *worker_actor(struct worker *worker, const struct actor_kind *kind, uint64_t id)
{
    if (worker->failing.count > 0 &&
        failing_refuses(&worker->failing, kind->number, id, worker->batch_number, now_ms())) {
        stat_add(&worker->stats->actor_refusals_total, 1);
        return NULL;
    }
    struct actor *actor = cache_get(&worker->cache, kind, id, &worker->rows);
    if (actor == NULL)
        note(worker, kind, id, worker->cache.failure);
    return actor == NULL || actor->failed ? NULL : actor;
}

struct deciding_actor {
    struct decision *decision;
    const struct actor *actor;
    const struct message *message;
};

static void decide(void *context)
{
    const struct deciding_actor *deciding = context;
    deciding->actor->kind->decide(deciding->decision, deciding->actor->object, deciding->message);
}

bool worker_try_decide(struct worker *worker, struct actor *actor, const struct message *message)
{
    struct deciding_actor deciding = {&worker->decision, actor, message};
    char what[160];
    uint64_t id = actor_base(actor)->id;
    if (check_contain(decide, &deciding, what, sizeof what)) {
        if (worker->failing.count > 0)
            failing_well(&worker->failing, actor->kind->number, id, now_ms());
        return true;
    }
    note(worker, actor->kind, id, what);
    check(worker->failed_count < sizeof worker->failed / sizeof worker->failed[0]);
    actor->failed = true;
    worker->failed[worker->failed_count++] = actor;
    return false;
}

void worker_drop_failed(struct worker *worker)
{
    for (unsigned i = 0; i < worker->failed_count; i++)
        cache_drop(&worker->cache, worker->failed[i]);
    worker->failed_count = 0;
    worker->batch_number++;
}
