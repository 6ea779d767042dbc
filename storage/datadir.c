#include "datadir.h"
#include "check.h"
#include "datadir_layout.h"
#include "files.h"
#include "limits.h"
#include "records.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

_Static_assert((int)DATADIR_PATH_MAX == (int)FILE_PATH_MAX, "one limit for paths");

enum { LOCK_RETRY_MS = 20 };

static enum status path_of(const struct datadir *datadir, const char *name,
                           char path[DATADIR_PATH_MAX])
{
    int length = snprintf(path, DATADIR_PATH_MAX, "%s/%s", datadir->path, name);
    return length > 0 && length < DATADIR_PATH_MAX ? STATUS_OK : STATUS_TOO_BIG;
}

static enum status random_bytes(void *data, size_t size)
{
    uint8_t *to = data;
    while (size > 0) {
        ssize_t got = getrandom(to, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return STATUS_IO;
        to += got;
        size -= (size_t)got;
    }
    return STATUS_OK;
}

/* flock has no time-out, so this looks again at intervals. The lock lives as long as any descriptor
 * that was inherited or duplicated from this one. */
static enum status take_lock(struct datadir *datadir, bool may_make, unsigned wait_ms)
{
    char path[DATADIR_PATH_MAX];
    enum status status = path_of(datadir, "lock", path);
    if (status != STATUS_OK)
        return status;
    int fd = open(path, O_RDWR | O_CLOEXEC | (may_make ? O_CREAT : 0), 0600);
    if (fd < 0)
        return file_status(errno);
    const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * 1000000L};
    unsigned waited_ms = 0;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            status = file_status(errno);
            break;
        }
        if (waited_ms >= wait_ms) {
            status = STATUS_BUSY;
            break;
        }
        nanosleep(&pause, NULL);
        waited_ms += LOCK_RETRY_MS;
    }
    if (status == STATUS_OK)
        datadir->lock_fd = fd;
    else
        close(fd);
    return status;
}

/* True when a worker has made its directory: a name like "wallet-0". */
static enum status find_workers(const struct datadir *datadir, bool *found)
{
    static const char *const roles[] = {"queue-", "seat-", "wallet-"};
    DIR *directory = opendir(datadir->path);
    *found = false;
    if (directory == NULL)
        return file_status(errno);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
            if (strncmp(entry->d_name, roles[i], strlen(roles[i])) == 0)
                *found = true;
    closedir(directory);
    return STATUS_OK;
}

static enum status layout_write(const struct datadir *datadir, const struct datadir_layout *layout)
{
    char path[DATADIR_PATH_MAX], text[DATADIR_LAYOUT_SIZE_MAX];
    enum status status = path_of(datadir, "layout", path);
    int length = datadir_layout_format(layout, text, sizeof text);
    check(length > 0 && (size_t)length < sizeof text);
    return status == STATUS_OK ? file_replace(path, text, (size_t)length) : status;
}

static enum status layout_read(const struct datadir *datadir, struct datadir_layout *layout)
{
    char path[DATADIR_PATH_MAX], text[DATADIR_LAYOUT_SIZE_MAX];
    size_t length;
    enum status status = path_of(datadir, "layout", path);
    if (status == STATUS_OK)
        status = file_read(path, text, sizeof text, &length);
    if (status == STATUS_TOO_BIG)
        return STATUS_CORRUPT;
    return status == STATUS_OK ? datadir_layout_parse(layout, text, length) : status;
}

static enum status incarnation_make(uint64_t *incarnation)
{
    enum status status = STATUS_OK;
    for (*incarnation = 0; status == STATUS_OK && *incarnation == 0; *incarnation &= ID_MAX)
        status = random_bytes(incarnation, sizeof *incarnation);
    return status;
}

static enum status layout_make(struct datadir_layout *layout, uint64_t seat_workers,
                               uint64_t wallet_workers)
{
    *layout = (struct datadir_layout){
        .format = DATADIR_FORMAT,
        .records = RECORDS_VERSION,
        .seat_workers = seat_workers,
        .wallet_workers = wallet_workers,
    };
    return incarnation_make(&layout->incarnation);
}

/* Reads the layout, or makes it in a directory without workers. */
static enum status settle_layout(struct datadir *datadir, uint64_t seat_workers,
                                 uint64_t wallet_workers)
{
    struct datadir_layout layout;
    bool has_workers, may_make = seat_workers > 0;
    enum status status = find_workers(datadir, &has_workers);
    if (status != STATUS_OK)
        return status;
    status = layout_read(datadir, &layout);
    if (status == STATUS_NOT_FOUND && has_workers)
        return STATUS_CORRUPT;
    if (status == STATUS_NOT_FOUND && may_make) {
        status = layout_make(&layout, seat_workers, wallet_workers);
        if (status == STATUS_OK)
            status = layout_write(datadir, &layout);
    }
    if (status != STATUS_OK)
        return status;
    if (layout.records != RECORDS_VERSION)
        return STATUS_MISMATCH;
    bool is_restored = layout.incarnation == 0 && may_make; /* a backup's first start */
    if (is_restored)
        status = incarnation_make(&layout.incarnation);
    if (status != STATUS_OK)
        return status;
    datadir->is_new = !has_workers;
    datadir->incarnation = layout.incarnation;
    datadir->seat_workers = layout.seat_workers;
    datadir->wallet_workers = layout.wallet_workers;
    if (may_make &&
        (layout.seat_workers != seat_workers || layout.wallet_workers != wallet_workers))
        return STATUS_MISMATCH;
    return is_restored ? layout_write(datadir, &layout) : STATUS_OK;
}

