#ifndef BOXOFFICE_CHECKPOINT_H
#define BOXOFFICE_CHECKPOINT_H

#include "overlay.h"

/* Moves unsaved rows into the state environment in the background. The worker's thread decides what
 * is saved and copies it (committed rows only, so between batches); a thread of its own sorts and
 * writes.
 *
 * A round covers all owners that were dirty at its start, in id order, in slices of at most
 * CHECKPOINT_SLICE_ROWS rows (so of at most about as many pages), always all rows of an owner
 * together. The last slice of a round stores the new covered sequence.
 *
 * Nobody waits long for it: a step of the worker's thread looks at CHECKPOINT_STEP_ROWS rows and
 * twice as many as were written since the last one, so that it always catches up (one owner's rows
 * are copied in one step, however many they are), and the writing thread sleeps now and then unless
 * it is to hurry. */

enum { CHECKPOINT_SLICE_ROWS = 2000, CHECKPOINT_STEP_ROWS = 400 };

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
/* Goes on with the round as far as one step goes. Cheap when there is nothing to do.
 * `last_sequence`: of the journal, committed. Not STATUS_OK: the environment failed; the process
 * must end. The caller refreshes its reader inside, through `reader`. */
enum status checkpoint_step(struct checkpoint *checkpoint, uint64_t last_sequence,
                            struct state_reader *reader);
/* Whether more and more is unsaved. */
void checkpoint_hurry(struct checkpoint *checkpoint, bool hurry);
/* True when a step would find something to do. */
bool checkpoint_pending(struct checkpoint *checkpoint);
/* Blocks while only the thread has something to do. For a start that outruns the environment. */
void checkpoint_wait(struct checkpoint *checkpoint);

uint64_t checkpoint_covered(const struct checkpoint *checkpoint);
uint64_t checkpoint_rounds(const struct checkpoint *checkpoint);
uint64_t checkpoint_rows(const struct checkpoint *checkpoint);

#endif
