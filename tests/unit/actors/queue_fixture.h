#ifndef BOXOFFICE_TEST_QUEUE_FIXTURE_H
#define BOXOFFICE_TEST_QUEUE_FIXTURE_H

#include "unit.h"
#include "audit.h"
#include "domain.h"
#include "room.h"
#include <stdlib.h>

/* Room 0 with two places, a session of 100 s and a claim time of 10 s. */
enum { PLACES = 2 };
static const uint64_t SESSION_MS = 100 * 1000, CLAIM_MS = 10 * 1000;

static inline int set_up(void **state)
{
    struct domain *domain = domain_create(&queue_behaviour);
    domain->config.active_limit = PLACES;
    domain->config.session_ttl_s = SESSION_MS / 1000;
    domain->config.claim_ttl_s = CLAIM_MS / 1000;
    *state = domain;
    return 0;
}

/* What the audit finds in the rooms; prints it. */
static inline uint64_t violations(struct domain *domain)
{
    struct audit *audit = audit_create(stdout);
    audit_queue(audit, &domain->view);
    return audit_finish(audit);
}

/* Whatever a test did, the rows are sound and the journal alone gives the same. */
static inline int tear_down(void **state)
{
    bool sound = violations(*state) == 0 && domain_replays(*state);
    domain_destroy(*state);
    return sound ? 0 : -1;
}

static inline struct told issue_in(struct domain *domain, uint64_t room, uint64_t user)
{
    union request request = {.token_issue = {room, user}};
    return domain_request(domain, REQUEST_TOKEN_ISSUE, &request);
}

/* The number of the user's ticket in room 0. */
static inline uint64_t issue(struct domain *domain, uint64_t user)
{
    assert_int_equal(issue_in(domain, 0, user).outcome, OUTCOME_OK);
    return domain->reply.ticket.number;
}

/* Users first … last, whose tickets get the same numbers when the room is new. */
static inline void issue_all(struct domain *domain, uint64_t first, uint64_t last)
{
    for (uint64_t user = first; user <= last; user++)
        issue(domain, user);
}

static inline enum ticket_state state_of(struct domain *domain, uint64_t number)
{
    struct row_key key = ticket_key(0, number);
    struct ticket_row ticket;
    if (!ticket_row_read(&domain->view, &key, &ticket))
        return (enum ticket_state)0;
    return (enum ticket_state)ticket.state;
}

static inline struct told claim(struct domain *domain, uint64_t user, uint64_t number)
{
    union request request = {.ticket_claim = {0, user, number}};
    return domain_request(domain, REQUEST_TICKET_CLAIM, &request);
}

static inline struct told leave(struct domain *domain, uint64_t user, uint64_t number)
{
    union request request = {.ticket_leave = {0, user, number}};
    return domain_request(domain, REQUEST_TICKET_LEAVE, &request);
}

static inline struct told purchased(struct domain *domain, uint64_t user, uint64_t number)
{
    union request request = {.purchased = {0, user, number, 640}};
    return domain_request(domain, REQUEST_PURCHASED, &request);
}

static inline struct told change(struct domain *domain, struct room_change settings)
{
    union request request = {.room_change = settings};
    return domain_request(domain, REQUEST_ROOM_CHANGE, &request);
}

/* Moves the clock and lets happen what is due; what it brings may be due at once, too. */
static inline void pass(struct domain *domain, uint64_t time_ms)
{
    domain->now_ms += time_ms;
    domain_fire(domain);
}

static inline const struct room_status *status_in(struct domain *domain, uint64_t room)
{
    union request request = {.room_get = {room}};
    assert_int_equal(domain_request(domain, REQUEST_ROOM_GET, &request).outcome, OUTCOME_OK);
    return &domain->reply.room_status;
}

static inline const struct room_status *status(struct domain *domain)
{
    return status_in(domain, 0);
}

/* How often an event of this kind is in the journal. */
static inline unsigned events(const struct domain *domain, enum event_kind kind)
{
    unsigned count = 0;
    for (const struct domain_event *event = domain->journal; event != NULL; event = event->next)
        count += event->event_kind == (uint16_t)kind;
    return count;
}

#endif
