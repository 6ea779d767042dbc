#ifndef BOXOFFICE_TALLY_H
#define BOXOFFICE_TALLY_H

#include "records.h"
#include "stats.h"

/* What the events of a batch mean for the sale's statistics (stats.def), counted when they are
 * applied and added when they are committed. */
struct tally {
    uint64_t holds_placed, seats_held, holds_expired, holds_released;
    uint64_t reservations_confirmed, reservations_cancelled, payments_failed;
    uint64_t points_charged, points_used, points_paid, points_refunded;
};

void tally_note(struct tally *tally, uint16_t kind, const union event *event);
/* Adds to `stats` and begins again at zero. */
void tally_commit(struct tally *tally, struct process_stats *stats);

#endif
