#ifndef BOXOFFICE_JOURNAL_FILL_H
#define BOXOFFICE_JOURNAL_FILL_H

#include <stdint.h>

/* Writes zeros behind the end of the journal's file before LMDB gets there, so that a commit
 * changes no file metadata and its fdatasync has no file system journal to wait for. fallocate
 * would not do: its extents are converted at the first write. Never fails: without zeros commits
 * are slower. */
enum { JOURNAL_FILL_STEP = 256 << 10 };

struct journal_fill {
    uint64_t ahead; /* bytes kept; 0: never fills */
    uint64_t limit; /* never beyond: the map's size */
    uint64_t end;   /* the file has at least this many bytes */
    unsigned pause; /* calls to let pass after a failure */
};

/* At most one step; only behind the end of the file, so it can't meet anything that LMDB wrote.
 * Call it with no write transaction open. used_end: what LMDB uses, bytes. */
void journal_fill_step(struct journal_fill *fill, int fd, uint64_t used_end);

#endif
