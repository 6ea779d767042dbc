#ifndef BOXOFFICE_FILES_H
#define BOXOFFICE_FILES_H

#include "status.h"
#include <stddef.h>
#include <stdint.h>

/* Files and directories that are there after power loss once a call has returned STATUS_OK: a new
 * name is only durable when its directory was fsynced too. Within storage/. */

enum { FILE_PATH_MAX = 1024 };

/* From an errno. ENOSPC, EDQUOT, EFBIG: STATUS_STORAGE_FULL. */
enum status file_status(int error);

enum status directory_sync(const char *path);
enum status directory_sync_parent(const char *path);
/* Makes it, and what is missing above it (mode 0700). One that exists is fine. */
enum status directory_make(const char *path);
enum status directory_make_parents(const char *path); /* what is missing above it */

/* All of it at offset `at`, not synced. A failure may leave a part. */
enum status file_write(int fd, const void *data, size_t size, uint64_t at);
/* Writes all of it beside, fsyncs, renames over `path`, fsyncs the directory. Mode 0600. */
enum status file_replace(const char *path, const void *data, size_t size);
/* Reads all of it. STATUS_NOT_FOUND; STATUS_TOO_BIG: more than `size` bytes. */
enum status file_read(const char *path, void *data, size_t size, size_t *length);

#endif
