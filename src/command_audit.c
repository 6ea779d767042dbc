#include "audit.h"
#include "check.h"
#include "command.h"
#include "cut.h"
#include "log.h"
#include "queue.h"
#include "seat.h"
#include "wallet.h"
#include "worker.h"
#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

/* `boxoffice audit`: recovers the rows of every worker without writing anything, and checks the
 * invariants over all of them, at one instant (a cut), whether or not a server runs.
 *
 * The workers are gone through one inside the other, so that at the innermost point all rows are at
 * hand. On the way in each worker's journal is looked at and let go of, because a server that runs
 * pays for a journal's snapshot; the rows take longer. */

enum {
    /* Rows are made anew from the events where that many records at most have to be replayed. */
    REBUILD_RECORDS_MAX = 200000,
    /* With a server running, whose memory and time they are: to rebuild, and the newest records of
     * each journal that are looked at. */
    LIVE_REBUILD_RECORDS_MAX = 50000,
    LIVE_RECORDS_MAX = 300000,
    LIVE_NICE = 19,
    WORKERS_MAX = 64,
};

static const struct behaviour *const behaviours[] = {&wallet_behaviour, &seat_behaviour,
                                                     &queue_behaviour};

struct options {
    const char *path;
    bool json;
    bool live; /* started by a server: stands back for it */
};

struct inspection {
    struct audit *audit;
    struct cut *cut;
    bool is_live;
    unsigned count; /* workers whose rows are at hand */
    struct {
        enum role role;
        const struct row_view *rows;
    } workers[WORKERS_MAX];
    struct config config;
    char obituary[512];
};
static struct inspection inspection;

/* Rows and events that contradict each other make the check of an event that is applied fail: that
 * is what an audit looks for, so it goes on behind it. What was under way is left as it is; the
 * process ends soon. */
static sigjmp_buf *after_failed_check;

static void on_abort(int signal_number)
{
    (void)signal_number;
    if (after_failed_check != NULL)
        siglongjmp(*after_failed_check, 1);
}

static void audit_domain(void)
{
    do {
        for (unsigned i = 0; i < inspection.count; i++) {
            const struct row_view *rows = inspection.workers[i].rows;
            if (inspection.workers[i].role == ROLE_WALLET)
                audit_wallets(inspection.audit, rows);
            else if (inspection.workers[i].role == ROLE_SEAT)
                audit_seats(inspection.audit, rows);
            else
                audit_queue(inspection.audit, rows);
        }
    } while (audit_again(inspection.audit));
}

static void inspect_from(unsigned index);

struct stage {
    struct cut_view *view;
    const struct behaviour *behaviour;
    struct audit_source source;
    unsigned index;
};

static void visit_rebuilt(void *context, const struct row_view *rebuilt)
{
    const struct stage *stage = context;
    audit_rebuilt(inspection.audit, &stage->source, rebuilt);
}

static void rebuild(struct stage *stage)
{
    sigjmp_buf here;
    if (sigsetjmp(here, 1) == 0) {
        after_failed_check = &here;
        enum status status = worker_rebuild(stage->behaviour, stage->view->journal,
                                            &inspection.config, visit_rebuilt, stage);
        if (status != STATUS_OK)
            audit_violation(inspection.audit, "%s: its events: %s", stage->source.name,
                            status_text(status));
    } else {
        audit_violation(inspection.audit, "%s: its events contradict each other: %s",
                        stage->source.name, inspection.obituary);
    }
    after_failed_check = NULL;
}

static void visit_rows(void *context, const struct row_view *rows)
{
    struct stage *stage = context;
    struct journal *journal = stage->view->journal;
    after_failed_check = NULL;
    stage->source.rows = rows;
    audit_journal_and_rows(inspection.audit, &stage->source);
    uint64_t records_max = inspection.is_live ? LIVE_REBUILD_RECORDS_MAX : REBUILD_RECORDS_MAX;
    if (journal_first_sequence(journal) == 1 && journal_record_count(journal) <= records_max)
        rebuild(stage);
    cut_release_journal(stage->view);
    check(inspection.count < WORKERS_MAX);
    inspection.workers[inspection.count].role = stage->source.role;
    inspection.workers[inspection.count++].rows = rows;
    inspect_from(stage->index + 1);
}

/* False when the worker's rows could not be recovered. */
static bool recover(struct stage *stage)
{
    sigjmp_buf here;
    if (sigsetjmp(here, 1) != 0) {
        after_failed_check = NULL;
        audit_violation(inspection.audit, "%s: its events contradict its rows: %s",
                        stage->source.name, inspection.obituary);
        return false;
    }
    after_failed_check = &here;
    enum status status =
        worker_inspect_cut(stage->behaviour, stage->view, &inspection.config, visit_rows, stage);
    if (status != STATUS_OK)
        audit_violation(inspection.audit, "%s: %s", stage->source.name, status_text(status));
    return status == STATUS_OK;
}

