#include "loss.h"

#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 256 };

struct change {
    const struct write_record *record;
    uint64_t at;
};

struct file {
    uint64_t inode;
    int fd;
    struct change *pending; /* in the order of the log */
    size_t pending_count, pending_capacity;
};

/* What a place held before an unsynced change went there. */
struct undo {
    struct file *file;
    uint64_t offset, size;
    uint64_t file_size; /* before */
    uint8_t *bytes;
};

struct loss_files {
    char directory[LOSS_PATH_SIZE];
    struct file files[FILES_MAX]; /* by serial */
    size_t count;
    struct undo *undos;
    size_t undo_count, undo_capacity;
};

uint64_t loss_random(struct loss_random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * UINT64_C(2685821657736338717);
}

static void path_of(const struct loss_files *files, uint64_t serial, char path[LOSS_PATH_SIZE])
{
    int length =
        snprintf(path, LOSS_PATH_SIZE, "%s/%llu", files->directory, (unsigned long long)serial);
    check(length > 0 && length < LOSS_PATH_SIZE);
}

struct loss_files *loss_files_create(const char *directory)
{
    struct loss_files *files = calloc(1, sizeof *files);
    check(files != NULL && strlen(directory) < sizeof files->directory);
    memcpy(files->directory, directory, strlen(directory) + 1);
    check(mkdir(directory, 0700) == 0 || errno == EEXIST);
    return files;
}

void loss_files_destroy(struct loss_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        char path[LOSS_PATH_SIZE];
        path_of(files, i, path);
        unlink(path);
        close(files->files[i].fd);
        free(files->files[i].pending);
    }
    rmdir(files->directory);
    free(files->undos);
    free(files);
}

