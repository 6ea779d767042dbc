#ifndef BOXOFFICE_SEAT_WALK_H
#define BOXOFFICE_SEAT_WALK_H

#include "seat_page.h"

struct application;

/* Answers the exchange with what the seat worker replies: for a map that seat_page_render could not
 * read. */
void seat_walk_begin(struct application *application, struct exchange *exchange,
                     const struct seat_query *query);

#endif
