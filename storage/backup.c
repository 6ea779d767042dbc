#include "backup.h"
#include "datadir_layout.h"
#include "files.h"
#include "journal_internal.h"
#include "records.h"
#include "state_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    COMMIT_BYTES = 4 << 20, /* copied in one transaction */
    SMALL_FILE_MAX = 64 * 1024,
    TREE_DESCRIPTORS = 16,
};

struct backup {
    const struct datadir *datadir;
    struct datadir to; /* its path only */
    const volatile sig_atomic_t *stop;
    struct backup_report *report;
    int64_t deadline_s;
};

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static enum status may_go_on(const void *context)
{
    const struct backup *backup = context;
    if (*backup->stop)
        return STATUS_CLOSED;
    return now_s() > backup->deadline_s ? STATUS_TIMEOUT : STATUS_OK;
}

/* ---- one environment ---- */

static enum status verify_row(const MDB_val *key, const MDB_val *value)
{
    struct row_bytes payload;
    return state_value_decode(key->mv_data, key->mv_size, value, &payload);
}

/* Copies what one transaction takes, from the cursor's place on; *key is empty at the end. */
static enum status copy_slice(struct backup *backup, MDB_cursor *from, struct lmdb_env *to,
                              MDB_val *key)
{
    MDB_val value;
    MDB_txn *txn;
    size_t size = 0;
    int error = mdb_txn_begin(to->env, NULL, 0, &txn);
    if (error != 0)
        return lmdb_status(error);
    enum status status = STATUS_OK;
    error = mdb_cursor_get(from, key, &value, key->mv_data == NULL ? MDB_FIRST : MDB_GET_CURRENT);
    while (error == 0 && status == STATUS_OK && size < COMMIT_BYTES) {
        status = verify_row(key, &value);
        if (status == STATUS_OK)
            status = lmdb_write_status(mdb_put(txn, to->dbi, key, &value, MDB_APPEND));
        size += key->mv_size + value.mv_size;
        backup->report->rows++;
        if (status == STATUS_OK)
            error = mdb_cursor_get(from, key, &value, MDB_NEXT);
    }
    if (error == MDB_NOTFOUND)
        *key = (MDB_val){0};
    else if (error != 0)
        status = lmdb_status(error);
    if (status != STATUS_OK) {
        mdb_txn_abort(txn);
        return status;
    }
    backup->report->bytes += size;
    return lmdb_write_status(mdb_txn_commit(txn));
}

static enum status copy_all(struct backup *backup, MDB_cursor *from, struct lmdb_env *to)
{
    MDB_val key = {0};
    enum status status;
    do {
        status = may_go_on(backup);
        if (status == STATUS_OK)
            status = copy_slice(backup, from, to, &key);
    } while (status == STATUS_OK && key.mv_data != NULL);
    return status;
}

/* `txn` is a snapshot of `from`. The copy has the same map size. */
static enum status copy_env(struct backup *backup, const struct lmdb_env *from, MDB_txn *txn,
                            const char *directory)
{
    MDB_cursor *cursor;
    struct lmdb_env to;
    int error = mdb_cursor_open(txn, from->dbi, &cursor);
    if (error != 0)
        return lmdb_status(error);
    enum status status = lmdb_open(&to, directory, from->page_count * from->page_size, LMDB_COPY);
    if (status == STATUS_OK)
        status = copy_all(backup, cursor, &to);
    lmdb_close(&to);
    mdb_cursor_close(cursor);
    return status == STATUS_OK ? directory_sync(directory) : status;
}

static enum status copy_journal(struct backup *backup, struct cut_view *view)
{
    char path[DATADIR_PATH_MAX];
    datadir_worker_path(&backup->to, view->role, view->instance, "journal", path);
    enum status status = directory_make(path);
    if (status == STATUS_OK)
        status = journal_copy(view->journal, path, may_go_on, backup, &backup->report->records,
                              &backup->report->bytes);
    cut_release_journal(view);
    return status;
}

static enum status copy_state(struct backup *backup, struct cut_view *view)
{
    char path[DATADIR_PATH_MAX];
    datadir_worker_path(&backup->to, view->role, view->instance, "state", path);
    enum status status = copy_env(backup, &view->state->lmdb, view->reader->txn, path);
    cut_release(view);
    return status;
}

static enum status copy_workers(struct backup *backup, struct cut *cut)
{
    enum status status = STATUS_OK;
    backup->deadline_s = now_s() + BACKUP_JOURNALS_MAX_S;
    for (unsigned i = 0; i < cut_view_count(cut) && status == STATUS_OK; i++)
        status = copy_journal(backup, cut_view(cut, i));
    backup->deadline_s = now_s() + BACKUP_STATES_MAX_S;
    for (unsigned i = 0; i < cut_view_count(cut) && status == STATUS_OK; i++)
        status = copy_state(backup, cut_view(cut, i));
    return status;
}

