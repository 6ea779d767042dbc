/* Preloaded into a server: logs what its processes do to the data directory, and what their
 * sockets carry (write_log.h). RECORD_LOG names the log, RECORD_DATA the directory, which need not
 * be there yet. */

#include "write_log.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FD_MAX = 65536, PATH_SIZE = 1024, IOV_MAX_USED = 1024 };

enum fd_kind { FD_UNKNOWN, FD_OTHER, FD_FILE, FD_DIRECTORY, FD_SOCKET };

struct fd_entry {
    uint8_t kind; /* enum fd_kind */
    bool durable; /* O_DSYNC */
    uint64_t inode;
    char *path; /* of a directory */
};

static struct write_log *write_log;
static const char *data_path;
static size_t data_path_length;
static struct fd_entry fds[FD_MAX];

#define REAL(name) ((__typeof__(name) *)real(&real_##name, #name))
#define DECLARE(name) static void *real_##name

static void *real(void **at, const char *name)
{
    if (*at == NULL)
        *at = dlsym(RTLD_NEXT, name);
    return *at;
}

DECLARE(open);
DECLARE(close);
DECLARE(write);
DECLARE(writev);
DECLARE(pwrite);
DECLARE(ftruncate);
DECLARE(fsync);
DECLARE(fdatasync);
DECLARE(rename);
DECLARE(unlink);
DECLARE(rmdir);
DECLARE(mkdir);
DECLARE(read);
DECLARE(recv);
DECLARE(send);
DECLARE(sendmsg);

static void __attribute__((constructor)) attach(void)
{
    const char *path = getenv("RECORD_LOG");
    struct stat file;
    data_path = getenv("RECORD_DATA");
    if (path == NULL || data_path == NULL)
        return;
    data_path_length = strlen(data_path);
    int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &file) != 0)
        abort();
    void *mapped = mmap(NULL, (size_t)file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        abort();
    REAL(close)(fd);
    write_log = mapped;
}

/* ---- the log ---- */

static void begin(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (;;) {
        atomic_fetch_add(&write_log->busy, 1);
        if (atomic_load(&write_log->hold) == 0)
            return;
        atomic_fetch_sub(&write_log->busy, 1);
        nanosleep(&pause, NULL);
    }
}

static void end(void)
{
    int error = errno;
    atomic_fetch_sub(&write_log->busy, 1);
    errno = error;
}

static struct write_record *reserve(uint16_t kind, size_t bytes, uint64_t *at)
{
    size_t size = (sizeof(struct write_record) + bytes + 7) & ~(size_t)7;
    *at = atomic_fetch_add(&write_log->end, size);
    if (*at + size > write_log->size) {
        atomic_fetch_add(&write_log->lost, 1);
        return NULL;
    }
    struct write_record *record = (struct write_record *)(void *)((char *)write_log + *at);
    record->kind = kind;
    record->length = bytes;
    return record;
}

static void publish(struct write_record *record)
{
    size_t bytes = record->kind == WRITE_ZEROS || record->kind == WRITE_SIZE ? 0 : record->length;
    size_t size = (sizeof *record + bytes + 7) & ~(size_t)7;
    atomic_store_explicit(&record->size, (uint32_t)size, memory_order_release);
}

static void log_text(uint16_t kind, uint64_t inode, uint64_t sync, const char *text, size_t size,
                     uint64_t *at)
{
    struct write_record *record = reserve(kind, size, at);
    if (record == NULL)
        return;
    record->inode = inode;
    record->sync = sync;
    memcpy(record + 1, text, size);
    publish(record);
}

static void log_number(uint16_t kind, uint64_t inode, uint64_t offset, uint64_t length,
                       uint64_t sync, uint64_t *at)
{
    struct write_record *record = reserve(kind, 0, at);
    if (record == NULL)
        return;
    record->inode = inode;
    record->offset = offset;
    record->length = length;
    record->sync = sync;
    publish(record);
}

