#ifndef BOXOFFICE_SIM_TRACE_H
#define BOXOFFICE_SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What happens in a run: a hash of all of it, and, when it is to be shown, a story. */
void trace_begin(uint64_t seed, bool shown);
bool trace_shown(void);
/* Into the hash: what must be the same when the seed runs again. */
void trace_bytes(const void *data, size_t size);
void trace_number(uint64_t number);
uint64_t trace_hash(void);
/* Into the story only: the time, and this. */
void trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A broken invariant: prints it with the command that runs the seed again, and ends the program
 * with exit code 1. */
_Noreturn void trace_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define require(condition, ...) ((condition) ? (void)0 : trace_fail(__VA_ARGS__))

#endif
