#include "relay_cursor.h"
#include "bytes.h"
#include "check.h"
#include "crc32c.h"
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define CURSOR_MAGIC UINT64_C(0x31524f53525543)
enum {
    SLOTS = 2,
    AT_GENERATION = 8,
    AT_COUNT = 16,
    AT_ENTRIES = 20,
    ENTRY_SIZE = RELAY_CURSOR_NAME_SIZE + 8,
    AT_CRC = RELAY_CURSOR_SLOT_SIZE - 4,
};
_Static_assert((int)AT_ENTRIES + RELAY_CURSOR_WORKERS_MAX * (int)ENTRY_SIZE <= (int)AT_CRC,
               "a slot takes every worker");

static void slot_encode(const struct relay_cursor *cursor, uint64_t generation,
                        uint8_t slot[RELAY_CURSOR_SLOT_SIZE])
{
    memset(slot, 0, RELAY_CURSOR_SLOT_SIZE);
    store_le64(slot, CURSOR_MAGIC);
    store_le64(slot + AT_GENERATION, generation);
    store_le32(slot + AT_COUNT, cursor->count);
    uint8_t *to = slot + AT_ENTRIES;
    for (uint32_t i = 0; i < cursor->count; i++, to += ENTRY_SIZE) {
        memcpy(to, cursor->entries[i].worker, RELAY_CURSOR_NAME_SIZE);
        store_le64(to + RELAY_CURSOR_NAME_SIZE, cursor->entries[i].sequence);
    }
    store_le32(slot + AT_CRC, crc32c(0, slot, AT_CRC));
}

/* Takes it when it is valid and newer than what the cursor has. */
static void slot_decode(struct relay_cursor *cursor, const uint8_t slot[RELAY_CURSOR_SLOT_SIZE])
{
    uint64_t generation = load_le64(slot + AT_GENERATION);
    uint32_t count = load_le32(slot + AT_COUNT);
    if (load_le64(slot) != CURSOR_MAGIC || count > RELAY_CURSOR_WORKERS_MAX ||
        load_le32(slot + AT_CRC) != crc32c(0, slot, AT_CRC) || generation <= cursor->generation)
        return;
    cursor->generation = generation;
    cursor->count = count;
    const uint8_t *from = slot + AT_ENTRIES;
    for (uint32_t i = 0; i < count; i++, from += ENTRY_SIZE) {
        memcpy(cursor->entries[i].worker, from, RELAY_CURSOR_NAME_SIZE);
        cursor->entries[i].worker[RELAY_CURSOR_NAME_SIZE - 1] = '\0';
        cursor->entries[i].sequence = load_le64(from + RELAY_CURSOR_NAME_SIZE);
    }
}

/* Of a file that exists. Generation 0 afterwards: nothing valid was found. */
static enum status load(struct relay_cursor *cursor)
{
    uint8_t slots[SLOTS * RELAY_CURSOR_SLOT_SIZE] = {0};
    ssize_t size = pread(cursor->fd, slots, sizeof slots, 0);
    if (size < 0)
        return file_status(errno);
    for (int i = 0; i < SLOTS; i++)
        slot_decode(cursor, slots + i * RELAY_CURSOR_SLOT_SIZE);
    return STATUS_OK;
}

/* A file with one valid, empty slot. */
static enum status create(const char *path)
{
    uint8_t slots[SLOTS * RELAY_CURSOR_SLOT_SIZE] = {0};
    char directory[FILE_PATH_MAX];
    int length = snprintf(directory, sizeof directory, "%s", path);
    if (length < 0 || (size_t)length >= sizeof directory)
        return STATUS_TOO_BIG;
    char *slash = strrchr(directory, '/');
    if (slash != NULL && slash != directory) {
        *slash = '\0';
        enum status status = directory_make(directory);
        if (status != STATUS_OK)
            return status;
    }
    struct relay_cursor empty = {.fd = -1};
    slot_encode(&empty, 1, slots + RELAY_CURSOR_SLOT_SIZE);
    return file_replace(path, slots, sizeof slots);
}

enum status relay_cursor_open(struct relay_cursor *cursor, const char *path)
{
    *cursor = (struct relay_cursor){.fd = open(path, O_RDWR | O_CLOEXEC)};
    if (cursor->fd < 0 && errno == ENOENT) {
        enum status status = create(path);
        if (status != STATUS_OK)
            return status;
        cursor->fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (cursor->fd < 0)
        return file_status(errno);
    enum status status = load(cursor);
    if (status != STATUS_OK) {
        relay_cursor_close(cursor);
        return status;
    }
    return cursor->generation == 0 ? STATUS_CORRUPT : STATUS_OK;
}

void relay_cursor_close(struct relay_cursor *cursor)
{
    if (cursor->fd >= 0)
        close(cursor->fd);
    cursor->fd = -1;
}

uint64_t relay_cursor_get(const struct relay_cursor *cursor, const char *worker)
{
    for (uint32_t i = 0; i < cursor->count; i++)
        if (strcmp(cursor->entries[i].worker, worker) == 0)
            return cursor->entries[i].sequence;
    return 0;
}

bool relay_cursor_set(struct relay_cursor *cursor, const char *worker, uint64_t sequence)
{
    uint32_t at = 0;
    check(strlen(worker) < RELAY_CURSOR_NAME_SIZE);
    while (at < cursor->count && strcmp(cursor->entries[at].worker, worker) != 0)
        at++;
    if (at == RELAY_CURSOR_WORKERS_MAX)
        return false;
    if (at == cursor->count) {
        memset(&cursor->entries[at], 0, sizeof cursor->entries[at]);
        memcpy(cursor->entries[at].worker, worker, strlen(worker));
        cursor->count++;
    }
    if (sequence > cursor->entries[at].sequence)
        cursor->entries[at].sequence = sequence;
    return true;
}

enum status relay_cursor_store(struct relay_cursor *cursor)
{
    uint8_t slot[RELAY_CURSOR_SLOT_SIZE];
    uint64_t generation = cursor->generation + 1;
    off_t at = (off_t)(generation % SLOTS) * RELAY_CURSOR_SLOT_SIZE;
    slot_encode(cursor, generation, slot);
    ssize_t size = pwrite(cursor->fd, slot, sizeof slot, at);
    if (size != (ssize_t)sizeof slot)
        return size < 0 ? file_status(errno) : STATUS_STORAGE_FULL;
    if (fdatasync(cursor->fd) != 0)
        return file_status(errno);
    cursor->generation = generation;
    return STATUS_OK;
}

enum status relay_cursor_peek(const char *path, const char *worker, uint64_t *sequence)
{
    struct relay_cursor cursor = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    *sequence = 0;
    if (cursor.fd < 0)
        return errno == ENOENT ? STATUS_OK : file_status(errno);
    enum status status = load(&cursor);
    if (status == STATUS_OK)
        *sequence = relay_cursor_get(&cursor, worker);
    relay_cursor_close(&cursor);
    return status;
}
