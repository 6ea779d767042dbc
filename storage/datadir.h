#ifndef BOXOFFICE_DATADIR_H
#define BOXOFFICE_DATADIR_H

#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The data directory:
 *
 *   lock           flocked by the supervisor; every child inherits the descriptor
 *   layout         text: format and records versions, incarnation, seat and wallet worker counts
 *   admin.key      64 hex digits and a newline, 0600 (unless configured elsewhere)
 *   ticket.key     32 bytes, 0600: signs queue tokens
 *   seeding        a marker: demo data is being loaded
 *   queue-0/ seat-N/ wallet-N/   each with journal/ and state/, made by its worker
 *
 * New files are written beside, fsynced, renamed, and the directory fsynced. */
enum {
    DATADIR_PATH_MAX = 1024,
    DATADIR_KEY_SIZE = 32,
    DATADIR_LOCK_WAIT_MS = 5000,
    DATADIR_ADMIN_KEY_SIZE_MAX = 1024
};

struct datadir {
    char path[DATADIR_PATH_MAX];
    int lock_fd; /* close-on-exec; -1: without the lock */
    /* Random, 1 … 2^53 − 1, made with the directory, and anew by the first server on a backup; 0: a
     * backup that was never served. */
    uint64_t incarnation;
    uint64_t seat_workers, wallet_workers;
    /* No worker has stored anything in it yet: so a first start that died before its workers were
     * started is a first start again. */
    bool is_new;
};

/* Makes or opens and locks it, waiting at most lock_wait_ms. STATUS_BUSY: somebody else has the
 * lock. STATUS_MISMATCH: made with other worker counts, which seat_workers and wallet_workers then
 * say, or (both 0) of another format or records version. STATUS_CORRUPT,
 * STATUS_IO, STATUS_STORAGE_FULL, STATUS_DENIED.
 *
 * With worker counts 0 (audit, backup) it is never made (STATUS_NOT_FOUND), and the stored counts
 * are taken. STATUS_BUSY then leaves it usable for reading, without the lock, so that a live server
 * can be looked at; it is to be closed as after STATUS_OK. After any other failure there is nothing
 * to close. */
enum status datadir_open(struct datadir *datadir, const char *path, uint64_t seat_workers,
                         uint64_t wallet_workers, unsigned lock_wait_ms);
/* The lock stays with the children that inherited its descriptor. */
void datadir_close(struct datadir *datadir);

/* Reads `name`, or makes it from random bytes: 0600. STATUS_CORRUPT: another size. */
enum status datadir_key(const struct datadir *datadir, const char *name,
                        uint8_t key[DATADIR_KEY_SIZE]);
/* Reads the admin key text (trimmed) from `file`, or (NULL or "") from admin.key, which is made
 * when missing. STATUS_NOT_FOUND: no such file. STATUS_INVALID: empty, or not printable ASCII
 * without spaces. STATUS_TOO_BIG: does not fit `size` with its NUL. */
enum status datadir_admin_key(const struct datadir *datadir, const char *file, char *text,
                              size_t size);
/* Markers: empty files, made, looked for and removed durably. Unmark: absent is fine. Marked:
 * STATUS_OK or STATUS_NOT_FOUND. */
enum status datadir_mark(const struct datadir *datadir, const char *name);
enum status datadir_unmark(const struct datadir *datadir, const char *name);
enum status datadir_marked(const struct datadir *datadir, const char *name);

/* "<path>/<role>-<instance>/<what>" */
void datadir_worker_path(const struct datadir *datadir, const char *role, unsigned instance,
                         const char *what, char path[DATADIR_PATH_MAX]);

#endif