/* ---- the directory ---- */

static enum status join(char path[DATADIR_PATH_MAX], const char *directory, const char *name)
{
    int length = snprintf(path, DATADIR_PATH_MAX, "%s/%s", directory, name);
    return length > 0 && length < DATADIR_PATH_MAX ? STATUS_OK : STATUS_TOO_BIG;
}

static enum status copy_file(const struct backup *backup, const char *name)
{
    static uint8_t data[SMALL_FILE_MAX];
    char from[DATADIR_PATH_MAX], to[DATADIR_PATH_MAX];
    size_t length;
    enum status status = join(from, backup->datadir->path, name);
    if (status == STATUS_OK)
        status = join(to, backup->to.path, name);
    if (status == STATUS_OK)
        status = file_read(from, data, sizeof data, &length);
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status == STATUS_OK)
        status = directory_make_parents(to);
    return status == STATUS_OK ? file_replace(to, data, length) : status;
}

static enum status write_layout(const struct backup *backup)
{
    char path[DATADIR_PATH_MAX], text[DATADIR_LAYOUT_SIZE_MAX];
    const struct datadir_layout layout = {
        .format = DATADIR_FORMAT,
        .records = RECORDS_VERSION,
        .seat_workers = backup->datadir->seat_workers,
        .wallet_workers = backup->datadir->wallet_workers,
    };
    int length = datadir_layout_format(&layout, text, sizeof text);
    enum status status = join(path, backup->to.path, "layout");
    return status == STATUS_OK ? file_replace(path, text, (size_t)length) : status;
}

/* Empty; audits look for it. */
static enum status write_lock(const struct backup *backup)
{
    char path[DATADIR_PATH_MAX];
    enum status status = join(path, backup->to.path, "lock");
    return status == STATUS_OK ? file_replace(path, "", 0) : status;
}

/* Small files come before the cut: then the relay's cursor is not ahead of the journals. */
static enum status write_contents(struct backup *backup)
{
    static const char *const files[] = {"ticket.key", "admin.key", "relay-0/cursor"};
    struct cut *cut = NULL;
    enum status status = write_layout(backup);
    if (status == STATUS_OK)
        status = write_lock(backup);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == STATUS_OK; i++)
        status = copy_file(backup, files[i]);
    if (status == STATUS_OK)
        status = cut_open(&cut, backup->datadir);
    if (status == STATUS_OK)
        status = copy_workers(backup, cut);
    cut_close(cut);
    return status;
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found;
    (void)kind;
    (void)walk;
    return remove(path);
}

static enum status make_unfinished(const struct backup *backup, const char *to)
{
    struct stat found;
    if (lstat(to, &found) == 0)
        return STATUS_EXISTS;
    enum status status = directory_make_parents(to);
    if (status == STATUS_OK && mkdir(backup->to.path, 0700) != 0)
        status = file_status(errno);
    return status;
}

static enum status finish(const struct backup *backup, const char *to)
{
    enum status status = directory_sync(backup->to.path);
    if (status == STATUS_OK &&
        renameat2(AT_FDCWD, backup->to.path, AT_FDCWD, to, RENAME_NOREPLACE) != 0)
        status = file_status(errno);
    return status == STATUS_OK ? directory_sync_parent(to) : status;
}

static enum status unfinished_path(struct backup *backup, const char *to)
{
    size_t length = strlen(to);
    while (length > 1 && to[length - 1] == '/')
        length--;
    int made = snprintf(backup->to.path, sizeof backup->to.path, "%.*s.tmp", (int)length, to);
    return length > 0 && made < (int)sizeof backup->to.path - 64 ? STATUS_OK : STATUS_INVALID;
}

enum status backup_write(const struct datadir *datadir, const char *to,
                         const volatile sig_atomic_t *stop, struct backup_report *report)
{
    struct backup backup = {.datadir = datadir, .stop = stop, .report = report};
    *report = (struct backup_report){0};
    enum status status = datadir_marked(datadir, "seeding");
    if (status != STATUS_NOT_FOUND)
        return status == STATUS_OK ? STATUS_BUSY : status;
    status = unfinished_path(&backup, to);
    if (status == STATUS_OK)
        status = make_unfinished(&backup, to);
    if (status != STATUS_OK)
        return status;
    status = write_contents(&backup);
    if (status == STATUS_OK)
        status = finish(&backup, to);
    if (status != STATUS_OK)
        nftw(backup.to.path, remove_one, TREE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
    return status;
}
