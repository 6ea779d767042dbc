#ifndef BOXOFFICE_IDEMPOTENCY_H
#define BOXOFFICE_IDEMPOTENCY_H

#include "rows.h"

/* The rows behind idempotency keys, for any actor: one with the stored answer (tag 'i'), and one in
 * an index by expiry ('e'), through which later events of the same actor drop what is too old. How
 * many an event drops is part of the event, so that apply does the same in recovery. */

enum {
    IDEMPOTENCY_NAME_SIZE = 24,
    IDEMPOTENCY_DROPS_MAX = 2, /* each event adds at most one, so expired keys can't pile up */
};

/* A scope (what the actor separates its keys by: a route, a user) and a hash of the key. */
struct idempotency_name {
    uint64_t scope;
    uint8_t hash[16];
};

struct idempotency_name idempotency_name(uint64_t scope, const char *key, size_t length);
struct row_key idempotency_key(char table, uint64_t actor, const struct idempotency_name *name);

/* When the actor's first key expires, Unix ms; 0: it has none. */
uint64_t idempotency_oldest_ms(const struct row_view *rows, char table, uint64_t actor);
/* How many of its keys the next event is to drop. */
unsigned idempotency_due(const struct row_view *rows, char table, uint64_t actor, uint64_t now_ms);
/* Drops the first `count` keys by expiry, and says which. */
void idempotency_drop(struct row_sink *sink, char table, uint64_t actor, unsigned count,
                      struct idempotency_name dropped[IDEMPOTENCY_DROPS_MAX]);
/* Stores an answer. `replaced_ms`: expiry of the row of that name that is there already, 0: none.
 */
void idempotency_put(struct row_sink *sink, char table, uint64_t actor,
                     const struct idempotency_name *name, uint64_t replaced_ms,
                     uint64_t expires_at_ms, const void *payload, size_t size);

#endif
