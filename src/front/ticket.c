#include "ticket.h"

#include <sodium.h>
#include <string.h>

enum {
    TICKET_VERSION = 1,
    FIELD_COUNT = 4,
    SIGNED_SIZE = 1 + FIELD_COUNT * 8,
    MAC_SIZE = 16,
    TOKEN_SIZE = SIGNED_SIZE + MAC_SIZE,
};

_Static_assert(sodium_base64_ENCODED_LEN(TOKEN_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
                   TICKET_TEXT_SIZE,
               "the size of a token's text");
_Static_assert(MAC_SIZE >= crypto_generichash_BYTES_MIN, "a MAC that BLAKE2b can make");

static uint8_t *put_u64(uint8_t *to, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *to++ = (uint8_t)(value >> shift);
    return to;
}

static const uint8_t *get_u64(const uint8_t *from, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < 8; i++)
        *value = *value << 8 | *from++;
    return from;
}

static void mac_make(const uint8_t *bytes, const uint8_t *key, uint8_t mac[MAC_SIZE])
{
    crypto_generichash(mac, MAC_SIZE, bytes, SIGNED_SIZE, key, TICKET_KEY_SIZE);
}

void ticket_sign(const struct queue_ticket *ticket, const uint8_t key[TICKET_KEY_SIZE],
                 char text[TICKET_TEXT_SIZE])
{
    uint8_t bytes[TOKEN_SIZE], *at = bytes;
    *at++ = TICKET_VERSION;
    at = put_u64(at, ticket->room);
    at = put_u64(at, ticket->user);
    at = put_u64(at, ticket->number);
    at = put_u64(at, ticket->issued_at_ms);
    mac_make(bytes, key, at);
    sodium_bin2base64(text, TICKET_TEXT_SIZE, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* The value of each base64url digit with DIGIT set; 0 for what is none. */
enum { DIGIT = 0x40 };
#define DIGITS_1(first, value) [first] = DIGIT | (value)
#define DIGITS_2(first, value) DIGITS_1(first, value), DIGITS_1(first + 1, (value) + 1)
#define DIGITS_10(first, value)                                                                    \
    DIGITS_2(first, value), DIGITS_2(first + 2, (value) + 2), DIGITS_2(first + 4, (value) + 4),    \
        DIGITS_2(first + 6, (value) + 6), DIGITS_2(first + 8, (value) + 8)
#define DIGITS_26(first, value)                                                                    \
    DIGITS_10(first, value), DIGITS_10(first + 10, (value) + 10),                                  \
        DIGITS_2(first + 20, (value) + 20), DIGITS_2(first + 22, (value) + 22),                    \
        DIGITS_2(first + 24, (value) + 24)
static const uint8_t digits[256] = {DIGITS_26('A', 0), DIGITS_26('a', 26), DIGITS_10('0', 52),
                                    DIGITS_1('-', 62), DIGITS_1('_', 63)};

/* libsodium's decoder hides from the clock what a token says, which is no secret here, and takes
 * ten times as long. Each token has one spelling: the bits beyond its last byte must be zero. */
static bool token_decode(const char *text, uint8_t bytes[TOKEN_SIZE])
{
    unsigned all = DIGIT;
    uint32_t bits = 0;
    size_t used = 0;
    for (unsigned i = 0; i < TICKET_TEXT_SIZE - 1; i++) {
        unsigned digit = digits[(unsigned char)text[i]];
        all &= digit;
        bits = bits << 6 | (digit & ~(unsigned)DIGIT);
        if (i % 4 > 0)
            bytes[used++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return all >= DIGIT && (bits & 0x0f) == 0;
}

static bool is_fresh(const struct queue_ticket *ticket, uint64_t now_ms)
{
    return now_ms < ticket->issued_at_ms || now_ms - ticket->issued_at_ms < TICKET_TTL_MS;
}

bool ticket_verify(struct text text, const uint8_t key[TICKET_KEY_SIZE], uint64_t now_ms,
                   struct queue_ticket *ticket)
{
    uint8_t bytes[TOKEN_SIZE], mac[MAC_SIZE];
    if (text.size != TICKET_TEXT_SIZE - 1 || !token_decode(text.data, bytes) ||
        bytes[0] != TICKET_VERSION)
        return false;
    mac_make(bytes, key, mac);
    if (sodium_memcmp(mac, bytes + SIGNED_SIZE, MAC_SIZE) != 0)
        return false;
    const uint8_t *at = bytes + 1;
    at = get_u64(at, &ticket->room);
    at = get_u64(at, &ticket->user);
    at = get_u64(at, &ticket->number);
    get_u64(at, &ticket->issued_at_ms);
    return is_fresh(ticket, now_ms);
}

/* The characters of a token's MAC are as good as random. */
static struct ticket_cached *cache_place(struct ticket_cache *cache, const char *text)
{
    uint64_t hash;
    memcpy(&hash, text + TICKET_TEXT_SIZE - 1 - 12, sizeof hash);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return &cache->entries[hash >> 49];
}

_Static_assert(TICKET_CACHE_SIZE == 1 << 15, "the bits of the hash that choose a place");

static bool texts_equal(const char *left, const char *right)
{
    uint64_t a, b, difference = 0;
    size_t at = 0;
    for (; at + sizeof a <= TICKET_TEXT_SIZE - 1; at += sizeof a) {
        memcpy(&a, left + at, sizeof a);
        memcpy(&b, right + at, sizeof b);
        difference |= a ^ b;
    }
    for (; at < TICKET_TEXT_SIZE - 1; at++)
        difference |= (uint64_t)(unsigned char)(left[at] ^ right[at]);
    return difference == 0;
}

bool ticket_verify_cached(struct ticket_cache *cache, struct text text,
                          const uint8_t key[TICKET_KEY_SIZE], uint64_t now_ms,
                          struct queue_ticket *ticket)
{
    if (text.size != TICKET_TEXT_SIZE - 1)
        return false;
    struct ticket_cached *cached = cache_place(cache, text.data);
    if (cached->text[0] != '\0' && texts_equal(cached->text, text.data)) {
        *ticket = cached->ticket;
        return is_fresh(ticket, now_ms);
    }
    if (!ticket_verify(text, key, now_ms, ticket))
        return false;
    memcpy(cached->text, text.data, text.size);
    cached->ticket = *ticket;
    return true;
}
