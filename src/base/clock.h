#ifndef BOXOFFICE_CLOCK_H
#define BOXOFFICE_CLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* One clock for all processes: CLOCK_BOOTTIME plus an offset that lives in shared memory. The
 * supervisor sets the offset once (max(real time, last committed time)) and slews it slowly towards
 * real time; nobody else writes it, so the clock never runs backwards. */
struct clock_base {
    _Atomic int64_t offset_ms; /* add to CLOCK_BOOTTIME in ms to get Unix time in ms */
};

/* Makes `base` the clock of this process. It must outlive every clock_now_ms call. */
void clock_attach(const struct clock_base *base);

/* Unix time, ms, never backwards in one process. Real time when no base is attached. */
uint64_t clock_now_ms(void);

/* CLOCK_MONOTONIC, for durations. */
uint64_t clock_monotonic_ns(void);

/* Supervisor only. Starts the clock at max(real time, floor_ms). */
void clock_start(struct clock_base *base, uint64_t floor_ms);
/* Supervisor only. Moves the clock towards real time: forward by at most 1 % and backward by at
 * most 0.5 % of the time since the last call, so that it always advances. */
void clock_slew(struct clock_base *base);

enum { CLOCK_TEXT_SIZE = 25 };
/* RFC 3339, UTC, ms: "2026-11-23T21:12:00.123Z" and a NUL. Returns 24. */
size_t clock_format(uint64_t time_ms, char text[CLOCK_TEXT_SIZE]);

#endif
