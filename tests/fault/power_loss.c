/* Replays what record_writes.c has logged, up to many moments, and asks of each: had the power gone
 * then, would the next start find everything that clients had been told?
 *
 *   power_loss LOG TOLD DATA WORK STATES SEED [KEEP]
 *
 * LOG    the log                       WORK    a directory for the images, best in memory
 * TOLD   struct loss_told, in order    STATES  how many states to look at
 * DATA   the recorded data directory   KEEP    leaves every KEEP-th state in WORK/kept-N as well
 *
 * A moment is a record of the log. What was written before it and not synced may have reached the
 * disk in whole, not at all, or in part (enum loss_variant). Half of the work is done by each of
 * two processes. Exit code 0: no state was wrong. */

#include "check.h"
#include "loss.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, CHECK_ALL_EVERY = 50, WRONG_PRINTED_MAX = 10 };

struct replay {
    const struct write_log *log;
    const struct loss_told *told;
    size_t told_count;
    const char *data, *work;
    uint64_t states, seed, keep;
    uint64_t candidates;
};

/* What the two processes tell the first one. */
struct tally {
    _Atomic uint64_t checked[LOSS_VARIANTS], wrong;
    _Atomic uint64_t at[WORKERS], variant[WORKERS]; /* being looked at: for one that dies of it */
};

struct worker {
    const struct replay *replay;
    struct tally *tally;
    unsigned number;
    struct loss_files *files;
    struct loss_names *names;
    char image[LOSS_PATH_SIZE];
    uint64_t candidate, chosen;
    size_t told_count; /* by now */
};

static const void *map(const char *path, size_t *size)
{
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    check(fd >= 0 && fstat(fd, &file) == 0);
    *size = (size_t)file.st_size;
    const void *mapped = *size == 0 ? "" : mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
    check(mapped != MAP_FAILED);
    close(fd);
    return mapped;
}

/* NULL at the end. */
static const struct write_record *next_record(const struct write_log *log, uint64_t *at)
{
    if (*at >= atomic_load(&log->end))
        return NULL;
    const void *place = (const char *)log + *at;
    const struct write_record *record = place;
    uint32_t size = atomic_load_explicit(&record->size, memory_order_acquire);
    if (size == 0) /* its process was stopped while it wrote this */
        return NULL;
    *at += size;
    return record;
}

/* Which variants are worth a look once this record stands. */
static unsigned variants_of(const struct write_record *record)
{
    switch (record->kind) {
    case WRITE_SYNC_BEGIN:
    case WRITE_DIRECTORY_SYNC_BEGIN:
    case WRITE_RECEIVED:
        return 0;
    case WRITE_SENT:
        return 1u << LOSS_ALL | 1u << LOSS_SOME;
    default:
        return (1u << LOSS_VARIANTS) - 1;
    }
}

static void step(struct worker *worker, const struct write_record *record, uint64_t at)
{
    uint64_t serial = 0;
    switch (record->kind) {
    case WRITE_CREATE:
        loss_files_add(worker->files, record->inode);
        serial = loss_files_serial(worker->files, record->inode);
        loss_names_change(worker->names, record, at, serial);
        break;
    case WRITE_MKDIR:
    case WRITE_RENAME:
    case WRITE_UNLINK:
        loss_names_change(worker->names, record, at, serial);
        break;
    case WRITE_DATA:
    case WRITE_ZEROS:
    case WRITE_SIZE:
        loss_files_change(worker->files, record, at);
        break;
    case WRITE_SYNC_END:
        loss_files_synced(worker->files, record);
        break;
    case WRITE_DIRECTORY_SYNC_END:
        loss_names_synced(worker->names, record);
        break;
    default:
        break;
    }
}

static void keep_image(const struct worker *worker)
{
    char command[3 * LOSS_PATH_SIZE];
    snprintf(command, sizeof command, "cp -r --sparse=always '%s' '%s/kept-%" PRIu64 "'",
             worker->image, worker->replay->work, worker->chosen);
    check(system(command) == 0); /* NOLINT: paths of the test's own */
}

static void look(struct worker *worker, uint64_t at, enum loss_variant variant)
{
    static const char *const texts[] = {"nothing", "all", "one", "some", "torn"};
    const struct replay *replay = worker->replay;
    struct loss_random random = {replay->seed * UINT64_C(0x9e3779b97f4a7c15) + at * 8 + variant +
                                 1};
    atomic_store(&worker->tally->at[worker->number], at);
    atomic_store(&worker->tally->variant[worker->number], variant);
    loss_files_apply(worker->files, variant, &random);
    loss_names_apply(worker->names, worker->files, variant, &random);
    struct loss_case state = {
        .path = worker->image,
        .told = replay->told,
        .told_count = worker->told_count,
        .check_all = worker->chosen % CHECK_ALL_EVERY == 0,
        .random = &random,
    };
    if (replay->keep != 0 && worker->chosen % replay->keep == 0)
        keep_image(worker);
    if (!loss_check(&state)) {
        if (atomic_fetch_add(&worker->tally->wrong, 1) < WRONG_PRINTED_MAX)
            printf("at %" PRIu64 ", lost %s, %zu answers given:\n%s", at, texts[variant],
                   worker->told_count, state.report);
        free(state.report);
    }
    loss_files_undo(worker->files);
    atomic_fetch_add(&worker->tally->checked[variant], 1);
}

