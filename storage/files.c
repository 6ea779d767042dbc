#include "files.h"
#include "crash_point.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status file_status(int error)
{
    switch (error) {
    case 0:
        return STATUS_OK;
    case ENOENT:
        return STATUS_NOT_FOUND;
    case EEXIST:
        return STATUS_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return STATUS_STORAGE_FULL;
    case ENOMEM:
        return STATUS_NO_MEMORY;
    case EACCES:
    case EPERM:
    case EROFS:
        return STATUS_DENIED;
    case EBUSY:
    case EAGAIN:
        return STATUS_BUSY;
    case ENAMETOOLONG:
        return STATUS_TOO_BIG;
    case ENOTDIR:
    case EINVAL:
        return STATUS_INVALID;
    default:
        return STATUS_IO;
    }
}

enum status directory_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return file_status(errno);
    enum status status = fsync(fd) == 0 ? STATUS_OK : file_status(errno);
    close(fd);
    return status;
}

/* The directory that holds the last component of `path`. */
static enum status parent_of(const char *path, char parent[FILE_PATH_MAX])
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    while (length > 1 && path[length - 1] == '/')
        length--;
    if (length >= FILE_PATH_MAX)
        return STATUS_TOO_BIG;
    if (length == 0) {
        memcpy(parent, ".", 2);
        return STATUS_OK;
    }
    memcpy(parent, path, length);
    parent[length] = '\0';
    return STATUS_OK;
}

enum status directory_sync_parent(const char *path)
{
    char parent[FILE_PATH_MAX];
    enum status status = parent_of(path, parent);
    return status == STATUS_OK ? directory_sync(parent) : status;
}

enum status directory_make(const char *path)
{
    char parent[FILE_PATH_MAX];
    struct stat found;
    if (stat(path, &found) == 0)
        return S_ISDIR(found.st_mode) ? STATUS_OK : STATUS_INVALID;
    if (errno != ENOENT || path[0] == '\0')
        return file_status(errno);
    enum status status = parent_of(path, parent);
    if (status == STATUS_OK)
        status = directory_make(parent);
    if (status != STATUS_OK)
        return status;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return file_status(errno);
    return directory_sync(parent);
}

enum status directory_make_parents(const char *path)
{
    char parent[FILE_PATH_MAX];
    enum status status = parent_of(path, parent);
    return status == STATUS_OK ? directory_make(parent) : status;
}

enum status file_write(int fd, const void *data, size_t size, uint64_t at)
{
    const uint8_t *from = data;
    while (size > 0) {
        ssize_t written = pwrite(fd, from, size, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return written == 0 ? STATUS_IO : file_status(errno);
        from += written;
        at += (uint64_t)written;
        size -= (size_t)written;
    }
    return STATUS_OK;
}

enum status file_replace(const char *path, const void *data, size_t size)
{
    char beside[FILE_PATH_MAX];
    int length = snprintf(beside, sizeof beside, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof beside)
        return STATUS_TOO_BIG;
    /* A leftover of a crash may have another mode. */
    if (unlink(beside) != 0 && errno != ENOENT)
        return file_status(errno);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_status(errno);
    enum status status = file_write(fd, data, size, 0);
    if (status == STATUS_OK && fsync(fd) != 0)
        status = file_status(errno);
    if (close(fd) != 0 && status == STATUS_OK)
        status = file_status(errno);
    CRASH_POINT(FILE_WRITTEN);
    if (status == STATUS_OK && rename(beside, path) != 0)
        status = file_status(errno);
    CRASH_POINT(FILE_RENAMED);
    if (status != STATUS_OK) {
        unlink(beside);
        return status;
    }
    return directory_sync_parent(path);
}

enum status file_read(const char *path, void *data, size_t size, size_t *length)
{
    uint8_t *to = data;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_status(errno);
    enum status status = STATUS_OK;
    *length = 0;
    for (;;) {
        uint8_t beyond;
        bool is_full = *length == size;
        ssize_t got = is_full ? read(fd, &beyond, 1) : read(fd, to + *length, size - *length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = file_status(errno);
        else if (got > 0 && is_full)
            status = STATUS_TOO_BIG;
        if (got <= 0 || is_full)
            break;
        *length += (size_t)got;
    }
    close(fd);
    return status;
}
