#include "catalogue.h"
#include "check.h"
#include "clients.h"
#include "ledger_concerts.h"
#include "trace.h"
#include "world.h"
#include <string.h>

/* Answers against the ledger: what a client is told must be committed by then, must be true at some
 * moment since it asked, and must be the same bytes when an idempotency key is used again. */

#define ID(value) ((unsigned long long)(value))

/* ---- points ---- */

static void key_of(const struct ask *ask, uint64_t *route, uint64_t *user, uint64_t *schedule,
                   uint64_t *key, uint64_t *body_hash)
{
    const union request *request = &ask->request;
    *route = ask->kind;
    *schedule = 0;
    *key = 0;
    if (ask->kind == REQUEST_CHARGE) {
        *user = request->charge.user;
        *body_hash = request->charge.body_hash;
        *key = ledger_key_number(request->charge.idempotency_key.data,
                                 request->charge.idempotency_key.length);
    } else if (ask->kind == REQUEST_USE) {
        *user = request->use.user;
        *body_hash = request->use.body_hash;
        *key = ledger_key_number(request->use.idempotency_key.data,
                                 request->use.idempotency_key.length);
    } else if (ask->kind == REQUEST_CONCERT_CREATE) {
        *user = 0;
        *schedule = request->concert_create.directory;
        *body_hash = request->concert_create.body_hash;
        *key = ledger_key_number(request->concert_create.idempotency_key.data,
                                 request->concert_create.idempotency_key.length);
    } else {
        *user = request->hold.user;
        *schedule = request->hold.schedule;
        *body_hash = request->hold.body_hash;
        *key = ledger_key_number(request->hold.idempotency_key.data,
                                 request->hold.idempotency_key.length);
    }
}

/* A 2xx under a key: of its one effect, and the same bytes as before. False when it has no key. */
static bool check_key(const struct ask *ask, uint64_t reference, uint16_t reply_kind,
                      const union reply *reply)
{
    uint64_t route, user, schedule, key, body_hash;
    uint8_t answer[sizeof((struct ledger_key *)NULL)->answer];
    key_of(ask, &route, &user, &schedule, &key, &body_hash);
    if (key == 0)
        return false;
    struct ledger_key *known = ledger_key(route, user, schedule, key, reference);
    require(known != NULL, "user %llu: an answer under a key that has no effect", ID(user));
    require(known->body_hash == body_hash, "user %llu: a key was good for another body", ID(user));
    size_t size = reply_encode(reply_kind, reply, answer, sizeof answer);
    check(size > 0);
    require(known->answer_size == 0 ||
                (known->answer_size == size && memcmp(known->answer, answer, size) == 0),
            "user %llu: the same idempotency key has another answer", ID(user));
    memcpy(known->answer, answer, size);
    known->answer_size = size;
    return true;
}

static void check_entry(const struct ask *ask, const union reply *reply)
{
    const struct wallet_entry *entry = &reply->wallet_entry;
    bool charge = ask->kind == REQUEST_CHARGE;
    uint64_t user = charge ? ask->request.charge.user : ask->request.use.user;
    uint64_t amount = charge ? ask->request.charge.amount : ask->request.use.amount;
    struct ledger_transaction *transaction = ledger_transaction(entry->transaction);
    require(transaction != NULL, "user %llu: told of a transaction that is not committed",
            ID(user));
    require(transaction->user == user && entry->user == user &&
                transaction->type == (charge ? TRANSACTION_CHARGE : TRANSACTION_USE) &&
                transaction->amount == amount && entry->amount == amount &&
                transaction->balance == entry->balance && transaction->reservation == 0,
            "user %llu: told of another transaction", ID(user));
    if (check_key(ask, entry->transaction, REPLY_WALLET_ENTRY, reply))
        return;
    require(!transaction->told, "user %llu: two requests had one effect", ID(user));
    transaction->told = true;
}

static void check_transactions(const struct ask *ask, const struct transactions *reply)
{
    uint64_t user = ask->request.transactions_get.user, before = UINT64_MAX;
    for (uint32_t i = 0; i < reply->items.count; i++) {
        const struct transaction *item = &reply->items.items[i];
        const struct ledger_transaction *known = ledger_transaction(item->transaction);
        require(item->transaction < before, "user %llu: transactions out of order", ID(user));
        require(known != NULL && known->user == user && known->type == item->type &&
                    known->amount == item->amount && known->balance == item->balance &&
                    known->reservation == item->reservation && known->at_ms == item->at_ms,
                "user %llu: transaction %llu is not like that", ID(user), ID(item->transaction));
        before = item->transaction;
    }
    require(reply->next == 0 && reply->items.count >= ask->known_count,
            "user %llu: transactions are missing", ID(user));
}

/* ---- seats ---- */

