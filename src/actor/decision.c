#include "behaviour.h"
#include "check.h"

uint64_t event_version(const struct event_view *event, uint64_t version)
{
    if (event->aggregate_version == VERSION_INTERNAL)
        return version;
    check(event->aggregate_version == version + 1);
    return event->aggregate_version;
}

void decision_emit(struct decision *decision, enum event_kind kind, uint64_t aggregate,
                   uint64_t aggregate_version, const union event *body)
{
    decision_emit_to(decision, NULL, 0, kind, aggregate, aggregate_version, body);
}

void decision_emit_to(struct decision *decision, const struct actor_kind *actor_kind,
                      uint64_t actor, enum event_kind kind, uint64_t aggregate,
                      uint64_t aggregate_version, const union event *body)
{
    check(decision->event_count < DECISION_EVENTS_MAX);
    uint8_t *to = decision->bytes + decision->bytes_used;
    size_t size =
        event_encode((uint16_t)kind, body, to, sizeof decision->bytes - decision->bytes_used);
    check(size > 0);
    decision->events[decision->event_count++] = (struct decided_event){
        .actor_kind = actor_kind,
        .actor = actor,
        .aggregate = aggregate,
        .aggregate_version = aggregate_version,
        .offset = decision->bytes_used,
        .size = (uint32_t)size,
        .kind = (uint16_t)kind,
    };
    decision->bytes_used += (uint32_t)size;
}

void decision_reply(struct decision *decision, enum outcome outcome, enum reply_kind kind)
{
    check(!decision->replied && !decision->deferred && !decision->answers_waiters);
    check(outcome < OUTCOME_COUNT);
    decision->replied = true;
    decision->outcome = outcome;
    decision->reply_kind = (uint16_t)kind;
}

void decision_defer(struct decision *decision, uint64_t wait_key, uint64_t attempt)
{
    check(!decision->replied && !decision->deferred && !decision->answers_waiters);
    check(attempt > 0); /* 0 says "never waited" when the request is decided again */
    decision->deferred = true;
    decision->wait_key = wait_key;
    decision->wait_attempt = attempt;
}

void decision_answer_waiters(struct decision *decision, uint64_t wait_key, enum outcome outcome,
                             enum reply_kind kind)
{
    check(!decision->replied && !decision->deferred && !decision->answers_waiters);
    check(outcome < OUTCOME_COUNT);
    decision->answers_waiters = true;
    decision->wait_key = wait_key;
    decision->outcome = outcome;
    decision->reply_kind = (uint16_t)kind;
}
