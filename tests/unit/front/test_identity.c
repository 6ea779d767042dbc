#include "unit.h"

#include "identity.h"
#include "text.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Tokens are made here byte by byte, with a signature that is right unless the test says otherwise:
 * so that each refusal has one cause. */

#define NOW_MS UINT64_C(1700000000000)
#define GOOD_CLAIMS "{\"sub\":\"42\",\"exp\":1700000001}"
#define SECRET "0123456789abcdef0123456789abcdef"

static struct identity_key secret_key, public_key;
static uint8_t private_key[crypto_sign_SECRETKEYBYTES];
static char made[3 * IDENTITY_TOKEN_MAX];

static struct text text_sized(const char *data, size_t size)
{
    return (struct text){.data = data, .size = size};
}

static void append(const void *bytes, size_t size)
{
    size_t used = strlen(made);
    sodium_bin2base64(made + used, sizeof made - used, bytes, size,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void sign(const struct identity_key *key)
{
    uint8_t signature[crypto_sign_BYTES];
    size_t size = crypto_sign_BYTES;
    if (key->kind == IDENTITY_EDDSA) {
        crypto_sign_detached(signature, NULL, (const uint8_t *)made, strlen(made), private_key);
    } else {
        crypto_auth_hmacsha256_state state;
        crypto_auth_hmacsha256_init(&state, key->bytes, key->size);
        crypto_auth_hmacsha256_update(&state, (const uint8_t *)made, strlen(made));
        crypto_auth_hmacsha256_final(&state, signature);
        size = crypto_auth_hmacsha256_BYTES;
    }
    strcat(made, ".");
    append(signature, size);
}

static const char *token_sized(const char *head, const char *claims, size_t claims_size,
                               const struct identity_key *key)
{
    made[0] = '\0';
    append(head, strlen(head));
    strcat(made, ".");
    append(claims, claims_size);
    sign(key);
    return made;
}

static const char *token_of(const char *head, const char *claims, const struct identity_key *key)
{
    return token_sized(head, claims, strlen(claims), key);
}

static const char *head_of(const struct identity_key *key)
{
    return key->kind == IDENTITY_EDDSA ? "{\"alg\":\"EdDSA\"}" : "{\"alg\":\"HS256\"}";
}

static bool accepts(const char *token, const struct identity_key *key)
{
    return identity_verify(text_of(token), key, NOW_MS, 42);
}

static bool accepts_claims(const char *claims)
{
    return accepts(token_of(head_of(&secret_key), claims, &secret_key), &secret_key);
}

static bool accepts_head(const char *head)
{
    return accepts(token_of(head, GOOD_CLAIMS, &secret_key), &secret_key);
}

static int prepare(void **state)
{
    uint8_t public_bytes[crypto_sign_PUBLICKEYBYTES];
    static const uint8_t seed[crypto_sign_SEEDBYTES] = {1, 2, 3};
    (void)state;
    if (sodium_init() < 0)
        return -1;
    crypto_sign_seed_keypair(public_bytes, private_key, seed);
    public_key = (struct identity_key){.kind = IDENTITY_EDDSA, .size = sizeof public_bytes};
    memcpy(public_key.bytes, public_bytes, sizeof public_bytes);
    return identity_key_parse(&secret_key, text_of(SECRET)) == NULL ? 0 : -1;
}

/* ---- vectors ---- */

static void test_rfc7515_a1_hs256_is_opened(void **state)
{
    static const char token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
                                ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                                ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    static const char secret[] = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iP"
                                 "S4hcgUuTwjAzZr1Z9CAow";
    static const char expected[] = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
                                   "\"http://example.com/is_root\":true}";
    struct identity_key key = {.kind = IDENTITY_HS256};
    uint8_t payload[IDENTITY_TOKEN_MAX];
    size_t size = 0;
    (void)state;
    assert_int_equal(sodium_base642bin(key.bytes, sizeof key.bytes, secret, strlen(secret), NULL,
                                       &key.size, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
    assert_int_equal(key.size, 64);
    assert_true(identity_open(text_of(token), &key, payload, &size));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(payload, expected, size);
    key.bytes[63] ^= 1;
    assert_false(identity_open(text_of(token), &key, payload, &size));
}

static void test_rfc8037_a4_eddsa_is_opened(void **state)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                              "-----END PUBLIC KEY-----\n";
    static const char token[] = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
                                ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B"
                                "hVsPt9g7sVvpAr_MuM0KAg";
    static const char expected[] = "Example of Ed25519 signing";
    struct identity_key key;
    uint8_t payload[IDENTITY_TOKEN_MAX];
    size_t size = 0;
    (void)state;
    assert_null(identity_key_parse(&key, text_of(pem)));
    assert_int_equal(key.kind, IDENTITY_EDDSA);
    assert_true(identity_open(text_of(token), &key, payload, &size));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(payload, expected, size);
    assert_false(identity_open(text_of(token), &public_key, payload, &size));
}

/* ---- tokens ---- */

static void test_a_token_of_either_kind_says_who_the_user_is(void **state)
{
    const struct identity_key *const keys[] = {&secret_key, &public_key};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *token = token_of(head_of(keys[i]), GOOD_CLAIMS, keys[i]);
        assert_true(accepts(token, keys[i]));
        assert_false(identity_verify(text_of(token), keys[i], NOW_MS, 43));
        assert_false(accepts(token, keys[1 - i]));
    }
    assert_true(accepts_head("{\"typ\":\"JWT\",\"kid\":\"1\",\"alg\":\"HS256\"}"));
}

static void test_any_changed_character_is_refused(void **state)
{
    const struct identity_key *const keys[] = {&secret_key, &public_key};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        token_of(head_of(keys[k]), GOOD_CLAIMS, keys[k]);
        for (char *at = made; *at != '\0'; at++) {
            char before = *at;
            for (const char *other = "Ab9-_=.%\n"; *other != '\0'; other++) {
                *at = *other;
                assert_int_equal(accepts(made, keys[k]), *other == before);
            }
            *at = before;
        }
    }
}

static void test_the_key_chooses_the_algorithm(void **state)
{
    static const char *const heads[] = {"{\"alg\":\"none\"}",
                                        "{\"alg\":\"None\"}",
                                        "{\"alg\":\"EdDSA\"}",
                                        "{\"alg\":\"HS512\"}",
                                        "{\"alg\":\"hs256\"}",
                                        "{\"alg\":\"HS256 \"}",
                                        "{\"alg\":null}",
                                        "{\"alg\":[\"HS256\"]}",
                                        "{\"typ\":\"JWT\"}",
                                        "[\"alg\"]",
                                        "HS256",
                                        "{\"alg\":\"HS256\"",
                                        "{\"alg\":\"HS256\"}}"};
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_false(accepts_head(heads[i]));
    assert_false(accepts(token_of("{\"alg\":\"HS256\"}", GOOD_CLAIMS, &public_key), &public_key));
    /* A public key is known to everybody: it is no secret to sign with. */
    struct identity_key confused = public_key;
    confused.kind = IDENTITY_HS256;
    assert_false(accepts(token_of("{\"alg\":\"HS256\"}", GOOD_CLAIMS, &confused), &public_key));
}

static void test_what_must_be_understood_and_is_not_is_refused(void **state)
{
    (void)state;
    assert_false(accepts_head("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}"));
}

static void test_repeated_keys_are_refused(void **state)
{
    (void)state;
    assert_false(accepts_head("{\"alg\":\"none\",\"alg\":\"HS256\"}"));
    assert_false(accepts_claims("{\"sub\":\"7\",\"sub\":\"42\",\"exp\":1700000001}"));
    assert_false(accepts_claims("{\"sub\":\"42\",\"exp\":1,\"exp\":1700000001}"));
}

static void test_a_token_ends_at_exp(void **state)
{
    (void)state;
    const struct text token = text_of(token_of(head_of(&secret_key), GOOD_CLAIMS, &secret_key));
    assert_true(identity_verify(token, &secret_key, UINT64_C(1700000000999), 42));
    assert_false(identity_verify(token, &secret_key, UINT64_C(1700000001000), 42));
    assert_true(accepts_claims("{\"sub\":\"42\",\"exp\":1700000000.5}"));
    static const char *const wrong[] = {
        "{\"sub\":\"42\"}",
        "{\"sub\":\"42\",\"exp\":null}",
        "{\"sub\":\"42\",\"exp\":\"1700000001\"}",
        "{\"sub\":\"42\",\"exp\":true}",
        "{\"sub\":\"42\",\"exp\":0}",
        "{\"sub\":\"42\",\"exp\":-1700000001}",
        "{\"sub\":\"42\",\"exp\":99999999999999999999}",
        "{\"sub\":\"42\",\"exp\":1e999}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(accepts_claims(wrong[i]));
}

static void test_a_token_begins_at_nbf(void **state)
{
    (void)state;
    assert_true(accepts_claims("{\"sub\":\"42\",\"exp\":1700000001,\"nbf\":1700000000}"));
    assert_false(accepts_claims("{\"sub\":\"42\",\"exp\":1700000009,\"nbf\":1700000001}"));
    assert_false(accepts_claims("{\"sub\":\"42\",\"exp\":1700000001,\"nbf\":\"0\"}"));
    assert_false(accepts_claims("{\"sub\":\"42\",\"exp\":1700000001,\"nbf\":null}"));
}

static void test_only_the_users_own_number_is_his_subject(void **state)
{
    static const char *const wrong[] = {"\"43\"",
                                        "43",
                                        "\"042\"",
                                        "\" 42\"",
                                        "\"42 \"",
                                        "\"+42\"",
                                        "\"42.0\"",
                                        "42.0",
                                        "4.2e1",
                                        "-42",
                                        "\"\"",
                                        "null",
                                        "\"42\\u0000\"",
                                        "[42]",
                                        "true",
                                        "\"-42\"",
                                        "18446744073709551658"};
    char claims[96];
    (void)state;
    assert_true(accepts_claims("{\"sub\":42,\"exp\":1700000001}"));
    assert_false(identity_verify(
        text_of(token_of(head_of(&secret_key), "{\"sub\":-42,\"exp\":1700000001}", &secret_key)),
        &secret_key, NOW_MS, UINT64_MAX - 41));
    assert_false(accepts_claims("{\"exp\":1700000001}"));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(claims, sizeof claims, "{\"sub\":%s,\"exp\":1700000001}", wrong[i]);
        assert_false(accepts_claims(claims));
    }
}

static void test_claims_that_are_no_json_object_are_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "[]",
                                        "42",
                                        "\"42\"",
                                        "{",
                                        GOOD_CLAIMS "x",
                                        "{\"sub\":\"42\",\"a\":\"\xff\",\"exp\":1700000001}"};
    static const char nul[] = "{\"sub\":42\0,\"exp\":1700000001}";
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(accepts_claims(wrong[i]));
    assert_false(
        accepts(token_sized(head_of(&secret_key), nul, sizeof nul - 1, &secret_key), &secret_key));
}

