#ifndef BOXOFFICE_SIM_DISK_H
#define BOXOFFICE_SIM_DISK_H

#include "journal.h"
#include "memory_rows.h"
#include "state.h"

/* What is on the disk of each worker: its journal and its state environment, behind the functions
 * of journal.h and state.h. It outlives processes. A transaction is there whole or not at all; what
 * LMDB does for that is tested elsewhere. A path is the disk's number, with a `!` behind it for the
 * journal as if it had never been trimmed, and an empty state environment. */

enum { DISKS_MAX = 8 };

/* How the next commit of a journal goes. */
enum commit_fault {
    COMMIT_WELL,
    COMMIT_LOST,      /* it fails, and nothing is there */
    COMMIT_DISK_FULL, /* likewise, and says so */
    COMMIT_UNKNOWN,   /* it says that it failed, and everything is there */
};

struct disk_event {
    uint64_t sequence, aggregate, aggregate_version, actor, at_ms;
    uint16_t kind;
    uint8_t actor_kind;
    uint32_t size;
    size_t offset; /* in bytes[] */
};

struct disk_change {
    struct row_key key;
    bool deleted;
    uint32_t size;
    size_t offset;
};

/* A growing array of bytes. */
struct disk_bytes {
    uint8_t *data;
    size_t used, capacity;
};

struct disk {
    unsigned number;
    /* journal */
    struct disk_event *events; /* since the beginning */
    size_t count, capacity;
    struct disk_bytes bytes;
    uint64_t last_sequence, trimmed_below;
    struct journal_trailer trailer;
    enum commit_fault next_commit;
    bool journal_full;    /* begin refuses */
    bool full;            /* nothing can be written any more */
    bool fail_checkpoint; /* the next one */
    /* state */
    struct memory_rows rows;     /* what a reader's snapshot shows */
    struct disk_change *changes; /* committed, not in a snapshot yet */
    size_t change_count, change_capacity;
    struct disk_bytes change_bytes;
    uint64_t covered;
};

size_t disk_bytes_add(struct disk_bytes *bytes, const void *data, size_t size); /* its offset */

/* Called with each event once it is on the disk, in order; as the harness. */
typedef void (*disk_event_cb)(unsigned disk, const struct journal_event *event);

void disks_reset(disk_event_cb on_event);
struct disk *disk_at(unsigned number);
/* An event that is there from the beginning. */
void disk_seed(unsigned number, const struct journal_event *event);

#endif
