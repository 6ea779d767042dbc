#include "room.h"

/* What time brings: ends of claims and sessions, and admissions. One decision takes as many as fit;
 * apply sets the timer again for the rest. */

struct due {
    uint64_t now_ms;
    unsigned count, max;
    uint64_t numbers[DECISION_EVENTS_MAX];
};

static bool note_due(void *context, const struct row_key *key, struct row_bytes value)
{
    struct due *due = context;
    (void)value;
    if (deadline_key_due_ms(key) > due->now_ms)
        return false;
    due->numbers[due->count++] = deadline_key_number(key);
    return due->count < due->max;
}

/* True: whoever was admitted by an earlier start of everything has not been there to claim; their
 * claim time starts afresh with this one. */
static bool extend_claim(struct plan *plan, uint64_t number, const struct ticket_row *ticket)
{
    const struct decision *decision = plan->decision;
    if (ticket->admitted_at_ms >= decision->started_at_ms)
        return false;
    uint64_t until_ms = decision->started_at_ms + plan->row.claim_ttl_s * 1000;
    if (until_ms > ticket->until_ms)
        until_ms = ticket->until_ms;
    if (until_ms <= decision->now_ms)
        return false;
    union event body;
    body.ticket_claim_extended =
        (struct ticket_claim_extended){plan->room->base.id, ticket->user, number, until_ms};
    decision_emit(plan->decision, EVENT_TICKET_CLAIM_EXTENDED, ticket->id, VERSION_INTERNAL, &body);
    return true;
}

/* A front may have marked the claim in shared memory meanwhile: the gate says who was first. */
static bool was_claimed(const struct plan *plan, uint64_t number)
{
    const struct claim_gate *gate = plan->decision->claim_gate;
    return gate != NULL && !gate->close(gate->context, plan->room->base.id, number);
}

static void end_claim(struct plan *plan, uint64_t number, const struct ticket_row *ticket)
{
    if (extend_claim(plan, number, ticket))
        return;
    if (!was_claimed(plan, number)) {
        plan_expire(plan, number, ticket, TICKET_END_CLAIM);
        return;
    }
    union event body;
    body.ticket_claimed = (struct ticket_claimed){plan->room->base.id, ticket->user, number};
    decision_emit(plan->decision, EVENT_TICKET_CLAIMED, ticket->id, VERSION_INTERNAL, &body);
}

static void end_sessions(struct plan *plan)
{
    const struct room *room = plan->room;
    const struct row_view *rows = plan->decision->rows;
    struct due due = {.now_ms = plan->decision->now_ms, .max = plan_room(plan)};
    struct row_key prefix = room_prefix(room->base.id, 'd');
    struct row_key from = deadline_key(room->base.id, room->due_ms, room->due_number);
    rows->scan(rows->context, &prefix, &from, false, note_due, &due);
    for (unsigned i = 0; i < due.count; i++) {
        struct row_key key = ticket_key(room->base.id, due.numbers[i]);
        struct ticket_row ticket;
        check(ticket_row_read(rows, &key, &ticket));
        if (ticket.state == TICKET_ADMITTED && due.now_ms < ticket.until_ms)
            end_claim(plan, due.numbers[i], &ticket);
        else
            plan_expire(plan, due.numbers[i], &ticket, TICKET_END_SESSION);
    }
}

static void serve_line(struct plan *plan)
{
    const struct room *room = plan->room;
    uint64_t now_ms = plan->decision->now_ms, number = room->row.serving;
    while (plan_room(plan) > 0 && plan->row.waiting > 0) {
        struct ticket_row ticket;
        number = line_next(&room->line, number);
        struct row_key key = ticket_key(room->base.id, number);
        check(ticket_row_read(plan->decision->rows, &key, &ticket));
        if (now_ms >= ticket.issued_at_ms + TICKET_TTL_MS)
            plan_expire(plan, number, &ticket, TICKET_END_AGE);
        else if (room_may_admit(&plan->row, now_ms))
            plan_admit(plan, number, &ticket);
        else
            break;
    }
}

void room_decide_timer(struct decision *decision, const struct room *room)
{
    struct plan plan;
    plan_begin(&plan, decision, room);
    end_sessions(&plan);
    serve_line(&plan);
}
