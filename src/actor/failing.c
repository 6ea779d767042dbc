#include "failing.h"
#include <string.h>

static struct failing_actor *find(const struct failing *failing, uint8_t kind, uint64_t id)
{
    for (size_t i = 0; i < failing->count; i++)
        if (failing->actors[i].id == id && failing->actors[i].kind == kind)
            return (struct failing_actor *)&failing->actors[i];
    return NULL;
}

static struct failing_actor *make(struct failing *failing, uint8_t kind, uint64_t id)
{
    struct failing_actor *actor = &failing->actors[0];
    if (failing->count < FAILING_MAX)
        actor = &failing->actors[failing->count++];
    else
        for (size_t i = 1; i < FAILING_MAX; i++)
            if (failing->actors[i].failed_ms < actor->failed_ms)
                actor = &failing->actors[i];
    memset(actor, 0, sizeof *actor);
    actor->kind = kind;
    actor->id = id;
    return actor;
}

bool failing_refuses(const struct failing *failing, uint8_t kind, uint64_t id, uint64_t batch,
                     uint64_t now_ms)
{
    const struct failing_actor *actor = find(failing, kind, id);
    return actor != NULL && (actor->batch == batch || now_ms < actor->due_ms);
}

uint64_t failing_note(struct failing *failing, uint8_t kind, uint64_t id, uint64_t batch,
                      uint64_t now_ms, uint32_t random)
{
    struct failing_actor *actor = find(failing, kind, id);
    if (actor == NULL)
        actor = make(failing, kind, id);
    uint64_t well_ms = actor->failed_ms == 0 ? 0 : now_ms - actor->failed_ms;
    uint64_t delay_ms = restart_after_fault(&actor->record, now_ms, well_ms, random);
    if (!actor->record.parked) /* rebuilding it costs nobody else anything */
        delay_ms = 0;
    actor->failed_ms = now_ms;
    actor->due_ms = now_ms + delay_ms;
    actor->batch = batch;
    return delay_ms;
}

void failing_well(struct failing *failing, uint8_t kind, uint64_t id, uint64_t now_ms)
{
    struct failing_actor *actor = find(failing, kind, id);
    if (actor == NULL)
        return;
    actor->record.parked = false;
    if (now_ms - actor->failed_ms >= RESTART_STABLE_MS)
        *actor = failing->actors[--failing->count];
}

size_t failing_parked(const struct failing *failing)
{
    size_t parked = 0;
    for (size_t i = 0; i < failing->count; i++)
        parked += failing->actors[i].record.parked;
    return parked;
}
