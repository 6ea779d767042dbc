#include "command.h"
#include "kafka.h"
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* librdkafka says what is wrong with its settings when it makes a producer, which starts threads
 * and connections. So a process of its own does that, and ends: the supervisor stays without them.
 * It is forked before anything is opened. */

static _Noreturn void check_in_child(const struct config *config, int to)
{
    char error[512] = "";
    static const int codes[] = {[KAFKA_SETTINGS_GOOD] = EX_OK,
                                [KAFKA_SETTINGS_WRONG] = EX_USAGE,
                                [KAFKA_SETTINGS_UNUSABLE] = EX_CONFIG};
    enum kafka_settings settings = kafka_check(config, error, sizeof error);
    (void)!write(to, error, strlen(error));
    _exit(codes[settings]);
}

int command_check_kafka(const struct config *config)
{
    int ends[2], state = 0;
    char error[512];
    if (pipe(ends) != 0)
        return command_fail(EX_OSERR, "cannot check --kafka-conf: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0)
        check_in_child(config, ends[1]);
    close(ends[1]);
    ssize_t size = child > 0 ? read(ends[0], error, sizeof error - 1) : 0;
    close(ends[0]);
    if (child < 0 || waitpid(child, &state, 0) != child || !WIFEXITED(state))
        return command_fail(EX_OSERR, "cannot check --kafka-conf: %s", strerror(errno));
    error[size > 0 ? size : 0] = '\0';
    if (WEXITSTATUS(state) == EX_OK)
        return EX_OK;
    return command_fail(WEXITSTATUS(state), "%s", error);
}
