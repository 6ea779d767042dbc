#ifndef BOXOFFICE_CATALOGUE_VIEW_H
#define BOXOFFICE_CATALOGUE_VIEW_H

#include "catalogue.h"
#include "etag.h"
#include "segment.h"

/* The front's private index over the seat workers' catalogues: concerts in order of their ids, and
 * each concert's schedules. Tables only grow, so it is brought up to date by what is new. A seat
 * worker that starts again writes the same lines in the same places, so what was indexed once stays
 * readable meanwhile. */
enum { CATALOGUE_TABLES_MAX = 16, CATALOGUE_FOUND_SIZE = 131072 };
_Static_assert(CATALOGUE_FOUND_SIZE >= 2 * CATALOGUE_SCHEDULES_MAX, "it stays half empty");

struct catalogue_table {
    const struct catalogue *catalogue;
    uint32_t concert_count, schedule_count; /* indexed so far */
    uint32_t *first, *last; /* by concert: its first and last schedule, 1-based; 0: none */
    uint32_t *next;         /* by schedule: the same concert's next one, likewise */
    uint32_t *found;        /* open addressing over schedule ids: position + 1; 0: free */
};
struct catalogue_place {
    uint64_t concert;
    uint32_t table, at; /* where its line is; one place for each table that knows the concert */
};
struct catalogue_view {
    unsigned table_count;
    struct catalogue_table tables[CATALOGUE_TABLES_MAX];
    struct catalogue_place *places; /* by concert id, then table */
    uint32_t place_count, place_capacity;
    uint64_t version;    /* rises when concerts appear */
    char *concerts_text; /* the rendered list of that version; heap */
    size_t concerts_size;
    uint64_t concerts_version;
    struct etag concerts_etag; /* of that text */
};

enum status catalogue_view_open(struct catalogue_view *view, const struct segment *segment);
void catalogue_view_close(struct catalogue_view *view);
/* Takes in what is new. STATUS_NO_MEMORY leaves the view as it was. */
enum status catalogue_view_refresh(struct catalogue_view *view);
/* Index in places of the concert's first place; false when there is no such concert. */
bool catalogue_view_find(const struct catalogue_view *view, uint64_t concert, uint32_t *at);
/* A schedule by its id, in the table of the worker that owns it; takes in what is new when it is
 * not known yet. False when it is not listed. */
bool catalogue_view_schedule(struct catalogue_view *view, uint64_t schedule,
                             const struct catalogue **catalogue, uint32_t *at);
const struct catalogue_concert *catalogue_view_concert(const struct catalogue_view *view,
                                                       const struct catalogue_place *place);

#endif
