#ifndef BOXOFFICE_HERITAGE_H
#define BOXOFFICE_HERITAGE_H

#include "segment.h"

/* Everything that a child inherits, and nothing else:
 *
 *   descriptor 0       /dev/null
 *   descriptors 1, 2   the supervisor's
 *   descriptor 3       the shared-memory segment
 *   descriptor 4       the data directory's lock: held as long as any process lives
 *   descriptor 5       fronts: their listening socket; others: /dev/null
 *   descriptor 6 + i   the doorbell of process i
 *   arguments          worker <role> <instance>
 *   the environment, the working directory and the limits
 */
enum {
    HERITAGE_SEGMENT_FD = 3,
    HERITAGE_LOCK_FD = 4,
    HERITAGE_LISTEN_FD = 5,
    HERITAGE_DOORBELL_FD = 6,
    HERITAGE_NAME_SIZE = 16, /* "wallet-12"; also the limit of PR_SET_NAME */
};

struct heritage {
    struct segment segment;
    unsigned self; /* process index */
    enum role role;
    unsigned instance;
    char name[HERITAGE_NAME_SIZE]; /* in logs and ps */
};

/* In the child, first thing: dies with its supervisor from now on, ignores the signals that a
 * terminal or a service manager sends to all processes (the process table's stop flag ends it),
 * maps the segment, attaches clock, log and obituary. `heritage` must outlive the process.
 * STATUS_INVALID: not a role and instance of this server; STATUS_STALE: the supervisor that started
 * it is gone; and those of segment_open. */
enum status heritage_receive(struct heritage *heritage, const char *role, const char *instance);

/* In the supervisor: no descriptor above 2 passes exec unless it is handed on explicitly, and 0…2
 * are open. STATUS_IO. */
enum status heritage_seal(void);

#endif
