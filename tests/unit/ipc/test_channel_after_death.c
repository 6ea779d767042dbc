#include "ends.h"

/* ---- the consumer's death ---- */

static void a_reply_whose_completion_was_never_written_is_found_after_the_restart(void **state)
{
    struct ends e;
    struct slot *a, *b;
    (void)state;

    ends_open(&e);
    a = submit(&e);
    b = submit(&e);
    receive(&e, a, 0);
    receive(&e, b, 1);
    channel_publish(&e.consumer, b, id_of(b));
    slot_move(a, id_of(a), SLOT_SUBMITTED, SLOT_REPLIED); /* killed before its completion */
    assert_ptr_equal(channel_next_reply(&e.producer), b);
    assert_null(channel_next_reply(&e.producer));
    assert_false(channel_replies_waiting(&e.producer));
    announce_successor(&e.f, e.f.wallet);
    assert_true(channel_replies_waiting(&e.producer));
    assert_ptr_equal(channel_next_reply(&e.producer), a); /* b is still held and not given twice */
    assert_null(channel_next_reply(&e.producer));
    slot_pool_release(&e.pool, a);
    slot_pool_release(&e.pool, b);
    assert_int_equal(e.pool.free_small_count, SMALL_SLOTS);
    assert_int_equal(dropped(&e.f, e.f.front), 0);
    ends_close(&e);
}

static void completions_are_drained_before_the_scan_begins(void **state)
{
    struct ends e;
    struct slot *slot;
    (void)state;

    ends_open(&e);
    slot = submit(&e);
    receive(&e, slot, 0);
    channel_publish(&e.consumer, slot, id_of(slot));
    announce_successor(&e.f, e.f.wallet);
    assert_ptr_equal(channel_next_reply(&e.producer), slot);
    slot_pool_release(&e.pool, slot);
    assert_null(channel_next_reply(&e.producer));
    assert_int_equal(dropped(&e.f, e.f.front), 0);
    ends_close(&e);
}

static void the_completion_of_a_reply_that_a_scan_took_is_dropped(void **state)
{
    struct ends e;
    struct slot *slot;
    uint64_t id;
    (void)state;

    ends_open(&e);
    slot = submit(&e);
    id = id_of(slot);
    slot_move(slot, id, SLOT_SUBMITTED, SLOT_REPLIED);
    announce_successor(&e.f, e.f.wallet);
    assert_ptr_equal(channel_next_reply(&e.producer), slot);
    slot_pool_release(&e.pool, slot);
    assert_ptr_equal(submit(&e), slot);
    slot_move(slot, id_of(slot), SLOT_SUBMITTED, SLOT_REPLIED);
    ring_publish(e.producer.completions, (struct ring_entry){.request_id = id});
    assert_null(channel_next_reply(&e.producer));
    assert_int_equal(dropped(&e.f, e.f.front), 1);
    ends_close(&e);
}

struct seen {
    struct slot *slots[8];
    uint64_t ids[8];
    unsigned count;
    bool publish;
};

static void see(void *context, struct channel_consumer *channel, struct slot *slot,
                uint64_t request_id)
{
    struct seen *seen = context;

    assert_true(seen->count < 8);
    seen->ids[seen->count] = request_id;
    seen->slots[seen->count++] = slot;
    if (seen->publish)
        assert_true(channel_publish(channel, slot, request_id));
}

static void a_successor_publishes_below_the_mark_and_decides_above_it(void **state)
{
    struct ends e;
    struct slot *slots[5];
    struct seen decided = {.publish = true}, deferred = {0};
    (void)state;

    ends_open(&e);
    for (unsigned i = 0; i < 5; i++)
        slots[i] = submit(&e);
    for (unsigned i = 0; i < 4; i++)
        receive(&e, slots[i], i);
    channel_defer(slots[1], id_of(slots[1]), 10, 1); /* commit: the mark is 3 */
    channel_publish(&e.consumer, slots[0], id_of(slots[0]));
    channel_defer(slots[3], id_of(slots[3]), 11, 1); /* not committed any more */
    consumer_succeeds(&e);
    channel_recover_decided(&e.consumer, 3, see, &decided);
    assert_int_equal(decided.count, 1);
    assert_ptr_equal(decided.slots[0], slots[2]);
    channel_recover_deferred(&e.consumer, see, &deferred);
    assert_int_equal(deferred.count, 1);
    assert_ptr_equal(deferred.slots[0], slots[1]);
    assert_int_equal(deferred.ids[0], id_of(slots[1]));
    receive(&e, slots[3], 3); /* its wait never began */
    receive(&e, slots[4], 4);
    receive_nothing(&e);
    ends_close(&e);
}

