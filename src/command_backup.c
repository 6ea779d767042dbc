#include "backup.h"
#include "command.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

/* `boxoffice backup`: copies the data directory, also of a server that runs (storage/backup.h). */

enum { NICE = 10 }; /* selling goes first */

static volatile sig_atomic_t stopped;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

static void catch_stop_signals(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static int fail_backup(enum status status, const char *from, const char *to)
{
    switch (status) {
    case STATUS_EXISTS:
        return command_fail(EX_CANTCREAT,
                            "%s or %s.tmp exists (the latter is what a backup that was "
                            "killed has left: remove it)",
                            to, to);
    case STATUS_BUSY:
        return command_fail(EX_TEMPFAIL, "%s: demo data is being loaded", from);
    case STATUS_TIMEOUT:
        return command_fail(EX_TEMPFAIL, "%s: copying takes longer than the journals can wait", to);
    case STATUS_CLOSED:
        return command_fail(EX_TEMPFAIL, "stopped; nothing is left in %s", to);
    case STATUS_CORRUPT:
        return command_fail(EX_DATAERR, "%s is damaged; nothing was written", from);
    case STATUS_INVALID:
        return command_fail(EX_USAGE, "--to: '%s' is no name for a directory", to);
    default:
        return command_fail(EX_IOERR, "backup of %s to %s: %s", from, to, status_text(status));
    }
}

static int backup(const struct datadir *datadir, const char *to)
{
    struct backup_report report;
    catch_stop_signals();
    if (nice(NICE) < 0)
        fputs("boxoffice: cannot lower the priority\n", stderr);
    enum status status = backup_write(datadir, to, &stopped, &report);
    if (status != STATUS_OK)
        return fail_backup(status, datadir->path, to);
    printf("%s: %" PRIu64 " journal records, %" PRIu64 " rows, %" PRIu64 " bytes\n", to,
           report.records, report.rows, report.bytes);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

int command_backup(int argc, char **argv)
{
    const char *from = getenv("BOXOFFICE_DATA"), *to = NULL;
    const struct command_text texts[] = {{"--data", &from}, {"--to", &to}};
    struct datadir datadir;
    int code = command_texts("backup", texts, sizeof texts / sizeof texts[0], argc, argv);
    if (code == EX_OK && (from == NULL || *from == '\0' || to == NULL || *to == '\0'))
        code = command_fail(EX_USAGE, "backup needs --data DIR and --to DIR");
    if (code == EX_OK)
        code = command_open_datadir(&datadir, from);
    if (code != EX_OK)
        return code;
    datadir_close(&datadir); /* a server may start meanwhile: the cut needs no lock of ours */
    return backup(&datadir, to);
}
