#include "domain.h"
#include "check.h"
#include "journal.h"
#include "obligations.h"
#include <stdlib.h>

enum { REPLAY_CACHED = 200 }; /* events; actors are passivated in a replay too */

struct domain *domain_create(const struct behaviour *behaviour)
{
    struct domain *domain = calloc(1, sizeof *domain);
    check(domain != NULL);
    domain->behaviour = behaviour;
    config_init(&domain->config);
    domain->now_ms = DOMAIN_EPOCH;
    memory_rows_init(&domain->rows);
    domain->view = memory_rows_view(&domain->rows);
    domain->journal_end = &domain->journal;
    return domain;
}

void domain_forget(struct domain *domain)
{
    while (domain->actors != NULL) {
        struct domain_actor *actor = domain->actors;
        domain->actors = actor->next;
        if (actor->kind->unload != NULL)
            actor->kind->unload(actor->object);
        free(actor->object);
        free(actor);
    }
}

void domain_destroy(struct domain *domain)
{
    domain_forget(domain);
    memory_rows_fini(&domain->rows);
    while (domain->journal != NULL) {
        struct domain_event *event = domain->journal;
        domain->journal = event->next;
        free(event);
    }
    while (domain->obligations != NULL) {
        struct domain_obligation *obligation = domain->obligations;
        domain->obligations = obligation->next;
        free(obligation);
    }
    while (domain->timers != NULL) {
        struct domain_timer *timer = domain->timers;
        domain->timers = timer->next;
        free(timer);
    }
    free(domain);
}

static void *object_of(struct domain *domain, const struct actor_kind *kind, uint64_t id)
{
    for (struct domain_actor *actor = domain->actors; actor != NULL; actor = actor->next)
        if (actor->kind == kind && ((struct actor_base *)actor->object)->id == id)
            return actor->object;
    struct domain_actor *actor = calloc(1, sizeof *actor);
    check(actor != NULL);
    actor->object = calloc(1, kind->object_size);
    check(actor->object != NULL);
    actor->kind = kind;
    actor->next = domain->actors;
    domain->actors = actor;
    ((struct actor_base *)actor->object)->id = id;
    (void)kind->load(actor->object, &domain->view);
    return actor->object;
}

const void *domain_object(struct domain *domain, const struct actor_kind *kind, uint64_t actor)
{
    return object_of(domain, kind, actor);
}

/* ---- the sink ---- */

static enum status sink_get(void *context, const struct row_key *key, struct row_bytes *value)
{
    struct domain *domain = context;
    return row_get(&domain->view, key, value);
}

static void sink_scan(void *context, const struct row_key *prefix, const struct row_key *from,
                      bool descending, row_visit_cb visit, void *visit_context)
{
    struct domain *domain = context;
    domain->view.scan(domain->view.context, prefix, from, descending, visit, visit_context);
}

static void sink_put(void *context, const struct row_key *key, const void *payload, size_t size)
{
    struct domain *domain = context;
    memory_rows_put(&domain->rows, key, payload, size);
}

static void sink_delete(void *context, const struct row_key *key)
{
    struct domain *domain = context;
    memory_rows_delete(&domain->rows, key);
}

static void sink_timer(void *context, uint64_t at_ms)
{
    struct domain *domain = context;
    struct domain_timer *timer = domain->timers;
    while (timer != NULL &&
           (timer->kind != domain->applying_kind || timer->actor != domain->applying_actor))
        timer = timer->next;
    if (timer == NULL) {
        timer = calloc(1, sizeof *timer);
        check(timer != NULL);
        timer->kind = domain->applying_kind;
        timer->actor = domain->applying_actor;
        timer->next = domain->timers;
        domain->timers = timer;
    }
    timer->at_ms = at_ms;
    struct row_key key = row_key_of('t', domain->applying_actor);
    row_key_add_tag(&key, (char)domain->applying_kind->number);
    uint8_t value[16];
    struct pack_writer writer;
    pack_writer_init(&writer, value, sizeof value);
    pack_u64(&writer, at_ms);
    if (at_ms == 0)
        memory_rows_delete(&domain->rows, &key);
    else
        memory_rows_put(&domain->rows, &key, value, writer.used);
}

