#ifndef BOXOFFICE_QUEUE_H
#define BOXOFFICE_QUEUE_H

#include "behaviour.h"

/* Waiting rooms: tickets with numbers that rise and never come back, one live ticket for each user
 * and room, admitted in the order of their numbers. */
enum { ROOM_KIND = 4, ROOM_DEFAULT = 0 /* any other room is named after its concert */ };

/* A ticket lives this long after its issue. */
#define TICKET_TTL_MS (UINT64_C(24) * 3600 * 1000)

extern const struct actor_kind room_kind;
extern const struct behaviour queue_behaviour;

#endif
