#include "ledger_concerts.h"
#include "ledger_rooms.h"
#include "behaviour.h"
#include "catalogue.h"
#include "check.h"
#include "queue.h"
#include "trace.h"
#include <stdlib.h>
#include <string.h>

enum { BALANCES_MAX = 2048, TABLE_MAX = 2048, ACTORS_MAX = 8 };

const uint64_t ledger_schedules[LEDGER_SCHEDULES] = {5, 70};

static struct {
    uint64_t hold_ttl_ms, hold_grace_ms, moment;
    uint64_t granted, balances, elsewhere; /* points: paid, or in a saga under way */
    struct {
        uint64_t version, last_transaction;
        unsigned count, transactions;
        struct {
            uint64_t moment, balance;
        } history[BALANCES_MAX];
    } users[LEDGER_USERS + 1];
    struct {
        uint64_t owner, taken_moment, freed_moment; /* owner: a reservation, 0: free */
    } seats[LEDGER_SCHEDULES][LEDGER_SEATS + 1];
    unsigned reservation_count, transaction_count, key_count;
    struct ledger_reservation reservations[TABLE_MAX];
    struct ledger_transaction transactions[TABLE_MAX];
    struct ledger_key keys[TABLE_MAX];
} ledger;

void ledger_reset(uint64_t hold_ttl_ms, uint64_t hold_grace_ms)
{
    /* The tables are long; what is beyond their counts is never looked at. */
    ledger.moment = ledger.granted = ledger.balances = ledger.elsewhere = 0;
    for (unsigned user = 0; user <= LEDGER_USERS; user++) {
        ledger.users[user].version = ledger.users[user].last_transaction = 0;
        ledger.users[user].count = 1;
        ledger.users[user].transactions = 0;
        ledger.users[user].history[0].moment = ledger.users[user].history[0].balance = 0;
    }
    memset(ledger.seats, 0, sizeof ledger.seats);
    ledger.reservation_count = ledger.transaction_count = ledger.key_count = 0;
    ledger_rooms_reset();
    ledger_concerts_reset();
    ledger.hold_ttl_ms = hold_ttl_ms;
    ledger.hold_grace_ms = hold_grace_ms;
}

/* ---- what is asked ---- */

uint64_t ledger_moment(void)
{
    return ledger.moment;
}

uint64_t ledger_balance(uint64_t user)
{
    return ledger.users[user].history[ledger.users[user].count - 1].balance;
}

bool ledger_had_balance(uint64_t user, uint64_t balance, uint64_t since)
{
    for (unsigned i = ledger.users[user].count; i-- > 0;) {
        if (ledger.users[user].history[i].balance == balance)
            return true;
        if (ledger.users[user].history[i].moment <= since)
            return false; /* it stood there at that moment; older ones did not */
    }
    return false;
}

struct ledger_reservation *ledger_reservation(uint64_t id)
{
    for (unsigned i = ledger.reservation_count; i-- > 0;)
        if (ledger.reservations[i].id == id)
            return &ledger.reservations[i];
    return NULL;
}

struct ledger_reservation *ledger_reservation_at(unsigned index)
{
    return index < ledger.reservation_count ? &ledger.reservations[index] : NULL;
}

bool ledger_was_in_state(const struct ledger_reservation *reservation, uint64_t state,
                         uint64_t since)
{
    for (unsigned i = reservation->state_count; i-- > 0;) {
        if (reservation->states[i].state == state)
            return true;
        if (reservation->states[i].moment <= since)
            return false;
    }
    return false;
}

struct ledger_transaction *ledger_transaction(uint64_t id)
{
    for (unsigned i = ledger.transaction_count; i-- > 0;)
        if (ledger.transactions[i].id == id)
            return &ledger.transactions[i];
    return NULL;
}

struct ledger_transaction *ledger_transaction_at(unsigned index)
{
    return index < ledger.transaction_count ? &ledger.transactions[index] : NULL;
}

unsigned ledger_transaction_count(uint64_t user)
{
    return ledger.users[user].transactions;
}

uint64_t ledger_key_number(const char *text, uint32_t length)
{
    uint64_t number = 0;
    memcpy(&number, text, length < sizeof number ? length : sizeof number);
    return number;
}

struct ledger_key *ledger_key(uint64_t route, uint64_t user, uint64_t schedule, uint64_t key,
                              uint64_t reference)
{
    for (unsigned i = ledger.key_count; i-- > 0;) {
        struct ledger_key *known = &ledger.keys[i];
        if (known->key == key && known->user == user && known->route == route &&
            known->schedule == schedule && (reference == 0 || known->reference == reference))
            return known;
    }
    return NULL;
}