static void check_seats(const struct ask *ask, const struct seats *reply)
{
    require(reply->items.count == LEDGER_SEATS, "a seat map of %u seats", reply->items.count);
    for (uint32_t i = 0; i < reply->items.count; i++) {
        const struct seat *seat = &reply->items.items[i];
        require(seat->state == SEAT_AVAILABLE ? ledger_was_free(seat->seat, ask->moment)
                                              : ledger_was_taken(seat->seat, ask->moment),
                "seat %llu was never in state %llu", ID(seat->seat), ID(seat->state));
    }
}

static void check_taken(const struct ask *ask, const struct taken *taken)
{
    const struct hold *hold = &ask->request.hold;
    require(taken->seats.count > 0, "seats are taken, but none is named");
    for (uint32_t i = 0; i < taken->seats.count; i++) {
        uint64_t seat = taken->seats.items[i];
        bool asked = false;
        for (uint32_t j = 0; j < hold->seats.count; j++)
            asked |= hold->seats.items[j] == seat;
        require(asked && ledger_was_taken(seat, ask->moment),
                "seat %llu was said to be taken, but was free", ID(seat));
    }
}

static bool has_seats_of(const struct ledger_reservation *reservation, const struct hold *hold)
{
    if (reservation->seat_count != hold->seats.count)
        return false;
    for (uint32_t i = 0; i < hold->seats.count; i++) {
        bool found = false;
        for (uint32_t j = 0; j < reservation->seat_count; j++)
            found |= reservation->seats[j] == hold->seats.items[i];
        if (!found)
            return false;
    }
    return true;
}

static void check_hold(const struct ask *ask, const union reply *reply)
{
    const struct reservation *told = &reply->reservation;
    const struct hold *hold = &ask->request.hold;
    const struct ledger_reservation *known = ledger_reservation(told->reservation);
    require(known != NULL, "told of a hold that is not committed");
    require(known->user == hold->user && told->user == hold->user && has_seats_of(known, hold) &&
                known->amount == told->amount,
            "reservation %llu: told of another hold", ID(told->reservation));
    if (check_key(ask, told->reservation, REPLY_RESERVATION, reply))
        return;
    require(told->is_new ? told->state == RESERVATION_HELD &&
                               told->expires_at_ms == known->first_expires_at_ms
                         : ledger_was_in_state(known, told->state, ask->moment),
            "reservation %llu: was not in state %llu", ID(told->reservation), ID(told->state));
}

static void check_concert(const struct ask *ask, const union reply *reply)
{
    const struct concert_made *told = &reply->concert_made;
    struct ledger_concert *known = ledger_concert(told->concert);
    require(known != NULL && told->schedules.count == known->schedule_count &&
                told->schedules.count == ask->request.concert_create.schedules.count,
            "concert %llu: told of one that is not made", ID(told->concert));
    for (uint32_t i = 0; i < told->schedules.count; i++)
        require(told->schedules.items[i] == known->schedules[i],
                "concert %llu: told of other schedules", ID(told->concert));
    if (check_key(ask, told->concert, REPLY_CONCERT_MADE, reply))
        return;
    require(!known->told, "concert %llu: two requests had one effect", ID(told->concert));
    known->told = true;
}

/* ---- reservations ---- */

static void check_list(const struct ask *ask, const struct reservations *told)
{
    uint64_t user = ask->request.reservations_get.user, before_ms = UINT64_MAX;
    for (uint32_t i = 0; i < told->items.count; i++) {
        const struct reservation_line *line = &told->items.items[i];
        const struct ledger_reservation *known = ledger_reservation(line->reservation);
        require(known != NULL && known->user == user && known->schedule == line->schedule &&
                    known->amount == line->amount && known->seat_count == line->seat_count,
                "user %llu: reservation %llu is not like that", ID(user), ID(line->reservation));
        require(line->held_at_ms <= before_ms, "user %llu: reservations out of order", ID(user));
        before_ms = line->held_at_ms;
        bool lapsed = line->state == RESERVATION_EXPIRED &&
                      ledger_was_in_state(known, RESERVATION_HELD, ask->moment) &&
                      known->first_expires_at_ms <= machine_now_ms();
        require(lapsed || ledger_was_in_state(known, line->state, ask->moment),
                "reservation %llu: was not in state %llu", ID(known->id), ID(line->state));
    }
    require(told->next == 0 && told->items.count >= ask->known_count,
            "user %llu: reservations are missing", ID(user));
}

static void check_reservation(const struct ask *ask, const struct ledger_reservation *known,
                              const struct reservation *told)
{
    bool lapsed = told->state == RESERVATION_EXPIRED &&
                  ledger_was_in_state(known, RESERVATION_HELD, ask->moment) &&
                  known->first_expires_at_ms <= machine_now_ms();
    require(told->reservation == known->id && told->user == known->user &&
                told->amount == known->amount && told->schedule == known->schedule,
            "reservation %llu: told of another", ID(known->id));
    require(lapsed || ledger_was_in_state(known, told->state, ask->moment),
            "reservation %llu: was not in state %llu", ID(known->id), ID(told->state));
}

