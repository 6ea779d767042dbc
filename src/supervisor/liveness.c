#include "liveness.h"
#include <stdlib.h>
#include <string.h>

uint64_t own_clock_now_ms(struct own_clock *clock, uint64_t monotonic_ms)
{
    uint64_t gap_ms = clock->monotonic_ms == 0 || monotonic_ms < clock->monotonic_ms
                          ? 0
                          : monotonic_ms - clock->monotonic_ms;
    clock->monotonic_ms = monotonic_ms;
    clock->own_ms += gap_ms < OWN_CLOCK_GAP_MAX_MS ? gap_ms : OWN_CLOCK_GAP_MAX_MS;
    return clock->own_ms;
}

void liveness_begin(struct liveness *liveness, const struct liveness_sample *sample,
                    uint64_t own_ms)
{
    *liveness = (struct liveness){sample->life, sample->consumed, own_ms, own_ms};
}

void liveness_note(struct liveness *liveness, const struct liveness_sample *sample, uint64_t own_ms)
{
    if (sample->life != liveness->life)
        liveness->life_ms = own_ms;
    if (sample->consumed != liveness->consumed || !sample->waiting)
        liveness->consumed_ms = own_ms;
    liveness->life = sample->life;
    liveness->consumed = sample->consumed;
}

uint64_t liveness_silent_ms(const struct liveness *liveness, uint64_t own_ms)
{
    uint64_t since_ms =
        liveness->life_ms < liveness->consumed_ms ? liveness->life_ms : liveness->consumed_ms;
    return own_ms - since_ms;
}

void process_look_parse(struct process_look *look, const char *status_text)
{
    const char *state = strstr(status_text, "\nState:\t");
    const char *tracer = strstr(status_text, "\nTracerPid:\t");
    look->state = state != NULL ? state[strlen("\nState:\t")] : '?';
    look->traced = tracer != NULL && strtol(tracer + strlen("\nTracerPid:\t"), NULL, 10) != 0;
}

bool liveness_is_missed(uint64_t silent_ms, const struct process_look *look)
{
    uint64_t deadline_ms = look->state == 'D' ? LIVENESS_STORAGE_MS : LIVENESS_DEADLINE_MS;
    return silent_ms >= deadline_ms && !look->traced;
}
