#ifndef BOXOFFICE_TEST_SEAT_FIXTURE_H
#define BOXOFFICE_TEST_SEAT_FIXTURE_H

#include "unit.h"
#include "domain.h"
#include "seat.h"

/* Schedule 5 of concert 1: "A", 2 rows of 3 at 100; "B", 1 row of 4 at 70. Seats 1…10. */
static const uint64_t SCHEDULE = 5, USER = 7, OTHER = 8;
enum { SEAT_COUNT = 10 };
static const uint64_t TTL_MS = 300 * 1000, GRACE_MS = 120 * 1000; /* the defaults */

static inline void make_schedule(struct domain *domain, uint64_t id)
{
    union event body;
    body.schedule_created = (struct schedule_created){.schedule = id, .concert = 1};
    struct schedule_created *created = &body.schedule_created;
    text_set(&created->title, "Show", 4);
    text_set(&created->open_date, "2026-12-24", 10);
    text_set(&created->start_time, "19:00", 5);
    text_set(&created->end_time, "21:00", 5);
    created->sections.count = 2;
    created->sections.items[0] = (struct section){{1, "A"}, 2, 3, 100};
    created->sections.items[1] = (struct section){{1, "B"}, 1, 4, 70};
    domain_event(domain, &schedule_kind, id, EVENT_SCHEDULE_CREATED, id, 1, &body);
}

static inline int set_up(void **state)
{
    struct domain *domain = domain_create(&seat_behaviour);
    make_schedule(domain, SCHEDULE);
    *state = domain;
    return 0;
}

/* Whatever a test did, the journal alone must give the same rows. */
static inline int tear_down(void **state)
{
    bool replays = domain_replays(*state);
    domain_destroy(*state);
    return replays ? 0 : -1;
}

static inline union request hold_request(uint64_t user, unsigned count, const uint64_t *indexes)
{
    union request request;
    request.hold = (struct hold){.schedule = SCHEDULE, .user = user};
    request.hold.seats.count = count;
    for (unsigned i = 0; i < count; i++)
        request.hold.seats.items[i] = seat_id(SCHEDULE, indexes[i]);
    return request;
}

/* Seats by index: hold(domain, USER, 1, 2). */
#define hold(domain, user, ...)                                                                    \
    hold_seats(domain, user, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                 \
               (uint64_t[]){__VA_ARGS__})

static inline struct told hold_seats(struct domain *domain, uint64_t user, unsigned count,
                                     const uint64_t *indexes)
{
    union request request = hold_request(user, count, indexes);
    return domain_request(domain, REQUEST_HOLD, &request);
}

static inline struct told hold_with_key(struct domain *domain, uint64_t user, uint64_t index,
                                        const char *key, uint64_t body_hash)
{
    union request request = hold_request(user, 1, &index);
    text_set(&request.hold.idempotency_key, key, strlen(key));
    request.hold.body_hash = body_hash;
    return domain_request(domain, REQUEST_HOLD, &request);
}

/* Holds a seat that is free and returns the reservation. */
static inline uint64_t held(struct domain *domain, uint64_t user, uint64_t index)
{
    assert_int_equal(hold(domain, user, index).outcome, OUTCOME_OK);
    return domain->reply.reservation.reservation;
}

static inline enum outcome get(struct domain *domain, uint64_t reservation, uint64_t user)
{
    union request request = {.reservation_get = {reservation, user}};
    return domain_request(domain, REQUEST_RESERVATION_GET, &request).outcome;
}

static inline uint64_t state_of(struct domain *domain, uint64_t reservation)
{
    assert_int_equal(get(domain, reservation, 0), OUTCOME_OK);
    return domain->reply.reservation.state;
}

static inline enum outcome release(struct domain *domain, uint64_t reservation, uint64_t user)
{
    union request request = {.release = {reservation, user}};
    return domain_request(domain, REQUEST_RELEASE, &request).outcome;
}

