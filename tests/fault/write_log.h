#ifndef BOXOFFICE_WRITE_LOG_H
#define BOXOFFICE_WRITE_LOG_H

#include <stdatomic.h>
#include <stdint.h>

/* The log that record_writes.c makes of a running server and power_loss.c replays: every change of
 * a file below the data directory, every sync, and every byte on the fronts' sockets, in one order
 * across all processes. It is a file that they all map: this head, then records.
 *
 * A change is logged before it is made and a sync before it begins and after it has ended, so what
 * a sync covers is what stands before its beginning. What goes to a client is logged before it is
 * sent: a log that is cut behind it holds everything that the client may rely on. */

struct write_log {
    _Atomic uint64_t end;  /* bytes in use, head included */
    uint64_t size;         /* of the file; set by the test */
    _Atomic uint64_t hold; /* 1, set by the test: whoever comes waits, until it is 0 again */
    _Atomic uint64_t busy; /* calls under way */
    _Atomic uint64_t lost; /* records that found no room: the log is useless */
    uint64_t spare[3];
};

enum write_kind {
    WRITE_NONE,
    WRITE_MKDIR,      /* path */
    WRITE_CREATE,     /* path, inode: a file that was not there */
    WRITE_RENAME,     /* path, a NUL, the new path */
    WRITE_UNLINK,     /* path; also of a directory */
    WRITE_DATA,       /* inode, offset, bytes; durable = 1: through an O_DSYNC descriptor */
    WRITE_ZEROS,      /* inode, offset, length */
    WRITE_SIZE,       /* inode, offset = the new size */
    WRITE_SYNC_BEGIN, /* inode */
    WRITE_SYNC_END,   /* inode, sync = where its beginning stands in the log */
    WRITE_DIRECTORY_SYNC_BEGIN, /* path */
    WRITE_DIRECTORY_SYNC_END,   /* path, sync */
    WRITE_RECEIVED,             /* inode = a socket's number, bytes */
    WRITE_SENT,                 /* likewise */
};

struct write_record {
    _Atomic uint32_t size; /* of the whole record, a multiple of 8; 0: not written yet */
    uint16_t kind;
    uint16_t durable;
    uint64_t inode, offset, length, sync;
    /* `length` bytes of text or data follow, but for WRITE_ZEROS and WRITE_SIZE */
};

#endif
