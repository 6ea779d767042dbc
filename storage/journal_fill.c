#include "journal_fill.h"
#include "crash_point.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_SIZE = 64 * 1024, PAUSE_AFTER_FAILURE = 1000 };

/* Not const: untouched .bss is one shared page, const data would be in the binary. */
static uint8_t zeros[CHUNK_SIZE];

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void journal_fill_step(struct journal_fill *fill, int fd, uint64_t used_end)
{
    if (fill->ahead == 0 || fill->end >= fill->limit || fill->end >= used_end + fill->ahead)
        return;
    if (fill->pause > 0) {
        fill->pause--;
        return;
    }
    struct stat file;
    if (fstat(fd, &file) != 0)
        return;
    uint64_t from = (uint64_t)file.st_size;
    uint64_t to = least(from + JOURNAL_FILL_STEP - from % JOURNAL_FILL_STEP, fill->limit);
    uint64_t at = from;
    if (from < used_end + fill->ahead) {
        while (at < to) {
            size_t size = (size_t)least(to - at, CHUNK_SIZE);
            ssize_t written = pwrite(fd, zeros, size, (off_t)at);
            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0) {
                fill->pause = PAUSE_AFTER_FAILURE;
                break;
            }
            at += (uint64_t)written;
        }
    }
    fill->end = at;
    CRASH_POINT(JOURNAL_FILLED);
    /* Starts the writing now, so that the next commit's fdatasync finds less to wait for. */
    if (at > from)
        sync_file_range(fd, (off_t)from, (off_t)(at - from), SYNC_FILE_RANGE_WRITE);
}