/* ---- spelling ---- */

static void test_a_token_is_three_parts_and_nothing_else(void **state)
{
    char token[512];
    (void)state;
    snprintf(token, sizeof token, "%s", token_of(head_of(&secret_key), GOOD_CLAIMS, &secret_key));
    static const char *const patterns[] = {"%s.", "%s..", ".%s",   "%s=",       "%s==", "%s ",
                                           " %s", "%s\n", "%s.AA", "Bearer %s", "%sA"};
    char other[2 * sizeof token];
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        const char *place = strstr(patterns[i], "%s");
        snprintf(other, sizeof other, "%.*s%s%s", (int)(place - patterns[i]), patterns[i], token,
                 place + 2);
        assert_false(accepts(other, &secret_key));
    }
    size_t length = strlen(token);
    for (size_t size = 0; size <= length; size++)
        assert_int_equal(identity_verify(text_sized(token, size), &secret_key, NOW_MS, 42),
                         size == length);
    assert_false(identity_verify((struct text){0}, &secret_key, NOW_MS, 42));
    static const char *const empty[] = {"", ".", "..", "...", "a.b.c", "a.b", "eyJ.."};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        assert_false(accepts(empty[i], &secret_key));
}

/* Base64 of a part whose last digit has bits that no byte takes, and one with padding: signed as
 * they stand, so that the spelling alone is what is wrong. */
