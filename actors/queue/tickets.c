#include "room.h"

/* What is asked about one ticket. */

/* The ticket with its row; false when there is none of that number and user. */
static bool read_ticket(const struct decision *decision, const struct room *room, uint64_t number,
                        uint64_t user, struct ticket_row *ticket)
{
    struct row_key key = ticket_key(room->base.id, number);
    return ticket_row_read(decision->rows, &key, ticket) && ticket->user == user;
}

static void reply_ticket(struct decision *decision, const struct room *room, uint64_t number,
                         const struct ticket_row *ticket)
{
    decision->reply->ticket = (struct ticket){
        .room = room->base.id,
        .user = ticket->user,
        .number = number,
        .issued_at_ms = ticket->issued_at_ms,
        .state = ticket->state,
        .until_ms = ticket->until_ms,
    };
    decision_reply(decision, OUTCOME_OK, REPLY_TICKET);
}

/* A live ticket whose time is over, whether or not the timer has seen it yet. */
static bool is_over(const struct ticket_row *ticket, uint64_t now_ms, enum ticket_end *reason)
{
    *reason = ticket_in_session(ticket) ? TICKET_END_SESSION : TICKET_END_AGE;
    return now_ms >= ticket->issued_at_ms + TICKET_TTL_MS ||
           (ticket_in_session(ticket) && now_ms >= ticket->until_ms);
}

void room_decide_issue(struct decision *decision, const struct room *room,
                       const struct token_issue *request)
{
    struct plan plan;
    struct row_key key = holder_key(room->base.id, request->user);
    struct holder_row holder;
    if (request->user == 0 || request->user > ID_MAX) {
        decision_reply(decision, OUTCOME_INVALID_FIELD, REPLY_NONE);
        return;
    }
    plan_begin(&plan, decision, room);
    if (holder_row_read(decision->rows, &key, &holder)) {
        struct ticket_row ticket;
        enum ticket_end reason;
        check(read_ticket(decision, room, holder.number, request->user, &ticket));
        if (!is_over(&ticket, decision->now_ms, &reason)) {
            reply_ticket(decision, room, holder.number, &ticket);
            return;
        }
        plan_expire(&plan, holder.number, &ticket, reason);
    }
    plan_issue(&plan, request->user);
    decision_reply(decision, OUTCOME_OK, REPLY_TICKET);
}

/* A ticket that is forgotten has ended long ago. */
void room_decide_get(struct decision *decision, const struct room *room,
                     const struct ticket_get *request)
{
    struct ticket_row ticket;
    if (!read_ticket(decision, room, request->number, request->user, &ticket))
        ticket = (struct ticket_row){.user = request->user, .state = TICKET_EXPIRED};
    reply_ticket(decision, room, request->number, &ticket);
}

void room_decide_claim(struct decision *decision, const struct room *room,
                       const struct ticket_claim *request)
{
    struct ticket_row ticket;
    if (read_ticket(decision, room, request->number, request->user, &ticket) &&
        ticket.state == TICKET_ADMITTED) {
        union event body;
        body.ticket_claimed =
            (struct ticket_claimed){room->base.id, request->user, request->number};
        decision_emit(decision, EVENT_TICKET_CLAIMED, ticket.id, VERSION_INTERNAL, &body);
    }
    decision_reply(decision, OUTCOME_OK, REPLY_NONE);
}

void room_decide_leave(struct decision *decision, const struct room *room,
                       const struct ticket_leave *request)
{
    struct ticket_row ticket;
    if (read_ticket(decision, room, request->number, request->user, &ticket) &&
        ticket_is_live(&ticket)) {
        struct plan plan;
        plan_begin(&plan, decision, room);
        plan_expire(&plan, request->number, &ticket, TICKET_END_LEFT);
    }
    decision_reply(decision, OUTCOME_OK, REPLY_NONE);
}

/* Who holds a seat can pay for it whatever became of the ticket, so a ticket that has expired is
 * DONE then too. Only what is known already changes nothing. */
void room_decide_purchased(struct decision *decision, const struct room *room,
                           const struct purchased *request)
{
    struct ticket_row ticket;
    if (read_ticket(decision, room, request->number, request->user, &ticket) &&
        ticket.state != TICKET_DONE && ticket.state != TICKET_WAITING) {
        union event body;
        body.ticket_done = (struct ticket_done){room->base.id, request->user, request->number,
                                                request->reservation};
        decision_emit(decision, EVENT_TICKET_DONE, ticket.id, ticket.version + 1, &body);
    }
    decision_reply(decision, OUTCOME_OK, REPLY_NONE);
}
