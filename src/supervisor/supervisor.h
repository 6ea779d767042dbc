#ifndef BOXOFFICE_SUPERVISOR_H
#define BOXOFFICE_SUPERVISOR_H

#include "child.h"
#include "listener.h"

/* Starts the process table in order, keeps it running, stops it in order. It does nothing else: it
 * takes part in no request, allocates nothing after its start and waits for nothing but its loop.
 */
struct supervisor_options {
    struct segment *segment; /* made, header filled in; clock started and attached */
    const struct config *config;
    int lock_fd;
    struct listener *listener; /* open */
    uint64_t ready_deadline_ms;
    void (*on_ready)(
        void *context); /* when all children are READY for the first time; may be NULL */
    void *context;
};

enum { SUPERVISOR_READY_DEADLINE_MS = 30000 };

/* Prints `listening on ADDR:PORT` when all is READY. Returns the exit code after SIGTERM, SIGINT or
 * SIGHUP, or when the first start failed for good (sysexits). */
int supervisor_run(const struct supervisor_options *options);

#endif
