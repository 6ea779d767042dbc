#ifndef BOXOFFICE_TEST_WALLET_FIXTURE_H
#define BOXOFFICE_TEST_WALLET_FIXTURE_H

#include "unit.h"
#include "domain.h"
#include "wallet.h"

static const uint64_t USER = 7;

static inline int set_up(void **state)
{
    *state = domain_create(&wallet_behaviour);
    return 0;
}

/* Whatever a test did, the journal alone must give the same rows. */
static inline int tear_down(void **state)
{
    bool replays = domain_replays(*state);
    domain_destroy(*state);
    return replays ? 0 : -1;
}

static inline struct told charge_with_key(struct domain *domain, uint64_t user, uint64_t amount,
                                          const char *key, uint64_t body_hash)
{
    union request request;
    request.charge = (struct charge){.user = user, .amount = amount, .body_hash = body_hash};
    text_set(&request.charge.idempotency_key, key, strlen(key));
    return domain_request(domain, REQUEST_CHARGE, &request);
}

static inline struct told charge(struct domain *domain, uint64_t user, uint64_t amount)
{
    return charge_with_key(domain, user, amount, "", 0);
}

static inline struct told use_with_key(struct domain *domain, uint64_t user, uint64_t amount,
                                       const char *key, uint64_t body_hash)
{
    union request request;
    request.use = (struct use){.user = user, .amount = amount, .body_hash = body_hash};
    text_set(&request.use.idempotency_key, key, strlen(key));
    return domain_request(domain, REQUEST_USE, &request);
}

static inline struct told use(struct domain *domain, uint64_t user, uint64_t amount)
{
    return use_with_key(domain, user, amount, "", 0);
}

static inline uint64_t balance(struct domain *domain, uint64_t user)
{
    union request request = {.balance_get = {.user = user}};
    struct told told = domain_request(domain, REQUEST_BALANCE_GET, &request);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.reply_kind, REPLY_BALANCE);
    assert_int_equal(domain->reply.balance.user, user);
    assert_int_equal(told.event_count, 0);
    return domain->reply.balance.balance;
}

static inline struct told transactions(struct domain *domain, uint64_t user, uint64_t before,
                                       uint64_t limit)
{
    union request request = {.transactions_get = {.user = user, .before = before, .limit = limit}};
    return domain_request(domain, REQUEST_TRANSACTIONS_GET, &request);
}

static inline struct told debit(struct domain *domain, uint64_t reservation, uint64_t attempt,
                                uint64_t amount)
{
    union request request = {.debit = {USER, reservation, attempt, amount}};
    return domain_request(domain, REQUEST_DEBIT, &request);
}

static inline struct told refund(struct domain *domain, uint64_t reservation, uint64_t attempt,
                                 uint64_t amount)
{
    union request request = {.refund = {USER, reservation, attempt, amount}};
    return domain_request(domain, REQUEST_REFUND, &request);
}

#endif
