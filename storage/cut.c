#include "cut.h"
#include "check.h"
#include "journal_internal.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

enum { VIEWS_MAX = 64 };

struct cut {
    unsigned count;
    struct cut_view views[VIEWS_MAX];
};

static enum status view_open(struct cut_view *view, const struct datadir *datadir)
{
    char path[DATADIR_PATH_MAX];
    const struct journal_options options = {.read_only = true};
    datadir_worker_path(datadir, view->role, view->instance, "journal", path);
    enum status status = journal_open(&view->journal, path, &options);
    if (status != STATUS_OK)
        return status;
    datadir_worker_path(datadir, view->role, view->instance, "state", path);
    return state_open(&view->state, path, 0, true);
}

static enum status add_views(struct cut *cut, const struct datadir *datadir, const char *role,
                             uint64_t instances)
{
    for (unsigned i = 0; i < instances; i++) {
        check(cut->count < VIEWS_MAX);
        struct cut_view *view = &cut->views[cut->count];
        *view = (struct cut_view){.role = role, .instance = i};
        enum status status = view_open(view, datadir);
        if (status == STATUS_NOT_FOUND && view->journal == NULL)
            continue;
        cut->count++;
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* ---- the instant ---- */

static void on_deadline(int signal_number)
{
    static const char line[] = "boxoffice: a worker holds its journal for too long; try again\n";
    (void)signal_number;
    (void)!write(STDERR_FILENO, line, sizeof line - 1);
    _exit(EX_TEMPFAIL);
}

static void deadline_start(struct sigaction *before)
{
    struct sigaction action = {.sa_handler = on_deadline};
    const struct itimerval timer = {
        .it_value = {.tv_sec = CUT_DEADLINE_MS / 1000, .tv_usec = CUT_DEADLINE_MS % 1000 * 1000}};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, before);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void deadline_stop(const struct sigaction *before)
{
    const struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, before, NULL);
}

static enum status lock_journals(struct cut *cut)
{
    for (unsigned i = 0; i < cut->count; i++) {
        enum status status = journal_lock(cut->views[i].journal);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* A journal is trimmed only below what its state has saved, so a state that is looked at while
 * nothing is trimmed goes with its journal. */
static enum status take_snapshots(struct cut *cut)
{
    enum status status = STATUS_OK;
    for (unsigned i = 0; i < cut->count && status == STATUS_OK; i++) {
        status = journal_pin(cut->views[i].journal);
        if (status == STATUS_OK)
            status = state_reader_open(&cut->views[i].reader, cut->views[i].state);
    }
    return status;
}

static enum status take_instant(struct cut *cut)
{
    enum status status = lock_journals(cut);
    if (status == STATUS_OK)
        status = take_snapshots(cut);
    for (unsigned i = 0; i < cut->count; i++)
        if (cut->views[i].journal != NULL)
            journal_unlock(cut->views[i].journal);
    return status;
}

/* Failing to is no error: then there may be too few. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- public ---- */

enum status cut_open(struct cut **cut, const struct datadir *datadir)
{
    struct cut *made = calloc(1, sizeof *made);
    *cut = NULL;
    if (made == NULL)
        return STATUS_NO_MEMORY;
    struct sigaction before;
    raise_descriptor_limit();
    deadline_start(&before);
    enum status status = add_views(made, datadir, "wallet", datadir->wallet_workers);
    if (status == STATUS_OK)
        status = add_views(made, datadir, "seat", datadir->seat_workers);
    if (status == STATUS_OK)
        status = add_views(made, datadir, "queue", 1);
    if (status == STATUS_OK)
        status = take_instant(made);
    deadline_stop(&before);
    if (status == STATUS_OK)
        *cut = made;
    else
        cut_close(made);
    return status;
}

void cut_close(struct cut *cut)
{
    if (cut == NULL)
        return;
    for (unsigned i = 0; i < cut->count; i++)
        cut_release(&cut->views[i]);
    free(cut);
}

unsigned cut_view_count(const struct cut *cut)
{
    return cut->count;
}

struct cut_view *cut_view(struct cut *cut, unsigned index)
{
    check(index < cut->count);
    return &cut->views[index];
}

struct cut_view *cut_view_of(struct cut *cut, const char *role, unsigned instance)
{
    for (unsigned i = 0; i < cut->count; i++)
        if (cut->views[i].instance == instance && strcmp(cut->views[i].role, role) == 0)
            return &cut->views[i];
    return NULL;
}

void cut_release_journal(struct cut_view *view)
{
    journal_close(view->journal);
    view->journal = NULL;
}

void cut_release(struct cut_view *view)
{
    cut_release_journal(view);
    state_reader_close(view->reader);
    view->reader = NULL;
    state_close(view->state);
    view->state = NULL;
}
