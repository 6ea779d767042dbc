#include "auth.h"

#include "identity.h"
#include "text.h"
#include <sodium.h>
#include <string.h>
#include <strings.h>

_Static_assert((int)SECRET_SIZE == (int)TICKET_KEY_SIZE, "the segment holds a whole ticket key");

static bool bearer_strip(struct text *authorization)
{
    static const char scheme[] = "Bearer ";
    const size_t length = sizeof scheme - 1;
    if (authorization->size < length || strncasecmp(authorization->data, scheme, length) != 0)
        return false;
    authorization->data += length;
    authorization->size -= length;
    *authorization = text_trim(*authorization);
    return true;
}

void auth_key_hash(struct text key, uint8_t hash[SECRET_SIZE])
{
    crypto_generichash(hash, SECRET_SIZE, (const uint8_t *)key.data, key.size, NULL, 0);
}

/* Hashes are compared, so the time says nothing about the key. */
static bool key_matches(struct text authorization, const uint8_t expected[SECRET_SIZE])
{
    uint8_t hash[SECRET_SIZE];
    if (!bearer_strip(&authorization) || authorization.size == 0)
        return false;
    auth_key_hash(authorization, hash);
    return sodium_memcmp(hash, expected, SECRET_SIZE) == 0;
}

static bool ticket_matches(const struct segment_header *header, struct ticket_cache *cache,
                           struct text authorization, uint64_t now_ms, struct queue_ticket *ticket)
{
    bearer_strip(&authorization); /* the load-test scripts send the bare token */
    if (ticket_verify_cached(cache, authorization, header->ticket_key, now_ms, ticket))
        return true;
    memset(ticket, 0, sizeof *ticket);
    return false;
}

static enum problem charger_check(const struct segment_header *header, struct ticket_cache *cache,
                                  struct text authorization, uint64_t now_ms)
{
    struct queue_ticket ticket;
    if (key_matches(authorization, header->charge_key_hash))
        return PROBLEM_OK;
    return ticket_matches(header, cache, authorization, now_ms, &ticket) ? PROBLEM_FORBIDDEN
                                                                         : PROBLEM_UNAUTHORIZED;
}

enum problem auth_check(const struct segment_header *header, struct ticket_cache *cache,
                        enum access access, struct text authorization, uint64_t owner,
                        uint64_t now_ms, struct queue_ticket *ticket)
{
    memset(ticket, 0, sizeof *ticket);
    if (access == ACCESS_PUBLIC || (access == ACCESS_CONFIRMER && header->config.open_confirm))
        return PROBLEM_OK;
    if (authorization.data == NULL)
        return PROBLEM_UNAUTHORIZED;
    if (access == ACCESS_ADMIN)
        return key_matches(authorization, header->admin_key_hash) ? PROBLEM_OK
                                                                  : PROBLEM_UNAUTHORIZED;
    if (access == ACCESS_CHARGER && header->charge_key_set)
        return charger_check(header, cache, authorization, now_ms);
    if (!ticket_matches(header, cache, authorization, now_ms, ticket))
        return PROBLEM_UNAUTHORIZED;
    bool owned = access == ACCESS_OWNER || access == ACCESS_CHARGER;
    return owned && ticket->user != owner ? PROBLEM_NOT_OWNER : PROBLEM_OK;
}

enum problem auth_identity(const struct segment_header *header, struct text authorization,
                           uint64_t user, uint64_t now_ms)
{
    if (header->identity_kind == IDENTITY_NONE)
        return PROBLEM_OK;
    struct identity_key key = {.kind = header->identity_kind, .size = header->identity_key_size};
    if (key.size > sizeof key.bytes || authorization.data == NULL || !bearer_strip(&authorization))
        return PROBLEM_UNAUTHORIZED;
    memcpy(key.bytes, header->identity_key, key.size);
    bool known = identity_verify(authorization, &key, now_ms, user);
    sodium_memzero(&key, sizeof key);
    return known ? PROBLEM_OK : PROBLEM_UNAUTHORIZED;
}
