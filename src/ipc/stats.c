#include "stats.h"

void histogram_observe(struct histogram *histogram, uint64_t value, uint64_t unit)
{
    /* ceil(value / unit) - 1, whose bit length is the bucket; unit is a power of two. */
    uint64_t above = value > 0 ? (value - 1) >> __builtin_ctzll(unit) : 0;
    unsigned bucket = above > 0 ? 64u - (unsigned)__builtin_clzll(above) : 0;

    if (bucket >= HISTOGRAM_BUCKETS)
        bucket = HISTOGRAM_BUCKETS - 1;
    stat_add(&histogram->buckets[bucket], 1);
    stat_add(&histogram->sum, value);
}

uint64_t histogram_bound(unsigned bucket, uint64_t unit)
{
    return bucket < HISTOGRAM_BUCKETS - 1 ? unit << bucket : UINT64_MAX;
}
