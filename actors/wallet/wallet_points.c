#include "wallet_state.h"

void wallet_decide_balance(struct decision *decision, const struct wallet *wallet)
{
    decision->reply->balance =
        (struct balance){.user = wallet->base.id, .balance = wallet->row.balance};
    decision_reply(decision, OUTCOME_OK, REPLY_BALANCE);
}

/* ---- transactions, newest first ---- */

struct page {
    struct transactions *reply;
    uint32_t limit;
};

static bool visit_transaction(void *context, const struct row_key *key, struct row_bytes value)
{
    struct page *page = context;
    struct transactions *reply = page->reply;
    if (reply->items.count == page->limit) {
        reply->next = reply->items.items[page->limit - 1].transaction; /* there is one more */
        return false;
    }
    struct transaction_row row;
    check(transaction_row_decode(&row, value.data, value.size));
    reply->items.items[reply->items.count++] = (struct transaction){
        .transaction = row_key_u64(key, 10),
        .type = row.type,
        .amount = row.amount,
        .balance = row.balance,
        .reservation = row.reservation,
        .at_ms = row.at_ms,
    };
    return true;
}

void wallet_decide_transactions(struct decision *decision, const struct wallet *wallet,
                                const struct transactions_get *request)
{
    uint64_t user = wallet->base.id;
    struct page page = {&decision->reply->transactions, (uint32_t)request->limit};
    if (request->limit == 0 || request->limit > LIST_MAX)
        page.limit = LIST_MAX;
    page.reply->items.count = 0;
    page.reply->next = 0;
    struct row_key prefix = transaction_prefix(user);
    struct row_key before = transaction_key(user, request->before);
    decision->rows->scan(decision->rows->context, &prefix, request->before != 0 ? &before : NULL,
                         true, visit_transaction, &page);
    decision_reply(decision, OUTCOME_OK, REPLY_TRANSACTIONS);
}

/* ---- charges and uses ---- */

/* What a charge and a use have in common. */
struct entry {
    enum request_kind route; /* each has idempotency keys of its own */
    uint64_t amount;
    const char *key;
    uint32_t key_length; /* 0: no idempotency key */
    uint64_t body_hash;
};

/* True when the key has settled the request: it was answered before, or may not be used. */
static bool key_replies(struct decision *decision, const struct wallet *wallet,
                        const struct entry *entry)
{
    if (entry->key_length == 0 || wallet->row.live_keys == 0)
        return false;
    uint64_t user = wallet->base.id;
    struct idempotency_name name =
        idempotency_name((uint64_t)entry->route, entry->key, entry->key_length);
    struct row_key key = idempotency_key(WALLET_TABLE, user, &name);
    struct idempotency_row row;
    if (!idempotency_row_read(decision->rows, &key, &row) || row.expires_at_ms <= decision->now_ms)
        return false;
    if (row.body_hash != entry->body_hash)
        decision_reply(decision, OUTCOME_IDEMPOTENCY_KEY_REUSED, REPLY_NONE);
    else
        wallet_reply_entry(decision, row.reference, user, row.amount, row.balance);
    return true;
}

static uint64_t keys_due(const struct decision *decision, const struct wallet *wallet)
{
    if (wallet->oldest_key_ms == 0 || wallet->oldest_key_ms > decision->now_ms)
        return 0;
    return idempotency_due(decision->rows, WALLET_TABLE, wallet->base.id, decision->now_ms);
}

/* True when the request may have its effect; otherwise it has been answered. */
static bool entry_allowed(struct decision *decision, const struct wallet *wallet,
                          const struct entry *entry, uint64_t keys_dropped)
{
    if (key_replies(decision, wallet, entry))
        return false;
    if (entry->amount == 0 || entry->amount > AMOUNT_MAX) {
        decision_reply(decision, OUTCOME_AMOUNT_OUT_OF_RANGE, REPLY_NONE);
        return false;
    }
    if (entry->key_length > 0 &&
        wallet->row.live_keys - keys_dropped >= IDEMPOTENCY_KEYS_PER_USER_MAX) {
        decision_reply(decision, OUTCOME_RATE_LIMITED, REPLY_NONE);
        return false;
    }
    return true;
}

void wallet_decide_charge(struct decision *decision, const struct wallet *wallet,
                          const struct charge *request)
{
    struct entry entry = {REQUEST_CHARGE, request->amount, request->idempotency_key.data,
                          request->idempotency_key.length, request->body_hash};
    uint64_t user = wallet->base.id, keys_dropped = keys_due(decision, wallet);
    if (!entry_allowed(decision, wallet, &entry, keys_dropped))
        return;
    /* A refund may have lifted the balance above the limit. */
    if (wallet->row.balance > BALANCE_MAX || request->amount > BALANCE_MAX - wallet->row.balance) {
        decision_reply(decision, OUTCOME_AMOUNT_OUT_OF_RANGE, REPLY_NONE);
        return;
    }
    union event body;
    body.wallet_charged = (struct wallet_charged){
        .user = user,
        .transaction = wallet_transaction_id(decision->next_sequence, user),
        .amount = request->amount,
        .balance = wallet->row.balance + request->amount,
        .body_hash = request->body_hash,
        .keys_dropped = keys_dropped,
    };
    text_set(&body.wallet_charged.idempotency_key, entry.key, entry.key_length);
    decision_emit(decision, EVENT_WALLET_CHARGED, user, wallet->row.version + 1, &body);
    wallet_reply_entry(decision, body.wallet_charged.transaction, user, request->amount,
                       body.wallet_charged.balance);
}

void wallet_decide_use(struct decision *decision, const struct wallet *wallet,
                       const struct use *request)
{
    struct entry entry = {REQUEST_USE, request->amount, request->idempotency_key.data,
                          request->idempotency_key.length, request->body_hash};
    uint64_t user = wallet->base.id, keys_dropped = keys_due(decision, wallet);
    if (!entry_allowed(decision, wallet, &entry, keys_dropped))
        return;
    if (request->amount > wallet->row.balance) {
        wallet_reply_shortage(decision, request->amount, wallet->row.balance);
        return;
    }
    union event body;
    body.wallet_used = (struct wallet_used){
        .user = user,
        .transaction = wallet_transaction_id(decision->next_sequence, user),
        .amount = request->amount,
        .balance = wallet->row.balance - request->amount,
        .body_hash = request->body_hash,
        .keys_dropped = keys_dropped,
    };
    text_set(&body.wallet_used.idempotency_key, entry.key, entry.key_length);
    decision_emit(decision, EVENT_WALLET_USED, user, wallet->row.version + 1, &body);
    wallet_reply_entry(decision, body.wallet_used.transaction, user, request->amount,
                       body.wallet_used.balance);
}
