#include "restart.h"
#include <string.h>

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

uint64_t restart_after_fault(struct restart_record *record, uint64_t now_ms, uint64_t well_ms,
                             uint32_t random)
{
    enum { SIZE = RESTART_INTENSITY + 1 };
    if (well_ms >= RESTART_STABLE_MS)
        memset(record, 0, sizeof *record);
    record->recent_ms[record->faults % SIZE] = now_ms;
    if (record->faults < UINT32_MAX - SIZE)
        record->faults++;
    /* the oldest of the last SIZE faults is where the next one will be written */
    if (record->faults >= SIZE &&
        now_ms - record->recent_ms[record->faults % SIZE] <= RESTART_PERIOD_MS)
        record->parked = true;
    return record->faults == 1 ? 0 : backoff_ms(record->faults, random);
}
