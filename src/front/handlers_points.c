#include "application.h"
#include "handlers.h"
#include "input.h"

/* Points: a user's wallet, which a wallet worker owns. */

enum { TRANSACTIONS_INITIAL = 50 };

static void balance_found(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_BALANCE, "userId"))
        return;
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_u64(&json, "userId", reply->value->balance.user);
    json_member_u64(&json, "balance", reply->value->balance.balance);
    json_object_close(&json);
    answer_close(exchange, 200, &json);
}

void handle_points_balance(struct application *application, struct exchange *exchange,
                           const struct call *call)
{
    union request request;
    request.balance_get.user = call->id;
    dispatch_ask(&application->dispatch, exchange, REQUEST_BALANCE_GET, &request, balance_found);
}

static void wallet_changed(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_WALLET_ENTRY, "amount"))
        return;
    const struct wallet_entry *entry = &reply->value->wallet_entry;
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_u64(&json, "transactionId", entry->transaction);
    json_member_u64(&json, "userId", entry->user);
    json_member_u64(&json, "amount", entry->amount);
    json_member_u64(&json, "balance", entry->balance);
    json_object_close(&json);
    answer_close(exchange, 201, &json);
}

void handle_points_charge(struct application *application, struct exchange *exchange,
                          const struct call *call)
{
    union request request;
    struct charge *charge = &request.charge;
    charge->user = call->id;
    if (!input_amount(exchange, call, &charge->amount))
        return;
    text_set(&charge->idempotency_key, call->idempotency_key.data, call->idempotency_key.size);
    charge->body_hash = call->idempotency_key.size > 0 ? body_hash(call->request->body) : 0;
    dispatch_ask(&application->dispatch, exchange, REQUEST_CHARGE, &request, wallet_changed);
}

void handle_points_use(struct application *application, struct exchange *exchange,
                       const struct call *call)
{
    union request request;
    struct use *use = &request.use;
    use->user = call->id;
    if (!input_amount(exchange, call, &use->amount))
        return;
    text_set(&use->idempotency_key, call->idempotency_key.data, call->idempotency_key.size);
    use->body_hash = call->idempotency_key.size > 0 ? body_hash(call->request->body) : 0;
    dispatch_ask(&application->dispatch, exchange, REQUEST_USE, &request, wallet_changed);
}

static const char *type_text(uint64_t type)
{
    switch (type) {
    case TRANSACTION_CHARGE:
        return "CHARGE";
    case TRANSACTION_USE:
        return "USE";
    default:
        return "REFUND";
    }
}

static void transaction_render(struct json_out *json, const struct transaction *item)
{
    json_object_open(json);
    json_member_u64(json, "transactionId", item->transaction);
    json_member_text(json, "type", type_text(item->type));
    json_member_u64(json, "amount", item->amount);
    json_member_u64(json, "balance", item->balance);
    if (item->reservation != 0)
        json_member_u64(json, "reservationId", item->reservation);
    json_key(json, "at");
    json_time(json, item->at_ms);
    json_object_close(json);
}

static void transactions_render(struct json_out *json, const void *context)
{
    const struct transactions *list = context;
    char cursor[CURSOR_TEXT_SIZE];
    json_object_open(json);
    json_key(json, "transactions");
    json_array_open(json);
    for (uint32_t i = 0; i < list->items.count; i++)
        transaction_render(json, &list->items.items[i]);
    json_array_close(json);
    json_key(json, "nextCursor");
    if (list->next == 0) {
        json_out_null(json);
    } else {
        cursor_write(CURSOR_TRANSACTIONS, list->next, cursor);
        json_text(json, cursor, CURSOR_TEXT_SIZE - 1);
    }
    json_object_close(json);
}

static void transactions_found(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (answer_expect(exchange, reply, REPLY_TRANSACTIONS, "cursor"))
        answer_rendered(exchange, 200, transactions_render, &reply->value->transactions);
}

void handle_points_transactions(struct application *application, struct exchange *exchange,
                                const struct call *call)
{
    union request request;
    struct transactions_get *get = &request.transactions_get;
    get->user = call->id;
    if (!input_limit(exchange, call, TRANSACTIONS_INITIAL, LIST_MAX, &get->limit) ||
        !input_cursor(exchange, call, CURSOR_TRANSACTIONS, &get->before))
        return;
    dispatch_ask(&application->dispatch, exchange, REQUEST_TRANSACTIONS_GET, &request,
                 transactions_found);
}