static void test_a_part_has_one_spelling(void **state)
{
    (void)state;
    made[0] = '\0';
    append(head_of(&secret_key), strlen(head_of(&secret_key)));
    size_t head = strlen(made);
    assert_int_not_equal(head % 4, 1);
    strcat(made, ".");
    append(GOOD_CLAIMS, strlen(GOOD_CLAIMS));
    char *last = made + strlen(made) - 1;
    assert_int_not_equal((strlen(made) - head - 1) % 4, 0);
    char unsigned_token[sizeof made];
    snprintf(unsigned_token, sizeof unsigned_token, "%s", made);
    sign(&secret_key);
    assert_true(accepts(made, &secret_key));

    snprintf(made, sizeof made, "%s", unsigned_token);
    *last = (char)(*last + 1);
    sign(&secret_key);
    assert_false(accepts(made, &secret_key));

    for (const char *padding = "=="; *padding != '\0'; padding++) {
        snprintf(made, sizeof made, "%.200s%s", unsigned_token, padding);
        sign(&secret_key);
        assert_false(accepts(made, &secret_key));
    }

    token_of(head_of(&secret_key), GOOD_CLAIMS, &secret_key);
    last = made + strlen(made) - 1; /* 32 bytes: two bits are left over */
    *last = (char)(*last + 1);
    assert_false(accepts(made, &secret_key));
}