static const struct behaviour *behaviour_of(const char *role)
{
    for (size_t i = 0; i < sizeof behaviours / sizeof behaviours[0]; i++)
        if (strcmp(role_text(behaviours[i]->role), role) == 0)
            return behaviours[i];
    check_never("a view of a role without a behaviour");
}

/* A worker that is damaged is left out; what others say about it is still checked. */
static void inspect_from(unsigned index)
{
    if (index == cut_view_count(inspection.cut)) {
        audit_domain();
        return;
    }
    char name[32];
    struct stage stage = {.view = cut_view(inspection.cut, index), .index = index};
    stage.behaviour = behaviour_of(stage.view->role);
    snprintf(name, sizeof name, "%s-%u", stage.view->role, stage.view->instance);
    stage.source = (struct audit_source){
        .name = name,
        .role = stage.behaviour->role,
        .journal = stage.view->journal,
        .reader = stage.view->reader,
        .records_max = inspection.is_live ? LIVE_RECORDS_MAX : 0,
    };
    bool sound = audit_state(inspection.audit, &stage.source);
    sound &= audit_journal(inspection.audit, &stage.source);
    if (!sound || !recover(&stage))
        inspect_from(index + 1);
}

static int inspect(const struct datadir *datadir, const struct options *options)
{
    const struct sigaction action = {.sa_handler = on_abort};
    enum status status = cut_open(&inspection.cut, datadir);
    if (status == STATUS_CORRUPT || status == STATUS_MISMATCH)
        return command_fail(EX_DATAERR, "data directory %s is damaged", datadir->path);
    if (status != STATUS_OK)
        return command_fail(EX_IOERR, "data directory %s: %s", datadir->path, status_text(status));
    inspection.audit = audit_create(stdout);
    if (options->json)
        audit_as_json(inspection.audit);
    config_init(&inspection.config);
    check_obituary(inspection.obituary, sizeof inspection.obituary);
    sigaction(SIGABRT, &action, NULL);
    inspect_from(0);
    cut_close(inspection.cut);
    signal(SIGABRT, SIG_DFL);
    return audit_finish(inspection.audit) > 0 ? EX_DATAERR : EX_OK;
}

/* --data DIR, --data=DIR or BOXOFFICE_DATA; --json; --live. */
static int parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){.path = getenv("BOXOFFICE_DATA")};
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options->json = true;
        else if (strcmp(argv[i], "--live") == 0)
            options->live = true;
        else if (strncmp(argv[i], "--data=", 7) == 0)
            options->path = argv[i] + 7;
        else if (strcmp(argv[i], "--data") != 0)
            return command_fail(EX_USAGE, "audit: unknown option '%.64s'", argv[i]);
        else if (++i < argc)
            options->path = argv[i];
        else
            return command_fail(EX_USAGE, "audit: --data takes a value (DIR)");
    }
    if (options->path == NULL || *options->path == '\0')
        return command_fail(EX_USAGE, "audit needs --data DIR");
    return EX_OK;
}

/* Started by a front: keeps none of its descriptors, dies with it, gives way to everything that
 * sells, and is the first to go when memory is short. */
static void stand_back(void)
{
    closefrom(STDERR_FILENO + 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setpriority(PRIO_PROCESS, 0, LIVE_NICE) != 0)
        log_warn("nice", "reason=\"refused\"");
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1000", 4) != 4)
        log_warn("oom-score", "reason=\"refused\"");
    if (fd >= 0)
        close(fd);
}

/* One at a time for a data directory; the lock goes with the process. */
static int lock_audit(const struct datadir *datadir)
{
    char path[DATADIR_PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/audit.lock", datadir->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return command_fail(EX_IOERR, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return command_fail(EX_TEMPFAIL, "data directory %s is being audited", datadir->path);
    return EX_OK;
}

int command_audit(int argc, char **argv)
{
    struct options options;
    struct datadir datadir;
    int code = parse(argc, argv, &options);
    log_open("audit", LOG_LEVEL_WARN);
    if (code == EX_OK && options.live)
        stand_back();
    if (code == EX_OK)
        code = command_open_datadir(&datadir, options.path);
    if (code != EX_OK)
        return code;
    inspection.is_live = datadir.lock_fd < 0;
    code = lock_audit(&datadir);
    if (code == EX_OK)
        code = inspect(&datadir, &options);
    datadir_close(&datadir);
    return fflush(stdout) == 0 ? code : EX_IOERR;
}
