#include "room.h"

unsigned plan_room(const struct plan *plan)
{
    return DECISION_EVENTS_MAX - plan->decision->event_count;
}

void plan_change(struct plan *plan, const struct room_changed *settings)
{
    union event body;
    body.room_changed = *settings;
    decision_emit(plan->decision, EVENT_ROOM_CHANGED, plan->room->base.id, VERSION_INTERNAL, &body);
    room_row_changed(&plan->row, settings, plan->decision->now_ms);
}

void plan_begin(struct plan *plan, struct decision *decision, const struct room *room)
{
    struct room_changed settings;
    *plan = (struct plan){decision, room, room->row};
    if (room_settings(&plan->row, room->base.id, decision->config, &settings))
        plan_change(plan, &settings);
}

/* A ticket's id is unique across rooms, and says its room's partition. */
static uint64_t next_id(const struct plan *plan)
{
    uint64_t sequence = plan->decision->next_sequence + plan->decision->event_count;
    return sequence * PARTITION_COUNT + plan->room->base.id % PARTITION_COUNT;
}

/* Those who want no events of it see the ticket's versions begin later. */
static uint64_t quiet_version(const struct plan *plan, uint64_t before)
{
    return plan->decision->config->quiet_queue ? VERSION_INTERNAL : before + 1;
}

void plan_issue(struct plan *plan, uint64_t user)
{
    const struct decision *decision = plan->decision;
    struct ticket_row ticket = {.id = next_id(plan),
                                .user = user,
                                .version = quiet_version(plan, 0),
                                .issued_at_ms = decision->now_ms};
    union event body;
    room_row_issued(&plan->row);
    uint64_t number = plan->row.issued;
    body.ticket_issued = (struct ticket_issued){plan->room->base.id, user, number};
    decision_emit(plan->decision, EVENT_TICKET_ISSUED, ticket.id, ticket.version, &body);
    struct ticket *reply = &plan->decision->reply->ticket;
    *reply = (struct ticket){.room = plan->room->base.id,
                             .user = user,
                             .number = number,
                             .issued_at_ms = decision->now_ms,
                             .is_new = 1,
                             .state = TICKET_WAITING};
    if (plan->row.waiting == 1 && room_may_admit(&plan->row, decision->now_ms)) {
        reply->state = TICKET_ADMITTED;
        reply->until_ms = plan_admit(plan, number, &ticket);
    }
}

uint64_t plan_admit(struct plan *plan, uint64_t number, const struct ticket_row *ticket)
{
    const struct room_row *row = &plan->row;
    uint64_t now_ms = plan->decision->now_ms;
    uint64_t until_ms = now_ms + row->session_ttl_s * 1000;
    uint64_t token_until_ms = ticket->issued_at_ms + TICKET_TTL_MS;
    uint64_t claim_until_ms = room_claim_until_ms(row, now_ms);
    if (until_ms > token_until_ms)
        until_ms = token_until_ms;
    if (claim_until_ms > until_ms)
        claim_until_ms = until_ms;
    union event body;
    body.ticket_admitted = (struct ticket_admitted){plan->room->base.id, ticket->user, number,
                                                    claim_until_ms, until_ms};
    decision_emit(plan->decision, EVENT_TICKET_ADMITTED, ticket->id,
                  quiet_version(plan, ticket->version), &body);
    room_row_admitted(&plan->row, now_ms);
    return until_ms;
}

void plan_expire(struct plan *plan, uint64_t number, const struct ticket_row *ticket,
                 enum ticket_end reason)
{
    union event body;
    body.ticket_expired =
        (struct ticket_expired){plan->room->base.id, ticket->user, number, (uint64_t)reason};
    decision_emit(plan->decision, EVENT_TICKET_EXPIRED, ticket->id, ticket->version + 1, &body);
    room_row_ended(&plan->row, (enum ticket_state)ticket->state, TICKET_EXPIRED);
}
