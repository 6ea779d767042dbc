#include "queue.h"
#include "row_io.h"

struct room {
    struct actor_base base;
    struct room_row row;
};

ROW_IO(room_row)
ROW_IO(ticket_row)

static struct row_key room_key(uint64_t room)
{
    return row_key_of('q', room);
}

static struct row_key ticket_key(uint64_t room, uint64_t user)
{
    struct row_key key = row_key_of('q', room);
    row_key_add_tag(&key, 'k');
    row_key_add_u64(&key, user);
    return key;
}

static enum status room_load(void *object, const struct row_view *rows)
{
    struct room *room = object;
    struct row_key key = room_key(room->base.id);
    if (!room_row_read(rows, &key, &room->row))
        return STATUS_NOT_FOUND;
    room->base.last_sequence = room->row.last_sequence;
    return STATUS_OK;
}

static void reply_ticket(struct decision *decision, const struct token_issue *request,
                         const struct ticket_row *row, bool is_new)
{
    decision->reply->ticket =
        (struct ticket){request->room, request->user, row->number, row->issued_at_ms, is_new};
    decision_reply(decision, OUTCOME_OK, REPLY_TICKET);
}

static void decide_issue(struct decision *decision, const struct room *room,
                         const struct token_issue *request)
{
    if (request->user == 0 || request->user > ID_MAX) {
        decision_reply(decision, OUTCOME_INVALID_FIELD, REPLY_NONE);
        return;
    }
    struct row_key key = ticket_key(room->base.id, request->user);
    struct ticket_row row;
    if (ticket_row_read(decision->rows, &key, &row) &&
        decision->now_ms < row.issued_at_ms + TICKET_TTL_MS) {
        reply_ticket(decision, request, &row, false);
        return;
    }
    row = (struct ticket_row){room->row.issued + 1, decision->now_ms};
    union event body;
    body.ticket_issued = (struct ticket_issued){room->base.id, request->user, row.number};
    decision_emit(decision, EVENT_TICKET_ISSUED, room->base.id, room->row.version + 1, &body);
    reply_ticket(decision, request, &row, true);
}

static void room_decide(struct decision *decision, const void *object,
                        const struct message *message)
{
    check(message->origin == MESSAGE_REQUEST);
    if (message->kind == REQUEST_TOKEN_ISSUE)
        decide_issue(decision, object, &message->request->token_issue);
    else
        decision_reply(decision, OUTCOME_INTERNAL, REPLY_NONE);
}

static void room_apply(void *object, const struct event_view *event, struct row_sink *sink)
{
    struct room *room = object;
    check(event->kind == EVENT_TICKET_ISSUED);
    const struct ticket_issued *body = &event->body->ticket_issued;
    check(body->number == room->row.issued + 1);
    struct row_key key = ticket_key(room->base.id, body->user);
    struct ticket_row ticket = {body->number, event->at_ms};
    ticket_row_write(sink, &key, &ticket);
    room->row.issued = body->number;
    room->row.version = event_version(event, room->row.version);
    room->row.last_sequence = event->sequence;
    key = room_key(room->base.id);
    room_row_write(sink, &key, &room->row);
}

static enum status queue_route(const struct message *message, const struct row_view *rows,
                               const struct actor_kind **kind, uint64_t *id)
{
    (void)rows;
    *kind = &room_kind;
    *id = request_key(message->kind, message->request);
    return *id > ID_MAX ? STATUS_NOT_FOUND : STATUS_OK;
}

const struct actor_kind room_kind = {
    .name = "room",
    .number = ROOM_KIND,
    .object_size = sizeof(struct room),
    .load = room_load,
    .decide = room_decide,
    .apply = room_apply,
};

static const struct actor_kind *const kinds[] = {&room_kind, NULL};

const struct behaviour queue_behaviour = {
    .role = ROLE_QUEUE,
    .kinds = kinds,
    .route = queue_route,
};
