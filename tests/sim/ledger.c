#include "ledger_internal.h"
#include "behaviour.h"
#include "ledger_concerts.h"
#include "ledger_rooms.h"
#include "queue.h"

const uint64_t ledger_schedules[LEDGER_SCHEDULES] = {5, 70};
struct ledger ledger;

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

unsigned ledger_schedule_at(uint64_t schedule)
{
    for (unsigned i = 0; i < LEDGER_SCHEDULES; i++)
        if (ledger_schedules[i] == schedule)
            return i;
    trace_fail("schedule %llu does not exist", (unsigned long long)schedule);
}

bool ledger_was_taken(uint64_t seat, uint64_t since)
{
    unsigned schedule = ledger_schedule_at(seat_id_schedule(seat));
    uint64_t index = seat_id_index(seat);
    require(index >= 1 && index <= LEDGER_SEATS, "seat %llu does not exist",
            (unsigned long long)seat);
    return ledger.seats[schedule][index].owner != 0 ||
           ledger.seats[schedule][index].freed_moment > since;
}

bool ledger_was_free(uint64_t seat, uint64_t since)
{
    unsigned schedule = ledger_schedule_at(seat_id_schedule(seat));
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
        ledger_wallet_event(event, &body);
    else
        ledger.elsewhere += ledger_seat_event(event, &body);
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
            (reservation->ticket != 0 && ledger_was_sold(reservation) &&
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
