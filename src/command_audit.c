#include "audit.h"
#include "command.h"
#include "log.h"
#include "queue.h"
#include "seat.h"
#include "wallet.h"
#include "worker.h"
#include <stdlib.h>
#include <sysexits.h>

/* `boxoffice audit`: recovers the rows of every worker without writing anything, and checks the
 * invariants over all of them. Wallets come first: seats are compared with their transactions. */

static void visit_wallets(void *context, const struct row_view *rows)
{
    audit_wallets(context, rows);
}

static void visit_seats(void *context, const struct row_view *rows)
{
    audit_seats(context, rows);
}

static void visit_queue(void *context, const struct row_view *rows)
{
    audit_queue(context, rows);
}

static int inspect(const struct datadir *datadir, const struct behaviour *behaviour,
                   unsigned instance, void (*visit)(void *context, const struct row_view *rows),
                   struct audit *audit)
{
    static struct config config;
    char journal_path[DATADIR_PATH_MAX], state_path[DATADIR_PATH_MAX];
    const char *role = role_text(behaviour->role);
    config_init(&config);
    datadir_worker_path(datadir, role, instance, "journal", journal_path);
    datadir_worker_path(datadir, role, instance, "state", state_path);
    enum status status = worker_inspect(behaviour, journal_path, state_path, &config, visit, audit);
    switch (status) {
    case STATUS_OK:
        return EX_OK;
    case STATUS_NOT_FOUND: /* the worker never ran; what others say about it is still checked */
        log_warn("no-data", "worker=%s-%u", role, instance);
        return EX_OK;
    case STATUS_CORRUPT:
    case STATUS_MISMATCH:
        return command_fail(EX_DATAERR, "%s-%u: %s", role, instance, status_text(status));
    default:
        return command_fail(EX_IOERR, "%s-%u: %s", role, instance, status_text(status));
    }
}

static int inspect_all(const struct datadir *datadir, struct audit *audit)
{
    int code = EX_OK;
    for (unsigned i = 0; i < datadir->wallet_workers && code == EX_OK; i++)
        code = inspect(datadir, &wallet_behaviour, i, visit_wallets, audit);
    for (unsigned i = 0; i < datadir->seat_workers && code == EX_OK; i++)
        code = inspect(datadir, &seat_behaviour, i, visit_seats, audit);
    if (code == EX_OK)
        code = inspect(datadir, &queue_behaviour, 0, visit_queue, audit);
    return code;
}

int command_audit(int argc, char **argv)
{
    const char *path = getenv("BOXOFFICE_DATA");
    const struct command_text texts[] = {{"--data", &path}};
    struct datadir datadir;
    int code = command_texts("audit", texts, 1, argc, argv);
    if (code == EX_OK && (path == NULL || *path == '\0'))
        code = command_fail(EX_USAGE, "audit needs --data DIR");
    log_open("audit", LOG_LEVEL_WARN);
    if (code == EX_OK)
        code = command_open_datadir(&datadir, path, false);
    if (code != EX_OK)
        return code;
    /* What was counted before a worker could not be read would say nothing. */
    static struct audit *audit;
    audit = audit_create(stdout);
    code = inspect_all(&datadir, audit);
    if (code == EX_OK && audit_finish(audit) > 0)
        code = EX_DATAERR;
    datadir_close(&datadir);
    return fflush(stdout) == 0 ? code : EX_IOERR;
}
