#include "ledger_internal.h"

/* Wallets, and the money of sagas. */

/* A transaction: the balance that the event says must follow from the one before. */
static void transact(uint64_t user, uint64_t id, uint64_t type, uint64_t amount, uint64_t balance,
                     uint64_t reservation, bool keyed, uint64_t at_ms)
{
    uint64_t before = ledger.users[user].history[ledger.users[user].count - 1].balance;
    require(type != TRANSACTION_USE || amount <= before, "user %llu: %llu taken from %llu",
            (unsigned long long)user, (unsigned long long)amount, (unsigned long long)before);
    require(balance == (type == TRANSACTION_USE ? before - amount : before + amount),
            "user %llu: balance %llu after %llu and %llu", (unsigned long long)user,
            (unsigned long long)balance, (unsigned long long)before, (unsigned long long)amount);
    require(id > ledger.users[user].last_transaction, "user %llu: transaction %llu comes too late",
            (unsigned long long)user, (unsigned long long)id);
    ledger.users[user].last_transaction = id;
    ledger.users[user].transactions++;
    unsigned at = ledger.users[user].count;
    check(at < BALANCES_MAX && ledger.transaction_count < TABLE_MAX);
    ledger.balances += balance - before;
    ledger.users[user].history[at].moment = ledger.moment;
    ledger.users[user].history[at].balance = balance;
    ledger.users[user].count++;
    ledger.transactions[ledger.transaction_count++] =
        (struct ledger_transaction){.id = id,
                                    .user = user,
                                    .type = type,
                                    .amount = amount,
                                    .balance = balance,
                                    .reservation = reservation,
                                    .at_ms = at_ms,
                                    .keyed = keyed};
}

/* How often the wallet has moved the money of a reservation in each state. */
void ledger_check_money(const struct ledger_reservation *reservation)
{
    static const struct {
        unsigned debits_min, debits_max, refunds_min, refunds_max;
    } expected[] = {
        [RESERVATION_HELD] = {0, 0, 0, 0},      [RESERVATION_CONFIRMING] = {0, 1, 0, 0},
        [RESERVATION_CONFIRMED] = {1, 1, 0, 0}, [RESERVATION_RELEASED] = {0, 0, 0, 0},
        [RESERVATION_EXPIRED] = {0, 0, 0, 0},   [RESERVATION_CANCELLING] = {1, 1, 0, 1},
        [RESERVATION_CANCELLED] = {1, 1, 1, 1},
    };
    uint64_t state = reservation->state;
    require(reservation->debits >= expected[state].debits_min &&
                reservation->debits <= expected[state].debits_max &&
                reservation->refunds >= expected[state].refunds_min &&
                reservation->refunds <= expected[state].refunds_max,
            "reservation %llu: state %llu with %u debits and %u refunds",
            (unsigned long long)reservation->id, (unsigned long long)state, reservation->debits,
            reservation->refunds);
}

static struct ledger_reservation *of_saga(uint64_t id, uint64_t user, uint64_t attempt,
                                          uint64_t amount, uint64_t state)
{
    struct ledger_reservation *reservation = ledger_reservation(id);
    require(reservation != NULL && reservation->user == user && reservation->amount == amount,
            "a wallet moved points for reservation %llu, which is not like that",
            (unsigned long long)id);
    require(reservation->state == state && reservation->attempt == attempt,
            "reservation %llu: attempt %llu at the wallet, but it is at %llu, state %llu",
            (unsigned long long)id, (unsigned long long)attempt,
            (unsigned long long)reservation->attempt, (unsigned long long)reservation->state);
    return reservation;
}
void ledger_wallet_event(const struct journal_event *event, const union event *body)
{
    uint64_t user = event->aggregate;
    struct ledger_reservation *reservation;
    require(user >= 1 && user <= LEDGER_USERS, "an event of user %llu", (unsigned long long)user);
    ledger_next_version(event, &ledger.users[user].version);
    switch (event->kind) {
    case EVENT_WALLET_CHARGED: {
        const struct wallet_charged *charged = &body->wallet_charged;
        transact(user, charged->transaction, TRANSACTION_CHARGE, charged->amount, charged->balance,
                 0, charged->idempotency_key.length > 0, event->at_ms);
        ledger.granted += charged->amount;
        ledger_use_key(REQUEST_CHARGE, user, 0, charged->idempotency_key.data,
                       charged->idempotency_key.length, charged->body_hash, event->at_ms,
                       charged->transaction);
        break;
    }
    case EVENT_WALLET_USED: {
        const struct wallet_used *used = &body->wallet_used;
        transact(user, used->transaction, TRANSACTION_USE, used->amount, used->balance, 0,
                 used->idempotency_key.length > 0, event->at_ms);
        ledger.granted -= used->amount;
        ledger_use_key(REQUEST_USE, user, 0, used->idempotency_key.data,
                       used->idempotency_key.length, used->body_hash, event->at_ms,
                       used->transaction);
        break;
    }
    case EVENT_WALLET_DEBITED: {
        const struct wallet_debited *debited = &body->wallet_debited;
        reservation = of_saga(debited->reservation, user, debited->attempt, debited->amount,
                              RESERVATION_CONFIRMING);
        transact(user, debited->transaction, TRANSACTION_USE, debited->amount, debited->balance,
                 debited->reservation, false, event->at_ms);
        reservation->debits++;
        reservation->payment = debited->transaction;
        reservation->paid_balance = debited->balance;
        ledger_check_money(reservation);
        ledger.elsewhere += debited->amount;
        break;
    }
    case EVENT_WALLET_REFUSED: {
        const struct wallet_refused *refused = &body->wallet_refused;
        reservation = of_saga(refused->reservation, user, refused->attempt, refused->amount,
                              RESERVATION_CONFIRMING);
        require(refused->amount > refused->balance && refused->balance == ledger_balance(user),
                "user %llu: refused %llu with %llu", (unsigned long long)user,
                (unsigned long long)refused->amount, (unsigned long long)refused->balance);
        reservation->refused_attempt = refused->attempt;
        reservation->failed_balance = refused->balance;
        break;
    }
    case EVENT_WALLET_REFUNDED: {
        const struct wallet_refunded *refunded = &body->wallet_refunded;
        reservation = of_saga(refunded->reservation, user, refunded->attempt, refunded->amount,
                              RESERVATION_CANCELLING);
        transact(user, refunded->transaction, TRANSACTION_REFUND, refunded->amount,
                 refunded->balance, refunded->reservation, false, event->at_ms);
        reservation->refunds++;
        reservation->refund_balance = refunded->balance;
        ledger_check_money(reservation);
        ledger.elsewhere -= refunded->amount;
        break;
    }
    default:
        trace_fail("event kind %u in a wallet's journal", event->kind);
    }
}
