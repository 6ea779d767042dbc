#ifndef BOXOFFICE_QUEUE_H
#define BOXOFFICE_QUEUE_H

#include "behaviour.h"

/* Waiting rooms: tickets with numbers that rise and never come back, one live ticket for each user
 * and room. Room 0 is the default. */
enum { ROOM_KIND = 4 };

/* A ticket lives this long after its issue. */
#define TICKET_TTL_MS (UINT64_C(24) * 3600 * 1000)

extern const struct actor_kind room_kind;
extern const struct behaviour queue_behaviour;

#endif