static unsigned schedule_at(uint64_t schedule)
{
    for (unsigned i = 0; i < LEDGER_SCHEDULES; i++)
        if (ledger_schedules[i] == schedule)
            return i;
    trace_fail("schedule %llu does not exist", (unsigned long long)schedule);
}

bool ledger_was_taken(uint64_t seat, uint64_t since)
{
    unsigned schedule = schedule_at(seat_id_schedule(seat));
    uint64_t index = seat_id_index(seat);
    require(index >= 1 && index <= LEDGER_SEATS, "seat %llu does not exist",
            (unsigned long long)seat);
    return ledger.seats[schedule][index].owner != 0 ||
           ledger.seats[schedule][index].freed_moment > since;
}

bool ledger_was_free(uint64_t seat, uint64_t since)
{
    unsigned schedule = schedule_at(seat_id_schedule(seat));
    uint64_t index = seat_id_index(seat);
    require(index >= 1 && index <= LEDGER_SEATS, "seat %llu does not exist",
            (unsigned long long)seat);
    return ledger.seats[schedule][index].owner == 0 ||
           ledger.seats[schedule][index].taken_moment > since;
}

/* ---- idempotency keys: one effect in a key's life ---- */

void ledger_use_key(uint64_t route, uint64_t user, uint64_t schedule, const char *text,
                    uint32_t length, uint64_t body_hash, uint64_t at_ms, uint64_t reference)
{
    if (length == 0)
        return;
    uint64_t number = ledger_key_number(text, length);
    const struct ledger_key *known = ledger_key(route, user, schedule, number, 0);
    require(known == NULL || known->at_ms + IDEMPOTENCY_TTL_MS <= at_ms,
            "user %llu: a second effect for the idempotency key %.*s", (unsigned long long)user,
            (int)length, text);
    check(ledger.key_count < TABLE_MAX);
    ledger.keys[ledger.key_count++] = (struct ledger_key){
        .route = route,
        .user = user,
        .schedule = schedule,
        .key = number,
        .at_ms = at_ms,
        .body_hash = body_hash,
        .reference = reference,
    };
}

/* Public events of an aggregate count from 1 without gaps. */
void ledger_next_version(const struct journal_event *event, uint64_t *version)
{
    if (event->aggregate_version == VERSION_INTERNAL)
        return;
    require(event->aggregate_version == *version + 1, "%s %llu: event %llu is not its next",
            event_text(event->kind), (unsigned long long)event->aggregate,
            (unsigned long long)event->aggregate_version);
    *version = event->aggregate_version;
}

/* ---- money ---- */

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

/* Where the points of a reservation are, as its state says. */
static uint64_t points_of(const struct ledger_reservation *reservation)
{
    bool paid = reservation->state == RESERVATION_CONFIRMED ||
                (reservation->state == RESERVATION_CANCELLING && reservation->refunds == 0) ||
                (reservation->state == RESERVATION_CONFIRMING && reservation->debits == 1);
    return paid ? reservation->amount : 0;
}

/* How often the wallet has moved the money of a reservation in each state. */
static void check_money(const struct ledger_reservation *reservation)
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

static void wallet_event(const struct journal_event *event, const union event *body)
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
        check_money(reservation);
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
        check_money(reservation);
        ledger.elsewhere -= refunded->amount;
        break;
    }
    default:
        trace_fail("event kind %u in a wallet's journal", event->kind);
    }
}

/* ---- seats ---- */

static void enter_state(struct ledger_reservation *reservation, uint64_t state)
{
    check(reservation->state_count < LEDGER_STATES_MAX);
    reservation->state = state;
    reservation->states[reservation->state_count].moment = ledger.moment;
    reservation->states[reservation->state_count].state = state;
    reservation->states[reservation->state_count++].expires_at_ms = reservation->expires_at_ms;
}

static void reservation_held(const struct journal_event *event, const struct reservation_held *held)
{
    unsigned schedule = schedule_at(held->schedule);
    require(event->aggregate_version == 1 && ledger_reservation(held->reservation) == NULL,
            "reservation %llu: made twice", (unsigned long long)held->reservation);
    require(held->expires_at_ms == event->at_ms + ledger.hold_ttl_ms,
            "reservation %llu: is held too long", (unsigned long long)held->reservation);
    check(ledger.reservation_count < TABLE_MAX);
    struct ledger_reservation *made = &ledger.reservations[ledger.reservation_count++];
    memset(made, 0, offsetof(struct ledger_reservation, seats));
    made->id = held->reservation;
    made->user = held->user;
    made->schedule = held->schedule;
    made->amount = held->amount;
    made->expires_at_ms = made->first_expires_at_ms = held->expires_at_ms;
    made->version = 1;
    made->room = held->room;
    made->ticket = held->ticket;
    made->seat_count = held->seats.count;
    made->state_count = 0;
    memcpy(made->seats, held->seats.items, held->seats.count * sizeof made->seats[0]);
    for (uint32_t i = 0; i < made->seat_count; i++) {
        uint64_t index = seat_id_index(made->seats[i]);
        require(index >= 1 && index <= LEDGER_SEATS && ledger.seats[schedule][index].owner == 0,
                "seat %llu is sold to reservation %llu and to %llu",
                (unsigned long long)made->seats[i], (unsigned long long)made->id,
                (unsigned long long)ledger.seats[schedule][index].owner);
        ledger.seats[schedule][index].owner = made->id;
        ledger.seats[schedule][index].taken_moment = ledger.moment;
    }
    enter_state(made, RESERVATION_HELD);
    ledger_use_key(REQUEST_HOLD, held->user, held->schedule, held->idempotency_key.data,
                   held->idempotency_key.length, held->body_hash, event->at_ms, held->reservation);
}

