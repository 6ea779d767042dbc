#ifndef BOXOFFICE_WORKER_H
#define BOXOFFICE_WORKER_H

#include "behaviour.h"
#include "cut.h"
#include "segment.h"

/* Runs a worker process until it is told to stop: drain → decide → commit → publish → reply, with
 * checkpoints in the background. Does not return before the stop; the result is the exit code. */
struct worker_options {
    struct segment *segment;
    unsigned self; /* process index */
    const struct behaviour *behaviour;
    void *publish_context;                     /* for publish and start */
    const struct claim_gate *claim_gate;       /* for decide; may be NULL */
    const struct capacity_gate *capacity_gate; /* likewise */
    const char *journal_path, *state_path;
    uint64_t sequence_floor; /* new events get sequences above it */
};
int worker_run(const struct worker_options *options);

/* For audits: recovers a worker's rows without writing anything and calls visit with a view over
 * journal and state together. */
enum status worker_inspect(const struct behaviour *behaviour, const char *journal_path,
                           const char *state_path, const struct config *config,
                           void (*visit)(void *context, const struct row_view *rows),
                           void *context);
/* The same on a worker's part of a cut, which stays the caller's. */
enum status worker_inspect_cut(const struct behaviour *behaviour, const struct cut_view *view,
                               const struct config *config,
                               void (*visit)(void *context, const struct row_view *rows),
                               void *context);
/* The rows that the journal's events make by themselves, in memory; for a journal that still has
 * its first event. */
enum status worker_rebuild(const struct behaviour *behaviour, struct journal *journal,
                           const struct config *config,
                           void (*visit)(void *context, const struct row_view *rows),
                           void *context);

#endif
