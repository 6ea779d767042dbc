#include "bytes.h"
#include "check.h"
#include "crc32c.h"
#include "journal_internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Segment header: magic(8) version(4) crc32c(4, of the rest and the version) number(8) first(8)
 * previous(8). A file without a sound one, or with that of another number, has not been begun: its
 * contents mean nothing. */
enum {
    VERSION = 1,
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_NUMBER = 16,
    AT_FIRST = 24,
    AT_PREVIOUS = 32,
    NAME_DIGITS = 16,
    MAPPED_MIN = 64 << 20, /* bytes of addresses; a file may grow behind what is mapped */
};
_Static_assert(AT_PREVIOUS + 8 == JOURNAL_SEGMENT_HEADER_SIZE, "records follow the header");

static const uint8_t magic[8] = {'b', 'o', 'x', 'j', 'r', 'n', 'l', '\n'};
static const char suffix[] = ".log";

void journal_segment_path(const char *directory, uint64_t number, char path[JOURNAL_PATH_MAX])
{
    snprintf(path, JOURNAL_PATH_MAX, "%s/%0*" PRIu64 "%s", directory, NAME_DIGITS, number, suffix);
}

static uint32_t header_crc(const uint8_t *header)
{
    uint32_t crc = crc32c(0, header + AT_VERSION, AT_CRC - AT_VERSION);
    return crc32c(crc, header + AT_NUMBER, JOURNAL_SEGMENT_HEADER_SIZE - AT_NUMBER);
}

void journal_segment_header(const struct journal_segment *segment,
                            uint8_t header[JOURNAL_SEGMENT_HEADER_SIZE])
{
    memcpy(header, magic, sizeof magic);
    store_le32(header + AT_VERSION, VERSION);
    store_le64(header + AT_NUMBER, segment->number);
    store_le64(header + AT_FIRST, segment->first);
    store_le64(header + AT_PREVIOUS, segment->previous);
    store_le32(header + AT_CRC, header_crc(header));
}

/* STATUS_NOT_FOUND: not begun. */
static enum status header_decode(const uint8_t *header, struct journal_segment *segment)
{
    uint64_t number = segment->number;
    if (memcmp(header, magic, sizeof magic) != 0 ||
        load_le32(header + AT_CRC) != header_crc(header) || load_le64(header + AT_NUMBER) != number)
        return STATUS_NOT_FOUND;
    if (load_le32(header + AT_VERSION) != VERSION)
        return STATUS_MISMATCH;
    segment->first = load_le64(header + AT_FIRST);
    segment->previous = load_le64(header + AT_PREVIOUS);
    return segment->first > segment->previous ? STATUS_OK : STATUS_CORRUPT;
}

