#include "lmdb_env.h"
#include "crash_point.h"
#include "files.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MODE = 0600 };

enum status lmdb_status(int error)
{
    switch (error) {
    case MDB_SUCCESS:
        return STATUS_OK;
    case MDB_NOTFOUND:
        return STATUS_NOT_FOUND;
    case MDB_KEYEXIST:
        return STATUS_EXISTS;
    case MDB_MAP_FULL:
        return STATUS_STORAGE_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return STATUS_CORRUPT;
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_MAP_RESIZED: /* a writer with a larger map */
        return STATUS_MISMATCH;
    case MDB_TXN_FULL:
    case MDB_BAD_VALSIZE:
        return STATUS_TOO_BIG;
    case MDB_READERS_FULL:
        return STATUS_BUSY;
    case MDB_PANIC: /* a meta write failed: nothing works until the next open */
    case MDB_BAD_TXN:
        return STATUS_IO;
    default:
        return error > 0 ? file_status(error) : STATUS_IO;
    }
}

enum status lmdb_write_status(int error)
{
    return error == EIO ? STATUS_STORAGE_FULL : lmdb_status(error);
}

/* Default flags as far as durability goes. Read-ahead is for audits, which read in key order; a
 * worker reads single pages anywhere, and pages read around each one take room from those in use.
 */
static enum status env_open(MDB_env **env, const char *directory, uint64_t map_size, unsigned flags)
{
    unsigned reading = flags & MDB_RDONLY ? 0 : MDB_NORDAHEAD;
    int error = mdb_env_create(env);
    if (error != 0)
        return lmdb_status(error);
    if (map_size > 0)
        error = mdb_env_set_mapsize(*env, (size_t)map_size);
    if (error == 0)
        error = mdb_env_open(*env, directory, MDB_NOTLS | reading | flags, FILE_MODE);
    if (error != 0) {
        mdb_env_close(*env); /* after a failed open too, says lmdb.h */
        *env = NULL;
    }
    return lmdb_status(error);
}

static enum status env_sync_file(MDB_env *env)
{
    int fd;
    int error = mdb_env_get_fd(env, &fd);
    if (error == 0 && fsync(fd) != 0)
        error = errno;
    return lmdb_status(error);
}

/* Removes what a crash while making an environment has left. */
static enum status remove_unfinished(const char *directory)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[FILE_PATH_MAX + 16];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            return file_status(errno);
    }
    return rmdir(directory) == 0 || errno == ENOENT ? STATUS_OK : file_status(errno);
}

static enum status env_make(const char *directory, uint64_t map_size, unsigned flags)
{
    char beside[FILE_PATH_MAX];
    MDB_env *env = NULL;
    int length = snprintf(beside, sizeof beside, "%s.new", directory);
    if (length < 0 || (size_t)length >= sizeof beside)
        return STATUS_TOO_BIG;
    enum status status = remove_unfinished(beside);
    if (status == STATUS_OK)
        status = directory_make(beside);
    if (status == STATUS_OK)
        status = env_open(&env, beside, map_size, flags);
    if (status == STATUS_OK)
        status = env_sync_file(env);
    if (env != NULL)
        mdb_env_close(env);
    if (status == STATUS_OK)
        status = directory_sync(beside);
    CRASH_POINT(ENV_WRITTEN);
    if (status == STATUS_OK && rename(beside, directory) != 0)
        status = file_status(errno);
    CRASH_POINT(ENV_RENAMED);
    return status == STATUS_OK ? directory_sync_parent(directory) : status;
}

/* A writer that died after its meta page was written, but before it told the readers' table, leaves
 * a commit that read transactions do not see while another process keeps the table. The next write
 * transaction would see it, and so contradict what was read before: hence one comes first. */
static enum status adopt_last_commit(MDB_env *env)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(env, NULL, 0, &txn);
    if (error == 0)
        mdb_txn_abort(txn);
    return lmdb_status(error);
}

static enum status open_database(struct lmdb_env *lmdb)
{
    MDB_txn *txn;
    MDB_envinfo info;
    MDB_stat stat;
    int error = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    if (error != 0)
        return lmdb_status(error);
    error = mdb_dbi_open(txn, NULL, 0, &lmdb->dbi);
    if (error == 0)
        error = mdb_txn_commit(txn); /* keeps the handle */
    else
        mdb_txn_abort(txn);
    if (error == 0)
        error = mdb_env_info(lmdb->env, &info);
    if (error == 0)
        error = mdb_env_stat(lmdb->env, &stat);
    if (error != 0)
        return lmdb_status(error);
    lmdb->page_size = stat.ms_psize;
    lmdb->page_count = info.me_mapsize / stat.ms_psize;
    return STATUS_OK;
}

enum status lmdb_open(struct lmdb_env *lmdb, const char *directory, uint64_t map_size,
                      enum lmdb_access access)
{
    struct stat found;
    enum status status = STATUS_OK;
    bool read_only = access == LMDB_READ;
    unsigned flags = access == LMDB_READ ? MDB_RDONLY : access == LMDB_COPY ? MDB_NOLOCK : 0;
    *lmdb = (struct lmdb_env){.read_only = read_only};
    if (stat(directory, &found) != 0) {
        if (errno != ENOENT || read_only)
            return file_status(errno);
        status = env_make(directory, map_size, flags);
    }
    if (status == STATUS_OK)
        status = env_open(&lmdb->env, directory, map_size, flags);
    /* The last writer may have died between a write and its sync: what is seen now must stay. (On a
     * file system that can't be written to, nothing is on its way to the disk.) */
    if (status == STATUS_OK && env_sync_file(lmdb->env) != STATUS_OK && !read_only)
        status = STATUS_IO;
    if (status == STATUS_OK && !read_only)
        status = adopt_last_commit(lmdb->env);
    if (status != STATUS_OK)
        return status;
    lmdb_clear_readers(lmdb);
    return open_database(lmdb);
}

void lmdb_close(struct lmdb_env *lmdb)
{
    if (lmdb->env != NULL)
        mdb_env_close(lmdb->env);
    lmdb->env = NULL;
}

void lmdb_clear_readers(struct lmdb_env *lmdb)
{
    int dead;
    mdb_reader_check(lmdb->env, &dead); /* a failure leaves pages pinned until the next call */
}