static size_t iov_size(const struct iovec *iov, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

static bool is_zero(const struct iovec *iov, int count)
{
    for (int i = 0; i < count; i++) {
        const unsigned char *bytes = iov[i].iov_base;
        if (iov[i].iov_len > 0 &&
            (bytes[0] != 0 || memcmp(bytes, bytes + 1, iov[i].iov_len - 1) != 0))
            return false;
    }
    return true;
}

static uint64_t log_bytes(uint16_t kind, const struct fd_entry *fd, uint64_t offset,
                          const struct iovec *iov, int count)
{
    size_t size = iov_size(iov, count);
    uint64_t at = 0;
    if (kind == WRITE_DATA && !fd->durable && is_zero(iov, count)) {
        log_number(WRITE_ZEROS, fd->inode, offset, size, 0, &at);
        return at;
    }
    struct write_record *record = reserve(kind, size, &at);
    if (record == NULL)
        return at;
    record->inode = fd->inode;
    record->offset = offset;
    record->durable = fd->durable;
    char *to = (char *)(record + 1);
    for (int i = 0; i < count; i++) {
        memcpy(to, iov[i].iov_base, iov[i].iov_len);
        to += iov[i].iov_len;
    }
    publish(record);
    return at;
}

/* ---- descriptors ---- */

/* Below the data directory, and not LMDB's table of readers, which means nothing after a loss. */
static bool is_data(const char *path)
{
    size_t length = strlen(path);
    return strncmp(path, data_path, data_path_length) == 0 &&
           (path[data_path_length] == '/' || path[data_path_length] == '\0') &&
           (length < 8 || strcmp(path + length - 8, "lock.mdb") != 0);
}

static struct fd_entry *entry_of(int fd)
{
    struct stat file;
    if (write_log == NULL || fd < 0 || fd >= FD_MAX)
        return NULL;
    struct fd_entry *entry = &fds[fd];
    if (entry->kind == FD_UNKNOWN) {
        entry->kind = FD_OTHER;
        if (fstat(fd, &file) == 0 && S_ISSOCK(file.st_mode)) {
            entry->kind = FD_SOCKET;
            entry->inode = file.st_ino;
        }
    }
    return entry;
}

static bool is_kind(int fd, enum fd_kind kind)
{
    const struct fd_entry *entry = entry_of(fd);
    return entry != NULL && entry->kind == (uint8_t)kind;
}

static void opened(int fd, const char *path, int flags, bool was_there)
{
    struct stat file;
    uint64_t at;
    if (fd < 0 || fd >= FD_MAX || fstat(fd, &file) != 0)
        return;
    struct fd_entry *entry = &fds[fd];
    *entry = (struct fd_entry){.kind = S_ISDIR(file.st_mode) ? FD_DIRECTORY : FD_FILE,
                               .durable = (flags & O_DSYNC) != 0,
                               .inode = file.st_ino};
    if (entry->kind == FD_DIRECTORY)
        entry->path = strdup(path);
    if (!was_there)
        log_text(WRITE_CREATE, entry->inode, 0, path, strlen(path), &at);
}

static int open_logged(const char *path, int flags, mode_t mode)
{
    struct stat file;
    if (write_log == NULL || !is_data(path)) {
        int fd = REAL(open)(path, flags, mode);
        if (write_log != NULL && fd >= 0 && fd < FD_MAX)
            fds[fd].kind = FD_OTHER;
        return fd;
    }
    begin();
    bool was_there = stat(path, &file) == 0;
    int fd = REAL(open)(path, flags, mode);
    opened(fd, path, flags, was_there);
    end();
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_logged(path, flags, mode);
}

int open64(const char *path, int flags, ...);
int open64(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return open_logged(path, flags, mode);
}

int close(int fd)
{
    if (write_log != NULL && fd >= 0 && fd < FD_MAX) {
        free(fds[fd].path);
        fds[fd] = (struct fd_entry){0};
    }
    return REAL(close)(fd);
}

/* ---- changes of files ---- */

static void durable_now(const struct fd_entry *entry, uint64_t began)
{
    uint64_t at;
    if (entry->durable)
        log_number(WRITE_SYNC_END, entry->inode, 1, 0, began, &at);
}

static ssize_t file_write(int fd, const struct iovec *iov, int count, off_t offset, bool positioned)
{
    const struct fd_entry *entry = entry_of(fd);
    begin();
    off_t from = positioned ? offset : lseek(fd, 0, SEEK_CUR);
    uint64_t began = log_bytes(WRITE_DATA, entry, (uint64_t)from, iov, count);
    ssize_t written = positioned ? REAL(pwrite)(fd, iov[0].iov_base, iov[0].iov_len, offset)
                                 : REAL(writev)(fd, iov, count);
    if (written != (ssize_t)iov_size(iov, count))
        atomic_fetch_add(&write_log->lost, 1); /* the log says more than was done */
    durable_now(entry, began);
    end();
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    struct iovec iov = {(void *)(uintptr_t)data, size};
    if (!is_kind(fd, FD_FILE))
        return REAL(pwrite)(fd, data, size, offset);
    return file_write(fd, &iov, 1, offset, true);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite(fd, data, size, offset);
}

static void log_socket(uint16_t kind, int fd, const struct iovec *iov, int count)
{
    if (!is_kind(fd, FD_SOCKET))
        return;
    begin();
    log_bytes(kind, &fds[fd], 0, iov, count);
    end();
}

/* What was logged must be what was sent: half a reply would be logged twice. */
static ssize_t sent(ssize_t result, int fd, const struct iovec *iov, int count)
{
    int error = errno;
    if (is_kind(fd, FD_SOCKET) && result != (ssize_t)iov_size(iov, count))
        atomic_fetch_add(&write_log->lost, 1);
    errno = error;
    return result;
}

ssize_t write(int fd, const void *data, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)data, size};
    if (is_kind(fd, FD_FILE))
        return file_write(fd, &iov, 1, 0, false);
    log_socket(WRITE_SENT, fd, &iov, 1);
    return sent(REAL(write)(fd, data, size), fd, &iov, 1);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    if (is_kind(fd, FD_FILE))
        return file_write(fd, iov, count, 0, false);
    log_socket(WRITE_SENT, fd, iov, count);
    return sent(REAL(writev)(fd, iov, count), fd, iov, count);
}