static void test_a_token_of_4096_bytes_is_the_longest(void **state)
{
    char claims[IDENTITY_TOKEN_MAX];
    size_t longest = 0;
    (void)state;
    for (size_t size = 2900; size < 3100; size++) {
        memset(claims, ' ', size);
        memcpy(claims, GOOD_CLAIMS, strlen(GOOD_CLAIMS));
        claims[size] = '\0';
        token_of(head_of(&secret_key), claims, &secret_key);
        assert_int_equal(accepts(made, &secret_key), strlen(made) <= IDENTITY_TOKEN_MAX);
        if (strlen(made) <= IDENTITY_TOKEN_MAX)
            longest = strlen(made);
    }
    assert_true(longest > IDENTITY_TOKEN_MAX - 4);
}

static void test_without_a_key_nothing_is_genuine(void **state)
{
    const struct identity_key none = {.kind = IDENTITY_NONE};
    (void)state;
    assert_false(accepts(token_of(head_of(&secret_key), GOOD_CLAIMS, &secret_key), &none));
}

/* ---- key files ---- */

static void test_a_secret_is_the_file_without_one_newline(void **state)
{
    char file[IDENTITY_KEY_SIZE + 3];
    struct identity_key key;
    (void)state;
    memset(file, 's', sizeof file);
    for (size_t size = 0; size <= IDENTITY_KEY_SIZE + 1; size++) {
        const char *wrong = identity_key_parse(&key, text_sized(file, size));
        assert_int_equal(wrong == NULL, size >= 32 && size <= 256);
        assert_int_equal(key.kind, wrong == NULL ? IDENTITY_HS256 : IDENTITY_NONE);
        assert_true(wrong != NULL || key.size == size);
    }
    assert_null(identity_key_parse(&key, text_of(SECRET "\n")));
    assert_int_equal(key.size, 32);
    assert_memory_equal(key.bytes, SECRET, 32);
    assert_null(identity_key_parse(&key, text_of(SECRET "\n\n")));
    assert_int_equal(key.size, 33);
    assert_non_null(identity_key_parse(&key, text_of("0123456789abcdef0123456789abcde\n")));
}