static void free_seats(const struct ledger_reservation *reservation)
{
    unsigned schedule = schedule_at(reservation->schedule);
    for (uint32_t i = 0; i < reservation->seat_count; i++) {
        uint64_t index = seat_id_index(reservation->seats[i]);
        check(ledger.seats[schedule][index].owner == reservation->id);
        ledger.seats[schedule][index].owner = 0;
        ledger.seats[schedule][index].freed_moment = ledger.moment;
    }
}

static void from_state(const struct ledger_reservation *reservation, uint64_t state,
                       const struct journal_event *event)
{
    require(reservation->state == state, "reservation %llu: %s in state %llu",
            (unsigned long long)reservation->id, event_text(event->kind),
            (unsigned long long)reservation->state);
}

static void begin_attempt(struct ledger_reservation *reservation, uint64_t attempt, uint64_t state)
{
    require(attempt == reservation->attempt + 1 && reservation->ended == reservation->attempt,
            "reservation %llu: attempt %llu after %llu", (unsigned long long)reservation->id,
            (unsigned long long)attempt, (unsigned long long)reservation->attempt);
    reservation->attempt = attempt;
    enter_state(reservation, state);
}

static void end_attempt(struct ledger_reservation *reservation, uint64_t attempt, uint64_t state)
{
    require(attempt == reservation->attempt && ++reservation->ended == attempt,
            "reservation %llu: the end of attempt %llu", (unsigned long long)reservation->id,
            (unsigned long long)attempt);
    enter_state(reservation, state);
}

static void payment_failed(struct ledger_reservation *reservation,
                           const struct journal_event *event, const struct payment_failed *failed)
{
    uint64_t latest = reservation->first_expires_at_ms + ledger.hold_grace_ms;
    uint64_t wanted = event->at_ms + ledger.hold_grace_ms;
    from_state(reservation, RESERVATION_CONFIRMING, event);
    require(reservation->refused_attempt == failed->attempt &&
                reservation->failed_balance == failed->balance,
            "reservation %llu: the payment failed, but the wallet did not refuse it",
            (unsigned long long)reservation->id);
    require(failed->expires_at_ms <= latest, "reservation %llu: held beyond the grace",
            (unsigned long long)reservation->id);
    require(failed->expires_at_ms >= (wanted < latest ? wanted : latest) &&
                failed->expires_at_ms >= reservation->expires_at_ms,
            "reservation %llu: a failed payment took the seat too early",
            (unsigned long long)reservation->id);
    reservation->failed++;
    reservation->expires_at_ms = failed->expires_at_ms;
    end_attempt(reservation, failed->attempt, RESERVATION_HELD);
}

static bool was_sold(const struct ledger_reservation *reservation)
{
    return ledger_was_in_state(reservation, RESERVATION_CONFIRMED, 0);
}