int ftruncate(int fd, off_t size)
{
    uint64_t at;
    if (!is_kind(fd, FD_FILE))
        return REAL(ftruncate)(fd, size);
    begin();
    log_number(WRITE_SIZE, fds[fd].inode, (uint64_t)size, 0, 0, &at);
    int result = REAL(ftruncate)(fd, size);
    end();
    return result;
}

int ftruncate64(int fd, off_t size);
int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

/* ---- syncs ---- */

static int sync_logged(int fd, int (*sync)(int fd))
{
    const struct fd_entry *entry = entry_of(fd);
    uint64_t began = 0, at;
    if (entry == NULL || (entry->kind != FD_FILE && entry->kind != FD_DIRECTORY))
        return sync(fd);
    begin();
    if (entry->kind == FD_FILE)
        log_number(WRITE_SYNC_BEGIN, entry->inode, 0, 0, 0, &began);
    else
        log_text(WRITE_DIRECTORY_SYNC_BEGIN, 0, 0, entry->path, strlen(entry->path), &began);
    int result = sync(fd);
    if (result == 0 && entry->kind == FD_FILE)
        log_number(WRITE_SYNC_END, entry->inode, 0, 0, began, &at);
    else if (result == 0)
        log_text(WRITE_DIRECTORY_SYNC_END, 0, began, entry->path, strlen(entry->path), &at);
    end();
    return result;
}

int fsync(int fd)
{
    return sync_logged(fd, REAL(fsync));
}

int fdatasync(int fd)
{
    return sync_logged(fd, REAL(fdatasync));
}

/* ---- names ---- */

static int name_logged(uint16_t kind, const char *path, int (*change)(const char *path))
{
    struct stat file;
    uint64_t at;
    if (write_log == NULL || !is_data(path))
        return change(path);
    begin();
    if (lstat(path, &file) == 0)
        log_text(kind, 0, 0, path, strlen(path), &at);
    int result = change(path);
    end();
    return result;
}

int unlink(const char *path)
{
    return name_logged(WRITE_UNLINK, path, REAL(unlink));
}

int rmdir(const char *path)
{
    return name_logged(WRITE_UNLINK, path, REAL(rmdir));
}

int mkdir(const char *path, mode_t mode)
{
    struct stat file;
    uint64_t at;
    if (write_log == NULL || !is_data(path))
        return REAL(mkdir)(path, mode);
    begin();
    if (stat(path, &file) != 0)
        log_text(WRITE_MKDIR, 0, 0, path, strlen(path), &at);
    int result = REAL(mkdir)(path, mode);
    end();
    return result;
}

int rename(const char *from, const char *to)
{
    char both[2 * PATH_SIZE];
    uint64_t at;
    if (write_log == NULL || !is_data(from))
        return REAL(rename)(from, to);
    int length = snprintf(both, sizeof both, "%s%c%s", from, '\0', to);
    begin();
    log_text(WRITE_RENAME, 0, 0, both, (size_t)length, &at);
    int result = REAL(rename)(from, to);
    end();
    return result;
}

/* ---- sockets ---- */

static ssize_t received(int fd, void *data, ssize_t size)
{
    struct iovec iov = {data, size > 0 ? (size_t)size : 0};
    int error = errno;
    if (size > 0)
        log_socket(WRITE_RECEIVED, fd, &iov, 1);
    errno = error;
    return size;
}

ssize_t read(int fd, void *data, size_t size)
{
    return received(fd, data, REAL(read)(fd, data, size));
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    return received(fd, data, REAL(recv)(fd, data, size, flags));
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)data, size};
    log_socket(WRITE_SENT, fd, &iov, 1);
    return sent(REAL(send)(fd, data, size, flags), fd, &iov, 1);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    int count = (int)message->msg_iovlen;
    log_socket(WRITE_SENT, fd, message->msg_iov, count);
    return sent(REAL(sendmsg)(fd, message, flags), fd, message->msg_iov, count);
}
