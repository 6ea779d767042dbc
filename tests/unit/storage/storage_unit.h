#ifndef BOXOFFICE_TEST_STORAGE_UNIT_H
#define BOXOFFICE_TEST_STORAGE_UNIT_H

#include "journal.h"
#include "scratch.h"
#include "unit.h"
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Scratch directories, journals with known contents, and this program as another process. */

enum { TEST_PATH_MAX = 512, TEST_MAP_SIZE = 64 << 20 };

static char scratch[TEST_PATH_MAX];

static inline int scratch_setup(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/boxoffice-storage-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(scratch) != NULL ? 0 : -1;
}

static inline int scratch_teardown(void **state)
{
    (void)state;
    return scratch_remove(scratch);
}

#define scratch_test(function)                                                                     \
    cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

static inline const char *scratch_path(const char *name)
{
    static char paths[4][TEST_PATH_MAX + 128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline struct journal *journal_of(const char *name, uint64_t floor)
{
    struct journal *journal;
    const struct journal_options options = {.size_max = TEST_MAP_SIZE, .floor = floor};
    assert_int_equal(journal_open(&journal, scratch_path(name), &options), STATUS_OK);
    return journal;
}

/* A range that processes share: in a file beside the journal. */
static inline struct journal_range *range_beside(const char *path)
{
    char file[TEST_PATH_MAX + 160];
    snprintf(file, sizeof file, "%s.range", path);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct journal_range)) != 0)
        abort();
    void *mapped =
        mmap(NULL, sizeof(struct journal_range), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        abort();
    close(fd);
    return mapped;
}

static inline void range_unmap(struct journal_range *range)
{
    munmap(range, sizeof *range);
}

/* Events of a test carry their sequence in the payload, repeated to some length, so that a reader
 * can tell that each record is its own. */
enum { TEST_PAYLOAD_MAX = 400 };

static inline size_t test_payload(uint64_t sequence, uint8_t payload[TEST_PAYLOAD_MAX])
{
    size_t size = 8 * (1 + sequence % 16);
    for (size_t i = 0; i < size; i += 8)
        memcpy(payload + i, &sequence, 8);
    return size;
}

static inline enum status append_test_event(struct journal *journal, uint64_t *sequence)
{
    uint8_t payload[TEST_PAYLOAD_MAX];
    uint64_t next = journal_next_sequence(journal);
    const struct journal_event event = {
        .aggregate = next * 3,
        .aggregate_version = next * 5,
        .actor = next * 7,
        .at_ms = next * 11,
        .kind = (uint16_t)(1 + next % 60000),
        .actor_kind = (uint8_t)next,
        .payload = payload,
        .payload_size = test_payload(next, payload),
    };
    return journal_append(journal, &event, sequence);
}

static inline bool is_test_event(const struct journal_event *event)
{
    uint8_t payload[TEST_PAYLOAD_MAX];
    uint64_t sequence = event->sequence;
    size_t size = test_payload(sequence, payload);
    return event->aggregate == sequence * 3 && event->aggregate_version == sequence * 5 &&
           event->actor == sequence * 7 && event->at_ms == sequence * 11 &&
           event->kind == 1 + sequence % 60000 && event->actor_kind == (uint8_t)sequence &&
           event->payload_size == size && memcmp(event->payload, payload, size) == 0;
}

static inline struct journal_trailer trailer_of(uint64_t clock_ms)
{
    return (struct journal_trailer){
        .clock_ms = clock_ms,
        .segment_id = clock_ms * 13,
        .mark_count = 2,
        .marks = {{1, clock_ms * 17}, {9, clock_ms * 19}},
    };
}

/* One transaction of `count` events; only `kept` records of before stay. Returns the status of the
 * first call that failed. */
static inline enum status commit_and_trim(struct journal *journal, unsigned count, uint64_t kept)
{
    uint64_t last = journal_last_sequence(journal);
    const struct journal_trailer trailer = trailer_of(journal_next_sequence(journal) + count);
    enum status status = journal_begin(journal);
    if (status != STATUS_OK)
        return status;
    for (unsigned i = 0; i < count; i++)
        (void)append_test_event(journal, NULL); /* sticky */
    if (last > kept)
        journal_trim(journal, last - kept);
    return journal_commit(journal, &trailer);
}