static struct row_key owed_key(const struct domain *domain, uint64_t number)
{
    return obligation_key(domain->applying_kind->number, domain->applying_actor, number);
}

static struct domain_obligation **find_obligation(struct domain *domain, uint64_t number)
{
    struct domain_obligation **at = &domain->obligations;
    while (*at != NULL && ((*at)->number != number || (*at)->actor_kind != domain->applying_kind ||
                           (*at)->actor != domain->applying_actor))
        at = &(*at)->next;
    return at;
}

static void sink_oblige(void *context, uint64_t number, uint16_t kind, const union request *request)
{
    struct domain *domain = context;
    struct domain_obligation **at = find_obligation(domain, number);
    check(*at == NULL);
    *at = calloc(1, sizeof **at);
    check(*at != NULL);
    (*at)->actor_kind = domain->applying_kind;
    (*at)->actor = domain->applying_actor;
    (*at)->number = number;
    (*at)->kind = kind;
    uint8_t bytes[192];
    size_t size = obligation_encode(kind, request, bytes, sizeof bytes);
    uint16_t decoded;
    check(size > 0 &&
          obligation_decode((struct row_bytes){bytes, size}, &decoded, &(*at)->request));
    struct row_key key = owed_key(domain, number);
    memory_rows_put(&domain->rows, &key, bytes, size);
    domain->opened++;
}

static void sink_discharge(void *context, uint64_t number)
{
    struct domain *domain = context;
    struct domain_obligation **at = find_obligation(domain, number);
    check(*at != NULL);
    struct domain_obligation *obligation = *at;
    *at = obligation->next;
    free(obligation);
    struct row_key key = owed_key(domain, number);
    memory_rows_delete(&domain->rows, &key);
}

static void apply(struct domain *domain, const struct domain_event *event)
{
    static union event body;
    struct row_sink sink = {.view = {domain, sink_get, sink_scan},
                            .put = sink_put,
                            .delete = sink_delete,
                            .timer = sink_timer,
                            .oblige = sink_oblige,
                            .discharge = sink_discharge};
    check(event_decode(event->event_kind, &body, event->payload, event->size));
    struct event_view view = {event->sequence, event->aggregate,  event->aggregate_version,
                              event->at_ms,    event->event_kind, &body};
    struct actor_base *base = object_of(domain, event->kind, event->actor);
    domain->applying_kind = event->kind;
    domain->applying_actor = event->actor;
    check(event->sequence > base->last_sequence);
    base->last_sequence = event->sequence;
    event->kind->apply(base, &view, &sink);
}

static void journal(struct domain *domain, const struct actor_kind *kind, uint64_t actor,
                    uint16_t event_kind, uint64_t aggregate, uint64_t aggregate_version,
                    const void *payload, size_t size)
{
    struct domain_event *event = malloc(sizeof *event + size);
    check(event != NULL);
    *event = (struct domain_event){.kind = kind,
                                   .actor = actor,
                                   .sequence = ++domain->sequence,
                                   .aggregate = aggregate,
                                   .aggregate_version = aggregate_version,
                                   .at_ms = domain->now_ms,
                                   .event_kind = event_kind,
                                   .size = size};
    memcpy(event->payload, payload, size);
    *domain->journal_end = event;
    domain->journal_end = &event->next;
    apply(domain, event);
}

void domain_event(struct domain *domain, const struct actor_kind *kind, uint64_t actor,
                  uint16_t event_kind, uint64_t aggregate, uint64_t aggregate_version,
                  const union event *body)
{
    uint8_t payload[JOURNAL_PAYLOAD_MAX];
    size_t size = event_encode(event_kind, body, payload, sizeof payload);
    check(size > 0);
    journal(domain, kind, actor, event_kind, aggregate, aggregate_version, payload, size);
}

void domain_seed(struct domain *domain)
{
    static struct seed_event seed;
    for (uint64_t index = 0; domain->behaviour->seed(&domain->config, index, domain->now_ms,
                                                     domain->sequence + 1, &seed);
         index++)
        domain_event(domain, seed.kind, seed.actor, seed.event_kind, seed.aggregate,
                     seed.aggregate_version, &seed.body);
}

