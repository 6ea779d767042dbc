#ifndef BOXOFFICE_BENCH_LOAD_H
#define BOXOFFICE_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* What the generators of load have in common. */

#define NS_PER_S UINT64_C(1000000000)

uint64_t now_ns(void); /* CLOCK_MONOTONIC */

/* Says what and why under the program's name and ends it with exit code 1. */
_Noreturn void give_up(const char *what, const char *detail);

/* A non-blocking connection to a port of this machine, without Nagle's delay, that `epoll_fd`
 * watches for `event`. Gives up when there is none. The caller closes it. */
int dial(uint16_t port, int epoll_fd, struct epoll_event *event);

/* The size of the first whole answer in `in` (NUL-terminated behind in_size) and its status; 0 when
 * it is not whole yet. Gives up when it is none. */
size_t answer_parse(const char *in, size_t in_size, int *status);

#endif
