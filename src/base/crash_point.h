#ifndef BOXOFFICE_CRASH_POINT_H
#define BOXOFFICE_CRASH_POINT_H

/* Places where a test can let a process die (crash_points.def). They exist in builds with
 * -DBOXOFFICE_CRASH_POINTS=ON only; in any other the macros below are nothing.
 *
 * A test makes a file of zeros, at least as large as struct crash_control, and names it in
 * BOXOFFICE_CRASH_CONTROL. Every process of the server maps it, so hits are counted across all
 * processes and their successors, and a test arms a point while the server runs, as often as it
 * likes. docs/FAULTS.md says how to use it; tests/fault/crash_control.py is the other side. */

#ifdef BOXOFFICE_CRASH_POINTS

#include <stdint.h>

enum crash_point {
#define POINT(name, roles, moment, key, text) CRASH_##name,
#include "crash_points.def"
#undef POINT
    CRASH_POINT_COUNT
};

enum {
    CRASH_KEYS = 128, /* hits are counted by point and key mod 128 */
    CRASH_ORDERS_MAX = 8,
    CRASH_ROLE_SIZE = 16
};

/* One death that was asked for. The test writes `armed` last. */
struct crash_order {
    _Atomic uint64_t armed;     /* point + 1; 0: none. Taken back by the process that fires it */
    _Atomic uint64_t left;      /* it fires at the hit that takes this from 1 to 0 */
    _Atomic uint64_t key;       /* of CRASH_POINT_OF; 0: any */
    _Atomic uint64_t signal;    /* what the process sends itself; 0: SIGKILL */
    _Atomic uint64_t forever;   /* 1: stays armed and fires at every hit from the left-th on */
    _Atomic uint64_t fired;     /* how often */
    char role[CRASH_ROLE_SIZE]; /* the process's; "": any */
};

/* The file. All numbers are of the machine's byte order. */
struct crash_control {
    struct crash_order orders[CRASH_ORDERS_MAX];
    _Atomic uint64_t hits[CRASH_POINT_COUNT][CRASH_KEYS];
};

/* Maps the file that the environment names, if any; logs a warning that this is a test build.
 * `role` is kept. */
void crash_point_open(const char *role);
/* Counts the hit, and does not return when an order says so (but for a signal that can be survived,
 * like SIGSTOP). Any thread. */
void crash_point_hit(enum crash_point point, uint64_t key);
/* A hit for each bit of `keys`, with the bit's number as key. */
void crash_point_hit_each(enum crash_point point, uint64_t keys);

#define CRASH_POINT(name) crash_point_hit(CRASH_##name, 0)
#define CRASH_POINT_OF(name, key) crash_point_hit(CRASH_##name, (key))
#define CRASH_POINT_OF_EACH(name, keys) crash_point_hit_each(CRASH_##name, (keys))

#else

#define crash_point_open(role) ((void)(role))
#define CRASH_POINT(name) ((void)0)
#define CRASH_POINT_OF(name, key) ((void)(key))
#define CRASH_POINT_OF_EACH(name, keys) ((void)(keys))

#endif
#endif
