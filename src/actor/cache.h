#ifndef BOXOFFICE_CACHE_H
#define BOXOFFICE_CACHE_H

#include "behaviour.h"
#include "overlay.h"
#include <sys/queue.h>

/* Decoded actors, bounded by bytes (passivation). Who goes is chosen by second chance (Corbató's
 * clock): oldest first, but one that was used again since then goes round once more. So
 * a use costs a flag, where an exact order of use would write to two neighbours. Every actor can be
 * rebuilt from rows at any time, so eviction loses nothing; it happens between batches only. Actors
 * that their kind keeps (actor_kind.keeps) are never evicted and weigh nothing here. */

struct actor {
    const struct actor_kind *kind;
    struct actor *hash_next;
    TAILQ_ENTRY(actor) round;
    size_t weight;
    struct overlay_owner *owner;   /* of its unsaved rows, when known (overlay_touch) */
    bool touched;                  /* changed in this batch: to be published and weighed again */
    bool failed;                   /* in this batch: it is dropped at its end */
    bool used;                     /* again, since it was loaded or the eviction looked last */
    bool kept;                     /* in cache.kept, not in cache.round */
    _Alignas(16) uint8_t object[]; /* begins with struct actor_base */
};

TAILQ_HEAD(actor_list, actor);

struct cache {
    struct actor **buckets;
    size_t bucket_count, count;
    size_t bytes, bytes_max;
    struct actor_list round; /* the next to be looked at is the last */
    struct actor_list kept;
    struct pool pools[UINT8_MAX + 1]; /* of actors, by their kind's number */
    char failure[160];                /* why the last load failed */
};

enum status cache_init(struct cache *cache, size_t bytes_max);
void cache_fini(struct cache *cache);
/* The actor, loaded from rows when it is not there. Stays valid until cache_trim or cache_drop.
 * NULL: a check failed while it was loaded (cache->failure). */
struct actor *cache_get(struct cache *cache, const struct actor_kind *kind, uint64_t id,
                        const struct row_view *rows);
/* Soon cache_get will be asked for this actor: asks the processor for the memory on the way to it,
 * a step at each call. Only a hint. */
enum { CACHE_EXPECT_STEPS = 2 };
void cache_expect(const struct cache *cache, const struct actor_kind *kind, uint64_t id,
                  unsigned step);
void cache_weigh(struct cache *cache, struct actor *actor); /* after it changed */
void cache_trim(struct cache *cache);                       /* between batches */
void cache_drop(struct cache *cache, struct actor *actor);

static inline struct actor_base *actor_base(struct actor *actor)
{
    return (struct actor_base *)(void *)actor->object;
}

#endif
