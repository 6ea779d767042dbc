#ifndef BOXOFFICE_PROCESS_TABLE_H
#define BOXOFFICE_PROCESS_TABLE_H

#include "config.h"
#include "messages.h"

/* What the server consists of. One line for each role; everything that the supervisor does
 * differently for one role than for another is said here. */

/* OTP's words. Every child of today is permanent: it is started again however it ended. */
enum restart_type { RESTART_PERMANENT, RESTART_TRANSIENT, RESTART_TEMPORARY };

struct child_spec {
    enum role role;
    const char *entry; /* `boxoffice worker <entry> <instance>` */
    uint64_t (*instances)(const struct config *config);
    enum restart_type restart;
    unsigned start_phase; /* a phase starts when all of the one before are READY */
    unsigned stop_phase;  /* a phase is asked to stop when all of the one before are gone */
    uint64_t shutdown_ms; /* from being asked to stop to SIGKILL */
    bool listens;         /* inherits a listening socket */
};

enum { START_PHASE_COUNT = 2, STOP_PHASE_COUNT = 5 };

extern const struct child_spec process_table[];
extern const unsigned process_table_count;

/* NULL when no child has that role. */
const struct child_spec *process_table_find(enum role role);

#endif
