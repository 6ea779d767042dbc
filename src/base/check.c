#include "check.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *obituary_text;
static size_t obituary_size;

void check_obituary(char *text, size_t size)
{
    obituary_text = size > 0 ? text : NULL;
    obituary_size = size;
}

/* Where a contained failure goes to. */
struct containment {
    jmp_buf back;
    char *words;
    size_t size;
};
static _Thread_local struct containment *containment;

bool check_contain(void (*run)(void *context), void *context, char *words, size_t size)
{
    struct containment here = {.words = words, .size = size};
    check(containment == NULL);
    if (_setjmp(here.back) != 0) {
        containment = NULL;
        return false;
    }
    containment = &here;
    run(context);
    containment = NULL;
    return true;
}

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    if (containment != NULL) {
        snprintf(containment->words, containment->size, "%s:%d: check failed: %s", file, line,
                 what);
        _longjmp(containment->back, 1);
    }
    char words[512];
    int length = snprintf(words, sizeof words, "%s:%d: check failed: %s\n", file, line, what);
    size_t size = length < 0 ? 0 : (size_t)length;
    if (size >= sizeof words) {
        size = sizeof words - 1;
        words[size - 1] = '\n';
    }
    if (write(STDERR_FILENO, words, size) < 0) {
        /* stderr may be closed; the obituary still tells */
    }
    if (obituary_text != NULL && size > 0) {
        size_t kept = size - 1 < obituary_size ? size - 1 : obituary_size - 1;
        memcpy(obituary_text, words, kept);
        obituary_text[kept] = '\0';
    }
    abort();
}
