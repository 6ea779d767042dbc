#ifndef BOXOFFICE_RELAY_CURSOR_H
#define BOXOFFICE_RELAY_CURSOR_H

#include "status.h"
#include <stdbool.h>
#include <stdint.h>

/* How far the relay's deliveries have come: for each worker the sequence up to which every event is
 * in Kafka. One small file that is never made longer, so that it can be written on a full disk.
 *
 * Two slots of RELAY_CURSOR_SLOT_SIZE bytes, written in turn and synced; the valid one with the
 * higher generation counts. A torn write leaves the other one. Slot, little-endian: magic(8)
 * generation(8) count(4) { worker(16, padded with NUL) sequence(8) } … crc32c(4) at its end. */
enum {
    RELAY_CURSOR_WORKERS_MAX = 64,
    RELAY_CURSOR_NAME_SIZE = 16, /* "wallet-15" and a NUL */
    RELAY_CURSOR_SLOT_SIZE = 2048,
};

struct relay_cursor {
    int fd;
    uint64_t generation; /* of what is stored */
    uint32_t count;
    struct {
        char worker[RELAY_CURSOR_NAME_SIZE];
        uint64_t sequence;
    } entries[RELAY_CURSOR_WORKERS_MAX];
};

/* Makes the file (and its directory) when missing: all sequences 0. STATUS_CORRUPT: neither slot
 * makes sense; the cursor is open and begins at 0 again, which repeats events and loses none.
 * After any other failure there is nothing to close. */
enum status relay_cursor_open(struct relay_cursor *cursor, const char *path);
void relay_cursor_close(struct relay_cursor *cursor);

uint64_t relay_cursor_get(const struct relay_cursor *cursor, const char *worker);
/* In memory; never sinks. False when there is no room for another worker. */
bool relay_cursor_set(struct relay_cursor *cursor, const char *worker, uint64_t sequence);
/* Durable when it returns STATUS_OK. After a failure it can be tried again. */
enum status relay_cursor_store(struct relay_cursor *cursor);

/* What is stored for one worker, without opening it for writing; the relay may be writing
 * meanwhile. No file, or nothing valid in it: STATUS_OK and 0. */
enum status relay_cursor_peek(const char *path, const char *worker, uint64_t *sequence);

#endif