/* ---- decisions ---- */

static void decide(struct domain *domain, const struct actor_kind *kind, uint64_t id,
                   const struct message *message, uint64_t resumed_attempt)
{
    struct decision *decision = &domain->decision;
    struct told *told = &domain->told;
    const void *object = object_of(domain, kind, id);
    decision_init(decision);
    decision->now_ms = domain->now_ms;
    decision->started_at_ms = domain->started_at_ms;
    decision->claim_gate = domain->claim_gate;
    decision->capacity_gate = domain->capacity_gate;
    decision->next_sequence = domain->sequence + 1;
    decision->resumed_attempt = resumed_attempt;
    decision->config = &domain->config;
    decision->rows = &domain->view;
    decision->reply = &domain->reply;
    kind->decide(decision, object, message);
    *told = (struct told){
        .replied = decision->replied,
        .deferred = decision->deferred,
        .answers_waiters = decision->answers_waiters,
        .outcome = decision->outcome,
        .reply_kind = decision->reply_kind,
        .wait_key = decision->wait_key,
        .wait_attempt = decision->wait_attempt,
        .event_count = decision->event_count,
    };
    for (unsigned i = 0; i < decision->event_count; i++) {
        const struct decided_event *event = &decision->events[i];
        bool own = event->actor_kind == NULL;
        told->events[i] = event->kind;
        journal(domain, own ? kind : event->actor_kind, own ? id : event->actor, event->kind,
                event->aggregate, event->aggregate_version, decision->bytes + event->offset,
                event->size);
    }
}

struct told domain_resume(struct domain *domain, uint16_t kind, const union request *request,
                          uint64_t attempt)
{
    struct message message = {.origin = MESSAGE_REQUEST, .kind = kind, .request = request};
    const struct actor_kind *actor_kind = NULL;
    uint64_t id = 0;
    if (domain->behaviour->route(&message, &domain->view, &actor_kind, &id) != STATUS_OK) {
        domain->told = (struct told){.replied = true, .outcome = OUTCOME_NOT_FOUND};
        return domain->told;
    }
    decide(domain, actor_kind, id, &message, attempt);
    check(domain->told.replied != domain->told.deferred);
    return domain->told;
}

struct told domain_request(struct domain *domain, uint16_t kind, const union request *request)
{
    return domain_resume(domain, kind, request, 0);
}

struct told domain_answer(struct domain *domain, const struct domain_obligation *obligation,
                          enum outcome outcome, uint16_t reply_kind, const union reply *reply)
{
    struct domain_obligation copy = *obligation; /* its end may free it */
    struct message message = {.origin = MESSAGE_REPLY,
                              .kind = copy.kind,
                              .request = &copy.request,
                              .obligation = copy.number,
                              .outcome = outcome,
                              .reply_kind = reply_kind,
                              .reply = reply};
    decide(domain, copy.actor_kind, copy.actor, &message, 0);
    return domain->told;
}

unsigned domain_fire(struct domain *domain)
{
    unsigned fired = 0;
    struct message message = {.origin = MESSAGE_TIMER};
    for (struct domain_timer *timer = domain->timers; timer != NULL;) {
        if (timer->at_ms == 0 || timer->at_ms > domain->now_ms) {
            timer = timer->next;
            continue;
        }
        timer->at_ms = 0; /* it is no longer set; apply sets it again */
        decide(domain, timer->kind, timer->actor, &message, 0);
        fired++;
        timer = domain->timers;
    }
    return fired;
}

bool domain_replays(struct domain *domain)
{
    struct domain *again = domain_create(domain->behaviour);
    unsigned applied = 0;
    for (const struct domain_event *event = domain->journal; event != NULL; event = event->next) {
        apply(again, event);
        if (++applied % REPLAY_CACHED == 0)
            domain_forget(again);
    }
    bool equal = memory_rows_equal(&domain->rows, &again->rows);
    domain_destroy(again);
    return equal;
}
