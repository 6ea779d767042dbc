#include "clients.h"
#include "ledger_rooms.h"
#include "queue.h"
#include "trace.h"
#include "world.h"

/* Answers about waiting rooms against the ledger. */

#define ID(value) ((unsigned long long)(value))

static void check_issued(const struct ask *ask, const struct ticket *told)
{
    const struct token_issue *request = &ask->request.token_issue;
    struct ledger_ticket *known = ledger_ticket(told->room, told->number);
    require(known != NULL && told->room == request->room && known->user == request->user &&
                told->user == request->user && told->issued_at_ms == known->issued_at_ms,
            "user %llu: was given another ticket", ID(request->user));
    require(ledger_ticket_was(known, told->state, ask->moment) && told->state <= TICKET_CLAIMED,
            "ticket %llu: was not in state %llu", ID(told->number), ID(told->state));
    require(!told->is_new || !known->told, "ticket %llu: is new twice", ID(told->number));
    known->told |= told->is_new != 0;
}

static void check_ticket(const struct ask *ask, const struct ticket *told)
{
    const struct ticket_get *request = &ask->request.ticket_get;
    const struct ledger_ticket *known = ledger_ticket(request->room, request->number);
    bool forgotten = told->state == TICKET_EXPIRED &&
                     (known == NULL || (!ledger_ticket_is_live(known) &&
                                        known->issued_at_ms + TICKET_TTL_MS <= machine_now_ms()));
    require(told->number == request->number && told->user == request->user,
            "ticket %llu: told of another", ID(request->number));
    require(forgotten || (known != NULL && ledger_ticket_was(known, told->state, ask->moment)),
            "ticket %llu: was not in state %llu", ID(request->number), ID(told->state));
}

static void check_status(const struct ask *ask, const struct room_status *told)
{
    const struct ledger_room *room = ledger_room(told->room);
    require(told->waiting + told->admitted + told->done + told->expired == told->issued &&
                told->issued <= room->issued,
            "room %llu: its counts do not add up", ID(room->id));
    require(room->made_moment == 0 || room->changed_moment > ask->moment ||
                (told->active_limit == room->settings.active_limit &&
                 told->admit_per_second == room->settings.admit_per_second &&
                 told->paused == room->settings.paused &&
                 told->session_ttl_s == room->settings.session_ttl_s &&
                 told->claim_ttl_s == room->settings.claim_ttl_s),
            "room %llu: told of other settings", ID(room->id));
}

static void check_left(const struct ask *ask)
{
    const struct ticket_leave *request = &ask->request.ticket_leave;
    const struct ledger_ticket *known = ledger_ticket(request->room, request->number);
    require(known == NULL || !ledger_ticket_is_live(known),
            "ticket %llu: told that it has left, but it is there", ID(request->number));
}

void answer_check_room(const struct ask *ask, enum outcome outcome, uint16_t reply_kind,
                       const union reply *reply)
{
    uint64_t id = request_key(ask->kind, &ask->request);
    const struct ledger_room *room = ledger_room(id);
    switch (outcome) {
    case OUTCOME_NOT_FOUND:
        require(id != ROOM_DEFAULT && (room->made_moment == 0 || room->made_moment > ask->moment),
                "room %llu: not found", ID(id));
        return;
    case OUTCOME_INVALID_FIELD:
        require(request_is_invalid(ask->kind, &ask->request), "a good request was called invalid");
        return;
    default:
        require(outcome == OUTCOME_OK, "request kind %u: outcome %s", ask->kind,
                outcome_text(outcome));
    }
    if (ask->kind == REQUEST_TOKEN_ISSUE && reply_kind == REPLY_TICKET)
        check_issued(ask, &reply->ticket);
    else if (ask->kind == REQUEST_TICKET_GET && reply_kind == REPLY_TICKET)
        check_ticket(ask, &reply->ticket);
    else if ((ask->kind == REQUEST_ROOM_GET || ask->kind == REQUEST_ROOM_CHANGE) &&
             reply_kind == REPLY_ROOM_STATUS)
        check_status(ask, &reply->room_status);
    else if (ask->kind == REQUEST_TICKET_LEAVE && reply_kind == REPLY_NONE)
        check_left(ask);
    else
        require(ask->kind == REQUEST_TICKET_CLAIM && reply_kind == REPLY_NONE,
                "request kind %u was answered with reply kind %u", ask->kind, reply_kind);
}
