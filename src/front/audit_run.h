#ifndef BOXOFFICE_AUDIT_RUN_H
#define BOXOFFICE_AUDIT_RUN_H

#include "http.h"
#include <sys/types.h>

/* One audit of the running server for an exchange that waits: `boxoffice audit --live`, a process
 * of its own, because what it needs of memory and time is nothing for a front. It is looked after
 * from the tick. A client that goes ends it. */
enum { AUDIT_OUTPUT_SIZE = 256 * 1024 };

struct audit_run {
    struct exchange *exchange; /* NULL: nobody waits */
    pid_t pid;                 /* 0: none runs */
    int fd;                    /* its output */
    size_t used;
    char *output; /* AUDIT_OUTPUT_SIZE bytes while it runs */
};

/* Answers at once when one runs already, or when none can be started. */
void audit_run_start(struct audit_run *run, struct exchange *exchange, const char *data_path);
void audit_run_tick(struct audit_run *run);
void audit_run_stop(struct audit_run *run); /* ends it; whoever waits is told to come again */

#endif