enum status datadir_open(struct datadir *datadir, const char *path, uint64_t seat_workers,
                         uint64_t wallet_workers, unsigned lock_wait_ms)
{
    size_t length = strlen(path);
    bool may_make = seat_workers > 0;
    check((seat_workers > 0) == (wallet_workers > 0));
    *datadir = (struct datadir){.lock_fd = -1};
    if (length == 0 || length >= DATADIR_PATH_MAX)
        return STATUS_INVALID;
    memcpy(datadir->path, path, length + 1);
    enum status locked = may_make ? directory_make(path) : STATUS_OK;
    if (locked == STATUS_OK)
        locked = take_lock(datadir, may_make, lock_wait_ms);
    if (locked != STATUS_OK && (locked != STATUS_BUSY || may_make))
        return locked;
    enum status status = settle_layout(datadir, seat_workers, wallet_workers);
    if (status != STATUS_OK) {
        datadir_close(datadir);
        return status;
    }
    return locked;
}

void datadir_close(struct datadir *datadir)
{
    if (datadir->lock_fd >= 0)
        close(datadir->lock_fd);
    datadir->lock_fd = -1;
}

enum status datadir_key(const struct datadir *datadir, const char *name,
                        uint8_t key[DATADIR_KEY_SIZE])
{
    char path[DATADIR_PATH_MAX];
    size_t length;
    enum status status = path_of(datadir, name, path);
    if (status == STATUS_OK)
        status = file_read(path, key, DATADIR_KEY_SIZE, &length);
    if (status == STATUS_OK)
        return length == DATADIR_KEY_SIZE ? STATUS_OK : STATUS_CORRUPT;
    if (status != STATUS_NOT_FOUND)
        return status == STATUS_TOO_BIG ? STATUS_CORRUPT : status;
    status = random_bytes(key, DATADIR_KEY_SIZE);
    return status == STATUS_OK ? file_replace(path, key, DATADIR_KEY_SIZE) : status;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trims and checks; what is left goes into a header line, so only printable ASCII will do. */
static enum status take_text(const char *data, size_t length, char *text, size_t size)
{
    while (length > 0 && is_blank(data[length - 1]))
        length--;
    while (length > 0 && is_blank(data[0])) {
        data++;
        length--;
    }
    if (length == 0)
        return STATUS_INVALID;
    for (size_t i = 0; i < length; i++)
        if (data[i] <= ' ' || data[i] > '~')
            return STATUS_INVALID;
    if (length >= size)
        return STATUS_TOO_BIG;
    memcpy(text, data, length);
    text[length] = '\0';
    return STATUS_OK;
}

static enum status admin_key_make(const char *path)
{
    uint8_t key[DATADIR_KEY_SIZE];
    char text[2 * DATADIR_KEY_SIZE + 2];
    enum status status = random_bytes(key, sizeof key);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < sizeof key; i++)
        snprintf(text + 2 * i, 3, "%02x", key[i]);
    text[2 * DATADIR_KEY_SIZE] = '\n';
    return file_replace(path, text, 2 * DATADIR_KEY_SIZE + 1);
}

enum status datadir_admin_key(const struct datadir *datadir, const char *file, char *text,
                              size_t size)
{
    char path[DATADIR_PATH_MAX], data[DATADIR_ADMIN_KEY_SIZE_MAX];
    size_t length;
    if (file != NULL && file[0] != '\0') {
        enum status status = file_read(file, data, sizeof data, &length);
        return status == STATUS_OK ? take_text(data, length, text, size) : status;
    }
    enum status status = path_of(datadir, "admin.key", path);
    if (status == STATUS_OK)
        status = file_read(path, data, sizeof data, &length);
    if (status == STATUS_NOT_FOUND) {
        status = admin_key_make(path);
        if (status == STATUS_OK)
            status = file_read(path, data, sizeof data, &length);
    }
    return status == STATUS_OK ? take_text(data, length, text, size) : status;
}

enum status datadir_mark(const struct datadir *datadir, const char *name)
{
    char path[DATADIR_PATH_MAX];
    enum status status = path_of(datadir, name, path);
    return status == STATUS_OK ? file_replace(path, "", 0) : status;
}

enum status datadir_unmark(const struct datadir *datadir, const char *name)
{
    char path[DATADIR_PATH_MAX];
    enum status status = path_of(datadir, name, path);
    if (status != STATUS_OK)
        return status;
    if (unlink(path) != 0 && errno != ENOENT)
        return file_status(errno);
    return directory_sync(datadir->path);
}

enum status datadir_marked(const struct datadir *datadir, const char *name)
{
    char path[DATADIR_PATH_MAX];
    enum status status = path_of(datadir, name, path);
    if (status != STATUS_OK)
        return status;
    return access(path, F_OK) == 0 ? STATUS_OK : file_status(errno);
}

void datadir_worker_path(const struct datadir *datadir, const char *role, unsigned instance,
                         const char *what, char path[DATADIR_PATH_MAX])
{
    int length =
        snprintf(path, DATADIR_PATH_MAX, "%s/%s-%u/%s", datadir->path, role, instance, what);
    check(length > 0 && length < DATADIR_PATH_MAX);
}
