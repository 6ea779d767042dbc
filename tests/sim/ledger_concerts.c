#include "ledger_concerts.h"
#include "check.h"
#include "trace.h"

enum { CONCERTS_MAX = 256 };

static struct ledger_concert concerts[CONCERTS_MAX];
static unsigned concert_count;

void ledger_concerts_reset(void)
{
    concert_count = 0;
}

struct ledger_concert *ledger_concert(uint64_t id)
{
    for (unsigned i = concert_count; i-- > 0;)
        if (concerts[i].id == id)
            return &concerts[i];
    return NULL;
}

bool ledger_concert_is_partial(void)
{
    return concert_count > 0 &&
           concerts[concert_count - 1].schedule_count < concerts[concert_count - 1].wanted;
}

static void grown(const struct journal_event *event, const struct catalogue_grown *body)
{
    require(ledger_concert(body->concert) == NULL, "two concerts have the id %llu",
            (unsigned long long)body->concert);
    check(concert_count < CONCERTS_MAX && body->schedules <= CONCERT_SCHEDULES_MAX);
    struct ledger_concert *concert = &concerts[concert_count++];
    concert->id = body->concert;
    concert->directory = body->directory;
    concert->keyed = body->idempotency_key.length > 0;
    concert->told = false;
    concert->schedule_count = 0;
    concert->wanted = body->schedules;
    ledger_use_key(REQUEST_CONCERT_CREATE, 0, body->directory, body->idempotency_key.data,
                   body->idempotency_key.length, body->body_hash, event->at_ms, body->concert);
}

static void scheduled(const struct schedule_created *body)
{
    struct ledger_concert *concert = ledger_concert(body->concert);
    require(ledger_concert_is_partial() && concert == &concerts[concert_count - 1],
            "schedule %llu: of no concert that is being made", (unsigned long long)body->schedule);
    for (unsigned i = 0; i < concert_count; i++)
        for (uint64_t j = 0; j < concerts[i].schedule_count; j++)
            require(concerts[i].schedules[j] != body->schedule, "two schedules have the id %llu",
                    (unsigned long long)body->schedule);
    concert->schedules[concert->schedule_count++] = body->schedule;
}

void ledger_concert_event(const struct journal_event *event, const union event *body)
{
    if (event->kind == EVENT_CATALOGUE_GROWN)
        grown(event, &body->catalogue_grown);
    else if (event->kind == EVENT_SCHEDULE_CREATED)
        scheduled(&body->schedule_created);
    else
        require(ledger_concert_is_partial() &&
                    concerts[concert_count - 1].id == body->concert_created.concert,
                "concert %llu: nobody asked for it",
                (unsigned long long)body->concert_created.concert);
}
