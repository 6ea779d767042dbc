#ifndef BOXOFFICE_RETENTION_H
#define BOXOFFICE_RETENTION_H

#include "journal.h"

/* Which events of a journal are past the retention.
 *
 * Times rise with sequences, so the boundary is found by bisection: some twenty reads of one record
 * each, every one a transaction of its own. A reader that walked the journal would keep the writer
 * from reusing pages as long as it walks. */
struct retention {
    uint64_t age_ms;   /* events that are older may go */
    uint64_t size_max; /* bytes; beyond it the oldest may go */
};

/* `journal` is open read-only; `released` is in and out: all up to it may go, and it never sinks.
 * It is never beyond what the journal has had, because a worker's next sequence lies above it. With
 * age_ms 0 everything may go. STATUS_CORRUPT, STATUS_IO. */
enum status retention_advance(const struct retention *retention, struct journal *journal,
                              uint64_t now_ms, uint64_t *released);

#endif
