#include "clock.h"
#include <time.h>

enum {
    SLEW_FORWARD_DIVISOR = 100,  /* 1 % */
    SLEW_BACKWARD_DIVISOR = 200, /* 0.5 % */
    SLEW_ELAPSED_MAX_MS = 1000,  /* bounds a single step to 10 ms forward, 5 ms backward */
};

static const struct clock_base *attached;
static _Atomic uint64_t latest_ms; /* what this process has seen; threads share it */
static int64_t slewed_at_ms;       /* boot time of the last slew */

static int64_t read_clock_ms(clockid_t id)
{
    struct timespec time = {0};
    clock_gettime(id, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void clock_attach(const struct clock_base *base)
{
    attached = base;
    atomic_store(&latest_ms, 0);
}

/* A backward step of the base lets the sum repeat a few milliseconds; the maximum of what was seen
 * hides them from this process. */
uint64_t clock_now_ms(void)
{
    int64_t now = attached == NULL
                      ? read_clock_ms(CLOCK_REALTIME)
                      : read_clock_ms(CLOCK_BOOTTIME) +
                            atomic_load_explicit(&attached->offset_ms, memory_order_relaxed);
    uint64_t now_ms = now < 0 ? 0 : (uint64_t)now;
    uint64_t seen = atomic_load_explicit(&latest_ms, memory_order_relaxed);
    while (seen < now_ms) {
        if (atomic_compare_exchange_weak_explicit(&latest_ms, &seen, now_ms, memory_order_relaxed,
                                                  memory_order_relaxed))
            return now_ms;
    }
    return seen;
}

uint64_t clock_monotonic_ns(void)
{
    struct timespec time = {0};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

void clock_start(struct clock_base *base, uint64_t floor_ms)
{
    int64_t real = read_clock_ms(CLOCK_REALTIME);
    int64_t boot = read_clock_ms(CLOCK_BOOTTIME);
    int64_t start = real > (int64_t)floor_ms ? real : (int64_t)floor_ms;
    slewed_at_ms = boot;
    atomic_store(&base->offset_ms, start - boot);
}

void clock_slew(struct clock_base *base)
{
    int64_t boot = read_clock_ms(CLOCK_BOOTTIME);
    int64_t offset = atomic_load(&base->offset_ms);
    int64_t behind = read_clock_ms(CLOCK_REALTIME) - (boot + offset);
    int64_t elapsed = boot - slewed_at_ms;
    if (elapsed > SLEW_ELAPSED_MAX_MS)
        elapsed = SLEW_ELAPSED_MAX_MS;
    int64_t step = behind;
    if (step > elapsed / SLEW_FORWARD_DIVISOR)
        step = elapsed / SLEW_FORWARD_DIVISOR;
    if (step < -(elapsed / SLEW_BACKWARD_DIVISOR))
        step = -(elapsed / SLEW_BACKWARD_DIVISOR);
    if (behind != 0 && step == 0)
        return; /* called too soon to move a whole millisecond: the elapsed time adds up */
    slewed_at_ms = boot;
    atomic_store(&base->offset_ms, offset + step);
}

static char *put_digits(char *to, unsigned value, unsigned count, char after)
{
    for (unsigned i = count; i > 0; i--, value /= 10)
        to[i - 1] = (char)('0' + value % 10);
    to[count] = after;
    return to + count + 1;
}

size_t clock_format(uint64_t time_ms, char text[CLOCK_TEXT_SIZE])
{
    static const uint64_t year_10000_ms = UINT64_C(253402300800000);
    if (time_ms >= year_10000_ms)
        time_ms = year_10000_ms - 1; /* four digits of year are all that RFC 3339 has */
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts = {0};
    gmtime_r(&seconds, &parts);
    char *to = put_digits(text, (unsigned)parts.tm_year + 1900, 4, '-');
    to = put_digits(to, (unsigned)parts.tm_mon + 1, 2, '-');
    to = put_digits(to, (unsigned)parts.tm_mday, 2, 'T');
    to = put_digits(to, (unsigned)parts.tm_hour, 2, ':');
    to = put_digits(to, (unsigned)parts.tm_min, 2, ':');
    to = put_digits(to, (unsigned)parts.tm_sec, 2, '.');
    to = put_digits(to, (unsigned)(time_ms % 1000), 3, 'Z');
    *to = '\0';
    return CLOCK_TEXT_SIZE - 1;
}
