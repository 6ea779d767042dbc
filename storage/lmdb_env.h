#ifndef BOXOFFICE_LMDB_ENV_H
#define BOXOFFICE_LMDB_ENV_H

#include "status.h"
#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>

/* One LMDB environment with one database, the unnamed one. Within storage/ only: nobody else sees
 * lmdb.h. Default flags plus MDB_NOTLS, so every commit is synced, and a read transaction belongs
 * to the object that made it, not to a thread.
 *
 * What LMDB 0.9.24 asks for: an environment is opened once in a process (closing a second
 * descriptor of lock.mdb would drop the fcntl locks of the first, so that file is never opened
 * here), never used across fork, and its map size does not change while it is open. */
struct lmdb_env {
    MDB_env *env;
    MDB_dbi dbi;
    uint64_t page_size, page_count; /* the map's */
    bool read_only;
};

/* LMDB_COPY: as LMDB_WRITE, for one that nobody else can know of yet, without a file of locks
 * (which is memory that a full disk would not give). */
enum lmdb_access { LMDB_WRITE, LMDB_READ, LMDB_COPY };

/* The one place where library errors become ours. */
enum status lmdb_status(int error);
/* The same for updates and commits, where EIO means a full disk too: LMDB calls a short write EIO.
 */
enum status lmdb_write_status(int error);

/* Opens it; LMDB_WRITE makes it when it is missing, beside and renamed, so that after power loss
 * there is a whole environment or none; otherwise STATUS_NOT_FOUND. map_size 0: the stored one.
 * Clears readers of processes that died. Only LMDB_WRITE waits for the writer's lock. */
enum status lmdb_open(struct lmdb_env *lmdb, const char *directory, uint64_t map_size,
                      enum lmdb_access access);
void lmdb_close(struct lmdb_env *lmdb); /* also after a failed open */
void lmdb_clear_readers(struct lmdb_env *lmdb);

#endif
