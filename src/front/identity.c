#include "identity.h"

#include "text.h"
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

_Static_assert((int)IDENTITY_KEY_SIZE >= (int)crypto_sign_PUBLICKEYBYTES, "either kind fits");

/* ---- the key ---- */

/* SubjectPublicKeyInfo of an Ed25519 key (RFC 8410): the key's 32 bytes follow. */
static const uint8_t spki_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                      0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
enum { SPKI_SIZE = sizeof spki_prefix + crypto_sign_PUBLICKEYBYTES };

static bool text_holds(struct text text, const char *part)
{
    return memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static bool text_starts(struct text text, const char *start)
{
    return text.size >= strlen(start) && memcmp(text.data, start, strlen(start)) == 0;
}

static const char *public_key_parse(struct identity_key *key, struct text file)
{
    static const char begin[] = "-----BEGIN PUBLIC KEY-----", end[] = "-----END PUBLIC KEY-----";
    static const char wrong[] = "a PEM file, but not of one Ed25519 public key";
    uint8_t der[SPKI_SIZE + 1];
    size_t size = 0;
    const char *stop = NULL;
    while (file.size > 0 && strchr("\r\n", file.data[file.size - 1]) != NULL)
        file.size--;
    if (!text_starts(file, begin))
        return wrong;
    file.data += strlen(begin);
    file.size -= strlen(begin);
    if (sodium_base642bin(der, sizeof der, file.data, file.size, "\r\n", &size, &stop,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        size != SPKI_SIZE || memcmp(der, spki_prefix, sizeof spki_prefix) != 0)
        return wrong;
    file.size -= (size_t)(stop - file.data);
    file.data = stop;
    if (!text_is(file, end))
        return wrong;
    key->kind = IDENTITY_EDDSA;
    key->size = crypto_sign_PUBLICKEYBYTES;
    memcpy(key->bytes, der + sizeof spki_prefix, crypto_sign_PUBLICKEYBYTES);
    return crypto_core_ed25519_is_valid_point(key->bytes) == 1 ? NULL : wrong;
}

const char *identity_key_parse(struct identity_key *key, struct text file)
{
    memset(key, 0, sizeof *key);
    if (text_holds(file, "-----BEGIN "))
        return public_key_parse(key, file);
    if (text_starts(file, "ssh-") || text_holds(file, "\"kty\""))
        return "an SSH key or a JWK, which is not taken: PEM, or a secret";
    if (file.size > 0 && file.data[file.size - 1] == '\n')
        file.size--;
    if (file.size < IDENTITY_SECRET_MIN)
        return "the secret is shorter than 32 bytes";
    if (file.size > IDENTITY_KEY_SIZE)
        return "the secret is longer than 256 bytes";
    key->kind = IDENTITY_HS256;
    key->size = file.size;
    memcpy(key->bytes, file.data, file.size);
    return NULL;
}

/* ---- the signature ---- */

/* Each value has one spelling: no padding, no other characters, no bits beyond the last byte. */
static bool decode(struct text part, uint8_t *bytes, size_t bytes_max, size_t *size)
{
    return part.size > 0 && sodium_base642bin(bytes, bytes_max, part.data, part.size, NULL, size,
                                              NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* Exactly three parts, none of them empty (decode sees to that). */
static bool token_split(struct text token, struct text parts[3])
{
    const char *end = token.data + token.size;
    for (unsigned i = 0; i < 3; i++) {
        const char *dot = memchr(token.data, '.', (size_t)(end - token.data));
        if ((dot == NULL) != (i == 2))
            return false;
        parts[i].data = token.data;
        parts[i].size = (size_t)((dot != NULL ? dot : end) - token.data);
        token.data = dot != NULL ? dot + 1 : end;
    }
    return true;
}

/* No JSON text has a NUL byte, but the library's lexer skips one that follows a number. In what is
 * no object, and in NULL, no member is found. */
static json_t *json_parse(const uint8_t *bytes, size_t size)
{
    json_error_t error;
    if (memchr(bytes, '\0', size) != NULL)
        return NULL;
    return json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &error);
}

/* The algorithm is the key's. `crit` names what must be understood, and nothing there is. */
static bool head_matches(struct text part, enum identity_kind kind)
{
    uint8_t bytes[IDENTITY_TOKEN_MAX];
    size_t size = 0;
    if (!decode(part, bytes, sizeof bytes, &size))
        return false;
    json_t *head = json_parse(bytes, size);
    const char *algorithm = json_string_value(json_object_get(head, "alg"));
    bool matches = algorithm != NULL && json_object_get(head, "crit") == NULL &&
                   strcmp(algorithm, kind == IDENTITY_EDDSA ? "EdDSA" : "HS256") == 0;
    json_decref(head);
    return matches;
}

static bool hmac_matches(struct text input, const uint8_t *signature, size_t size,
                         const struct identity_key *key)
{
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    if (size != sizeof mac)
        return false;
    crypto_auth_hmacsha256_init(&state, key->bytes, key->size);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)input.data, input.size);
    crypto_auth_hmacsha256_final(&state, mac);
    bool matches = sodium_memcmp(mac, signature, sizeof mac) == 0;
    sodium_memzero(&state, sizeof state);
    sodium_memzero(mac, sizeof mac);
    return matches;
}

static bool signature_matches(struct text input, struct text part, const struct identity_key *key)
{
    uint8_t signature[crypto_sign_BYTES];
    size_t size = 0;
    if (!decode(part, signature, sizeof signature, &size))
        return false;
    switch (key->kind) {
    case IDENTITY_HS256:
        return hmac_matches(input, signature, size, key);
    case IDENTITY_EDDSA:
        return size == sizeof signature && key->size == crypto_sign_PUBLICKEYBYTES &&
               crypto_sign_verify_detached(signature, (const uint8_t *)input.data, input.size,
                                           key->bytes) == 0;
    case IDENTITY_NONE:
        break;
    }
    return false;
}

bool identity_open(struct text token, const struct identity_key *key,
                   uint8_t payload[IDENTITY_TOKEN_MAX], size_t *payload_size)
{
    struct text parts[3];
    if (token.data == NULL || token.size > IDENTITY_TOKEN_MAX || !token_split(token, parts))
        return false;
    const struct text input = {.data = token.data, .size = parts[0].size + 1 + parts[1].size};
    return signature_matches(input, parts[2], key) && head_matches(parts[0], key->kind) &&
           decode(parts[1], payload, IDENTITY_TOKEN_MAX, payload_size);
}

/* ---- the claims ---- */

/* One spelling again: no sign, no leading zeros. */
static bool subject_is(const json_t *subject, uint64_t user)
{
    char digits[24];
    if (json_is_integer(subject))
        return json_integer_value(subject) >= 0 && (uint64_t)json_integer_value(subject) == user;
    snprintf(digits, sizeof digits, "%" PRIu64, user);
    return json_is_string(subject) && strcmp(json_string_value(subject), digits) == 0;
}

static bool claims_hold(const json_t *claims, uint64_t now_ms, uint64_t user)
{
    const json_t *expires = json_object_get(claims, "exp");
    const json_t *begins = json_object_get(claims, "nbf");
    const double now_s = (double)now_ms / 1000;
    return json_is_number(expires) && now_s < json_number_value(expires) &&
           (begins == NULL || (json_is_number(begins) && json_number_value(begins) <= now_s)) &&
           subject_is(json_object_get(claims, "sub"), user);
}

bool identity_verify(struct text token, const struct identity_key *key, uint64_t now_ms,
                     uint64_t user)
{
    uint8_t payload[IDENTITY_TOKEN_MAX];
    size_t size = 0;
    if (!identity_open(token, key, payload, &size))
        return false;
    json_t *claims = json_parse(payload, size);
    bool holds = claims_hold(claims, now_ms, user);
    json_decref(claims);
    return holds;
}
