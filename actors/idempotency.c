#include "idempotency.h"
#include "check.h"
#include <sodium.h>
#include <string.h>

enum { PREFIX_SIZE = 10 }; /* table, actor, tag */

struct idempotency_name idempotency_name(uint64_t scope, const char *key, size_t length)
{
    struct idempotency_name name = {.scope = scope};
    int failed = crypto_generichash(name.hash, sizeof name.hash, (const unsigned char *)key, length,
                                    NULL, 0);
    check(failed == 0);
    return name;
}

static void add_name(struct row_key *key, const struct idempotency_name *name)
{
    row_key_add_u64(key, name->scope);
    row_key_add_bytes(key, name->hash, sizeof name->hash);
}

struct row_key idempotency_key(char table, uint64_t actor, const struct idempotency_name *name)
{
    struct row_key key = row_key_of(table, actor);
    row_key_add_tag(&key, 'i');
    add_name(&key, name);
    return key;
}

static struct row_key expiry_prefix(char table, uint64_t actor)
{
    struct row_key key = row_key_of(table, actor);
    row_key_add_tag(&key, 'e');
    return key;
}

static struct row_key expiry_key(char table, uint64_t actor, uint64_t expires_at_ms,
                                 const struct idempotency_name *name)
{
    struct row_key key = expiry_prefix(table, actor);
    row_key_add_u64(&key, expires_at_ms);
    add_name(&key, name);
    return key;
}

struct first_keys {
    uint64_t until_ms; /* only keys that expire by then */
    unsigned count, max;
    uint64_t expires_at_ms[IDEMPOTENCY_DROPS_MAX];
    struct idempotency_name names[IDEMPOTENCY_DROPS_MAX];
};

static bool visit_expiry(void *context, const struct row_key *key, struct row_bytes value)
{
    struct first_keys *first = context;
    uint64_t expires_at_ms = row_key_u64(key, PREFIX_SIZE);
    (void)value;
    check(key->size == PREFIX_SIZE + 8 + IDEMPOTENCY_NAME_SIZE);
    if (expires_at_ms > first->until_ms)
        return false;
    first->expires_at_ms[first->count] = expires_at_ms;
    first->names[first->count].scope = row_key_u64(key, PREFIX_SIZE + 8);
    memcpy(first->names[first->count].hash, key->data + PREFIX_SIZE + 16,
           sizeof first->names[0].hash);
    return ++first->count < first->max;
}

static void first_keys(const struct row_view *rows, char table, uint64_t actor,
                       struct first_keys *first)
{
    struct row_key prefix = expiry_prefix(table, actor);
    rows->scan(rows->context, &prefix, NULL, false, visit_expiry, first);
}

uint64_t idempotency_oldest_ms(const struct row_view *rows, char table, uint64_t actor)
{
    struct first_keys first = {.until_ms = UINT64_MAX, .max = 1};
    first_keys(rows, table, actor, &first);
    return first.count > 0 ? first.expires_at_ms[0] : 0;
}

unsigned idempotency_due(const struct row_view *rows, char table, uint64_t actor, uint64_t now_ms)
{
    struct first_keys first = {.until_ms = now_ms, .max = IDEMPOTENCY_DROPS_MAX};
    first_keys(rows, table, actor, &first);
    return first.count;
}

void idempotency_drop(struct row_sink *sink, char table, uint64_t actor, unsigned count,
                      struct idempotency_name dropped[IDEMPOTENCY_DROPS_MAX])
{
    check(count <= IDEMPOTENCY_DROPS_MAX);
    if (count == 0)
        return;
    struct first_keys first = {.until_ms = UINT64_MAX, .max = count};
    first_keys(&sink->view, table, actor, &first);
    check(first.count == count);
    for (unsigned i = 0; i < count; i++) {
        struct row_key index = expiry_key(table, actor, first.expires_at_ms[i], &first.names[i]);
        struct row_key answer = idempotency_key(table, actor, &first.names[i]);
        sink->delete (sink->view.context, &index);
        sink->delete (sink->view.context, &answer);
        dropped[i] = first.names[i];
    }
}

void idempotency_put(struct row_sink *sink, char table, uint64_t actor,
                     const struct idempotency_name *name, uint64_t replaced_ms,
                     uint64_t expires_at_ms, const void *payload, size_t size)
{
    static const uint8_t present[1] = {0};
    if (replaced_ms != 0) {
        struct row_key old = expiry_key(table, actor, replaced_ms, name);
        sink->delete (sink->view.context, &old);
    }
    struct row_key answer = idempotency_key(table, actor, name);
    struct row_key index = expiry_key(table, actor, expires_at_ms, name);
    sink->put(sink->view.context, &answer, payload, size);
    sink->put(sink->view.context, &index, present, sizeof present);
}
