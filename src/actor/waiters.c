#include "hash.h"
#include "runtime.h"

static struct waiter **bucket_of(struct worker *worker, uint64_t key)
{
    return &worker->waiters[hash_bucket(0, key, WAITER_BUCKETS)];
}

bool waiter_add(struct worker *worker, struct channel_consumer *channel, struct slot *slot,
                uint64_t request_id, uint64_t key)
{
    if (worker->waiter_count >= WAITERS_MAX)
        return false;
    struct waiter *waiter = pool_take(&worker->waiter_pool, sizeof *waiter);
    struct waiter **bucket = bucket_of(worker, key);
    *waiter = (struct waiter){*bucket, channel, slot, request_id, key};
    *bucket = waiter;
    worker->waiter_count++;
    return true;
}

void waiters_take(struct worker *worker, uint64_t key,
                  void (*cb)(struct worker *worker, const struct waiter *waiter))
{
    struct waiter **at = bucket_of(worker, key);
    while (*at != NULL) {
        struct waiter *waiter = *at;
        if (waiter->key != key) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        worker->waiter_count--;
        cb(worker, waiter);
        pool_give(&worker->waiter_pool, waiter);
    }
}
