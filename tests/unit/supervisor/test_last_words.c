#include "last_words.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

/* What a dead process has left about itself. */

struct fixture {
    struct segment segment;
    unsigned wallet;
    struct process_entry *entry;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct config config;
    config_init(&config);
    config.connections = 64;
    assert_int_equal(segment_create(&fixture->segment, &config), STATUS_OK);
    fixture->wallet = segment_process_of(&fixture->segment, ROLE_WALLET, 0);
    fixture->entry = segment_process(&fixture->segment, fixture->wallet);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    segment_close(&fixture->segment);
    free(fixture);
    return 0;
}

static void expect_doing(const struct fixture *fixture, const char *text)
{
    struct last_words words;
    last_words_take(&words, &fixture->segment, fixture->wallet);
    assert_string_equal(words.doing, text);
}

static void test_nothing_was_being_decided(void **state)
{
    expect_doing(*state, "");
}

static void test_a_request_is_named_with_who_sent_it(void **state)
{
    struct fixture *fixture = *state;
    fixture->entry->deciding_what = DECIDING_REQUEST;
    fixture->entry->deciding_kind = REQUEST_CHARGE;
    fixture->entry->deciding_actor = 42;
    fixture->entry->deciding_pool = segment_process_of(&fixture->segment, ROLE_FRONT, 0);
    expect_doing(fixture, ""); /* it was not named yet */
    fixture->entry->deciding_id = 1234;
    expect_doing(fixture, "charge for actor 42, request 1234 of front-0");
}

static void test_replies_and_timers_are_named(void **state)
{
    struct fixture *fixture = *state;
    fixture->entry->deciding_what = DECIDING_REPLY;
    fixture->entry->deciding_kind = REQUEST_DEBIT;
    fixture->entry->deciding_actor = 7;
    expect_doing(fixture, "reply to debit for actor 7");
    fixture->entry->deciding_what = DECIDING_TIMER;
    expect_doing(fixture, "timer of actor 7");
    last_words_clear(fixture->entry);
    expect_doing(fixture, "");
}

static void test_garbage_is_made_fit_for_a_line_of_text(void **state)
{
    struct fixture *fixture = *state;
    struct last_words words;
    memset(fixture->entry->obituary, 0xff, OBITUARY_SIZE);
    memcpy(fixture->entry->obituary, "a\n\"b\x01", 5);
    fixture->entry->deciding_what = DECIDING_REQUEST;
    fixture->entry->deciding_id = UINT64_MAX;
    fixture->entry->deciding_pool = UINT32_MAX;
    fixture->entry->deciding_kind = UINT32_MAX;
    last_words_take(&words, &fixture->segment, fixture->wallet);
    assert_string_equal(words.doing, "");
    assert_int_equal(strlen(words.obituary), OBITUARY_SIZE - 1);
    assert_int_equal(strncmp(words.obituary, "a''b'''", 7), 0);
    for (const char *at = words.obituary; *at != '\0'; at++)
        assert_true(*at >= ' ' && *at <= '~' && *at != '"');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_was_being_decided),
        TEST(test_a_request_is_named_with_who_sent_it),
        TEST(test_replies_and_timers_are_named),
        TEST(test_garbage_is_made_fit_for_a_line_of_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
