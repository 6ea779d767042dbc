#ifndef BOXOFFICE_EXIT_H
#define BOXOFFICE_EXIT_H

#include "segment.h"

/* What a child died of, and whether that is its own fault. Pure. */

struct child_exit {
    int signal; /* 0: it exited with `code` */
    int code;
    bool asked;         /* it had been asked to stop */
    bool never_ready;   /* the supervisor had ended it at its start's deadline */
    bool hung;          /* the supervisor had ended it because it did not go on */
    bool out_of_memory; /* the kernel has killed somebody in this cgroup for want of memory */
};
enum exit_cause exit_classify(const struct child_exit *end);
/* Counts towards intensity and back-off. A kill from outside and a worker that starts afresh
 * because its disk has room again do not. */
bool exit_is_fault(enum exit_cause cause);
/* A request that was being decided may have brought it about. */
bool exit_is_suspicious(enum exit_cause cause);

#endif
