#ifndef BOXOFFICE_WALLET_STATE_H
#define BOXOFFICE_WALLET_STATE_H

#include "behaviour.h"
#include "idempotency.h"
#include "row_io.h"

/* Inside the wallet: what a decoded wallet holds, and its rows. */
struct wallet {
    struct actor_base base;
    struct wallet_row row;
    uint64_t oldest_key_ms; /* expiry of its first idempotency key; 0: it has none */
};

ROW_IO(wallet_row)
ROW_IO(transaction_row)
ROW_IO(idempotency_row)
ROW_IO(verdict_row)

enum { WALLET_TABLE = 'w' };
static inline struct row_key wallet_key(uint64_t user)
{
    return row_key_of(WALLET_TABLE, user);
}
static inline struct row_key transaction_prefix(uint64_t user)
{
    struct row_key key = wallet_key(user);
    row_key_add_tag(&key, 'x');
    return key;
}
static inline struct row_key transaction_key(uint64_t user, uint64_t transaction)
{
    struct row_key key = transaction_prefix(user);
    row_key_add_u64(&key, transaction);
    return key;
}
static inline struct row_key verdict_key(uint64_t user, uint64_t reservation)
{
    struct row_key key = wallet_key(user);
    row_key_add_tag(&key, 'v');
    row_key_add_u64(&key, reservation);
    return key;
}

/* Transaction ids rise for each user and differ between users: the partition is in the low bits. */
static inline uint64_t wallet_transaction_id(uint64_t sequence, uint64_t user)
{
    return sequence * PARTITION_COUNT + user % PARTITION_COUNT;
}

/* wallet_points.c: what a user asks for */
void wallet_decide_balance(struct decision *decision, const struct wallet *wallet);
void wallet_decide_transactions(struct decision *decision, const struct wallet *wallet,
                                const struct transactions_get *request);
void wallet_decide_charge(struct decision *decision, const struct wallet *wallet,
                          const struct charge *request);
void wallet_decide_use(struct decision *decision, const struct wallet *wallet,
                       const struct use *request);
/* wallet_saga.c: what a seat worker asks for */
void wallet_decide_debit(struct decision *decision, const struct wallet *wallet,
                         const struct debit *request);
void wallet_decide_refund(struct decision *decision, const struct wallet *wallet,
                          const struct refund *request);
/* wallet_apply.c */
void wallet_apply(void *object, const struct event_view *event, struct row_sink *sink);

static inline void wallet_reply_entry(struct decision *decision, uint64_t transaction,
                                      uint64_t user, uint64_t amount, uint64_t balance)
{
    decision->reply->wallet_entry = (struct wallet_entry){transaction, user, amount, balance};
    decision_reply(decision, OUTCOME_OK, REPLY_WALLET_ENTRY);
}

static inline void wallet_reply_shortage(struct decision *decision, uint64_t required,
                                         uint64_t balance)
{
    decision->reply->shortage = (struct shortage){.required = required, .balance = balance};
    decision_reply(decision, OUTCOME_INSUFFICIENT_POINTS, REPLY_SHORTAGE);
}

#endif
