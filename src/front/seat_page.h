#ifndef BOXOFFICE_SEAT_PAGE_H
#define BOXOFFICE_SEAT_PAGE_H

#include "answer.h"
#include "catalogue.h"

/* A page of a seat map as JSON, from the seat worker's read snapshot. */

enum { SEAT_STATES = 3, SEAT_STATE_ANY = 3 };
extern const char *const seat_state_names[SEAT_STATES]; /* by enum seat_state */

struct seat_query {
    uint64_t schedule;
    uint64_t first;  /* index of the first seat to look at, from 1 */
    uint32_t limit;  /* seats in the page */
    unsigned status; /* enum seat_state, or SEAT_STATE_ANY */
    bool bare;       /* an array, without a cursor */
};

enum seat_page_result {
    SEAT_PAGE_OK,
    SEAT_PAGE_UNREADABLE, /* no snapshot, or it changed three times meanwhile: ask the owner */
    SEAT_PAGE_NO_SEAT,    /* query.first is beyond the last */
    SEAT_PAGE_NO_MEMORY,
};
/* Renders {"data": …} into the scratch buffer. `version`: of the map that it shows. */
enum seat_page_result seat_page_render(struct scratch *scratch, const struct catalogue *catalogue,
                                       uint32_t at, const struct seat_query *query,
                                       struct text *body, uint64_t *version);

#endif
