#ifndef BOXOFFICE_TEST_UNIT_H
#define BOXOFFICE_TEST_UNIT_H

/* cmocka wants these before its own header. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* A small deterministic generator for generated inputs (xorshift64*, Vigna 2016): a test that fails
 * fails again with the same seed. */
static inline uint64_t unit_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

#endif
