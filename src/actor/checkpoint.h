#ifndef BOXOFFICE_CHECKPOINT_H
#define BOXOFFICE_CHECKPOINT_H

#include "overlay.h"

/* Moves unsaved rows into the state environment in the background. The worker's thread decides what
 * is saved and copies it (committed rows only, so between batches); a thread of its own sorts and
 * writes.
 *
 * A round covers all owners that were dirty at its start, in id order, in slices of at most
 * CHECKPOINT_SLICE_ROWS rows (so of at most about as many pages), always all rows of an owner
 * together. The last slice of a round stores the new covered sequence. */

enum { CHECKPOINT_SLICE_ROWS = 2000 };

struct checkpoint;

/* `doorbell` (an eventfd) is written whenever the thread has finished something. */
enum status checkpoint_open(struct checkpoint **checkpoint, struct overlay *overlay,
                            struct state *state, int doorbell);
/* Waits for the slice under way and ends the thread. */
void checkpoint_close(struct checkpoint *checkpoint);

/* True while a round is under way. */
bool checkpoint_active(const struct checkpoint *checkpoint);
/* Begins a round if rows are unsaved and none is under way. */
void checkpoint_begin(struct checkpoint *checkpoint);
/* Takes up what the thread has finished and gives it the next slice. Cheap when there is nothing to
 * do. `last_sequence`: of the journal, committed. Not STATUS_OK: the environment failed; the
 * process must end. The caller refreshes its reader inside, through `reader`. */
enum status checkpoint_step(struct checkpoint *checkpoint, uint64_t last_sequence,
                            struct state_reader *reader);
/* Blocks until the thread has something to take up. For a start that outruns the environment. */
void checkpoint_wait(struct checkpoint *checkpoint);

uint64_t checkpoint_covered(const struct checkpoint *checkpoint);
uint64_t checkpoint_rounds(const struct checkpoint *checkpoint);
uint64_t checkpoint_rows(const struct checkpoint *checkpoint);

#endif
