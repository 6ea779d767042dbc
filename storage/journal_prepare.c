#include "check.h"
#include "crash_point.h"
#include "journal_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The files ahead of the log: the rest of the current segment and the next one are filled with
 * zeros, or the next one is an old one that is used again. fallocate would not do: its extents are
 * converted at the first write, which is a change of metadata in every commit. */

enum { FILL_STEP = 256 << 10, CHUNK_SIZE = 64 << 10, PAUSE_AFTER_FAILURE = 1000 };

/* Not const: untouched .bss is one shared page, const data would be in the binary. */
static uint8_t zeros[CHUNK_SIZE];

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static enum status next_create(struct journal *journal)
{
    char path[JOURNAL_PATH_MAX];
    struct stat file;
    journal_segment_path(journal->directory, journal_next_number(journal), path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return file_status(errno);
    if (fstat(fd, &file) != 0) {
        close(fd);
        return STATUS_IO;
    }
    journal->next = (struct journal_next){fd, (uint64_t)file.st_size, true};
    CRASH_POINT(SEGMENT_CREATED);
    return STATUS_OK;
}

enum status journal_next_ready(struct journal *journal)
{
    enum status status = STATUS_OK;
    if (journal->next.fd < 0)
        status = next_create(journal);
    if (status == STATUS_OK && journal->next.is_name_new) {
        if (fsync(journal->directory_fd) != 0)
            return STATUS_IO;
        journal->next.is_name_new = false;
    }
    return status;
}

/* One step of zeros at the file's end. *filled moves as far as that worked. */
static void fill(struct journal *journal, int fd, uint64_t *filled)
{
    uint64_t from = *filled;
    uint64_t to = least(from + FILL_STEP - from % FILL_STEP, journal->segment_size);
    while (*filled < to) {
        size_t size = (size_t)least(to - *filled, CHUNK_SIZE);
        ssize_t written = pwrite(fd, zeros, size, (off_t)*filled);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            journal->fill_pause = PAUSE_AFTER_FAILURE;
            break;
        }
        *filled += (uint64_t)written;
    }
    CRASH_POINT(JOURNAL_FILLED);
    /* Starts the writing now, so that the next commit's fdatasync finds less to wait for. */
    if (*filled > from)
        sync_file_range(fd, (off_t)from, (off_t)(*filled - from), SYNC_FILE_RANGE_WRITE);
}

/* A sync waits for all that its file has still to write, zeros too. So it is the next file that is
 * filled, while the second half of the current one is used: until then a trimmed one may become it.
 * The current file is filled only when it was begun without that, as the first one is. */
void journal_fill_step(struct journal *journal)
{
    uint64_t used = journal_newest(journal) == NULL ? 0 : journal_newest(journal)->size;
    uint64_t size = journal->segment_size, ahead = least(journal->fill_ahead, size / 4);
    uint64_t for_next = 2 * used > size ? least(2 * used - size, journal->fill_ahead) : 0;
    if (journal->fill_pause > 0)
        journal->fill_pause--;
    else if (journal->fd >= 0 && journal->filled < least(used + ahead, size))
        fill(journal, journal->fd, &journal->filled);
    else if (journal->next.fd >= 0 && journal->next.filled < least(for_next, size))
        fill(journal, journal->next.fd, &journal->next.filled);
    else if (journal->next.fd < 0 && for_next > 0 && next_create(journal) != STATUS_OK)
        journal->fill_pause = PAUSE_AFTER_FAILURE;
}

/* The old file becomes the next one, unless a reader has it open. */
static bool use_again(struct journal *journal, const char *path)
{
    char to[JOURNAL_PATH_MAX];
    struct stat file;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    journal_segment_path(journal->directory, journal_next_number(journal), to);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &file) != 0 || rename(path, to) != 0) {
        close(fd);
        return false;
    }
    flock(fd, LOCK_UN);
    journal->next = (struct journal_next){fd, (uint64_t)file.st_size, true};
    CRASH_POINT(SEGMENT_RENAMED);
    return true;
}

void journal_drop_segment(struct journal *journal)
{
    char path[JOURNAL_PATH_MAX];
    if (journal->segment_count < 2 || journal->segments[1].first > journal->first)
        return;
    struct journal_segment oldest = journal->segments[0];
    journal_views_close(journal, oldest.number + 1);
    journal_segment_path(journal->directory, oldest.number, path);
    bool is_gone = journal->next.fd < 0 && use_again(journal, path);
    if (!is_gone && unlink(path) != 0 && errno != ENOENT)
        return; /* again after the next commit */
    CRASH_POINT(SEGMENT_DROPPED);
    journal_segments_remove(journal, 1);
    journal->bytes -= oldest.size;
}
