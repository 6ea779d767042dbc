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

bool ticket_verify(struct text text, const uint8_t key[TICKET_KEY_SIZE], uint64_t now_ms,
                   struct queue_ticket *ticket)
{
    uint8_t bytes[TOKEN_SIZE], mac[MAC_SIZE];
    size_t used;
    if (text.size != TICKET_TEXT_SIZE - 1 ||
        sodium_base642bin(bytes, sizeof bytes, text.data, text.size, NULL, &used, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        used != sizeof bytes || bytes[0] != TICKET_VERSION)
        return false;
    mac_make(bytes, key, mac);
    if (sodium_memcmp(mac, bytes + SIGNED_SIZE, MAC_SIZE) != 0)
        return false;
    const uint8_t *at = bytes + 1;
    at = get_u64(at, &ticket->room);
    at = get_u64(at, &ticket->user);
    at = get_u64(at, &ticket->number);
    get_u64(at, &ticket->issued_at_ms);
    return now_ms < ticket->issued_at_ms || now_ms - ticket->issued_at_ms < TICKET_TTL_MS;
}
