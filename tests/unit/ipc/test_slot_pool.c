#include "fixture.h"

static void every_slot_is_claimed_once_and_then_none_is_left(void **state)
{
    struct fixture f;
    struct slot_pool pool;
    struct slot *slots[SMALL_SLOTS];
    (void)state;

    fixture_open(&f);
    assert_int_equal(slot_pool_open(&pool, &f.segment, f.front), STATUS_OK);
    for (unsigned i = 0; i < SMALL_SLOTS; i++) {
        slots[i] = slot_pool_claim(&pool, false);
        assert_non_null(slots[i]);
        assert_int_equal(slot_pool_number(&pool, slots[i]), i); /* the lowest pages first */
        assert_ptr_equal(slot_pool_at(&pool, i), slots[i]);
        assert_int_equal(state_of(slots[i]), SLOT_CLAIMED);
        assert_int_equal(id_of(slots[i]), i + 1);
    }
    assert_null(slot_pool_claim(&pool, false));
    for (unsigned i = 0; i < SLOT_LARGE_COUNT; i++)
        assert_int_equal(slot_pool_claim(&pool, true)->large, 1);
    assert_null(slot_pool_claim(&pool, true));
    assert_null(slot_pool_at(&pool, SMALL_SLOTS + SLOT_LARGE_COUNT));
    slot_pool_close(&pool);
    fixture_close(&f);
}

static void the_slot_freed_last_is_claimed_first(void **state)
{
    struct fixture f;
    struct slot_pool pool;
    struct slot *a, *b;
    (void)state;

    fixture_open(&f);
    slot_pool_open(&pool, &f.segment, f.front);
    a = slot_pool_claim(&pool, false);
    b = slot_pool_claim(&pool, false);
    slot_pool_release(&pool, b);
    slot_pool_release(&pool, a);
    assert_ptr_equal(slot_pool_claim(&pool, false), a);
    assert_ptr_equal(slot_pool_claim(&pool, false), b);
    assert_int_equal(id_of(b), 4); /* another use, another id */
    slot_pool_close(&pool);
    fixture_close(&f);
}

static void only_claimed_and_replied_slots_are_given_back(void **state)
{
    struct fixture f;
    struct slot_pool pool;
    struct slot *slot;
    uint32_t free_count;
    (void)state;

    fixture_open(&f);
    slot_pool_open(&pool, &f.segment, f.front);
    slot = slot_pool_claim(&pool, false);
    free_count = pool.free_small_count;
    for (unsigned is = SLOT_FREE; is <= SLOT_REPLIED + 2; is++) {
        bool gives = is == SLOT_CLAIMED || is == SLOT_REPLIED;

        atomic_store(&slot->word, slot_word(1, (enum slot_state)is));
        slot_pool_release(&pool, slot);
        assert_int_equal(pool.free_small_count, free_count + gives);
        assert_int_equal(state_of(slot), gives ? SLOT_FREE : (enum slot_state)is);
        pool.free_small_count = free_count;
    }
    slot_pool_close(&pool);
    fixture_close(&f);
}

static void a_free_slot_that_was_overwritten_is_passed_over(void **state)
{
    struct fixture f;
    struct slot_pool pool;
    struct slot *slot;
    (void)state;

    fixture_open(&f);
    slot_pool_open(&pool, &f.segment, f.front);
    slot = slot_pool_claim(&pool, false);
    slot_pool_release(&pool, slot);
    atomic_store(&slot->word, UINT64_MAX);
    assert_ptr_not_equal(slot_pool_claim(&pool, false), slot);
    assert_int_equal(dropped(&f, f.front), 1);
    slot_pool_close(&pool);
    fixture_close(&f);
}

/* One slot in each state, as a front that was killed leaves them. */
struct left {
    struct slot *free, *claimed, *submitted, *unpublished, *deferred, *replied, *large;
};

