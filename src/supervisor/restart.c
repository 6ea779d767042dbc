#include "restart.h"
#include <signal.h>

const char *exit_cause_text(enum exit_cause cause)
{
    static const char *const texts[EXIT_CAUSE_COUNT] = {
        [EXIT_CAUSE_STOPPED] = "stopped",
        [EXIT_CAUSE_KILLED] = "killed",
        [EXIT_CAUSE_CRASH] = "crash",
        [EXIT_CAUSE_CODE] = "exit-code",
        [EXIT_CAUSE_NEVER_READY] = "never-ready",
        [EXIT_CAUSE_NO_SPAWN] = "no-spawn",
    };
    return (unsigned)cause < EXIT_CAUSE_COUNT ? texts[cause] : "unknown";
}

enum exit_cause restart_classify(const struct child_exit *end)
{
    if (end->asked)
        return EXIT_CAUSE_STOPPED;
    if (end->never_ready)
        return EXIT_CAUSE_NEVER_READY;
    if (end->signal == SIGKILL || end->signal == SIGTERM)
        return EXIT_CAUSE_KILLED;
    return end->signal != 0 ? EXIT_CAUSE_CRASH : EXIT_CAUSE_CODE;
}

/* 100 ms for the second fault in a row, doubling up to 30 s, each ± 20 %. */
static uint64_t backoff_ms(uint32_t faults, uint32_t random)
{
    uint64_t delay_ms = RESTART_BACKOFF_FIRST_MS;
    for (uint32_t i = 2; i < faults && delay_ms < RESTART_BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    if (delay_ms > RESTART_BACKOFF_MAX_MS)
        delay_ms = RESTART_BACKOFF_MAX_MS;
    uint64_t span_ms = 2 * delay_ms * RESTART_JITTER_PERCENT / 100;
    return delay_ms - span_ms / 2 + random % (span_ms + 1);
}

uint64_t restart_delay_ms(struct restart_record *record, enum exit_cause cause, uint64_t ready_ms,
                          uint32_t random)
{
    record->count[cause]++;
    if (ready_ms >= RESTART_STABLE_MS)
        record->faults = 0;
    if (cause == EXIT_CAUSE_STOPPED || cause == EXIT_CAUSE_KILLED)
        return 0;
    if (record->faults < UINT32_MAX)
        record->faults++;
    return record->faults == 1 ? 0 : backoff_ms(record->faults, random);
}