static void reservation_event(struct ledger_reservation *reservation,
                              const struct journal_event *event, const union event *body)
{
    ledger_next_version(event, &reservation->version);
    switch (event->kind) {
    case EVENT_RESERVATION_CONFIRMING:
        from_state(reservation, RESERVATION_HELD, event);
        require(event->at_ms < reservation->expires_at_ms,
                "reservation %llu: sold after its hold had expired",
                (unsigned long long)reservation->id);
        begin_attempt(reservation, body->reservation_confirming.attempt, RESERVATION_CONFIRMING);
        break;
    case EVENT_RESERVATION_CONFIRMED:
        from_state(reservation, RESERVATION_CONFIRMING, event);
        require(body->reservation_confirmed.payment == reservation->payment &&
                    body->reservation_confirmed.balance == reservation->paid_balance,
                "reservation %llu: confirmed with another payment than the wallet's",
                (unsigned long long)reservation->id);
        end_attempt(reservation, body->reservation_confirmed.attempt, RESERVATION_CONFIRMED);
        break;
    case EVENT_PAYMENT_FAILED:
        payment_failed(reservation, event, &body->payment_failed);
        break;
    case EVENT_RESERVATION_RELEASED:
        from_state(reservation, RESERVATION_HELD, event);
        enter_state(reservation, RESERVATION_RELEASED);
        free_seats(reservation);
        break;
    case EVENT_RESERVATION_EXPIRED:
        from_state(reservation, RESERVATION_HELD, event);
        require(event->at_ms >= reservation->expires_at_ms, "reservation %llu: expired too early",
                (unsigned long long)reservation->id);
        enter_state(reservation, RESERVATION_EXPIRED);
        free_seats(reservation);
        break;
    case EVENT_RESERVATION_CANCELLING:
        from_state(reservation, RESERVATION_CONFIRMED, event);
        begin_attempt(reservation, body->reservation_cancelling.attempt, RESERVATION_CANCELLING);
        break;
    case EVENT_RESERVATION_CANCELLED:
        from_state(reservation, RESERVATION_CANCELLING, event);
        require(body->reservation_cancelled.balance == reservation->refund_balance,
                "reservation %llu: cancelled without the wallet's refund",
                (unsigned long long)reservation->id);
        end_attempt(reservation, body->reservation_cancelled.attempt, RESERVATION_CANCELLED);
        free_seats(reservation);
        break;
    case EVENT_PURCHASE_REPORTED:
        require(was_sold(reservation) && reservation->ticket != 0 && !reservation->reported,
                "reservation %llu: a report of no sale", (unsigned long long)reservation->id);
        reservation->reported = true;
        break;
    case EVENT_HOLD_REPEATED:
        ledger_use_key(REQUEST_HOLD, reservation->user, reservation->schedule,
                       body->hold_repeated.idempotency_key.data,
                       body->hold_repeated.idempotency_key.length, body->hold_repeated.body_hash,
                       event->at_ms, reservation->id);
        break;
    default:
        trace_fail("event kind %u in a seat worker's journal", event->kind);
    }
    check_money(reservation);
}

static void seat_event(const struct journal_event *event, const union event *body)
{
    if (event->kind == EVENT_RESERVATION_HELD) {
        reservation_held(event, &body->reservation_held);
        return;
    }
    struct ledger_reservation *reservation = ledger_reservation(event->aggregate);
    require(reservation != NULL, "%s of a reservation that is not there", event_text(event->kind));
    uint64_t before = points_of(reservation);
    reservation_event(reservation, event, body);
    ledger.elsewhere += points_of(reservation) - before;
}

void ledger_event(const struct journal_event *event)
{
    static union event body;
    ledger.moment++;
    require(event_decode(event->kind, &body, event->payload, event->payload_size),
            "an event that does not decode");
    bool made = event->kind >= EVENT_CONCERT_CREATED && event->kind <= EVENT_CATALOGUE_GROWN;
    require(made || !ledger_concert_is_partial(), "a concert without all of its schedules");
    if (made) {
        ledger_concert_event(event, &body);
        return;
    }
    if (event->kind >= EVENT_TICKET_ISSUED && event->kind <= EVENT_ROOM_CHANGED)
        ledger_room_event(event, &body);
    else if (event->kind < EVENT_RESERVATION_HELD)
        wallet_event(event, &body);
    else
        seat_event(event, &body);
    require(ledger.granted == ledger.balances + ledger.elsewhere,
            "points are not conserved: granted %llu, balances %llu, elsewhere %llu",
            (unsigned long long)ledger.granted, (unsigned long long)ledger.balances,
            (unsigned long long)ledger.elsewhere);
}

/* Its waiting room knows of a sale, unless it has forgotten the ticket by then. */
static bool is_reported(const struct ledger_reservation *reservation, uint64_t now_ms)
{
    const struct ledger_ticket *ticket = ledger_ticket(reservation->room, reservation->ticket);
    return reservation->reported &&
           (ticket->state == TICKET_DONE || ticket->issued_at_ms + TICKET_TTL_MS <= now_ms);
}

bool ledger_at_rest(uint64_t now_ms)
{
    if (ledger_concert_is_partial())
        return false;
    for (unsigned i = 0; i < ledger.reservation_count; i++) {
        const struct ledger_reservation *reservation = &ledger.reservations[i];
        if (reservation->ended != reservation->attempt ||
            (reservation->ticket != 0 && was_sold(reservation) &&
             !is_reported(reservation, now_ms)))
            return false;
    }
    return true;
}

uint64_t ledger_held_until_ms(void)
{
    uint64_t until_ms = 0;
    for (unsigned i = 0; i < ledger.reservation_count; i++)
        if (ledger.reservations[i].state == RESERVATION_HELD &&
            ledger.reservations[i].expires_at_ms > until_ms)
            until_ms = ledger.reservations[i].expires_at_ms;
    return until_ms;
}