static void check_confirmed(const struct ledger_reservation *known, const struct confirmed *told)
{
    require(known->debits == 1 && ledger_was_in_state(known, RESERVATION_CONFIRMED, 0),
            "reservation %llu: told that it is paid, but it is not", ID(known->id));
    require(told->reservation == known->id && told->payment == known->payment &&
                told->paid == known->amount && told->balance == known->paid_balance,
            "reservation %llu: told of another payment", ID(known->id));
}

static void check_cancelled(const struct ledger_reservation *known, const struct cancelled *told)
{
    require(known->state == RESERVATION_CANCELLED,
            "reservation %llu: told that it is cancelled, but it is not", ID(known->id));
    require(told->reservation == known->id && told->refunded == known->amount &&
                told->balance == known->refund_balance,
            "reservation %llu: told of another refund", ID(known->id));
}

/* 409 reservation-state: it was in a state in which that cannot be done. */
static void check_refused(const struct ask *ask, const struct ledger_reservation *known)
{
    static const uint8_t right[][RESERVATION_CANCELLED + 1] = {
        {[RESERVATION_RELEASED] = 1, [RESERVATION_CANCELLING] = 1, [RESERVATION_CANCELLED] = 1},
        {[RESERVATION_CONFIRMING] = 1,
         [RESERVATION_CONFIRMED] = 1,
         [RESERVATION_CANCELLING] = 1,
         [RESERVATION_CANCELLED] = 1},
        {[RESERVATION_HELD] = 1,
         [RESERVATION_CONFIRMING] = 1,
         [RESERVATION_RELEASED] = 1,
         [RESERVATION_EXPIRED] = 1},
    };
    unsigned row = ask->kind == REQUEST_CONFIRM ? 0 : ask->kind == REQUEST_RELEASE ? 1 : 2;
    bool found = false;
    for (unsigned state = RESERVATION_HELD; state <= RESERVATION_CANCELLED; state++)
        found |= right[row][state] != 0 && ledger_was_in_state(known, state, ask->moment);
    require(found, "reservation %llu: refused in a state that allows it", ID(known->id));
}

static void check_shortage(const struct ask *ask, const struct ledger_reservation *known,
                           const struct shortage *told)
{
    require(told->balance < told->required, "short of nothing");
    if (known != NULL) {
        require(known->failed > 0 && told->required == known->amount,
                "reservation %llu: told of a payment that did not fail", ID(known->id));
        return;
    }
    require(told->required == ask->request.use.amount &&
                ledger_had_balance(ask->request.use.user, told->balance, ask->moment),
            "user %llu: never had the balance %llu", ID(ask->request.use.user), ID(told->balance));
}

static bool is_about_reservation(uint16_t kind)
{
    return kind == REQUEST_CONFIRM || kind == REQUEST_CANCEL || kind == REQUEST_RELEASE ||
           kind == REQUEST_RESERVATION_GET;
}

static void check_ok(const struct ask *ask, const struct ledger_reservation *known,
                     uint16_t reply_kind, const union reply *reply)
{
    uint16_t expected = REPLY_NONE;
    switch (ask->kind) {
    case REQUEST_CHARGE:
    case REQUEST_USE:
        expected = REPLY_WALLET_ENTRY;
        break;
    case REQUEST_BALANCE_GET:
        expected = REPLY_BALANCE;
        break;
    case REQUEST_TRANSACTIONS_GET:
        expected = REPLY_TRANSACTIONS;
        break;
    case REQUEST_SEATS_GET:
        expected = REPLY_SEATS;
        break;
    case REQUEST_CONCERT_CREATE:
        expected = REPLY_CONCERT_MADE;
        break;
    case REQUEST_RESERVATIONS_GET:
        expected = REPLY_RESERVATIONS;
        break;
    case REQUEST_HOLD:
    case REQUEST_RESERVATION_GET:
        expected = REPLY_RESERVATION;
        break;
    case REQUEST_CONFIRM:
        expected = REPLY_CONFIRMED;
        break;
    case REQUEST_CANCEL:
        expected = REPLY_CANCELLED;
        break;
    default:
        break;
    }
    require(reply_kind == expected, "request kind %u was answered with reply kind %u", ask->kind,
            reply_kind);
    switch (ask->kind) {
    case REQUEST_CHARGE:
    case REQUEST_USE:
        check_entry(ask, reply);
        break;
    case REQUEST_BALANCE_GET:
        require(ledger_had_balance(reply->balance.user, reply->balance.balance, ask->moment),
                "user %llu: never had the balance %llu", ID(reply->balance.user),
                ID(reply->balance.balance));
        break;
    case REQUEST_TRANSACTIONS_GET:
        check_transactions(ask, &reply->transactions);
        break;
    case REQUEST_SEATS_GET:
        check_seats(ask, &reply->seats);
        break;
    case REQUEST_CONCERT_CREATE:
        check_concert(ask, reply);
        break;
    case REQUEST_RESERVATIONS_GET:
        check_list(ask, &reply->reservations);
        break;
    case REQUEST_HOLD:
        check_hold(ask, reply);
        break;
    case REQUEST_RESERVATION_GET:
        check_reservation(ask, known, &reply->reservation);
        break;
    case REQUEST_CONFIRM:
        check_confirmed(known, &reply->confirmed);
        break;
    case REQUEST_CANCEL:
        check_cancelled(known, &reply->cancelled);
        break;
    default:
        require(known->state == RESERVATION_RELEASED || known->state == RESERVATION_EXPIRED,
                "reservation %llu: told that it is released, but it is not", ID(known->id));
    }
}

