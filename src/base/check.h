#ifndef BOXOFFICE_CHECK_H
#define BOXOFFICE_CHECK_H

#include <stdbool.h>
#include <stddef.h>

/* Assertions that stay in production. A failed check is a bug of ours: what was being done is
 * written to stderr and into the process's obituary (check_obituary), then abort(). */
#define check(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

/* What must never happen, when it is reached: the text says what. */
#define check_never(what) check_failed(__FILE__, __LINE__, what)

_Noreturn void check_failed(const char *file, int line, const char *what);

/* Runs `run`, which must be pure but for what it writes to `context`: it holds nothing that would
 * have to be given back. A check that fails in it ends it, not the process; then the result is
 * false and `words` says what failed. For this thread only; not to be nested. */
bool check_contain(void (*run)(void *context), void *context, char *words, size_t size);

/* Registers where the last words go: `text` (size bytes, shared memory, outlives the process).
 * NULL turns it off. The supervisor reads it after waitpid. */
void check_obituary(char *text, size_t size);

#endif
