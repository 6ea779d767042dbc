#include "journal_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CHUNK_SIZE = 1 << 20 };

/* Up to `last`; *end: behind that record. */
static enum status verify(const struct journal_view *view, uint64_t sequence, uint64_t last,
                          size_t *end)
{
    struct journal_event event;
    size_t offset = JOURNAL_SEGMENT_HEADER_SIZE;
    for (; sequence <= last; sequence++) {
        enum status status =
            journal_record_decode(view->bytes + offset, view->size - offset, sequence, &event);
        if (status != STATUS_OK)
            return status;
        offset += journal_record_size(&event);
    }
    *end = offset;
    return STATUS_OK;
}

static enum status write_file(int fd, const uint8_t *bytes, size_t size, journal_copy_cb cb,
                              const void *context)
{
    for (size_t at = 0; at < size; at += CHUNK_SIZE) {
        enum status status = cb(context);
        if (status == STATUS_OK)
            status =
                file_write(fd, bytes + at, size - at < CHUNK_SIZE ? size - at : CHUNK_SIZE, at);
        if (status != STATUS_OK)
            return status;
    }
    return fsync(fd) == 0 ? STATUS_OK : file_status(errno);
}

enum status journal_copy(struct journal *journal, const char *directory, journal_copy_cb cb,
                         const void *context, uint64_t *records, uint64_t *bytes)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < journal->segment_count && status == STATUS_OK; i++) {
        char path[JOURNAL_PATH_MAX];
        struct journal_view *view;
        size_t end = 0;
        const struct journal_segment *segment = &journal->segments[i];
        status = journal_view_open(journal, segment, &view);
        if (status == STATUS_OK)
            status = verify(view, segment->first, journal_segment_last(journal, i), &end);
        if (status != STATUS_OK)
            return status;
        journal_segment_path(directory, segment->number, path);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
            return file_status(errno);
        status = write_file(fd, view->bytes, end, cb, context);
        close(fd);
        *bytes += end;
    }
    *records += journal_record_count(journal);
    return status == STATUS_OK ? directory_sync(directory) : status;
}
