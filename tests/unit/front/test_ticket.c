#include "unit.h"

#include "text.h"
#include "ticket.h"
#include <sodium.h>
#include <string.h>

static const uint8_t key[TICKET_KEY_SIZE] = {1, 2, 3};
static const struct queue_ticket sample = {
    .room = 3, .user = 42, .number = UINT64_MAX, .issued_at_ms = 1700000000000};

static void test_a_token_says_what_its_ticket_said(void **state)
{
    char text[TICKET_TEXT_SIZE];
    struct queue_ticket found;
    (void)state;
    ticket_sign(&sample, key, text);
    assert_int_equal(strlen(text), TICKET_TEXT_SIZE - 1);
    assert_int_equal(
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        TICKET_TEXT_SIZE - 1);
    assert_true(ticket_verify(text_of(text), key, sample.issued_at_ms + 1, &found));
    assert_int_equal(found.room, sample.room);
    assert_int_equal(found.user, sample.user);
    assert_int_equal(found.number, sample.number);
    assert_int_equal(found.issued_at_ms, sample.issued_at_ms);
}

static void test_any_changed_character_is_refused(void **state)
{
    char text[TICKET_TEXT_SIZE];
    struct queue_ticket found;
    (void)state;
    ticket_sign(&sample, key, text);
    for (size_t i = 0; i < TICKET_TEXT_SIZE - 1; i++) {
        for (const char *other = "Ab9-_=.%"; *other != '\0'; other++) {
            char before = text[i];
            if (before == *other)
                continue;
            text[i] = *other;
            assert_false(ticket_verify(text_of(text), key, sample.issued_at_ms, &found));
            text[i] = before;
        }
    }
    assert_true(ticket_verify(text_of(text), key, sample.issued_at_ms, &found));
}

static void test_every_length_but_the_right_one_is_refused(void **state)
{
    char text[TICKET_TEXT_SIZE + 8];
    struct queue_ticket found;
    (void)state;
    ticket_sign(&sample, key, text);
    memset(text + TICKET_TEXT_SIZE - 1, 'A', 8);
    for (size_t size = 0; size < TICKET_TEXT_SIZE + 7; size++)
        assert_int_equal(ticket_verify((struct text){.data = text, .size = size}, key,
                                       sample.issued_at_ms, &found),
                         size == TICKET_TEXT_SIZE - 1);
}

static void test_another_servers_token_is_refused(void **state)
{
    static const uint8_t other[TICKET_KEY_SIZE] = {1, 2, 4};
    char text[TICKET_TEXT_SIZE];
    struct queue_ticket found;
    (void)state;
    ticket_sign(&sample, other, text);
    assert_false(ticket_verify(text_of(text), key, sample.issued_at_ms, &found));
}

static void test_a_token_ends_after_a_day(void **state)
{
    char text[TICKET_TEXT_SIZE];
    struct queue_ticket found;
    (void)state;
    ticket_sign(&sample, key, text);
    uint64_t end = sample.issued_at_ms + TICKET_TTL_MS;
    assert_true(ticket_verify(text_of(text), key, end - 1, &found));
    assert_false(ticket_verify(text_of(text), key, end, &found));
}

static void test_a_token_from_before_the_clock_was_set_back_is_fresh(void **state)
{
    char text[TICKET_TEXT_SIZE];
    struct queue_ticket found;
    (void)state;
    ticket_sign(&sample, key, text);
    assert_true(ticket_verify(text_of(text), key, sample.issued_at_ms - 5000, &found));
}

static struct ticket_cache cache;

static void test_a_cached_token_is_verified_like_any_other(void **state)
{
    static const uint8_t other[TICKET_KEY_SIZE] = {9};
    char text[TICKET_TEXT_SIZE];
    struct queue_ticket found;
    (void)state;
    ticket_sign(&sample, key, text);
    uint64_t end = sample.issued_at_ms + TICKET_TTL_MS;
    assert_false(ticket_verify_cached(&cache, text_of(text), other, end - 1, &found));
    for (int i = 0; i < 3; i++) {
        memset(&found, 0, sizeof found);
        assert_true(ticket_verify_cached(&cache, text_of(text), key, end - 1, &found));
        assert_memory_equal(&found, &sample, sizeof found);
    }
    for (size_t i = 0; i < TICKET_TEXT_SIZE - 1; i++) {
        char before = text[i];
        text[i] = before == 'B' ? 'C' : 'B';
        assert_false(ticket_verify_cached(&cache, text_of(text), key, end - 1, &found));
        text[i] = before;
    }
    assert_false(ticket_verify_cached(&cache, text_of(text), key, end, &found));
}

static void test_an_empty_cache_place_matches_nothing(void **state)
{
    static const char nothing[TICKET_TEXT_SIZE - 1];
    struct queue_ticket found;
    (void)state;
    assert_false(ticket_verify_cached(
        &cache, (struct text){.data = nothing, .size = sizeof nothing}, key, 1, &found));
}

static void test_more_tokens_than_places_are_all_verified(void **state)
{
    struct queue_ticket found, ticket = sample;
    char text[TICKET_TEXT_SIZE];
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t user = 1; user <= 2 * TICKET_CACHE_SIZE; user++) {
            ticket.user = user;
            ticket_sign(&ticket, key, text);
            assert_true(
                ticket_verify_cached(&cache, text_of(text), key, sample.issued_at_ms, &found));
            assert_int_equal(found.user, user);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_says_what_its_ticket_said),
        cmocka_unit_test(test_any_changed_character_is_refused),
        cmocka_unit_test(test_every_length_but_the_right_one_is_refused),
        cmocka_unit_test(test_another_servers_token_is_refused),
        cmocka_unit_test(test_a_token_ends_after_a_day),
        cmocka_unit_test(test_a_token_from_before_the_clock_was_set_back_is_fresh),
        cmocka_unit_test(test_a_cached_token_is_verified_like_any_other),
        cmocka_unit_test(test_an_empty_cache_place_matches_nothing),
        cmocka_unit_test(test_more_tokens_than_places_are_all_verified),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
