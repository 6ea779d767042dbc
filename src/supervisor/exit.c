#include "exit.h"
#include <signal.h>
#include <sysexits.h>

enum exit_cause exit_classify(const struct child_exit *end)
{
    if (end->asked)
        return EXIT_CAUSE_STOPPED;
    if (end->never_ready)
        return EXIT_CAUSE_NEVER_READY;
    if (end->hung)
        return EXIT_CAUSE_HANG;
    if (end->signal == SIGKILL && end->out_of_memory)
        return EXIT_CAUSE_OUT_OF_MEMORY;
    if (end->signal == SIGKILL || end->signal == SIGTERM)
        return EXIT_CAUSE_KILLED;
    if (end->signal != 0)
        return EXIT_CAUSE_CRASH;
    if (end->code == EX_IOERR)
        return EXIT_CAUSE_STORAGE;
    return end->code == EX_TEMPFAIL ? EXIT_CAUSE_HEALED : EXIT_CAUSE_CODE;
}

bool exit_is_fault(enum exit_cause cause)
{
    return cause != EXIT_CAUSE_STOPPED && cause != EXIT_CAUSE_KILLED && cause != EXIT_CAUSE_HEALED;
}

bool exit_is_suspicious(enum exit_cause cause)
{
    return cause == EXIT_CAUSE_CRASH || cause == EXIT_CAUSE_HANG ||
           cause == EXIT_CAUSE_OUT_OF_MEMORY || cause == EXIT_CAUSE_NEVER_READY;
}
