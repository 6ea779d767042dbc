#ifndef BOXOFFICE_IDENTITY_H
#define BOXOFFICE_IDENTITY_H

#include "http.h"
#include "segment.h"

/* Who a caller is, said by a JWT (RFC 7519) of whoever holds the identity key: a compact JWS (RFC
 * 7515) with HS256 or with EdDSA over Ed25519 (RFC 8037). The key alone says which; a token cannot
 * choose. Pure functions; sodium_init must have been called. Nothing here is ever logged. */
struct identity_key {
    enum identity_kind kind;
    size_t size; /* of bytes */
    uint8_t bytes[IDENTITY_KEY_SIZE];
};

enum {
    IDENTITY_TOKEN_MAX = 4096,
    IDENTITY_SECRET_MIN = 32, /* RFC 7518, section 3.2: as long as the hash */
    IDENTITY_FILE_MAX = 1024, /* bytes of a key file worth reading */
};

/* A key file's bytes: a PEM SubjectPublicKeyInfo with an Ed25519 public key, or a secret for HS256
 * that a trailing newline does not belong to. What is a key of another kind is not taken for a
 * secret: a public one would let everybody sign. Returns NULL, or what is wrong with it. */
const char *identity_key_parse(struct identity_key *key, struct text file);

/* The payload of a token that `key` signed, whatever it says: false for any other token. */
bool identity_open(struct text token, const struct identity_key *key,
                   uint8_t payload[IDENTITY_TOKEN_MAX], size_t *payload_size);

/* True when `key` signed the token, its `sub` is exactly this user (an integer, or its decimal
 * digits), its `exp` is to come, and its `nbf`, if any, is not. */
bool identity_verify(struct text token, const struct identity_key *key, uint64_t now_ms,
                     uint64_t user);

#endif
