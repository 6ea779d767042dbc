#include "audit_state.h"
#include "wallet_state.h"

/* Rows come in key order, so a wallet's head is followed by all that belongs to it. */
struct wallet_walk {
    struct audit *audit;
    uint64_t user; /* 0: none yet */
    struct wallet_row row;
    uint64_t balance; /* after the transactions seen so far */
    uint64_t transactions, last_transaction;
    uint64_t keys, indexed_keys;
};

static void finish_wallet(struct wallet_walk *walk)
{
    struct audit *audit = walk->audit;
    unsigned long long user = walk->user;
    if (walk->user == 0)
        return;
    if (walk->balance != walk->row.balance)
        audit_violation(audit, "user %llu: transactions sum to %llu, the balance is %llu", user,
                        (unsigned long long)walk->balance, (unsigned long long)walk->row.balance);
    if (walk->keys != walk->row.live_keys || walk->indexed_keys != walk->row.live_keys)
        audit_violation(audit, "user %llu: %llu idempotency keys, %llu indexed, %llu counted", user,
                        (unsigned long long)walk->keys, (unsigned long long)walk->indexed_keys,
                        (unsigned long long)walk->row.live_keys);
    if (walk->transactions != walk->row.version)
        audit_violation(audit, "user %llu: %llu transactions, %llu published", user,
                        (unsigned long long)walk->transactions,
                        (unsigned long long)walk->row.version);
    audit->wallets++;
    audit->transactions += walk->transactions;
    audit->balances += walk->row.balance;
}

static void begin_wallet(struct wallet_walk *walk, uint64_t user)
{
    *walk = (struct wallet_walk){.audit = walk->audit, .user = user};
}

static void note_movement(struct audit *audit, uint64_t user, uint64_t transaction,
                          const struct transaction_row *row)
{
    const struct movement movement = {
        .reservation = row->reservation,
        .user = user,
        .transaction = transaction,
        .amount = row->amount,
        .balance = row->balance,
        .type = (uint8_t)row->type,
    };
    audit_note_movement(audit, &movement);
}

static void count_transaction(struct wallet_walk *walk, uint64_t transaction,
                              const struct transaction_row *row)
{
    struct audit *audit = walk->audit;
    unsigned long long user = walk->user, number = transaction;
    bool takes = row->type == TRANSACTION_USE;
    if (row->type < TRANSACTION_CHARGE || row->type > TRANSACTION_REFUND ||
        (row->type == TRANSACTION_CHARGE && row->reservation != 0) ||
        (row->type == TRANSACTION_REFUND && row->reservation == 0))
        audit_violation(audit, "user %llu: transaction %llu is of no known type", user, number);
    if (transaction % PARTITION_COUNT != walk->user % PARTITION_COUNT ||
        transaction <= walk->last_transaction)
        audit_violation(audit, "user %llu: transaction %llu has a wrong id", user, number);
    if (takes && row->amount > walk->balance)
        audit_violation(audit, "user %llu: transaction %llu takes more than there is", user,
                        number);
    walk->balance += takes ? 0 - row->amount : row->amount;
    if (walk->balance != row->balance)
        audit_violation(audit, "user %llu: transaction %llu says balance %llu, it is %llu", user,
                        number, (unsigned long long)row->balance,
                        (unsigned long long)walk->balance);
    walk->balance = row->balance; /* so that one mistake is one line */
    walk->transactions++;
    walk->last_transaction = transaction;
    if (row->reservation != 0)
        note_movement(audit, walk->user, transaction, row);
    else if (takes)
        audit->used += row->amount;
    else
        audit->charged += row->amount;
}

static void visit_wallet_row(void *context, const struct row_key *key, struct row_bytes value)
{
    struct wallet_walk *walk = context;
    uint64_t user = audit_id(key);
    char tag = audit_tag(key);
    if (user != walk->user) {
        finish_wallet(walk);
        begin_wallet(walk, user);
        if (tag != 0)
            audit_violation(walk->audit, "user %llu: rows without a wallet",
                            (unsigned long long)user);
    }
    if (tag == 0) {
        check(wallet_row_decode(&walk->row, value.data, value.size));
    } else if (tag == 'x') {
        struct transaction_row row;
        check(transaction_row_decode(&row, value.data, value.size));
        count_transaction(walk, row_key_u64(key, 10), &row);
    } else if (tag == 'v') {
        struct verdict_row row;
        check(verdict_row_decode(&row, value.data, value.size));
        const struct verdict verdict = {row_key_u64(key, 10), user, row.attempt, false};
        audit_note_verdict(walk->audit, &verdict);
    } else if (tag == 'i') {
        walk->keys++;
    } else if (tag == 'e') {
        walk->indexed_keys++;
    } else {
        audit_violation(walk->audit, "user %llu: a row of an unknown kind",
                        (unsigned long long)user);
    }
}

/* What belongs to reservations of a later part. */
static void visit_again(void *context, const struct row_key *key, struct row_bytes value)
{
    uint64_t user = audit_id(key);
    struct transaction_row row;
    struct verdict_row verdict_row;
    if (audit_tag(key) == 'x') {
        check(transaction_row_decode(&row, value.data, value.size));
        if (row.reservation != 0)
            note_movement(context, user, row_key_u64(key, 10), &row);
    } else if (audit_tag(key) == 'v') {
        check(verdict_row_decode(&verdict_row, value.data, value.size));
        const struct verdict verdict = {row_key_u64(key, 10), user, verdict_row.attempt, false};
        audit_note_verdict(context, &verdict);
    }
}

void audit_wallets(struct audit *audit, const struct row_view *rows)
{
    struct wallet_walk walk = {.audit = audit};
    struct row_key table = audit_table('w');
    check(!audit->sorted);
    if (audit->part > 0) { /* the rest was seen in the first pass */
        audit_walk(rows, &table, visit_again, audit);
        return;
    }
    audit_walk(rows, &table, visit_wallet_row, &walk);
    finish_wallet(&walk);
}
