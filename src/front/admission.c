#include "admission.h"

struct standing standing_of(struct waiting_rooms *rooms, const struct queue_ticket *ticket,
                            uint64_t now_ms)
{
    struct standing standing = {.state = STANDING_UNKNOWN};
    if (!waiting_rooms_ready(rooms) ||
        (standing.room = waiting_room_find(rooms, ticket->room)) == NULL)
        return standing;
    switch (waiting_room_place(standing.room, ticket->number, &standing.ahead)) {
    case LINE_WAITING:
        standing.state = STANDING_WAITING;
        break;
    case LINE_LEFT:
        standing.state = STANDING_ENDED;
        break;
    case LINE_SERVED:
        standing.session = waiting_session_find(rooms, ticket->room, ticket->number);
        if (standing.session.state == SESSION_ADMITTED || standing.session.state == SESSION_CLAIMED)
            standing.state =
                now_ms < standing.session.until_ms ? STANDING_ADMITTED : STANDING_ENDED;
        break;
    case LINE_UNSURE:
        break;
    }
    return standing;
}

bool standing_claim(struct waiting_rooms *rooms, const struct queue_ticket *ticket,
                    struct standing *standing)
{
    if (standing->state != STANDING_ADMITTED || standing->session.state != SESSION_ADMITTED)
        return false;
    if (waiting_session_claim(&standing->session))
        return true;
    standing->session = waiting_session_find(rooms, ticket->room, ticket->number);
    if (standing->session.state != SESSION_CLAIMED) /* by another front */
        standing->state = STANDING_UNKNOWN;
    return false;
}
