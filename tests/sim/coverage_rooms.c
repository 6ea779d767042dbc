#include "check.h"
#include "coverage_internal.h"
#include "room.h"

/* What a waiting room's decision was about: tickets. */

static unsigned state_of(const struct decision *decision, uint64_t room, uint64_t number)
{
    struct ticket_row ticket;
    struct row_key key = ticket_key(room, number);
    uint64_t now_ms = decision->now_ms;
    if (!ticket_row_read(decision->rows, &key, &ticket))
        return NONE;
    if (ticket.state == TICKET_WAITING && now_ms >= ticket.issued_at_ms + TICKET_TTL_MS)
        return OLD;
    if (ticket_in_session(&ticket) && now_ms >= ticket.until_ms)
        return OVER;
    if (ticket.state == TICKET_ADMITTED && now_ms >= ticket.due_ms)
        return CLAIM_OVER;
    return TICKETS + (unsigned)ticket.state;
}

/* Each event of the decision, by the state that its ticket was in before; a ticket that is issued
 * and admitted at once comes from none twice. */
static void take_events(const struct decision *decision, uint64_t room, enum input input)
{
    static union event body;
    for (unsigned i = 0; i < decision->event_count; i++) {
        const struct decided_event *event = &decision->events[i];
        check(event_decode(event->kind, &body, decision->bytes + event->offset, event->size));
        if (event->kind == EVENT_ROOM_CHANGED)
            continue;
        uint64_t number = event->kind == EVENT_TICKET_ISSUED ? body.ticket_issued.number
                                                             : body.ticket_claimed.number;
        coverage_take(state_of(decision, room, number), input, event->kind,
                      coverage_answer(decision));
    }
}

static bool changes_only_settings(const struct decision *decision)
{
    for (unsigned i = 0; i < decision->event_count; i++)
        if (decision->events[i].kind != EVENT_ROOM_CHANGED)
            return false;
    return true;
}

/* Without an event the answer is about the ticket that is there. */
static void take(const struct decision *decision, uint64_t room, unsigned state, enum input input)
{
    if (changes_only_settings(decision))
        coverage_take(state, input, 0, coverage_answer(decision));
    else
        take_events(decision, room, input);
}

static void decide_issue(struct decision *decision, const void *object,
                         const struct message *message)
{
    const struct room *room = object;
    struct row_key key = holder_key(room->base.id, message->request->token_issue.user);
    struct holder_row holder;
    unsigned state = holder_row_read(decision->rows, &key, &holder)
                         ? state_of(decision, room->base.id, holder.number)
                         : NONE;
    room_kind.decide(decision, object, message);
    take(decision, room->base.id, state, ISSUE);
}

static void decide_one(struct decision *decision, const void *object, const struct message *message,
                       enum input input)
{
    const struct room *room = object;
    /* the number is at the same place in all four */
    unsigned state = state_of(decision, room->base.id, message->request->ticket_get.number);
    room_kind.decide(decision, object, message);
    take(decision, room->base.id, state, input);
}

void room_decide_covered(struct decision *decision, const void *object,
                         const struct message *message)
{
    const struct room *room = object;
    if (message->origin == MESSAGE_TIMER) {
        room_kind.decide(decision, object, message);
        take_events(decision, room->base.id, CLOCK);
        return;
    }
    switch (message->kind) {
    case REQUEST_TOKEN_ISSUE:
        decide_issue(decision, object, message);
        break;
    case REQUEST_TICKET_GET:
        decide_one(decision, object, message, TICKET_ASKED);
        break;
    case REQUEST_TICKET_CLAIM:
        decide_one(decision, object, message, CLAIM);
        break;
    case REQUEST_TICKET_LEAVE:
        decide_one(decision, object, message, LEAVE);
        break;
    case REQUEST_PURCHASED:
        decide_one(decision, object, message, PURCHASED);
        break;
    default:
        room_kind.decide(decision, object, message);
    }
}