#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----\n"
#define PEM_END "-----END PUBLIC KEY-----\n"
#define PEM_BODY "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void test_a_public_key_may_end_its_lines_in_either_way(void **state)
{
    struct identity_key key;
    (void)state;
    assert_null(identity_key_parse(&key, text_of("-----BEGIN PUBLIC KEY-----\r\n" PEM_BODY
                                                 "\r\n-----END PUBLIC KEY-----\r\n")));
    assert_null(identity_key_parse(&key, text_of(PEM_BEGIN PEM_BODY "\n"
                                                                    "-----END PUBLIC KEY-----")));
    assert_int_equal(key.size, 32);
}

/* Taken for a secret, any of these would let everybody sign who knows the public key. */
static void test_a_key_of_another_kind_is_not_taken_for_a_secret(void **state)
{
    static const char *const wrong[] = {
        PEM_BEGIN PEM_END,
        PEM_BEGIN PEM_BODY "\n",
        PEM_BEGIN PEM_BODY PEM_BODY "\n" PEM_END,
        PEM_BEGIN "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHUQ==\n" PEM_END,
        PEM_BEGIN PEM_BODY "\n" PEM_END PEM_BEGIN PEM_BODY "\n" PEM_END,
        "a remark\n" PEM_BEGIN PEM_BODY "\n" PEM_END,
        /* X25519, P-256, and a point that is none */
        PEM_BEGIN "MCowBQYDK2VuAyEAGu0PiHdflKJ37kdwlhMpcmBdRETUHkj6hryconiUHhY=\n" PEM_END,
        (PEM_BEGIN "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE07OoiuU50YI95Oxz4m4TJxf3C20R\n"
                   "ipYf25ZUwSYusPibhAl2+6zqP9X+WHYFE6iz/jEdUVvvClw/6Cg7xXSuYQ==\n" PEM_END),
        PEM_BEGIN "MCowBQYDK2VuAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n" PEM_END,
        PEM_BEGIN "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURoA\n" PEM_END,
        "-----BEGIN SECRET KEY-----\n" PEM_BODY "\n" PEM_END,
        PEM_BEGIN "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" PEM_END,
        "-----BEGIN PRIVATE KEY-----\n" PEM_BODY "\n-----END PRIVATE KEY-----\n",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        ("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
         "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
    };
    struct identity_key key;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_non_null(identity_key_parse(&key, text_of(wrong[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7515_a1_hs256_is_opened),
        cmocka_unit_test(test_rfc8037_a4_eddsa_is_opened),
        cmocka_unit_test(test_a_token_of_either_kind_says_who_the_user_is),
        cmocka_unit_test(test_any_changed_character_is_refused),
        cmocka_unit_test(test_the_key_chooses_the_algorithm),
        cmocka_unit_test(test_what_must_be_understood_and_is_not_is_refused),
        cmocka_unit_test(test_repeated_keys_are_refused),
        cmocka_unit_test(test_a_token_ends_at_exp),
        cmocka_unit_test(test_a_token_begins_at_nbf),
        cmocka_unit_test(test_only_the_users_own_number_is_his_subject),
        cmocka_unit_test(test_claims_that_are_no_json_object_are_refused),
        cmocka_unit_test(test_a_token_is_three_parts_and_nothing_else),
        cmocka_unit_test(test_a_part_has_one_spelling),
        cmocka_unit_test(test_a_token_of_4096_bytes_is_the_longest),
        cmocka_unit_test(test_without_a_key_nothing_is_genuine),
        cmocka_unit_test(test_a_secret_is_the_file_without_one_newline),
        cmocka_unit_test(test_a_public_key_may_end_its_lines_in_either_way),
        cmocka_unit_test(test_a_key_of_another_kind_is_not_taken_for_a_secret),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
