#ifndef BOXOFFICE_OVERLAY_H
#define BOXOFFICE_OVERLAY_H

#include "pool.h"
#include "rows.h"
#include <bsd/sys/tree.h>
#include <sys/queue.h>

/* Rows that the journal covers but the state environment does not have yet, in key order, over a
 * reader of that environment. Rows are grouped by the actor that wrote them (owner), because a
 * checkpoint must save all unsaved rows of an actor in one transaction: its head row says which
 * events are contained.
 *
 * A checkpoint round takes every owner that is dirty at its start, slice by slice. An owner that is
 * written again after its rows were copied becomes dirty anew for the next round. What the rows
 * cover is known at the end of a round: everything below the first event of the oldest owner still
 * dirty. No step of a round takes longer than the caller wishes, except that all rows of one owner
 * are copied at once. */

struct overlay_owner;

/* Nearly every value fits into the row itself, so that a write is at most one allocation: rows come
 * in two sizes, bytes, value and all. */
enum { OVERLAY_ROW_SMALL = 192, OVERLAY_ROW_LARGE = 256 };

struct overlay_row {
    TAILQ_ENTRY(overlay_row) sibling; /* in the owner, in the order of the first write */
    struct overlay_owner *owner;
    uint64_t stamp; /* of its last write */
    uint8_t *value; /* `embedded` or on the heap */
    uint32_t size, capacity;
    bool deleted; /* hides a saved row */
    bool born;    /* the environment has no row of this key: a deletion leaves nothing to save */
    bool is_large;
    RB_ENTRY(overlay_row) node;
    struct row_key key; /* zero beyond its size: compared by words */
    uint8_t embedded[];
};

enum overlay_owner_state {
    OWNER_DIRTY,  /* not copied yet: in the next round's list, or in the current round */
    OWNER_SAVING, /* copied into the slice under way */
};

RB_HEAD(overlay_tree, overlay_row);

/* The rows whose keys begin with the same table and id: an entry of the overlay's table of groups,
 * which is open-addressed, so that what is looked for is nearly always where it begins. */
struct overlay_group {
    uint64_t word;            /* hash_word of table and id */
    struct overlay_tree rows; /* empty: a free entry */
    struct overlay_row *last; /* the greatest; NULL when there is none, or it is not known */
};

struct overlay_owner {
    uint8_t kind;
    uint64_t id;
    enum overlay_owner_state state;
    bool dirty_again;        /* SAVING, and also in the list of the next round */
    uint64_t first_sequence; /* oldest event of the unsaved rows, as of its list's round */
    uint64_t copied_stamp;   /* SAVING: rows up to here are in the slice */
    struct overlay_owner *hash_next;
    TAILQ_ENTRY(overlay_owner) link; /* in a list of the overlay */
    TAILQ_HEAD(, overlay_row) rows;
    struct overlay_row *drop_next; /* SAVING: where overlay_saved goes on */
    struct overlay_row *head; /* the row with the shortest key, which nearly every event writes */
    uint32_t row_count;
    struct overlay_owner **known; /* who points here, see overlay_touch; may be NULL */
};

TAILQ_HEAD(overlay_owner_list, overlay_owner);

enum { OVERLAY_SCANS_MAX = 4 }; /* scans within scans */

struct overlay {
    struct state_reader *reader; /* not owned; may be NULL: rows in memory only */
    struct state_cursor *cursors[OVERLAY_SCANS_MAX]; /* made at first use */
    unsigned scan_depth;
    struct overlay_group *groups; /* at most half of the entries are taken */
    size_t group_capacity, group_count;
    struct overlay_group **sorted; /* all groups in key order, for scans; NULL: out of date */
    struct overlay_owner **buckets;
    size_t bucket_count, owner_count;
    struct overlay_owner_list dirty; /* the next round's, FIFO by first_sequence */
    struct overlay_owner_list round; /* the current round's, as far as it has not been taken */
    uint64_t stamp;                  /* rises with every write */
    size_t row_count, bytes;         /* bytes: an estimate of the heap in use */
    struct overlay_row *recent;      /* the last one that was looked for and found; may be NULL */
    struct pool small_pool, large_pool; /* of rows */
    struct pool owner_pool;
};

enum status overlay_init(struct overlay *overlay, struct state_reader *reader);
void overlay_fini(struct overlay *overlay);

/* The owner of the rows that event `sequence` of actor (kind, id) is about to write. Stays valid
 * until the next checkpoint step. Memory that cannot be had ends the process. `known` is a place of
 * the caller's that saves the look-up next time: it begins as NULL, is set here, and goes back to
 * NULL when the owner goes; overlay_forget before it ceases to be. It may be NULL itself. */
struct overlay_owner *overlay_touch(struct overlay *overlay, uint8_t kind, uint64_t id,
                                    uint64_t sequence, struct overlay_owner **known);
void overlay_forget(struct overlay_owner **known);
void overlay_put(struct overlay *overlay, struct overlay_owner *owner, const struct row_key *key,
                 const void *value, size_t size);
/* The same for a key that was never used before, so that the environment has no row of it: when it
 * is deleted before it was saved, nothing is left to save. */
void overlay_put_new(struct overlay *overlay, struct overlay_owner *owner,
                     const struct row_key *key, const void *value, size_t size);
void overlay_delete(struct overlay *overlay, struct overlay_owner *owner,
                    const struct row_key *key);

/* Rows of this key's table and id will be looked for: fetches where they are found. What a step
 * fetches the next one looks at, so each step is done for some rows before the next one. */
enum { OVERLAY_EXPECT_STEPS = 2 };
void overlay_expect(const struct overlay *overlay, const struct row_key *key, unsigned step);

/* overlay_touch will look for this owner. */
void overlay_touch_expect(const struct overlay *overlay, uint8_t kind, uint64_t id);

/* A view over the rows here and those saved. */
struct row_view overlay_view(struct overlay *overlay);
/* After reads that did not come to their end (check_contain). */
void overlay_view_reset(struct overlay *overlay);

/* ---- for checkpoints; all on the worker's thread ---- */

/* Puts every dirty owner into a round, in constant time; false when there is none. The round before
 * must have been taken. */
bool overlay_round_begin(struct overlay *overlay);
/* The round's next owner in FIFO order; NULL after the last. */
struct overlay_owner *overlay_round_next(struct overlay *overlay);
/* Fetches a row (or NULL) that the caller is about to look at. The rows of an owner lie anywhere,
 * and nobody has looked at them for a while. */
void overlay_row_expect(const struct overlay_row *row);
/* The same for an owner. */
void overlay_owner_expect(const struct overlay_owner *owner);
/* The owner's rows are copied by the caller now, all at once. */
void overlay_saving(const struct overlay *overlay, struct overlay_owner *owner);
/* The slice with this owner's rows is committed: drops what has not changed since, at most
 * *row_budget rows, which is lowered by what was looked at. False: not all yet, call again. True:
 * the owner may be freed. */
bool overlay_saved(struct overlay *overlay, struct overlay_owner *owner, size_t *row_budget);
/* Every event up to here is saved once the slice under way (the last of a round) is. */
uint64_t overlay_covered(const struct overlay *overlay, uint64_t last_sequence);

#endif
