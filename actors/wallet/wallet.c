#include "wallet.h"
#include "demo.h"
#include "wallet_state.h"

static enum status wallet_load(void *object, const struct row_view *rows)
{
    struct wallet *wallet = object;
    struct row_key key = wallet_key(wallet->base.id);
    if (!wallet_row_read(rows, &key, &wallet->row))
        return STATUS_NOT_FOUND;
    wallet->base.last_sequence = wallet->row.last_sequence;
    if (wallet->row.live_keys > 0)
        wallet->oldest_key_ms = idempotency_oldest_ms(rows, WALLET_TABLE, wallet->base.id);
    return STATUS_OK;
}

static void wallet_decide(struct decision *decision, const void *object,
                          const struct message *message)
{
    const struct wallet *wallet = object;
    const union request *request = message->request;
    check(message->origin == MESSAGE_REQUEST); /* wallets owe nobody and have no timers */
    switch (message->kind) {
    case REQUEST_BALANCE_GET:
        wallet_decide_balance(decision, wallet);
        break;
    case REQUEST_TRANSACTIONS_GET:
        wallet_decide_transactions(decision, wallet, &request->transactions_get);
        break;
    case REQUEST_CHARGE:
        wallet_decide_charge(decision, wallet, &request->charge);
        break;
    case REQUEST_USE:
        wallet_decide_use(decision, wallet, &request->use);
        break;
    case REQUEST_DEBIT:
        wallet_decide_debit(decision, wallet, &request->debit);
        break;
    case REQUEST_REFUND:
        wallet_decide_refund(decision, wallet, &request->refund);
        break;
    default:
        decision_reply(decision, OUTCOME_INTERNAL, REPLY_NONE);
    }
}

static enum status wallet_route(const struct message *message, const struct row_view *rows,
                                const struct actor_kind **kind, uint64_t *id)
{
    (void)rows;
    *kind = &wallet_kind;
    *id = request_key(message->kind, message->request);
    return *id == 0 || *id > ID_MAX ? STATUS_NOT_FOUND : STATUS_OK;
}

/* Each demo hold has an owner whose wallet holds its price. */
static bool wallet_seed(const struct config *config, uint64_t index, uint64_t now_ms,
                        uint64_t next_sequence, struct seed_event *event)
{
    (void)now_ms;
    if (index >= config->demo_holds)
        return false;
    uint64_t user = demo_hold_user(index + 1), price = demo_hold_price(index + 1);
    event->kind = &wallet_kind;
    event->actor = user;
    event->event_kind = EVENT_WALLET_CHARGED;
    event->aggregate = user;
    event->aggregate_version = 1;
    event->body.wallet_charged = (struct wallet_charged){
        .user = user,
        .transaction = wallet_transaction_id(next_sequence, user),
        .amount = price,
        .balance = price,
    };
    return true;
}

static struct expectation wallet_expect(uint16_t request_kind)
{
    (void)request_kind;
    return (struct expectation){&wallet_kind, WALLET_TABLE};
}

const struct actor_kind wallet_kind = {
    .name = "wallet",
    .number = WALLET_KIND,
    .object_size = sizeof(struct wallet),
    .load = wallet_load,
    .decide = wallet_decide,
    .apply = wallet_apply,
};

static const struct actor_kind *const kinds[] = {&wallet_kind, NULL};

const struct behaviour wallet_behaviour = {
    .role = ROLE_WALLET,
    .kinds = kinds,
    .route = wallet_route,
    .expect = wallet_expect,
    .seed = wallet_seed,
};