void loss_files_add(struct loss_files *files, uint64_t inode)
{
    char path[LOSS_PATH_SIZE];
    check(files->count < FILES_MAX);
    struct file *file = &files->files[files->count];
    path_of(files, files->count++, path);
    *file = (struct file){.inode = inode,
                          .fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    check(file->fd >= 0);
}

uint64_t loss_files_serial(const struct loss_files *files, uint64_t inode)
{
    for (size_t i = files->count; i-- > 0;)
        if (files->files[i].inode == inode)
            return i;
    check_never("a change of a file that the log has not seen made");
}

bool loss_files_link(const struct loss_files *files, uint64_t serial, const char *path)
{
    char from[LOSS_PATH_SIZE];
    path_of(files, serial, from);
    return link(from, path) == 0;
}

static struct file *file_of(struct loss_files *files, uint64_t inode)
{
    return &files->files[loss_files_serial(files, inode)];
}

void loss_files_change(struct loss_files *files, const struct write_record *record, uint64_t at)
{
    struct file *file = file_of(files, record->inode);
    if (file->pending_count == file->pending_capacity) {
        file->pending_capacity = file->pending_capacity * 2 + 64;
        file->pending = reallocarray(file->pending, file->pending_capacity, sizeof *file->pending);
        check(file->pending != NULL);
    }
    file->pending[file->pending_count++] = (struct change){record, at};
}

static uint64_t file_size(const struct file *file)
{
    struct stat found;
    check(fstat(file->fd, &found) == 0);
    return (uint64_t)found.st_size;
}

static void put(const struct file *file, const void *bytes, uint64_t size, uint64_t offset)
{
    check(pwrite(file->fd, bytes, size, (off_t)offset) == (ssize_t)size);
}

/* Zeros go beyond the end of a journal's file, where growing it says the same. */
static void put_zeros(const struct file *file, const struct write_record *record)
{
    uint64_t size = file_size(file);
    if (record->offset < size) {
        uint64_t inside = size - record->offset;
        inside = inside < record->length ? inside : record->length;
        void *zeros = calloc(1, inside);
        check(zeros != NULL);
        put(file, zeros, inside, record->offset);
        free(zeros);
    }
    if (record->offset + record->length > size)
        check(ftruncate(file->fd, (off_t)(record->offset + record->length)) == 0);
}

static void make(const struct file *file, const struct write_record *record)
{
    if (record->kind == WRITE_SIZE)
        check(ftruncate(file->fd, (off_t)record->offset) == 0);
    else if (record->kind == WRITE_ZEROS)
        put_zeros(file, record);
    else
        put(file, record + 1, record->length, record->offset);
}

/* offset 1 in the record: an O_DSYNC write, which makes itself durable and nothing else. */
void loss_files_synced(struct loss_files *files, const struct write_record *record)
{
    struct file *file = file_of(files, record->inode);
    size_t kept = 0;
    for (size_t i = 0; i < file->pending_count; i++) {
        const struct change *change = &file->pending[i];
        bool covered = record->offset == 1 ? change->at == record->sync : change->at < record->sync;
        if (covered)
            make(file, change->record);
        else
            file->pending[kept++] = *change;
    }
    file->pending_count = kept;
}

/* ---- trying out what is not durable ---- */

static void remember(struct loss_files *files, struct file *file, uint64_t offset, uint64_t size)
{
    if (files->undo_count == files->undo_capacity) {
        files->undo_capacity = files->undo_capacity * 2 + 64;
        files->undos = reallocarray(files->undos, files->undo_capacity, sizeof *files->undos);
        check(files->undos != NULL);
    }
    struct undo *undo = &files->undos[files->undo_count++];
    *undo = (struct undo){file, offset, size, file_size(file), NULL};
    if (undo->offset >= undo->file_size)
        undo->size = 0;
    else if (undo->offset + size > undo->file_size)
        undo->size = undo->file_size - undo->offset;
    if (undo->size == 0)
        return;
    undo->bytes = malloc(undo->size);
    check(undo->bytes != NULL);
    check(pread(file->fd, undo->bytes, undo->size, (off_t)offset) == (ssize_t)undo->size);
}

static void try_whole(struct loss_files *files, struct file *file,
                      const struct write_record *record)
{
    if (record->kind == WRITE_SIZE)
        remember(files, file, record->offset, file_size(file));
    else
        remember(files, file, record->offset, record->length);
    make(file, record);
}

/* Any of its sectors may be missing; what is there is whole. */
static void try_torn(struct loss_files *files, struct file *file, const struct write_record *record,
                     struct loss_random *random)
{
    const uint8_t *bytes = (const uint8_t *)(record + 1);
    if (record->kind != WRITE_DATA || record->length <= LOSS_SECTOR) {
        try_whole(files, file, record);
        return;
    }
    for (uint64_t at = 0; at < record->length; at += LOSS_SECTOR) {
        uint64_t size = record->length - at < LOSS_SECTOR ? record->length - at : LOSS_SECTOR;
        if (loss_random(random) % 4 == 0)
            continue;
        remember(files, file, record->offset + at, size);
        put(file, bytes + at, size, record->offset + at);
    }
}

static void apply_file(struct loss_files *files, struct file *file, enum loss_variant variant,
                       struct loss_random *random)
{
    uint64_t missing = file->pending_count == 0 ? 0 : loss_random(random) % file->pending_count;
    for (size_t i = 0; i < file->pending_count; i++) {
        const struct write_record *record = file->pending[i].record;
        bool is_kept = true;
        if (variant == LOSS_ONE)
            is_kept = i != missing;
        else if (variant == LOSS_SOME || variant == LOSS_TORN)
            is_kept = loss_random(random) % 2 == 0;
        if (!is_kept)
            continue;
        if (variant == LOSS_TORN)
            try_torn(files, file, record, random);
        else
            try_whole(files, file, record);
    }
}

void loss_files_apply(struct loss_files *files, enum loss_variant variant,
                      struct loss_random *random)
{
    check(files->undo_count == 0);
    for (size_t i = 0; variant != LOSS_ALL && i < files->count; i++)
        apply_file(files, &files->files[i], variant, random);
}

void loss_files_undo(struct loss_files *files)
{
    while (files->undo_count > 0) {
        struct undo *undo = &files->undos[--files->undo_count];
        check(ftruncate(undo->file->fd, (off_t)undo->file_size) == 0);
        if (undo->size > 0)
            put(undo->file, undo->bytes, undo->size, undo->offset);
        free(undo->bytes);
    }
}
