#include "cache.h"
#include "check.h"
#include "hash.h"
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 1024 };

enum status cache_init(struct cache *cache, size_t bytes_max)
{
    memset(cache, 0, sizeof *cache);
    TAILQ_INIT(&cache->round);
    TAILQ_INIT(&cache->kept);
    cache->bytes_max = bytes_max;
    cache->bucket_count = BUCKETS_MIN;
    cache->buckets = calloc(cache->bucket_count, sizeof(struct actor *));
    return cache->buckets == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void cache_fini(struct cache *cache)
{
    struct actor *actor;
    while ((actor = TAILQ_FIRST(&cache->round)) != NULL ||
           (actor = TAILQ_FIRST(&cache->kept)) != NULL)
        cache_drop(cache, actor);
    for (size_t i = 0; i < sizeof cache->pools / sizeof cache->pools[0]; i++)
        pool_fini(&cache->pools[i]);
    free(cache->buckets);
    memset(cache, 0, sizeof *cache);
}

static size_t bucket_of(const struct cache *cache, const struct actor_kind *kind, uint64_t id)
{
    return hash_bucket(kind->number, id, cache->bucket_count);
}

static void grow_buckets(struct cache *cache)
{
    struct actor **old = cache->buckets;
    size_t old_count = cache->bucket_count;
    cache->bucket_count = old_count * 2;
    cache->buckets = calloc(cache->bucket_count, sizeof(struct actor *));
    check(cache->buckets != NULL);
    for (size_t i = 0; i < old_count; i++) {
        struct actor *actor = old[i];
        while (actor != NULL) {
            struct actor *following = actor->hash_next;
            size_t bucket = bucket_of(cache, actor->kind, actor_base(actor)->id);
            actor->hash_next = cache->buckets[bucket];
            cache->buckets[bucket] = actor;
            actor = following;
        }
    }
    free(old);
}

static struct actor_list *list_of(struct cache *cache, const struct actor *actor)
{
    return actor->kept ? &cache->kept : &cache->round;
}

static bool keeps(const struct actor *actor)
{
    return actor->kind->keeps != NULL && actor->kind->keeps(actor->object);
}

static size_t weigh(const struct actor *actor)
{
    if (actor->kept)
        return 0;
    size_t weight = sizeof *actor + actor->kind->object_size;
    if (actor->kind->weight != NULL)
        weight += actor->kind->weight(actor->object);
    return weight;
}

struct loading {
    struct actor *actor;
    const struct row_view *rows;
};

static void load(void *context)
{
    struct loading *loading = context;
    enum status status = loading->actor->kind->load(loading->actor->object, loading->rows);
    check(status == STATUS_OK || status == STATUS_NOT_FOUND);
}

static void unload(struct cache *cache, struct actor *actor)
{
    if (actor->kind->unload != NULL)
        actor->kind->unload(actor->object);
    pool_give(&cache->pools[actor->kind->number], actor);
}

static struct actor *actor_load(struct cache *cache, const struct actor_kind *kind, uint64_t id,
                                const struct row_view *rows)
{
    struct actor *actor = pool_take(&cache->pools[kind->number], sizeof *actor + kind->object_size);
    memset(actor, 0, sizeof *actor + kind->object_size);
    actor->kind = kind;
    actor_base(actor)->id = id;
    struct loading loading = {actor, rows};
    if (!check_contain(load, &loading, cache->failure, sizeof cache->failure)) {
        unload(cache, actor);
        return NULL;
    }
    actor->kept = keeps(actor);
    actor->weight = weigh(actor);
    cache->bytes += actor->weight;
    return actor;
}

struct actor *cache_get(struct cache *cache, const struct actor_kind *kind, uint64_t id,
                        const struct row_view *rows)
{
    struct actor *actor = cache->buckets[bucket_of(cache, kind, id)];
    while (actor != NULL && (actor_base(actor)->id != id || actor->kind != kind))
        actor = actor->hash_next;
    if (actor == NULL) {
        if (cache->count >= cache->bucket_count)
            grow_buckets(cache);
        actor = actor_load(cache, kind, id, rows);
        if (actor == NULL)
            return NULL;
        size_t bucket = bucket_of(cache, kind, id);
        actor->hash_next = cache->buckets[bucket];
        cache->buckets[bucket] = actor;
        cache->count++;
        TAILQ_INSERT_HEAD(list_of(cache, actor), actor, round);
    } else {
        actor->used = true;
    }
    return actor;
}

void cache_expect(const struct cache *cache, const struct actor_kind *kind, uint64_t id,
                  unsigned step)
{
    struct actor *const *bucket = &cache->buckets[bucket_of(cache, kind, id)];
    if (step == 0) {
        __builtin_prefetch(bucket);
    } else if (*bucket != NULL) {
        __builtin_prefetch(*bucket);
        __builtin_prefetch((*bucket)->object);
    }
}

void cache_weigh(struct cache *cache, struct actor *actor)
{
    bool kept = keeps(actor);
    if (kept != actor->kept) {
        TAILQ_REMOVE(list_of(cache, actor), actor, round);
        actor->kept = kept;
        TAILQ_INSERT_HEAD(list_of(cache, actor), actor, round);
    }
    size_t weight = weigh(actor);
    cache->bytes += weight - actor->weight;
    actor->weight = weight;
}

void cache_drop(struct cache *cache, struct actor *actor)
{
    struct actor **at = &cache->buckets[bucket_of(cache, actor->kind, actor_base(actor)->id)];
    while (*at != actor)
        at = &(*at)->hash_next;
    *at = actor->hash_next;
    TAILQ_REMOVE(list_of(cache, actor), actor, round);
    cache->count--;
    cache->bytes -= actor->weight;
    overlay_forget(&actor->owner);
    unload(cache, actor);
}

void cache_trim(struct cache *cache)
{
    while (cache->bytes > cache->bytes_max && cache->count > 1 && !TAILQ_EMPTY(&cache->round)) {
        struct actor *actor = TAILQ_LAST(&cache->round, actor_list);
        /* The analyzer loses track of a tail queue's last element. */
        if (!actor->used) { /* NOLINT(clang-analyzer-unix.Malloc) */
            cache_drop(cache, actor);
            continue;
        }
        actor->used = false;
        TAILQ_REMOVE(&cache->round, actor, round);
        TAILQ_INSERT_HEAD(&cache->round, actor, round);
    }
}
