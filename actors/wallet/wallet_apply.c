#include "wallet_state.h"

/* Carries out what an event says. The balances in events are results, so they are checked here
 * against the state: a difference is a bug, and going on would spread it. */

static void write_transaction(const struct wallet *wallet, const struct event_view *event,
                              struct row_sink *sink, uint64_t transaction,
                              const struct transaction_row *row)
{
    struct row_key key = transaction_key(wallet->base.id, transaction);
    check(transaction == wallet_transaction_id(event->sequence, wallet->base.id));
    transaction_row_write(sink, &key, row);
}

static void drop_keys(struct wallet *wallet, struct row_sink *sink, uint64_t count)
{
    struct idempotency_name dropped[IDEMPOTENCY_DROPS_MAX];
    check(count <= wallet->row.live_keys);
    idempotency_drop(sink, WALLET_TABLE, wallet->base.id, (unsigned)count, dropped);
    wallet->row.live_keys -= count;
}

static void store_key(struct wallet *wallet, struct row_sink *sink, enum request_kind route,
                      const char *text, uint32_t length, const struct idempotency_row *answer)
{
    if (length == 0)
        return;
    struct idempotency_name name = idempotency_name((uint64_t)route, text, length);
    struct row_key key = idempotency_key(WALLET_TABLE, wallet->base.id, &name);
    struct idempotency_row old = {0};
    if (!idempotency_row_read(&sink->view, &key, &old))
        wallet->row.live_keys++;
    uint8_t data[ROW_SIZE_MAX(idempotency_row)];
    size_t size = idempotency_row_encode(answer, data, sizeof data);
    check(size > 0);
    idempotency_put(sink, WALLET_TABLE, wallet->base.id, &name, old.expires_at_ms,
                    answer->expires_at_ms, data, size);
}

/* Drops the keys that the event drops and stores the one that it carries, if any, with its answer.
 */
static void change_keys(struct wallet *wallet, struct row_sink *sink, enum request_kind route,
                        const char *text, uint32_t length, uint64_t dropped,
                        const struct idempotency_row *answer)
{
    drop_keys(wallet, sink, dropped);
    store_key(wallet, sink, route, text, length, answer);
    if (dropped > 0 || length > 0)
        wallet->oldest_key_ms =
            wallet->row.live_keys > 0
                ? idempotency_oldest_ms(&sink->view, WALLET_TABLE, wallet->base.id)
                : 0;
}

static void apply_charged(struct wallet *wallet, const struct event_view *event,
                          struct row_sink *sink)
{
    const struct wallet_charged *body = &event->body->wallet_charged;
    check(body->balance == wallet->row.balance + body->amount);
    wallet->row.balance = body->balance;
    struct transaction_row row = {.type = TRANSACTION_CHARGE,
                                  .amount = body->amount,
                                  .balance = body->balance,
                                  .at_ms = event->at_ms};
    write_transaction(wallet, event, sink, body->transaction, &row);
    struct idempotency_row answer = {event->at_ms + IDEMPOTENCY_TTL_MS, body->body_hash,
                                     body->transaction, body->amount, body->balance};
    change_keys(wallet, sink, REQUEST_CHARGE, body->idempotency_key.data,
                body->idempotency_key.length, body->keys_dropped, &answer);
}

static void apply_used(struct wallet *wallet, const struct event_view *event, struct row_sink *sink)
{
    const struct wallet_used *body = &event->body->wallet_used;
    check(body->amount <= wallet->row.balance);
    check(body->balance == wallet->row.balance - body->amount);
    wallet->row.balance = body->balance;
    struct transaction_row row = {.type = TRANSACTION_USE,
                                  .amount = body->amount,
                                  .balance = body->balance,
                                  .at_ms = event->at_ms};
    write_transaction(wallet, event, sink, body->transaction, &row);
    struct idempotency_row answer = {event->at_ms + IDEMPOTENCY_TTL_MS, body->body_hash,
                                     body->transaction, body->amount, body->balance};
    change_keys(wallet, sink, REQUEST_USE, body->idempotency_key.data, body->idempotency_key.length,
                body->keys_dropped, &answer);
}

static void write_verdict(const struct wallet *wallet, struct row_sink *sink, uint64_t reservation,
                          const struct verdict_row *verdict)
{
    struct row_key key = verdict_key(wallet->base.id, reservation);
    verdict_row_write(sink, &key, verdict);
}

static void apply_debited(struct wallet *wallet, const struct event_view *event,
                          struct row_sink *sink)
{
    const struct wallet_debited *body = &event->body->wallet_debited;
    check(body->amount <= wallet->row.balance);
    check(body->balance == wallet->row.balance - body->amount);
    wallet->row.balance = body->balance;
    struct transaction_row row = {TRANSACTION_USE, body->amount, body->balance, body->reservation,
                                  event->at_ms};
    write_transaction(wallet, event, sink, body->transaction, &row);
    struct verdict_row verdict = {body->attempt, 1, body->transaction, body->amount, body->balance};
    write_verdict(wallet, sink, body->reservation, &verdict);
}

static void apply_refused(struct wallet *wallet, const struct event_view *event,
                          struct row_sink *sink)
{
    const struct wallet_refused *body = &event->body->wallet_refused;
    check(body->amount > wallet->row.balance && body->balance == wallet->row.balance);
    struct verdict_row verdict = {body->attempt, 0, 0, body->amount, body->balance};
    write_verdict(wallet, sink, body->reservation, &verdict);
}

static void apply_refunded(struct wallet *wallet, const struct event_view *event,
                           struct row_sink *sink)
{
    const struct wallet_refunded *body = &event->body->wallet_refunded;
    check(body->balance == wallet->row.balance + body->amount);
    wallet->row.balance = body->balance;
    struct transaction_row row = {TRANSACTION_REFUND, body->amount, body->balance,
                                  body->reservation, event->at_ms};
    write_transaction(wallet, event, sink, body->transaction, &row);
    struct verdict_row verdict = {body->attempt, 1, body->transaction, body->amount, body->balance};
    write_verdict(wallet, sink, body->reservation, &verdict);
}

void wallet_apply(void *object, const struct event_view *event, struct row_sink *sink)
{
    struct wallet *wallet = object;
    check(event->aggregate == wallet->base.id);
    switch (event->kind) {
    case EVENT_WALLET_CHARGED:
        apply_charged(wallet, event, sink);
        break;
    case EVENT_WALLET_USED:
        apply_used(wallet, event, sink);
        break;
    case EVENT_WALLET_DEBITED:
        apply_debited(wallet, event, sink);
        break;
    case EVENT_WALLET_REFUSED:
        apply_refused(wallet, event, sink);
        break;
    case EVENT_WALLET_REFUNDED:
        apply_refunded(wallet, event, sink);
        break;
    default:
        check_never("an event of another actor kind");
    }
    wallet->row.version = event_version(event, wallet->row.version);
    wallet->row.last_sequence = event->sequence;
    struct row_key key = wallet_key(wallet->base.id);
    wallet_row_write(sink, &key, &wallet->row);
}
