#ifndef BOXOFFICE_SEAT_H
#define BOXOFFICE_SEAT_H

#include "behaviour.h"
#include "catalogue.h"
#include "segment.h"

/* What is on sale: concerts, and schedules with their seats, holds and reservations. A reservation
 * is a row of its schedule's actor, found by its id alone. */
enum { CONCERT_KIND = 2, SCHEDULE_KIND = 3, DIRECTORY_KIND = 4 };

extern const struct actor_kind concert_kind;
extern const struct actor_kind schedule_kind;
extern const struct actor_kind directory_kind;
extern const struct behaviour seat_behaviour;

/* The publish context of a seat worker: where the read snapshot is, and which entry is whose. */
struct seat_catalogue;
/* `catalogue` must outlive it. NULL: out of memory. */
struct seat_catalogue *seat_catalogue_create(struct catalogue *catalogue);
/* For decide: the catalogues of all seat workers. Refers to itself, so it must not be moved. */
struct seat_capacity {
    struct capacity_gate gate;
    struct catalogue *own, *others[PROCESS_MAX];
    unsigned other_count;
};
void seat_capacity_init(struct seat_capacity *capacity, const struct segment *segment,
                        unsigned instance);
void seat_catalogue_destroy(struct seat_catalogue *seat_catalogue);

#endif
