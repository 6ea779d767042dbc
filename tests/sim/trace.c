#include "trace.h"
#include "machine.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed, hash;
static bool shown;

static void on_abort(void)
{
    trace_fail("a check in the code failed (the line above)");
}

void trace_begin(uint64_t seed_of_run, bool is_shown)
{
    seed = seed_of_run;
    hash = UINT64_C(0xcbf29ce484222325);
    shown = is_shown;
    machine_on_abort(on_abort);
}

bool trace_shown(void)
{
    return shown;
}

void trace_number(uint64_t number)
{
    hash = (hash ^ number) * UINT64_C(0x100000001b3);
    hash ^= hash >> 29;
}

void trace_bytes(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint64_t word;
    trace_number(size);
    for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
        memcpy(&word, bytes, sizeof word);
        trace_number(word);
    }
    for (; size > 0; size--)
        trace_number(*bytes++);
}

uint64_t trace_hash(void)
{
    return hash;
}

void trace_line(const char *format, ...)
{
    if (!shown)
        return;
    va_list arguments;
    printf("%10llu ", (unsigned long long)machine_now_ms() % 10000000000u);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void trace_fail(const char *format, ...)
{
    (void)machine_leave();
    char what[8192], text[sizeof what + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text, "seed %llu: %s\nagain: build/release/sim --seed %llu --trace\n",
             (unsigned long long)seed, what, (unsigned long long)seed);
    fflush(stdout);
    fputs(text, stderr); /* in one piece: others may fail at the same time */
    _Exit(1);
}
