#ifndef BOXOFFICE_QUEUE_H
#define BOXOFFICE_QUEUE_H

#include "behaviour.h"
#include "waiting_room.h"

/* Waiting rooms: tickets with numbers that rise and never come back, one live ticket for each user
 * and room, admitted in the order of their numbers. */
enum { ROOM_KIND = 4 };

/* A ticket lives this long after its issue. */
#define TICKET_TTL_MS (UINT64_C(24) * 3600 * 1000)

/* What the queue worker publishes to (the publish_context). */
struct queue_rooms {
    struct waiting_rooms *shared;
    uint64_t started_at_sequence; /* what was before has been published as a whole */
    struct claim_gate gate;       /* for decide: claims that fronts have marked */
};
void queue_rooms_init(struct queue_rooms *rooms, struct waiting_rooms *shared);

extern const struct actor_kind room_kind;
extern const struct behaviour queue_behaviour;

#endif