static void leave(struct fixture *f, struct left *left)
{
    struct slot_pool pool;
    struct channel_producer channel;

    assert_int_equal(slot_pool_open(&pool, &f->segment, f->front), STATUS_OK);
    assert_int_equal(channel_producer_open(&channel, &pool, f->wallet), STATUS_OK);
    left->free = slot_pool_claim(&pool, false);
    left->claimed = slot_pool_claim(&pool, false);
    left->submitted = slot_pool_claim(&pool, false);
    left->deferred = slot_pool_claim(&pool, false);
    left->replied = slot_pool_claim(&pool, false);
    left->unpublished = slot_pool_claim(&pool, false);
    left->large = slot_pool_claim(&pool, true);
    slot_pool_release(&pool, left->free);
    assert_int_equal(channel_submit(&channel, left->submitted), STATUS_OK);
    assert_int_equal(channel_submit(&channel, left->deferred), STATUS_OK);
    assert_int_equal(channel_submit(&channel, left->replied), STATUS_OK);
    assert_int_equal(channel_submit(&channel, left->large), STATUS_OK);
    slot_move(left->deferred, id_of(left->deferred), SLOT_SUBMITTED, SLOT_DEFERRED);
    slot_move(left->replied, id_of(left->replied), SLOT_SUBMITTED, SLOT_REPLIED);
    /* killed between the slot's word and the ring's head */
    left->unpublished->consumer = (uint16_t)f->wallet;
    left->unpublished->position = atomic_load(&channel.requests->head);
    slot_move(left->unpublished, id_of(left->unpublished), SLOT_CLAIMED, SLOT_SUBMITTED);
    slot_pool_close(&pool);
}

static void a_successor_frees_what_no_consumer_holds_and_leaves_the_rest(void **state)
{
    struct fixture f;
    struct left left;
    struct slot_pool pool;
    struct slot *slot;
    (void)state;

    fixture_open(&f);
    leave(&f, &left);
    assert_int_equal(slot_pool_open(&pool, &f.segment, f.front), STATUS_OK);
    assert_int_equal(state_of(left.free), SLOT_FREE);
    assert_int_equal(state_of(left.claimed), SLOT_FREE);
    assert_int_equal(state_of(left.replied), SLOT_FREE);
    assert_int_equal(state_of(left.unpublished), SLOT_FREE);
    assert_int_equal(state_of(left.submitted), SLOT_SUBMITTED);
    assert_int_equal(state_of(left.deferred), SLOT_DEFERRED);
    assert_int_equal(state_of(left.large), SLOT_SUBMITTED);
    assert_int_equal(pool.free_small_count, SMALL_SLOTS - 2);
    assert_int_equal(pool.free_large_count, SLOT_LARGE_COUNT - 1);
    while ((slot = slot_pool_claim(&pool, false)) != NULL) {
        assert_ptr_not_equal(slot, left.submitted);
        assert_ptr_not_equal(slot, left.deferred);
        assert_true(id_of(slot) >= 8); /* seven ids were used, and none comes back */
    }
    slot_pool_close(&pool);
    fixture_close(&f);
}

static void a_slot_submitted_to_nobody_or_in_no_state_becomes_free(void **state)
{
    struct fixture f;
    struct left left;
    struct slot_pool pool;
    (void)state;

    fixture_open(&f);
    leave(&f, &left);
    left.submitted->consumer = 9999;
    atomic_store(&left.deferred->word, UINT64_MAX); /* the id in it is not continued either */
    assert_int_equal(slot_pool_open(&pool, &f.segment, f.front), STATUS_OK);
    assert_int_equal(state_of(left.submitted), SLOT_FREE);
    assert_int_equal(state_of(left.deferred), SLOT_FREE);
    assert_int_equal(pool.free_small_count, SMALL_SLOTS);
    assert_true(pool.next_request_id < 100);
    assert_int_equal(dropped(&f, f.front), 1);
    slot_pool_close(&pool);
    fixture_close(&f);
}

static void only_fronts_and_seat_workers_have_slots(void **state)
{
    struct fixture f;
    struct slot_pool pool;
    (void)state;

    fixture_open(&f);
    assert_int_equal(slot_pool_open(&pool, &f.segment, f.wallet), STATUS_INVALID);
    assert_int_equal(slot_pool_open(&pool, &f.segment, f.seat), STATUS_OK);
    assert_int_equal(pool.small_count, SEAT_POOL_SLOTS);
    assert_int_equal(pool.large_count, 0);
    assert_null(slot_pool_claim(&pool, true));
    slot_pool_close(&pool);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_is_claimed_once_and_then_none_is_left),
        cmocka_unit_test(the_slot_freed_last_is_claimed_first),
        cmocka_unit_test(only_claimed_and_replied_slots_are_given_back),
        cmocka_unit_test(a_free_slot_that_was_overwritten_is_passed_over),
        cmocka_unit_test(a_successor_frees_what_no_consumer_holds_and_leaves_the_rest),
        cmocka_unit_test(a_slot_submitted_to_nobody_or_in_no_state_becomes_free),
        cmocka_unit_test(only_fronts_and_seat_workers_have_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