static void a_mark_of_the_past_or_beyond_the_ring_is_bounded(void **state)
{
    struct ends e;
    struct slot *a, *b;
    struct seen seen = {.publish = true};
    (void)state;

    ends_open(&e);
    a = submit(&e);
    receive(&e, a, 0);
    channel_publish(&e.consumer, a, id_of(a));
    channel_consumed(&e.consumer);
    b = submit(&e);
    consumer_succeeds(&e);
    channel_recover_decided(&e.consumer, 0, see, &seen);
    assert_int_equal(seen.count, 0);
    assert_int_equal(e.consumer.cursor, 1);
    receive(&e, b, 1);
    consumer_succeeds(&e);
    channel_recover_decided(&e.consumer, UINT64_MAX, see, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(e.consumer.cursor, 2);
    ends_close(&e);
}

static void deferred_requests_of_other_channels_are_not_recovered(void **state)
{
    struct ends e;
    struct channel_producer other;
    struct slot *slot;
    struct seen seen = {0};
    (void)state;

    ends_open(&e);
    channel_producer_open(&other, &e.pool, e.f.seat);
    slot = slot_pool_claim(&e.pool, false);
    channel_submit(&other, slot);
    channel_defer(slot, id_of(slot), 1, 1);
    consumer_succeeds(&e);
    channel_recover_decided(&e.consumer, 0, see, &seen);
    channel_recover_deferred(&e.consumer, see, &seen);
    assert_int_equal(seen.count, 0);
    ends_close(&e);
}

/* ---- the producer's death ---- */

static void replies_to_a_dead_front_come_to_its_successor_as_orphans(void **state)
{
    struct ends e;
    struct slot *before, *between, *after;
    (void)state;

    ends_open(&e);
    before = submit(&e);
    between = submit(&e);
    after = submit(&e);
    receive(&e, before, 0);
    receive(&e, between, 1);
    receive(&e, after, 2);
    channel_publish(&e.consumer, before, id_of(before));
    slot_pool_close(&e.pool);
    assert_int_equal(slot_pool_open(&e.pool, &e.f.segment, e.f.front), STATUS_OK);
    assert_int_equal(state_of(before), SLOT_FREE);
    channel_publish(&e.consumer, between, id_of(between)); /* a completion that is skipped */
    assert_int_equal(channel_producer_open(&e.producer, &e.pool, e.f.wallet), STATUS_OK);
    channel_publish(&e.consumer, after, id_of(after));
    assert_int_equal(e.pool.free_small_count, SMALL_SLOTS - 2);
    for (unsigned i = 0; i < 2; i++) {
        struct slot *orphan = channel_next_reply(&e.producer);

        assert_true(orphan == between || orphan == after);
        slot_pool_release(&e.pool, orphan);
    }
    assert_null(channel_next_reply(&e.producer));
    assert_int_equal(e.pool.free_small_count, SMALL_SLOTS);
    ends_close(&e);
}

static void fronts_that_die_before_they_read_do_not_fill_the_completion_ring(void **state)
{
    struct ends e;
    struct slot *slot;
    uint64_t id, position;
    (void)state;

    ends_open(&e);
    for (unsigned death = 0; death < 20; death++) {
        producer_succeeds(&e);
        while ((slot = slot_pool_claim(&e.pool, false)) != NULL)
            assert_int_equal(channel_submit(&e.producer, slot), STATUS_OK);
        while ((slot = channel_receive(&e.consumer, &id, &position)) != NULL)
            assert_true(channel_publish(&e.consumer, slot, id));
        channel_consumed(&e.consumer);
    }
    assert_int_equal(dropped(&e.f, e.f.wallet), 0);
    ends_close(&e);
}

static void the_position_of_a_request_that_was_never_published_is_used_again(void **state)
{
    struct ends e;
    struct slot *slot;
    (void)state;

    ends_open(&e);
    slot = slot_pool_claim(&e.pool, false);
    slot->consumer = (uint16_t)e.f.wallet;
    slot->position = 0;
    slot_move(slot, id_of(slot), SLOT_CLAIMED, SLOT_SUBMITTED); /* killed here */
    producer_succeeds(&e);
    assert_int_equal(state_of(slot), SLOT_FREE);
    slot = submit(&e);
    receive(&e, slot, 0);
    receive_nothing(&e);
    assert_int_equal(dropped(&e.f, e.f.wallet), 0);
    ends_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_whose_completion_was_never_written_is_found_after_the_restart),
        cmocka_unit_test(completions_are_drained_before_the_scan_begins),
        cmocka_unit_test(the_completion_of_a_reply_that_a_scan_took_is_dropped),
        cmocka_unit_test(a_successor_publishes_below_the_mark_and_decides_above_it),
        cmocka_unit_test(a_mark_of_the_past_or_beyond_the_ring_is_bounded),
        cmocka_unit_test(deferred_requests_of_other_channels_are_not_recovered),
        cmocka_unit_test(replies_to_a_dead_front_come_to_its_successor_as_orphans),
        cmocka_unit_test(fronts_that_die_before_they_read_do_not_fill_the_completion_ring),
        cmocka_unit_test(the_position_of_a_request_that_was_never_published_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
