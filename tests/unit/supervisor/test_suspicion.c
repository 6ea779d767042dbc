#include "suspicion.h"
#include "channel.h"
#include "dead_letters.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

/* A request under whose mark a worker dies is suspect, and dead-lettered at the second time. */

struct fixture {
    struct segment segment;
    struct slot_pool pool;
    struct channel_producer producer;
    struct slot *slot;
    unsigned front, wallet;
    struct process_entry *entry;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct config config;
    config_init(&config);
    config.connections = 64;
    assert_int_equal(segment_create(&fixture->segment, &config), STATUS_OK);
    fixture->front = segment_process_of(&fixture->segment, ROLE_FRONT, 0);
    fixture->wallet = segment_process_of(&fixture->segment, ROLE_WALLET, 0);
    fixture->entry = segment_process(&fixture->segment, fixture->wallet);
    assert_int_equal(slot_pool_open(&fixture->pool, &fixture->segment, fixture->front), STATUS_OK);
    assert_int_equal(channel_producer_open(&fixture->producer, &fixture->pool, fixture->wallet),
                     STATUS_OK);
    fixture->slot = slot_pool_claim(&fixture->pool, false);
    fixture->slot->kind = REQUEST_CHARGE;
    fixture->slot->actor = 42;
    assert_int_equal(channel_submit(&fixture->producer, fixture->slot), STATUS_OK);
    fixture->entry->deciding_pool = fixture->front;
    fixture->entry->deciding_slot = slot_pool_number(&fixture->pool, fixture->slot);
    fixture->entry->deciding_id = slot_word_id(fixture->slot->word);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    slot_pool_close(&fixture->pool);
    segment_close(&fixture->segment);
    free(fixture);
    return 0;
}

static uint64_t dead_count(const struct fixture *fixture)
{
    return atomic_load(&segment_dead_letters(&fixture->segment)->count);
}

static void die(struct fixture *fixture)
{
    suspicion_note(&fixture->segment, fixture->wallet, EXIT_CAUSE_CRASH, "last words");
}

static void test_the_second_death_makes_a_dead_letter(void **state)
{
    struct fixture *fixture = *state;
    struct dead_letter letter;
    die(fixture);
    assert_int_equal(fixture->slot->suspicions, 1);
    assert_int_equal(dead_count(fixture), 0);
    die(fixture);
    assert_int_equal(fixture->slot->suspicions, SUSPICIONS_MAX);
    assert_int_equal(dead_count(fixture), 1);
    assert_true(dead_letters_read(segment_dead_letters(&fixture->segment), 1, &letter));
    assert_int_equal(letter.kind, REQUEST_CHARGE);
    assert_int_equal(letter.actor, 42);
    assert_int_equal(letter.request_id, fixture->entry->deciding_id);
    assert_int_equal(letter.worker, fixture->wallet);
    assert_int_equal(letter.sender, fixture->front);
    assert_int_equal(letter.cause, EXIT_CAUSE_CRASH);
    assert_string_equal(letter.obituary, "last words");
}

static void test_a_request_that_waits_can_be_suspect_too(void **state)
{
    struct fixture *fixture = *state;
    assert_true(channel_defer(fixture->slot, fixture->entry->deciding_id, 9, 1));
    die(fixture);
    assert_int_equal(fixture->slot->suspicions, 1);
}

static void test_only_a_request_in_the_dead_ones_hands_is_suspect(void **state)
{
    struct fixture *fixture = *state;
    uint64_t id = fixture->entry->deciding_id;
    fixture->entry->deciding_id = 0; /* it decided nothing */
    die(fixture);
    fixture->entry->deciding_id = id + 1; /* of an earlier use of the slot */
    die(fixture);
    fixture->entry->deciding_id = id;
    fixture->slot->consumer = (uint16_t)(fixture->wallet - 1); /* another worker's */
    die(fixture);
    fixture->slot->consumer = (uint16_t)fixture->wallet;
    assert_true(slot_move(fixture->slot, id, SLOT_SUBMITTED, SLOT_REPLIED)); /* done */
    die(fixture);
    assert_int_equal(fixture->slot->suspicions, 0);
    assert_int_equal(dead_count(fixture), 0);
}

static void test_garbage_names_no_request(void **state)
{
    struct fixture *fixture = *state;
    fixture->entry->deciding_slot = UINT32_MAX;
    die(fixture);
    fixture->entry->deciding_pool = UINT32_MAX;
    die(fixture);
    fixture->entry->deciding_pool = fixture->wallet; /* it has no slots */
    die(fixture);
    assert_int_equal(fixture->slot->suspicions, 0);
}

static void test_a_new_use_of_the_slot_is_above_suspicion(void **state)
{
    struct fixture *fixture = *state;
    die(fixture);
    assert_true(
        slot_move(fixture->slot, fixture->entry->deciding_id, SLOT_SUBMITTED, SLOT_REPLIED));
    slot_pool_release(&fixture->pool, fixture->slot);
    struct slot *again = slot_pool_claim(&fixture->pool, false);
    assert_ptr_equal(again, fixture->slot);
    assert_int_equal(again->suspicions, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_second_death_makes_a_dead_letter),
        TEST(test_a_request_that_waits_can_be_suspect_too),
        TEST(test_only_a_request_in_the_dead_ones_hands_is_suspect),
        TEST(test_garbage_names_no_request),
        TEST(test_a_new_use_of_the_slot_is_above_suspicion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
