#ifndef BOXOFFICE_DATADIR_H
#define BOXOFFICE_DATADIR_H

#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The data directory:
 *
 *   lock           flocked by the supervisor; every child inherits the descriptor
 *   layout         text: format version, incarnation, seat and wallet worker counts; made once
 *   admin.key      64 hex digits and a newline, 0600 (unless configured elsewhere)
 *   ticket.key     32 bytes, 0600: signs queue tokens
 *   queue-0/ seat-N/ wallet-N/   each with journal/ and state/
 *
 * New files are written beside, fsynced, renamed, and the directory fsynced. */
enum { DATADIR_PATH_MAX = 1024, DATADIR_KEY_SIZE = 32, DATADIR_LOCK_WAIT_MS = 5000 };

struct datadir {
    char path[DATADIR_PATH_MAX];
    int lock_fd;
    uint64_t incarnation;
    uint64_t seat_workers, wallet_workers;
    bool is_new; /* made by this call */
};

/* Makes or opens and locks it, waiting at most lock_wait_ms. STATUS_BUSY: somebody else has the lock.
 * STATUS_MISMATCH: made with other worker counts (then seat_workers, wallet_workers say which) or by
 * another format version. STATUS_CORRUPT, STATUS_IO. With worker counts 0 (audit, backup) it is never
 * made, and the stored counts are taken. */
enum status datadir_open(struct datadir *datadir, const char *path, uint64_t seat_workers,
                         uint64_t wallet_workers, unsigned lock_wait_ms);
void datadir_close(struct datadir *datadir);

/* Reads `name`, or makes it from random bytes: 0600. */
enum status datadir_key(const struct datadir *datadir, const char *name,
                        uint8_t key[DATADIR_KEY_SIZE]);
/* Reads the admin key text (trimmed) from `file`, or from admin.key, which is made when missing. */
enum status datadir_admin_key(const struct datadir *datadir, const char *file, char *text,
                              size_t size);
/* "<path>/<role>-<instance>/<what>" */
void datadir_worker_path(const struct datadir *datadir, const char *role, unsigned instance,
                         const char *what, char path[DATADIR_PATH_MAX]);

#endif
