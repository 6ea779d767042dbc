#ifndef BOXOFFICE_TICKET_H
#define BOXOFFICE_TICKET_H

#include "http.h"

/* A queue token is a ticket that its server has signed, so that a check needs no look-up:
 *
 *   base64url (RFC 4648, section 5, no padding) of
 *   version u8 · room, user, number, issued_at_ms u64 each (big-endian) · MAC 16 bytes
 *
 * with MAC = BLAKE2b-128 of the bytes before it, keyed with the data directory's ticket key. Pure
 * functions; sodium_init must have been called. */
struct queue_ticket {
    uint64_t room, user;
    uint64_t number; /* within the room, in order of issue */
    uint64_t issued_at_ms;
};

enum {
    TICKET_KEY_SIZE = 32,
    TICKET_TEXT_SIZE = 66 + 1, /* the token and a NUL */
};
#define TICKET_TTL_MS (UINT64_C(24) * 3600 * 1000)

void ticket_sign(const struct queue_ticket *ticket, const uint8_t key[TICKET_KEY_SIZE],
                 char text[TICKET_TEXT_SIZE]);

/* True when the text is exactly a token that `key` signed and that has not expired. The MAC is
 * compared in constant time. A token from the future (a clock that was set back between two full
 * restarts) is taken as fresh. */
bool ticket_verify(struct text text, const uint8_t key[TICKET_KEY_SIZE], uint64_t now_ms,
                   struct queue_ticket *ticket);

/* Tokens that were verified lately, so that a client that asks again costs no MAC. Direct-mapped,
 * private to the process; a look-up compares in constant time. Zero-initialised memory is an empty
 * cache. */
enum { TICKET_CACHE_SIZE = 32768 }; /* about 3.5 MiB when all are in use */
struct ticket_cache {
    struct ticket_cached {
        char text[TICKET_TEXT_SIZE]; /* terminated when used, empty otherwise */
        struct queue_ticket ticket;
    } entries[TICKET_CACHE_SIZE];
};

/* As ticket_verify, of one key. */
bool ticket_verify_cached(struct ticket_cache *cache, struct text text,
                          const uint8_t key[TICKET_KEY_SIZE], uint64_t now_ms,
                          struct queue_ticket *ticket);

#endif
