#include "ledger_rooms.h"
#include "behaviour.h"
#include "check.h"
#include "queue.h"
#include "trace.h"
#include <string.h>

enum { TICKETS_MAX = 1024, RATE_BURST_MS = 100 };

const uint64_t ledger_room_ids[LEDGER_ROOMS] = {ROOM_DEFAULT, 7};

static struct ledger_room rooms[LEDGER_ROOMS];
static struct ledger_ticket tickets[TICKETS_MAX];
static unsigned ticket_count;

void ledger_rooms_reset(void)
{
    memset(rooms, 0, sizeof rooms);
    for (unsigned i = 0; i < LEDGER_ROOMS; i++)
        rooms[i].id = ledger_room_ids[i];
    ticket_count = 0;
}

struct ledger_room *ledger_room(uint64_t id)
{
    for (unsigned i = 0; i < LEDGER_ROOMS; i++)
        if (rooms[i].id == id)
            return &rooms[i];
    trace_fail("room %llu does not exist", (unsigned long long)id);
}

struct ledger_ticket *ledger_ticket(uint64_t room, uint64_t number)
{
    for (unsigned i = ticket_count; i-- > 0;)
        if (tickets[i].number == number && tickets[i].room == room)
            return &tickets[i];
    return NULL;
}

struct ledger_ticket *ledger_ticket_at(unsigned index)
{
    return index < ticket_count ? &tickets[index] : NULL;
}

bool ledger_ticket_was(const struct ledger_ticket *ticket, uint64_t state, uint64_t since)
{
    for (unsigned i = ticket->state_count; i-- > 0;) {
        if (ticket->states[i].state == state)
            return true;
        if (ticket->states[i].moment <= since)
            return false;
    }
    return false;
}

static bool in_session(const struct ledger_ticket *ticket)
{
    return ticket->state == TICKET_ADMITTED || ticket->state == TICKET_CLAIMED;
}

bool ledger_ticket_is_live(const struct ledger_ticket *ticket)
{
    return ticket->state == TICKET_WAITING || in_session(ticket);
}

/* ---- events ---- */

static void enter_state(struct ledger_ticket *ticket, uint64_t state)
{
    struct ledger_room *room = ledger_room(ticket->room);
    check(ticket->state_count < TICKET_STATES_MAX);
    room->waiting -= ticket->state == TICKET_WAITING;
    room->sessions -= in_session(ticket);
    ticket->state = state;
    room->waiting += state == TICKET_WAITING;
    room->sessions += in_session(ticket);
    ticket->states[ticket->state_count].moment = ledger_moment();
    ticket->states[ticket->state_count++].state = state;
}

static void issued(const struct journal_event *event, const struct ticket_issued *body)
{
    struct ledger_room *room = ledger_room(body->room);
    require(body->number == ++room->issued, "room %llu: number %llu is not the next",
            (unsigned long long)body->room, (unsigned long long)body->number);
    require(event->aggregate_version == 1, "room %llu: ticket %llu begins with version %llu",
            (unsigned long long)body->room, (unsigned long long)body->number,
            (unsigned long long)event->aggregate_version);
    for (unsigned i = 0; i < ticket_count; i++) {
        require(tickets[i].id != event->aggregate, "two tickets have the id %llu",
                (unsigned long long)event->aggregate);
        require(tickets[i].user != body->user || tickets[i].room != body->room ||
                    !ledger_ticket_is_live(&tickets[i]),
                "room %llu: user %llu has two live tickets", (unsigned long long)body->room,
                (unsigned long long)body->user);
    }
    check(ticket_count < TICKETS_MAX);
    struct ledger_ticket *ticket = &tickets[ticket_count++];
    *ticket = (struct ledger_ticket){.id = event->aggregate,
                                     .room = body->room,
                                     .user = body->user,
                                     .number = body->number,
                                     .version = 1,
                                     .issued_at_ms = event->at_ms};
    enter_state(ticket, TICKET_WAITING);
}

static uint64_t credit_max(const struct ledger_room *room)
{
    uint64_t burst = room->settings.admit_per_second * RATE_BURST_MS;
    return burst < 1000 ? 1000 : burst;
}

static void check_rate(struct ledger_room *room, uint64_t at_ms)
{
    uint64_t rate = room->settings.admit_per_second;
    if (rate == 0)
        return;
    room->credit += (at_ms - room->credit_at_ms) * rate;
    if (room->credit > credit_max(room))
        room->credit = credit_max(room);
    room->credit_at_ms = at_ms;
    require(room->credit >= 1000, "room %llu: admits faster than %llu a second",
            (unsigned long long)room->id, (unsigned long long)rate);
    room->credit -= 1000;
}

static void admitted(struct ledger_ticket *ticket, const struct journal_event *event,
                     const struct ticket_admitted *body)
{
    struct ledger_room *room = ledger_room(ticket->room);
    unsigned long long number = ticket->number;
    require(ticket->state == TICKET_WAITING, "ticket %llu: admitted in state %llu", number,
            (unsigned long long)ticket->state);
    for (unsigned i = 0; i < ticket_count; i++)
        require(tickets[i].room != ticket->room || tickets[i].number >= ticket->number ||
                    tickets[i].state != TICKET_WAITING,
                "ticket %llu: admitted before %llu", number, (unsigned long long)tickets[i].number);
    require(room->sessions < room->settings.active_limit && room->settings.paused == 0,
            "ticket %llu: admitted beyond the limit %llu", number,
            (unsigned long long)room->settings.active_limit);
    require(event->at_ms < ticket->issued_at_ms + TICKET_TTL_MS &&
                body->until_ms <= ticket->issued_at_ms + TICKET_TTL_MS &&
                body->claim_until_ms <= body->until_ms && body->claim_until_ms > event->at_ms,
            "ticket %llu: admitted until %llu", number, (unsigned long long)body->until_ms);
    check_rate(room, event->at_ms);
    ticket->claim_until_ms = body->claim_until_ms;
    ticket->until_ms = body->until_ms;
    enter_state(ticket, TICKET_ADMITTED);
}

