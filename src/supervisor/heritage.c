#include "heritage.h"
#include "check.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool instance_parse(const char *text, unsigned *instance)
{
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value >= PROCESS_MAX)
        return false;
    *instance = (unsigned)value;
    return true;
}

static bool role_parse(const char *text, enum role *role)
{
    for (enum role i = ROLE_SUPERVISOR + 1; i < ROLE_COUNT; i++)
        if (strcmp(text, role_text(i)) == 0) {
            *role = i;
            return true;
        }
    return false;
}

static void ignore_group_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &ignore, NULL);
}

enum status heritage_receive(struct heritage *heritage, const char *role, const char *instance)
{
    memset(heritage, 0, sizeof *heritage);
    if (!role_parse(role, &heritage->role) || !instance_parse(instance, &heritage->instance))
        return STATUS_INVALID;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return STATUS_IO;
    ignore_group_signals();
    enum status status =
        segment_open(&heritage->segment, HERITAGE_SEGMENT_FD, HERITAGE_DOORBELL_FD);
    if (status != STATUS_OK)
        return status;
    /* It may have died before prctl; then nobody would ever end this process. */
    struct process_entry *parent = segment_process(&heritage->segment, PROCESS_SUPERVISOR);
    if (getppid() != atomic_load(&parent->pid))
        return STATUS_STALE;
    heritage->self = segment_process_of(&heritage->segment, heritage->role, heritage->instance);
    if (heritage->self >= PROCESS_MAX)
        return STATUS_INVALID;
    snprintf(heritage->name, sizeof heritage->name, "%s-%u", role_text(heritage->role),
             heritage->instance);
    prctl(PR_SET_NAME, heritage->name);
    enum log_level level = LOG_LEVEL_INFO;
    log_level_parse(heritage->segment.header->config.log_level, &level);
    log_open(heritage->name, level);
    clock_attach(&heritage->segment.header->clock);
    struct process_entry *self = segment_process(&heritage->segment, heritage->self);
    check_obituary(self->obituary, sizeof self->obituary);
    return STATUS_OK;
}

/* For kernels before 5.11, which do not know CLOSE_RANGE_CLOEXEC. */
static void seal_one_by_one(void)
{
    long open_max = sysconf(_SC_OPEN_MAX);
    for (int fd = STDERR_FILENO + 1; fd < open_max && fd < 65536; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

enum status heritage_seal(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return STATUS_IO;
    if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        seal_one_by_one();
    return STATUS_OK;
}
