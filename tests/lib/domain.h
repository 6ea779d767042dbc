#ifndef BOXOFFICE_TEST_DOMAIN_H
#define BOXOFFICE_TEST_DOMAIN_H

#include "behaviour.h"
#include "memory_rows.h"

/* A worker's domain without its process: decides and applies on rows in memory, on a clock that the
 * test moves, with a journal from which everything can be made again. Obligations are listed; the
 * test carries them. */

struct domain_event {
    struct domain_event *next;
    const struct actor_kind *kind;
    uint64_t actor, sequence, aggregate, aggregate_version, at_ms;
    uint16_t event_kind;
    size_t size;
    uint8_t payload[];
};

struct domain_obligation {
    struct domain_obligation *next;
    const struct actor_kind *actor_kind;
    uint64_t actor, number;
    uint16_t kind;
    union request request;
};

struct domain_timer {
    struct domain_timer *next;
    const struct actor_kind *kind;
    uint64_t actor, at_ms;
};

struct domain_actor {
    struct domain_actor *next;
    const struct actor_kind *kind;
    void *object;
};

/* How the last decision ended. */
struct told {
    bool replied, deferred, answers_waiters;
    enum outcome outcome;
    uint16_t reply_kind;
    uint64_t wait_key, wait_attempt;
    unsigned event_count;
    uint16_t events[DECISION_EVENTS_MAX];
};

struct domain {
    const struct behaviour *behaviour;
    struct config config;
    uint64_t now_ms, sequence;
    uint64_t started_at_ms;                    /* of the server; 0 at first */
    const struct claim_gate *claim_gate;       /* NULL at first */
    const struct capacity_gate *capacity_gate; /* likewise */
    struct memory_rows rows;
    struct row_view view;
    struct domain_actor *actors;
    struct domain_event *journal, **journal_end;
    struct domain_obligation *obligations; /* open ones, oldest first */
    struct domain_timer *timers;
    unsigned opened; /* obligations, ever */
    struct told told;
    struct decision decision;
    union reply reply; /* of the last decision */
    /* while an event is applied */
    const struct actor_kind *applying_kind;
    uint64_t applying_actor;
};

enum { DOMAIN_EPOCH = 1000000 }; /* the clock at first, ms */

struct domain *domain_create(const struct behaviour *behaviour);
void domain_destroy(struct domain *domain);
/* Decides a request; the reply is in domain->reply. */
struct told domain_request(struct domain *domain, uint16_t kind, const union request *request);
/* The same for a request that waited for `attempt` when its worker died. */
struct told domain_resume(struct domain *domain, uint16_t kind, const union request *request,
                          uint64_t attempt);
/* The answer to an obligation, open or not. */
struct told domain_answer(struct domain *domain, const struct domain_obligation *obligation,
                          enum outcome outcome, uint16_t reply_kind, const union reply *reply);
/* Lets everything happen that is due by now. Returns how many timers went off. */
unsigned domain_fire(struct domain *domain);
/* Applies the behaviour's demo data. */
void domain_seed(struct domain *domain);
/* Applies one event as if it had been decided. */
void domain_event(struct domain *domain, const struct actor_kind *kind, uint64_t actor,
                  uint16_t event_kind, uint64_t aggregate, uint64_t aggregate_version,
                  const union event *body);
/* Forgets all decoded actors, as a restart does. */
void domain_forget(struct domain *domain);
/* Makes all rows again from the journal alone and compares. */
bool domain_replays(struct domain *domain);
const void *domain_object(struct domain *domain, const struct actor_kind *kind, uint64_t actor);

#endif