/* Whole, or STATUS_NOT_FOUND. */
static enum status read_at(int fd, void *to, size_t size)
{
    ssize_t got;
    do
        got = pread(fd, to, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return file_status(errno);
    return (size_t)got == size ? STATUS_OK : STATUS_NOT_FOUND;
}

enum status journal_segment_look(const struct journal *journal, struct journal_segment *segment)
{
    char path[JOURNAL_PATH_MAX];
    uint8_t header[JOURNAL_SEGMENT_HEADER_SIZE];
    journal_segment_path(journal->directory, segment->number, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_status(errno);
    enum status status = read_at(fd, header, sizeof header);
    close(fd);
    return status == STATUS_OK ? header_decode(header, segment) : status;
}

/* ---- the table ---- */

enum status journal_segments_reserve(struct journal *journal)
{
    if (journal->segment_count < journal->segment_capacity)
        return STATUS_OK;
    size_t capacity = journal->segment_capacity * 2 + 32;
    void *grown = reallocarray(journal->segments, capacity, sizeof *journal->segments);
    if (grown == NULL)
        return STATUS_NO_MEMORY;
    journal->segments = grown;
    journal->segment_capacity = capacity;
    return STATUS_OK;
}

enum status journal_segments_add(struct journal *journal, const struct journal_segment *segment)
{
    enum status status = journal_segments_reserve(journal);
    if (status == STATUS_OK)
        journal->segments[journal->segment_count++] = *segment;
    return status;
}

void journal_segments_forget(struct journal *journal)
{
    for (size_t i = 0; i < journal->segment_count; i++)
        if (journal->segments[i].fd >= 0)
            close(journal->segments[i].fd);
    journal->segment_count = 0;
}

struct journal_segment *journal_newest(const struct journal *journal)
{
    return journal->segment_count == 0 ? NULL : &journal->segments[journal->segment_count - 1];
}

uint64_t journal_next_number(const struct journal *journal)
{
    const struct journal_segment *newest = journal_newest(journal);
    return newest == NULL ? 1 : newest->number + 1;
}

uint64_t journal_segment_last(const struct journal *journal, size_t index)
{
    bool is_newest = index + 1 == journal->segment_count;
    return is_newest ? journal->last : journal->segments[index + 1].previous;
}

/* False: not a segment's name. */
static bool number_of(const char *name, uint64_t *number)
{
    char *end;
    if (strlen(name) != NAME_DIGITS + sizeof suffix - 1 ||
        strspn(name, "0123456789") != NAME_DIGITS || strcmp(name + NAME_DIGITS, suffix) != 0)
        return false;
    *number = strtoull(name, &end, 10);
    return *number > 0;
}

static enum status numbers_load(struct journal *journal)
{
    DIR *directory = opendir(journal->directory);
    if (directory == NULL)
        return file_status(errno);
    enum status status = STATUS_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL)
            break;
        struct journal_segment segment = {.fd = -1};
        if (number_of(entry->d_name, &segment.number))
            status = journal_segments_add(journal, &segment);
        if (status != STATUS_OK)
            break;
    }
    if (status == STATUS_OK)
        status = file_status(errno);
    closedir(directory);
    return status;
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = ((const struct journal_segment *)a)->number;
    uint64_t right = ((const struct journal_segment *)b)->number;
    return left < right ? -1 : left > right;
}

/* Keeps the newest row of those that have been begun. A writer may take away the oldest meanwhile;
 * whether one is missing that is needed can be told by its first sequence. */
static enum status headers_load(struct journal *journal)
{
    size_t kept = 0;
    bool is_broken = false;
    check(journal->segments != NULL);
    for (size_t i = 0; i < journal->segment_count; i++) {
        struct journal_segment segment = journal->segments[i];
        enum status status = journal_segment_look(journal, &segment);
        if (status == STATUS_NOT_FOUND) {
            is_broken = true;
            continue;
        }
        if (status != STATUS_OK)
            return status;
        if (is_broken || (kept > 0 && segment.number != journal->segments[kept - 1].number + 1))
            kept = 0;
        if (kept > 0 && segment.previous < journal->segments[kept - 1].first)
            return STATUS_CORRUPT;
        is_broken = false;
        journal->segments[kept++] = segment;
    }
    journal->segment_count = kept;
    return STATUS_OK;
}

enum status journal_segments_load(struct journal *journal)
{
    journal_segments_forget(journal);
    enum status status = numbers_load(journal);
    if (status != STATUS_OK || journal->segment_count == 0)
        return status;
    qsort(journal->segments, journal->segment_count, sizeof journal->segments[0], by_number);
    return headers_load(journal);
}

