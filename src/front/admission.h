#ifndef BOXOFFICE_ADMISSION_H
#define BOXOFFICE_ADMISSION_H

#include "ticket.h"
#include "waiting_room.h"

/* Where a ticket stands, from shared memory alone. */

enum standing_state {
    STANDING_UNKNOWN, /* its room's owner must be asked; not admitted */
    STANDING_WAITING,
    STANDING_ADMITTED,
    STANDING_ENDED, /* left, or its session is over */
};
struct standing {
    enum standing_state state;
    const struct waiting_room *room; /* NULL: not known here */
    uint64_t ahead;                  /* WAITING: how many are before it */
    struct session_view session;     /* ADMITTED */
};

struct standing standing_of(struct waiting_rooms *rooms, const struct queue_ticket *ticket,
                            uint64_t now_ms);
/* Claims the place of who has been admitted. True when this was the first claim; when the end of
 * the claim time was first the standing becomes UNKNOWN. */
bool standing_claim(struct waiting_rooms *rooms, const struct queue_ticket *ticket,
                    struct standing *standing);

#endif