static void check_key_reused(const struct ask *ask)
{
    uint64_t route, user, schedule, key, body_hash;
    key_of(ask, &route, &user, &schedule, &key, &body_hash);
    const struct ledger_key *known = ledger_key(route, user, schedule, key, 0);
    require(known != NULL, "user %llu: a new key was refused as used", ID(user));
}

bool answer_is_unknown(enum outcome outcome)
{
    return outcome == OUTCOME_UNAVAILABLE || outcome == OUTCOME_ACTOR_UNAVAILABLE ||
           outcome == OUTCOME_OVERLOADED || outcome == OUTCOME_STORAGE_FULL;
}

static bool is_about_room(uint16_t kind)
{
    return request_info(kind)->owner == ROLE_QUEUE;
}

void answer_check(const struct ask *ask, enum outcome outcome, uint16_t reply_kind,
                  const union reply *reply)
{
    const union request *request = &ask->request;
    const struct ledger_reservation *known = NULL;
    if (answer_is_unknown(outcome))
        return;
    if (is_about_room(ask->kind)) {
        answer_check_room(ask, outcome, reply_kind, reply);
        return;
    }
    if (is_about_reservation(ask->kind)) {
        known = ledger_reservation(request->confirm.reservation);
        require((known == NULL) == (outcome == OUTCOME_NOT_FOUND), "reservation %llu: outcome %s",
                ID(request->confirm.reservation), outcome_text(outcome));
        if (known == NULL)
            return;
        bool others = request->confirm.user != 0 && request->confirm.user != known->user;
        require(others == (outcome == OUTCOME_NOT_OWNER), "reservation %llu: outcome %s",
                ID(known->id), outcome_text(outcome));
    }
    switch (outcome) {
    case OUTCOME_OK:
        check_ok(ask, known, reply_kind, reply);
        break;
    case OUTCOME_NOT_OWNER: /* compared above */
        break;
    case OUTCOME_NOT_FOUND:
        require(ask->kind == REQUEST_HOLD && request->hold.schedule == 99, "not found");
        break;
    case OUTCOME_INSUFFICIENT_POINTS:
        require(reply_kind == REPLY_SHORTAGE &&
                    (ask->kind == REQUEST_USE || ask->kind == REQUEST_CONFIRM),
                "request kind %u: not enough points", ask->kind);
        check_shortage(ask, known, &reply->shortage);
        break;
    case OUTCOME_AMOUNT_OUT_OF_RANGE:
        require(ask->kind == REQUEST_CHARGE || ask->kind == REQUEST_USE, "an amount, in kind %u",
                ask->kind);
        require(request->charge.amount == 0 || request->charge.amount > AMOUNT_MAX,
                "amount %llu was refused", ID(request->charge.amount));
        break;
    case OUTCOME_IDEMPOTENCY_KEY_REUSED:
        check_key_reused(ask);
        break;
    case OUTCOME_SEAT_TAKEN:
        check_taken(ask, &reply->taken);
        break;
    case OUTCOME_SEAT_LIMIT:
        require(request->hold.seats.count > 4 || world.segment->header->config.user_seat_limit > 0,
                "%u seats are too many", request->hold.seats.count);
        break;
    case OUTCOME_INVALID_FIELD:
        require(request_is_invalid(ask->kind, request), "a good request was called invalid");
        break;
    case OUTCOME_HOLD_EXPIRED:
        require(known->state == RESERVATION_EXPIRED ||
                    (ledger_was_in_state(known, RESERVATION_HELD, ask->moment) &&
                     known->expires_at_ms <= machine_now_ms()),
                "reservation %llu: told that it expired", ID(known->id));
        break;
    case OUTCOME_RESERVATION_STATE:
        check_refused(ask, known);
        break;
    default:
        trace_fail("request kind %u: outcome %s", ask->kind, outcome_text(outcome));
    }
}
