#ifndef BOXOFFICE_CUT_H
#define BOXOFFICE_CUT_H

#include "datadir.h"
#include "journal.h"
#include "state.h"

/* A consistent view of all workers' journals and states at one instant, also while the server runs:
 * what is seen equals what a power loss at that instant would have left, and recovery of that is
 * always right.
 *
 * The journals' locks work across processes. All of them are taken, one after the other in a fixed
 * order; while they are held no commit ends, so that none rests on one that the cut does not have;
 * the end of every journal and a snapshot of every state are taken; then the locks are let go.
 * Commits wait for milliseconds.
 *
 * Use it in a process of its own: when the locks are not to be had within CUT_DEADLINE_MS (a worker
 * that hangs holds one), the process exits with EX_TEMPFAIL through SIGALRM. A process that ends
 * with the locks lets go of them.
 *
 * What is trimmed from a journal after the cut stays on disk, beside its size, until the view is
 * released, and checkpoints let the state's file grow. So end a view when it has been read, the
 * journal's first. A view has the journal's files open, of up to 16 MiB each: the limit of
 * descriptors is raised for that. */
enum { CUT_DEADLINE_MS = 1000 };

struct cut;

/* Both stand still: reads of the journal and of the reader see the instant of the cut, until
 * cut_release. state_reader_refresh and _reset are not to be called. Owned by the cut. */
struct cut_view {
    const char *role;
    unsigned instance;
    struct journal *journal; /* for journal_read and what is known about it; no writing */
    struct state *state;     /* NULL: released */
    struct state_reader *reader;
};

/* Workers that have never run are left out. The user must be allowed to write the states' lock
 * files: STATUS_DENIED. Further as journal_open and state_open. `datadir` is only used
 * during the call. */
enum status cut_open(struct cut **cut, const struct datadir *datadir);
void cut_close(struct cut *cut); /* NULL is fine */

unsigned cut_view_count(const struct cut *cut);
/* Wallet workers first, then seat workers, then the queue. */
struct cut_view *cut_view(struct cut *cut, unsigned index);
/* NULL: it has never run. */
struct cut_view *cut_view_of(struct cut *cut, const char *role, unsigned instance);
/* End snapshots before the cut is closed. Twice is fine. */
void cut_release_journal(struct cut_view *view);
void cut_release(struct cut_view *view);

#endif
