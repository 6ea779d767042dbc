#ifndef BOXOFFICE_BENCH_LATENCY_H
#define BOXOFFICE_BENCH_LATENCY_H

#include <stdint.h>

/* A log-linear histogram of microseconds: 32 steps for each power of two, so a percentile is at
 * most 3 % too high. */
enum { LATENCY_STEPS = 32, LATENCY_BUCKETS = 40 * LATENCY_STEPS };
struct latency {
    uint64_t buckets[LATENCY_BUCKETS];
    uint64_t count, max_us;
};

static inline unsigned latency_bucket(uint64_t us)
{
    if (us < LATENCY_STEPS)
        return (unsigned)us;
    unsigned power = 63U - (unsigned)__builtin_clzll(us);
    unsigned step = (unsigned)(us >> (power - 5)) & (LATENCY_STEPS - 1);
    unsigned bucket = (power - 4) * LATENCY_STEPS + step;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static inline uint64_t latency_bound(unsigned bucket)
{
    if (bucket < LATENCY_STEPS)
        return bucket;
    unsigned power = bucket / LATENCY_STEPS + 4, step = bucket % LATENCY_STEPS;
    return ((uint64_t)(LATENCY_STEPS + step + 1) << (power - 5)) - 1;
}

static inline void latency_observe(struct latency *latency, uint64_t us)
{
    latency->buckets[latency_bucket(us)]++;
    latency->count++;
    if (us > latency->max_us)
        latency->max_us = us;
}

/* The bound below which `per_mille` of the values are. */
static inline uint64_t latency_quantile(const struct latency *latency, unsigned per_mille)
{
    uint64_t wanted = (latency->count * per_mille + 999) / 1000, seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen >= wanted && seen > 0)
            return latency_bound(i) < latency->max_us ? latency_bound(i) : latency->max_us;
    }
    return latency->max_us;
}

#endif
