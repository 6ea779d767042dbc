#ifndef BOXOFFICE_STATS_H
#define BOXOFFICE_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Statistics in shared memory: one writer each (the process itself), any reader, relaxed atomics. A
 * restarted process goes on from its predecessor's numbers. */
enum { HISTOGRAM_BUCKETS = 18 };

/* Powers of two: bucket i counts values <= 2^i x unit, the last one everything else. commit_us and
 * latencies start at 32 us, batch sizes at 1. */
struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum;
};

struct process_stats {
#define COUNTER(field, name, help) _Atomic uint64_t field;
#define GAUGE(field, name, help) _Atomic uint64_t field;
#define HISTOGRAM(field, name, help) struct histogram field;
#include "stats.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

/* HTTP latency by route and status; routes and statuses are the front's own numbers. */
enum { HTTP_ROUTE_MAX = 48, HTTP_STATUS_MAX = 32 };
struct http_stats {
    struct histogram latency_us[HTTP_ROUTE_MAX][HTTP_STATUS_MAX];
};

static inline void stat_add(_Atomic uint64_t *counter, uint64_t amount)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + amount,
                          memory_order_relaxed);
}
static inline void stat_set(_Atomic uint64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}
static inline uint64_t stat_get(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}
/* unit: the bound of the first bucket (32 for microseconds, 1 for counts), a power of two. */
void histogram_observe(struct histogram *histogram, uint64_t value, uint64_t unit);
uint64_t histogram_bound(unsigned bucket, uint64_t unit); /* UINT64_MAX for the last */

#endif
