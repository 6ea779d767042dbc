#include "queue.h"
#include "room.h"
#include <stdlib.h>

static enum status room_load(void *object, const struct row_view *rows)
{
    struct room *room = object;
    struct row_key key = room_key(room->base.id);
    if (!room_row_read(rows, &key, &room->row))
        return STATUS_NOT_FOUND;
    room->base.last_sequence = room->row.last_sequence;
    line_load(&room->line, room->base.id, rows);
    return STATUS_OK;
}

static void room_unload(void *object)
{
    struct room *room = object;
    line_fini(&room->line);
    if (room->news != NULL)
        free(room->news->items);
    free(room->news);
}

static size_t room_weight(const void *object)
{
    const struct room *room = object;
    size_t weight = room->line.capacity * sizeof *room->line.blocks;
    if (room->news != NULL)
        weight += sizeof *room->news + room->news->capacity * sizeof *room->news->items;
    return weight;
}

static void room_decide(struct decision *decision, const void *object,
                        const struct message *message)
{
    const struct room *room = object;
    if (message->origin == MESSAGE_TIMER) {
        room_decide_timer(decision, room);
        return;
    }
    check(message->origin == MESSAGE_REQUEST);
    switch (message->kind) {
    case REQUEST_TOKEN_ISSUE:
        room_decide_issue(decision, room, &message->request->token_issue);
        break;
    case REQUEST_TICKET_GET:
        room_decide_get(decision, room, &message->request->ticket_get);
        break;
    case REQUEST_TICKET_CLAIM:
        room_decide_claim(decision, room, &message->request->ticket_claim);
        break;
    case REQUEST_TICKET_LEAVE:
        room_decide_leave(decision, room, &message->request->ticket_leave);
        break;
    case REQUEST_PURCHASED:
        room_decide_purchased(decision, room, &message->request->purchased);
        break;
    case REQUEST_ROOM_GET:
        room_decide_status(decision, room);
        break;
    case REQUEST_ROOM_CHANGE:
        room_decide_change(decision, room, &message->request->room_change);
        break;
    default:
        decision_reply(decision, OUTCOME_INTERNAL, REPLY_NONE);
    }
}

/* The default room is always there; others are made by their first change. A sale may be reported
 * to a room that a restored backup does not have: that is acknowledged. */
static enum status queue_route(const struct message *message, const struct row_view *rows,
                               const struct actor_kind **kind, uint64_t *id)
{
    *kind = &room_kind;
    *id = request_key(message->kind, message->request);
    if (*id > ID_MAX)
        return STATUS_NOT_FOUND;
    if (*id == ROOM_DEFAULT || message->kind == REQUEST_ROOM_CHANGE ||
        message->kind == REQUEST_PURCHASED)
        return STATUS_OK;
    struct row_key key = room_key(*id);
    struct row_bytes value;
    return row_get(rows, &key, &value);
}

const struct actor_kind room_kind = {
    .name = "room",
    .number = ROOM_KIND,
    .wakes_at_start = true,
    .object_size = sizeof(struct room),
    .load = room_load,
    .unload = room_unload,
    .weight = room_weight,
    .decide = room_decide,
    .apply = room_apply,
    .publish = room_publish,
};

static const struct actor_kind *const kinds[] = {&room_kind, NULL};

const struct behaviour queue_behaviour = {
    .role = ROLE_QUEUE,
    .kinds = kinds,
    .route = queue_route,
    .start = queue_start,
};