/* Every n-th of all candidates, evenly over the log. */
static bool is_chosen(struct worker *worker)
{
    const struct replay *replay = worker->replay;
    uint64_t number = worker->candidate++;
    if (replay->states < replay->candidates && (number + 1) * replay->states / replay->candidates ==
                                                   number * replay->states / replay->candidates)
        return false;
    return ++worker->chosen % WORKERS == worker->number;
}

static void run(struct worker *worker)
{
    const struct replay *replay = worker->replay;
    const struct write_record *record;
    char store[LOSS_PATH_SIZE];
    snprintf(worker->image, sizeof worker->image, "%s/image-%u", replay->work, worker->number);
    snprintf(store, sizeof store, "%s/files-%u", replay->work, worker->number);
    worker->files = loss_files_create(store);
    worker->names = loss_names_create(replay->data, worker->image);
    uint64_t at = sizeof *replay->log, next = at;
    while ((record = next_record(replay->log, &next)) != NULL) {
        step(worker, record, at);
        while (worker->told_count < replay->told_count && replay->told[worker->told_count].at <= at)
            worker->told_count++;
        unsigned variants = variants_of(record);
        for (unsigned variant = 0; variant < LOSS_VARIANTS; variant++)
            if ((variants >> variant & 1) != 0 && is_chosen(worker))
                look(worker, at, variant);
        at = next;
    }
    loss_names_destroy(worker->names);
    loss_files_destroy(worker->files);
}

static uint64_t count_candidates(const struct replay *replay)
{
    const struct write_record *record;
    uint64_t at = sizeof *replay->log, count = 0;
    while ((record = next_record(replay->log, &at)) != NULL)
        count += (unsigned)__builtin_popcount(variants_of(record));
    return count;
}

static bool run_workers(const struct replay *replay, struct tally *tally)
{
    pid_t pids[WORKERS];
    bool ended_well = true;
    for (unsigned i = 0; i < WORKERS; i++) {
        fflush(stdout);
        pids[i] = fork();
        check(pids[i] >= 0);
        if (pids[i] == 0) {
            struct worker worker = {.replay = replay, .tally = tally, .number = i};
            run(&worker);
            fflush(stdout);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status = 0;
        check(waitpid(pids[i], &status, 0) == pids[i]);
        if (status == 0)
            continue;
        ended_well = false;
        printf("recovery died (status %#x) at %" PRIu64 ", variant %" PRIu64 "\n", (unsigned)status,
               atomic_load(&tally->at[i]), atomic_load(&tally->variant[i]));
    }
    return ended_well;
}

int main(int argc, char **argv)
{
    size_t log_size, told_size;
    if (argc < 7 || argc > 8) {
        fprintf(stderr, "usage: %s LOG TOLD DATA WORK STATES SEED [KEEP]\n", argv[0]);
        return 64;
    }
    struct replay replay = {
        .log = map(argv[1], &log_size),
        .told = map(argv[2], &told_size),
        .data = argv[3],
        .work = argv[4],
        .states = strtoull(argv[5], NULL, 10),
        .seed = strtoull(argv[6], NULL, 10),
        .keep = argc > 7 ? strtoull(argv[7], NULL, 10) : 0,
    };
    replay.told_count = told_size / sizeof *replay.told;
    replay.candidates = count_candidates(&replay);
    struct tally *tally =
        mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(tally != MAP_FAILED);
    bool ended_well = run_workers(&replay, tally);
    uint64_t checked = 0;
    for (unsigned i = 0; i < LOSS_VARIANTS; i++)
        checked += atomic_load(&tally->checked[i]);
    printf("states %" PRIu64 " of %" PRIu64 " possible: nothing lost %" PRIu64
           ", all unsynced %" PRIu64 ", one write %" PRIu64 ", some %" PRIu64 ", torn %" PRIu64
           "; answers %zu; "
           "wrong %" PRIu64 "\n",
           checked, replay.candidates, atomic_load(&tally->checked[LOSS_NOTHING]),
           atomic_load(&tally->checked[LOSS_ALL]), atomic_load(&tally->checked[LOSS_ONE]),
           atomic_load(&tally->checked[LOSS_SOME]), atomic_load(&tally->checked[LOSS_TORN]),
           replay.told_count, atomic_load(&tally->wrong));
    return ended_well && atomic_load(&tally->wrong) == 0 ? 0 : 1;
}