static inline struct told confirm(struct domain *domain, uint64_t reservation, uint64_t user)
{
    union request request = {.confirm = {reservation, user}};
    return domain_request(domain, REQUEST_CONFIRM, &request);
}

static inline struct told confirm_resumed(struct domain *domain, uint64_t reservation,
                                          uint64_t user, uint64_t attempt)
{
    union request request = {.confirm = {reservation, user}};
    return domain_resume(domain, REQUEST_CONFIRM, &request, attempt);
}

static inline struct told cancel(struct domain *domain, uint64_t reservation, uint64_t user)
{
    union request request = {.cancel = {reservation, user}};
    return domain_request(domain, REQUEST_CANCEL, &request);
}

/* ---- the wallet's answers ---- */

static inline const struct domain_obligation *owed(struct domain *domain, uint16_t kind)
{
    for (const struct domain_obligation *at = domain->obligations; at != NULL; at = at->next)
        if (at->kind == kind)
            return at;
    return NULL;
}

static inline struct told pay(struct domain *domain, uint64_t transaction, uint64_t balance)
{
    const struct domain_obligation *debit = owed(domain, REQUEST_DEBIT);
    assert_non_null(debit);
    union reply reply;
    reply.wallet_entry = (struct wallet_entry){transaction, debit->request.debit.user,
                                               debit->request.debit.amount, balance};
    return domain_answer(domain, debit, OUTCOME_OK, REPLY_WALLET_ENTRY, &reply);
}

static inline struct told refuse(struct domain *domain, uint64_t balance)
{
    const struct domain_obligation *debit = owed(domain, REQUEST_DEBIT);
    assert_non_null(debit);
    union reply reply;
    reply.shortage = (struct shortage){debit->request.debit.amount, balance, 0};
    return domain_answer(domain, debit, OUTCOME_INSUFFICIENT_POINTS, REPLY_SHORTAGE, &reply);
}

static inline struct told give_back(struct domain *domain, uint64_t transaction, uint64_t balance)
{
    const struct domain_obligation *refund = owed(domain, REQUEST_REFUND);
    assert_non_null(refund);
    union reply reply;
    reply.wallet_entry = (struct wallet_entry){transaction, refund->request.refund.user,
                                               refund->request.refund.amount, balance};
    return domain_answer(domain, refund, OUTCOME_OK, REPLY_WALLET_ENTRY, &reply);
}

/* A reservation that is paid for. */
static inline uint64_t sold(struct domain *domain, uint64_t user, uint64_t index)
{
    uint64_t reservation = held(domain, user, index);
    assert_true(confirm(domain, reservation, user).deferred);
    assert_int_equal(pay(domain, 640 + index, 1000).outcome, OUTCOME_OK);
    return reservation;
}

/* ---- the seat map ---- */

static inline struct told seat_map(struct domain *domain, uint64_t schedule, uint64_t first,
                                   uint64_t limit)
{
    union request request = {.seats_get = {schedule, first, limit}};
    return domain_request(domain, REQUEST_SEATS_GET, &request);
}

static inline uint64_t seat_state(struct domain *domain, uint64_t index)
{
    assert_int_equal(seat_map(domain, SCHEDULE, seat_id(SCHEDULE, index), 1).outcome, OUTCOME_OK);
    return domain->reply.seats.items.items[0].state;
}

static inline uint64_t available(struct domain *domain)
{
    uint64_t count = 0;
    assert_int_equal(seat_map(domain, SCHEDULE, 0, 0).outcome, OUTCOME_OK);
    for (uint32_t i = 0; i < domain->reply.seats.items.count; i++)
        count += domain->reply.seats.items.items[i].state == SEAT_AVAILABLE;
    return count;
}

static inline uint64_t timer_ms(const struct domain *domain)
{
    return domain->timers != NULL ? domain->timers->at_ms : 0;
}

#endif