enum status journal_segments_extend(struct journal *journal)
{
    if (journal->segment_count == 0)
        return journal_segments_load(journal);
    check(journal->segments != NULL);
    for (;;) {
        struct journal_segment segment = {.number = journal_next_number(journal), .fd = -1};
        enum status status = journal_segment_look(journal, &segment);
        if (status == STATUS_OK)
            status = journal_segments_add(journal, &segment);
        if (status != STATUS_OK)
            return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
}

/* Opens the file with a shared lock, while it has the name. A writer that is about to use it again
 * has it for itself: then it is as good as gone. */
static enum status segment_open(const struct journal *journal, uint64_t number, int *opened)
{
    char path[JOURNAL_PATH_MAX];
    struct stat file, named;
    journal_segment_path(journal->directory, number, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return file_status(errno);
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 && fstat(fd, &file) == 0 && stat(path, &named) == 0 &&
        file.st_ino == named.st_ino) {
        *opened = fd;
        return STATUS_OK;
    }
    close(fd);
    return STATUS_NOT_FOUND;
}

enum status journal_segments_hold(struct journal *journal)
{
    for (size_t i = 0; i < journal->segment_count; i++) {
        struct journal_segment *segment = &journal->segments[i];
        enum status status = segment_open(journal, segment->number, &segment->fd);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* ---- views ---- */

static enum status view_refresh(struct journal_view *view)
{
    struct stat file;
    if (fstat(view->fd, &file) != 0)
        return file_status(errno);
    view->size = (size_t)file.st_size;
    if (view->size <= view->mapped)
        return STATUS_OK;
    size_t mapped = view->mapped == 0 ? MAPPED_MIN : view->mapped;
    while (mapped < view->size)
        mapped *= 2;
    void *bytes = mmap(NULL, mapped, PROT_READ, MAP_SHARED, view->fd, 0);
    if (bytes == MAP_FAILED) {
        view->size = view->mapped;
        return STATUS_NO_MEMORY;
    }
    if (view->mapped > 0)
        munmap((void *)(uintptr_t)view->bytes, view->mapped);
    view->bytes = bytes;
    view->mapped = mapped;
    return STATUS_OK;
}

static void view_free(const struct journal *journal, struct journal_view *view)
{
    if (view->mapped > 0)
        munmap((void *)(uintptr_t)view->bytes, view->mapped);
    if (!journal->is_pinned && view->fd >= 0)
        close(view->fd);
    *view = (struct journal_view){.fd = -1};
}

void journal_views_close(struct journal *journal, uint64_t below)
{
    for (unsigned i = 0; i < JOURNAL_VIEWS; i++)
        if (journal->views[i].number != 0 && journal->views[i].number < below)
            view_free(journal, &journal->views[i]);
}

enum status journal_view_open(struct journal *journal, const struct journal_segment *segment,
                              struct journal_view **opened)
{
    for (unsigned i = 0; i < JOURNAL_VIEWS; i++)
        if (journal->views[i].number == segment->number) {
            *opened = &journal->views[i];
            return view_refresh(*opened);
        }
    struct journal_view *view = &journal->views[journal->next_view++ % JOURNAL_VIEWS];
    if (view->number != 0)
        view_free(journal, view);
    view->fd = segment->fd;
    enum status status = STATUS_OK;
    if (!journal->is_pinned)
        status = segment_open(journal, segment->number, &view->fd);
    if (status == STATUS_OK)
        status = view_refresh(view);
    if (status != STATUS_OK) {
        view_free(journal, view);
        return status;
    }
    view->number = segment->number;
    *opened = view;
    return STATUS_OK;
}

void journal_segments_remove(struct journal *journal, size_t count)
{
    journal_views_close(journal, journal->segments[count - 1].number + 1);
    journal->segment_count -= count;
    memmove(journal->segments, journal->segments + count,
            journal->segment_count * sizeof journal->segments[0]);
}

void journal_segments_trim(struct journal *journal)
{
    size_t gone = 0;
    while (gone + 1 < journal->segment_count && journal->segments[gone + 1].first <= journal->first)
        gone++;
    if (gone > 0)
        journal_segments_remove(journal, gone);
}

/* ---- the lock ---- */

enum status journal_lock(struct journal *journal)
{
    while (flock(journal->directory_fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return file_status(errno);
    return STATUS_OK;
}

void journal_unlock(struct journal *journal)
{
    flock(journal->directory_fd, LOCK_UN);
}
