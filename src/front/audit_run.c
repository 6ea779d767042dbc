#include "audit_run.h"

#include "application.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

extern char **environ;

static const char opening[] = "{\"data\":";

static void run_clear(struct audit_run *run)
{
    close(run->fd);
    free(run->output);
    *run = (struct audit_run){0};
}

/* Its own signals are as in a process that a shell starts. */
static int spawn(const char *data_path, int output_fd, pid_t *pid)
{
    const char *const arguments[] = {"boxoffice", "audit",   "--live", "--json",
                                     "--data",    data_path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int error = posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (error == 0)
        error = posix_spawn(pid, "/proc/self/exe", &actions, &attributes,
                            (char *const *)(uintptr_t)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static bool run_open(struct audit_run *run, const char *data_path)
{
    int ends[2];
    run->output = malloc(AUDIT_OUTPUT_SIZE);
    if (run->output == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(run->output);
        run->output = NULL;
        return false;
    }
    /* The writing end is the audit's, which waits when it is full. */
    int error = fcntl(ends[1], F_SETFL, 0) == 0 ? spawn(data_path, ends[1], &run->pid) : errno;
    close(ends[1]);
    run->fd = ends[0];
    run->used = sizeof opening - 1;
    memcpy(run->output, opening, run->used);
    if (error == 0)
        return true;
    log_warn("audit-not-started", "error=\"%s\"", strerror(error));
    run_clear(run);
    return false;
}

static void run_abandon(struct exchange *exchange)
{
    struct audit_run *run = &exchange_application(exchange)->audit_run;
    run->exchange = NULL;
    kill(run->pid, SIGKILL); /* reaped by the tick */
}

void audit_run_start(struct audit_run *run, struct exchange *exchange, const char *data_path)
{
    if (run->pid != 0) {
        answer_problem(exchange, PROBLEM_OVERLOADED, "An audit is under way.");
        return;
    }
    if (!run_open(run, data_path)) {
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
        return;
    }
    run->exchange = exchange;
    exchange->on_abandon = run_abandon;
}

/* The report is one line that holds an object. */
static bool report_close(struct audit_run *run)
{
    if (run->used <= sizeof opening - 1 || run->used >= AUDIT_OUTPUT_SIZE ||
        run->output[sizeof opening - 1] != '{' || run->output[run->used - 1] != '\n')
        return false;
    run->output[run->used - 1] = '}';
    return true;
}

static void run_answer(struct audit_run *run, struct exchange *exchange, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool ended = code == EX_OK || code == EX_DATAERR; /* DATAERR: with violations */
    if (ended && report_close(run))
        answer_bytes(exchange, 200, "application/json", NULL,
                     (struct text){.data = run->output, .size = run->used});
    else if (code == EX_TEMPFAIL)
        answer_problem(exchange, PROBLEM_OVERLOADED,
                       "An audit is under way, or a worker holds its journal for too long.");
    else
        answer_problem(exchange, PROBLEM_INTERNAL, "The audit failed; its log says why.");
    if (code != EX_OK)
        log_warn("audit", "code=%d status=%d", code, status);
}

/* Everything that is there; what does not fit is dropped, so that the audit can go on. */
static void take_output(struct audit_run *run)
{
    char rest[512];
    ssize_t got;
    do {
        bool fits = run->used < AUDIT_OUTPUT_SIZE;
        got = fits ? read(run->fd, run->output + run->used, AUDIT_OUTPUT_SIZE - run->used)
                   : read(run->fd, rest, sizeof rest);
        if (got > 0 && fits)
            run->used += (size_t)got;
    } while (got > 0);
}

void audit_run_tick(struct audit_run *run)
{
    int status;
    if (run->pid == 0)
        return;
    take_output(run);
    if (waitpid(run->pid, &status, WNOHANG) != run->pid)
        return;
    take_output(run);
    struct exchange *exchange = run->exchange;
    if (exchange != NULL)
        run_answer(run, exchange, status);
    run_clear(run);
}

void audit_run_stop(struct audit_run *run)
{
    if (run->pid == 0)
        return;
    kill(run->pid, SIGKILL);
    waitpid(run->pid, NULL, 0);
    if (run->exchange != NULL)
        answer_problem(run->exchange, PROBLEM_UNAVAILABLE, "The server is stopping.");
    run_clear(run);
}
