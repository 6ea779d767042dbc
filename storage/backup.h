#ifndef BOXOFFICE_BACKUP_H
#define BOXOFFICE_BACKUP_H

#include "cut.h"
#include <signal.h>

/* A copy of a data directory, also of one in use: all workers at one instant (cut.h), each record
 * verified on the way, compacted, durable, and complete or not there. It is a data directory
 * itself: to restore is to serve it, or a copy of it.
 *
 * The copy's layout has incarnation 0. The first server that opens it makes a new one, because
 * sequences beyond the cut are used a second time there, for other events than before.
 *
 * It is written to `to`.tmp, which is renamed at the end. The journals' snapshots are released as
 * soon as they are copied: see cut.h for what they cost. */
enum {
    BACKUP_JOURNALS_MAX_S = 30, /* then it gives up rather than fill a journal's map */
    BACKUP_STATES_MAX_S = 3600,
};

struct backup_report {
    uint64_t records; /* events and trailers */
    uint64_t rows;
    uint64_t bytes; /* of keys and values */
};

/* `stop` is looked at now and then. STATUS_EXISTS: `to` or `to`.tmp is there. STATUS_BUSY: demo
 * data is being loaded. STATUS_TIMEOUT: see above. STATUS_CLOSED: stopped. STATUS_CORRUPT: a record
 * is damaged. Otherwise as cut_open. After a failure nothing is left. */
enum status backup_write(const struct datadir *datadir, const char *to,
                         const volatile sig_atomic_t *stop, struct backup_report *report);

#endif