static inline enum status commit_test_events(struct journal *journal, unsigned count)
{
    return commit_and_trim(journal, count, UINT64_MAX);
}

/* The file of a segment of the journal "journal". */
static inline const char *segment_path(unsigned number)
{
    char name[64];
    snprintf(name, sizeof name, "journal/%016u.log", number);
    return scratch_path(name);
}

static inline unsigned count_segments(void)
{
    unsigned count = 0;
    for (unsigned number = 1; number < 1000; number++)
        count += access(segment_path(number), F_OK) == 0;
    return count;
}

/* What a read of a whole journal saw. */
struct test_read {
    uint64_t first, last, count;
    bool is_wrong; /* a record that is not its own, or two with more than a trailer between */
};

static inline bool note_test_event(void *context, const struct journal_event *event)
{
    struct test_read *read = context;
    if (!is_test_event(event))
        read->is_wrong = true;
    if (read->count == 0)
        read->first = event->sequence;
    else if (event->sequence <= read->last || event->sequence > read->last + 2)
        read->is_wrong = true;
    read->last = event->sequence;
    read->count++;
    return true;
}

static inline struct test_read read_test_events(struct journal *journal, uint64_t from)
{
    struct test_read read = {0};
    assert_int_equal(journal_read(journal, from, note_test_event, &read), STATUS_OK);
    assert_false(read.is_wrong);
    return read;
}

/* Of a read beside a writer that trims. */
struct place {
    const struct journal *journal;
    uint64_t last;
    bool is_wrong;
};

/* What was trimmed while it was read is left out: then the journal begins there. */
static inline bool note_place(void *context, const struct journal_event *event)
{
    struct place *place = context;
    bool follows = place->last == 0 || event->sequence <= place->last + 2 ||
                   event->sequence <= journal_first_sequence(place->journal) + 1;
    if (!is_test_event(event) || event->sequence <= place->last || !follows)
        place->is_wrong = true;
    place->last = event->sequence;
    return true;
}

/* This program again, as `role`, with a pipe in each direction (its stdin and stdout). */
struct test_child {
    pid_t pid;
    int to, from;
};

extern char **environ;

static inline struct test_child child_start(const char *role, const char *path)
{
    int down[2], up[2];
    struct test_child child;
    posix_spawn_file_actions_t actions;
    char *arguments[] = {"test", (char *)(uintptr_t)role, (char *)(uintptr_t)path, NULL};
    assert_int_equal(pipe2(down, O_CLOEXEC), 0);
    assert_int_equal(pipe2(up, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, down[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, up[1], STDOUT_FILENO);
    assert_int_equal(posix_spawn(&child.pid, "/proc/self/exe", &actions, NULL, arguments, environ),
                     0);
    posix_spawn_file_actions_destroy(&actions);
    close(down[0]);
    close(up[1]);
    child.to = down[1];
    child.from = up[0];
    return child;
}

static inline int child_wait(struct test_child *child)
{
    int how;
    assert_int_equal(waitpid(child->pid, &how, 0), child->pid);
    close(child->to);
    close(child->from);
    return how;
}

static inline void send_number(int fd, uint64_t number)
{
    if (write(fd, &number, sizeof number) != sizeof number)
        abort();
}

/* False at the end of the pipe. */
static inline bool receive_number(int fd, uint64_t *number)
{
    return read(fd, number, sizeof *number) == sizeof *number;
}

/* Where `size` bytes occur in a file, from `start`; -1: nowhere. */
static inline long file_find(const char *path, const void *bytes, size_t size, long start)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &file), 0);
    uint8_t *data = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(data != MAP_FAILED);
    uint8_t *found = memmem(data + start, (size_t)(file.st_size - start), bytes, size);
    long at = found == NULL ? -1 : (long)(found - data);
    munmap(data, (size_t)file.st_size);
    close(fd);
    return at;
}

static inline void file_flip(const char *path, long at, uint8_t bits)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= bits;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

#endif