static void expired(struct ledger_ticket *ticket, const struct journal_event *event,
                    uint64_t reason)
{
    uint64_t at_ms = event->at_ms;
    bool right = ledger_ticket_is_live(ticket);
    if (reason == TICKET_END_CLAIM)
        right = ticket->state == TICKET_ADMITTED && at_ms >= ticket->claim_until_ms;
    else if (reason == TICKET_END_SESSION)
        right = in_session(ticket) && at_ms >= ticket->until_ms;
    else if (reason == TICKET_END_AGE)
        right = ticket->state == TICKET_WAITING && at_ms >= ticket->issued_at_ms + TICKET_TTL_MS;
    require(right, "ticket %llu: ended for reason %llu in state %llu",
            (unsigned long long)ticket->number, (unsigned long long)reason,
            (unsigned long long)ticket->state);
    require(reason != TICKET_END_CLAIM || !ticket->claimed,
            "ticket %llu: its claim time ended, but it had been claimed",
            (unsigned long long)ticket->number);
    enter_state(ticket, TICKET_EXPIRED);
}

static void done(struct ledger_ticket *ticket, const struct ticket_done *body)
{
    const struct ledger_reservation *reservation = ledger_reservation(body->reservation);
    require(ticket->state != TICKET_WAITING && ticket->state != TICKET_DONE,
            "ticket %llu: done in state %llu", (unsigned long long)ticket->number,
            (unsigned long long)ticket->state);
    require(reservation != NULL && ledger_was_in_state(reservation, RESERVATION_CONFIRMED, 0) &&
                reservation->user == ticket->user && reservation->room == ticket->room &&
                reservation->ticket == ticket->number,
            "ticket %llu: done without a sale", (unsigned long long)ticket->number);
    enter_state(ticket, TICKET_DONE);
}

static void changed(const struct journal_event *event, const struct room_changed *body)
{
    struct ledger_room *room = ledger_room(body->room);
    room->changed_moment = ledger_moment();
    if (room->made_moment == 0)
        room->made_moment = ledger_moment();
    room->settings = *body;
    room->credit = credit_max(room);
    room->credit_at_ms = event->at_ms;
}

void ledger_room_event(const struct journal_event *event, const union event *body)
{
    if (event->kind == EVENT_TICKET_ISSUED) {
        issued(event, &body->ticket_issued);
        return;
    }
    if (event->kind == EVENT_ROOM_CHANGED) {
        changed(event, &body->room_changed);
        return;
    }
    /* the room and the number are at the same place in all of these */
    struct ledger_ticket *ticket =
        ledger_ticket(body->ticket_claimed.room, body->ticket_claimed.number);
    require(ticket != NULL && ticket->id == event->aggregate &&
                ticket->user == body->ticket_claimed.user,
            "%s of a ticket that is not there", event_text(event->kind));
    ledger_next_version(event, &ticket->version);
    switch (event->kind) {
    case EVENT_TICKET_ADMITTED:
        admitted(ticket, event, &body->ticket_admitted);
        break;
    case EVENT_TICKET_CLAIMED:
        require(ticket->state == TICKET_ADMITTED && ticket->claimed,
                "ticket %llu: claimed by nobody", (unsigned long long)ticket->number);
        enter_state(ticket, TICKET_CLAIMED);
        break;
    case EVENT_TICKET_CLAIM_EXTENDED:
        require(ticket->state == TICKET_ADMITTED &&
                    body->ticket_claim_extended.claim_until_ms > ticket->claim_until_ms,
                "ticket %llu: its claim time does not grow", (unsigned long long)ticket->number);
        ticket->claim_until_ms = body->ticket_claim_extended.claim_until_ms;
        break;
    case EVENT_TICKET_EXPIRED:
        expired(ticket, event, body->ticket_expired.reason);
        break;
    case EVENT_TICKET_DONE:
        done(ticket, &body->ticket_done);
        break;
    default:
        trace_fail("event kind %u in the queue's journal", event->kind);
    }
}

void ledger_claims_lost(void)
{
    for (unsigned i = 0; i < ticket_count; i++)
        if (tickets[i].state == TICKET_ADMITTED)
            tickets[i].claimed = false;
}

/* ---- rest ---- */

bool ledger_rooms_at_rest(uint64_t now_ms)
{
    for (unsigned i = 0; i < LEDGER_ROOMS; i++)
        if (rooms[i].waiting > 0 && rooms[i].settings.paused == 0 &&
            rooms[i].sessions < rooms[i].settings.active_limit)
            return false;
    for (unsigned i = 0; i < ticket_count; i++)
        if ((in_session(&tickets[i]) && tickets[i].until_ms <= now_ms) ||
            (tickets[i].state == TICKET_ADMITTED && tickets[i].claim_until_ms <= now_ms))
            return false;
    return true;
}

uint64_t ledger_sessions_until_ms(void)
{
    uint64_t until_ms = 0;
    for (unsigned i = 0; i < ticket_count; i++)
        if (in_session(&tickets[i]) && tickets[i].until_ms > until_ms)
            until_ms = tickets[i].until_ms;
    return until_ms;
}
