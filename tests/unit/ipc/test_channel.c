#include "ends.h"

static void a_request_goes_there_and_its_reply_comes_back(void **state)
{
    struct ends e;
    struct slot *slot;
    (void)state;

    ends_open(&e);
    assert_false(channel_requests_waiting(&e.consumer));
    slot = submit(&e);
    assert_int_equal(slot->sender_generation, 3);
    assert_int_equal(slot->consumer, e.f.wallet);
    assert_true(channel_requests_waiting(&e.consumer));
    receive(&e, slot, 0);
    assert_false(channel_requests_waiting(&e.consumer));
    assert_false(channel_replies_waiting(&e.producer));
    assert_true(channel_publish(&e.consumer, slot, id_of(slot)));
    channel_consumed(&e.consumer);
    assert_true(channel_replies_waiting(&e.producer));
    assert_ptr_equal(channel_next_reply(&e.producer), slot);
    assert_int_equal(state_of(slot), SLOT_REPLIED);
    slot_pool_release(&e.pool, slot);
    assert_null(channel_next_reply(&e.producer));
    assert_false(channel_replies_waiting(&e.producer));
    assert_int_equal(e.pool.free_small_count, SMALL_SLOTS);
    assert_int_equal(dropped(&e.f, e.f.front) + dropped(&e.f, e.f.wallet), 0);
    ends_close(&e);
}

static void a_flush_wakes_the_other_side_once_it_sleeps(void **state)
{
    struct ends e;
    struct slot *slot;
    struct process_entry *wallet, *front;
    (void)state;

    ends_open(&e);
    wallet = segment_process(&e.f.segment, e.f.wallet);
    front = segment_process(&e.f.segment, e.f.front);
    segment_sleep_begin(&e.f.segment, e.f.wallet);
    segment_sleep_begin(&e.f.segment, e.f.front);
    channel_flush(&e.producer);
    assert_int_equal(atomic_load(&wallet->sleeping), 1); /* nothing was submitted */
    slot = submit(&e);
    submit(&e);
    channel_flush(&e.producer);
    assert_int_equal(atomic_load(&wallet->sleeping), 0);
    assert_int_equal(atomic_load(&wallet->rings), 1);
    receive(&e, slot, 0);
    channel_flush_completions(&e.consumer);
    assert_int_equal(atomic_load(&front->sleeping), 1);
    channel_publish(&e.consumer, slot, id_of(slot));
    channel_flush_completions(&e.consumer);
    assert_int_equal(atomic_load(&front->sleeping), 0);
    assert_int_equal(atomic_load(&front->rings), 1);
    ends_close(&e);
}

static void answered_and_live_entries_of_every_slot_fit_the_rings(void **state)
{
    struct ends e;
    struct slot *slot;
    uint64_t id, position;
    (void)state;

    ends_open(&e);
    for (unsigned large = 0; large < 2; large++)
        while ((slot = slot_pool_claim(&e.pool, large)) != NULL)
            assert_int_equal(channel_submit(&e.producer, slot), STATUS_OK);
    while ((slot = channel_receive(&e.consumer, &id, &position)) != NULL)
        assert_true(channel_publish(&e.consumer, slot, id));
    /* all come back and are used again before the worker says that it has consumed them */
    while ((slot = channel_next_reply(&e.producer)) != NULL)
        slot_pool_release(&e.pool, slot);
    for (unsigned large = 0; large < 2; large++)
        while ((slot = slot_pool_claim(&e.pool, large)) != NULL)
            assert_int_equal(channel_submit(&e.producer, slot), STATUS_OK);
    assert_int_equal(ring_depth(e.producer.requests), 2 * (SMALL_SLOTS + SLOT_LARGE_COUNT));
    assert_int_equal(dropped(&e.f, e.f.wallet), 0);
    ends_close(&e);
}

static void a_full_ring_leaves_the_slot_claimed(void **state)
{
    struct ends e;
    struct slot *slot;
    (void)state;

    ends_open(&e);
    slot = slot_pool_claim(&e.pool, false);
    atomic_store(&e.producer.requests->tail, 5000); /* garbage: beyond the head */
    assert_int_equal(channel_submit(&e.producer, slot), STATUS_FULL);
    assert_int_equal(state_of(slot), SLOT_CLAIMED);
    atomic_store(&e.producer.requests->tail, 0);
    assert_int_equal(channel_submit(&e.producer, slot), STATUS_OK);
    assert_int_equal(channel_submit(&e.producer, slot), STATUS_INVALID);
    assert_int_equal(ring_depth(e.producer.requests), 1);
    ends_close(&e);
}

static void a_stale_id_neither_defers_nor_publishes(void **state)
{
    struct ends e;
    struct slot *slot;
    uint64_t id;
    (void)state;

    ends_open(&e);
    slot = submit(&e);
    id = id_of(slot);
    receive(&e, slot, 0);
    assert_false(channel_defer(slot, id - 1, 1, 1));
    assert_false(channel_publish(&e.consumer, slot, id + 1));
    assert_int_equal(state_of(slot), SLOT_SUBMITTED);
    assert_true(channel_publish(&e.consumer, slot, id));
    assert_false(channel_publish(&e.consumer, slot, id));
    assert_false(channel_defer(slot, id, 1, 1));
    assert_int_equal(ring_depth(e.producer.completions), 1);
    ends_close(&e);
}

static void a_deferred_request_keeps_its_wait_and_is_published_later(void **state)
{
    struct ends e;
    struct slot *slot;
    (void)state;

    ends_open(&e);
    slot = submit(&e);
    receive(&e, slot, 0);
    assert_true(channel_defer(slot, id_of(slot), 77, 1));
    assert_int_equal(slot->wait_key, 77);
    assert_true(channel_defer(slot, id_of(slot), 77, 2)); /* waits anew */
    assert_int_equal(slot->wait_attempt, 2);
    channel_consumed(&e.consumer);
    assert_true(channel_publish(&e.consumer, slot, id_of(slot)));
    assert_ptr_equal(channel_next_reply(&e.producer), slot);
    ends_close(&e);
}

/* ---- garbage ---- */

static void request_entries_that_name_no_live_request_are_dropped_and_counted(void **state)
{
    struct ends e;
    struct slot *slot;
    struct ring_entry entry;
    (void)state;

    ends_open(&e);
    slot = submit(&e);
    entry = (struct ring_entry){.request_id = id_of(slot), .slot = 0};
    ring_publish(e.producer.requests, entry); /* the same request again */
    entry.slot = 1;                           /* a slot that is free */
    ring_publish(e.producer.requests, entry);
    entry.slot = SMALL_SLOTS + SLOT_LARGE_COUNT;
    ring_publish(e.producer.requests, entry);
    entry.slot = UINT32_MAX;
    ring_publish(e.producer.requests, entry);
    entry = (struct ring_entry){.request_id = id_of(slot) + 1, .slot = 0};
    ring_publish(e.producer.requests, entry);
    receive(&e, slot, 0);
    receive_nothing(&e);
    assert_int_equal(dropped(&e.f, e.f.wallet), 5);
    ends_close(&e);
}

static void an_entry_with_another_id_than_its_slots_is_dropped(void **state)
{
    struct ends e;
    (void)state;

    ends_open(&e);
    submit(&e);
    e.producer.requests->entries[0].request_id++; /* slot, state and position still match */
    receive_nothing(&e);
    assert_int_equal(dropped(&e.f, e.f.wallet), 1);
    ends_close(&e);
}

static void a_request_of_another_channel_is_not_taken(void **state)
{
    struct ends e;
    struct channel_producer other;
    struct slot *slot;
    (void)state;

    ends_open(&e);
    assert_int_equal(channel_producer_open(&other, &e.pool, e.f.seat), STATUS_OK);
    slot = slot_pool_claim(&e.pool, false);
    assert_int_equal(channel_submit(&other, slot), STATUS_OK);
    ring_publish(e.producer.requests, (struct ring_entry){.request_id = id_of(slot)});
    receive_nothing(&e);
    assert_int_equal(dropped(&e.f, e.f.wallet), 1);
    slot_move(slot, id_of(slot), SLOT_SUBMITTED, SLOT_REPLIED);
    ring_publish(e.producer.completions, (struct ring_entry){.request_id = id_of(slot)});
    assert_null(channel_next_reply(&e.producer));
    assert_int_equal(dropped(&e.f, e.f.front), 1);
    ends_close(&e);
}

static void completions_that_name_no_reply_are_dropped_and_counted(void **state)
{
    struct ends e;
    struct slot *slot;
    struct ring_entry entry;
    (void)state;

    ends_open(&e);
    slot = submit(&e);
    entry = (struct ring_entry){.request_id = id_of(slot), .slot = 0};
    ring_publish(e.producer.completions, entry); /* not replied yet */
    entry.slot = UINT32_MAX;
    ring_publish(e.producer.completions, entry);
    assert_null(channel_next_reply(&e.producer));
    receive(&e, slot, 0);
    channel_publish(&e.consumer, slot, id_of(slot));
    entry = (struct ring_entry){.request_id = id_of(slot), .slot = 0};
    ring_publish(e.producer.completions, entry); /* twice */
    assert_ptr_equal(channel_next_reply(&e.producer), slot);
    assert_null(channel_next_reply(&e.producer));
    slot_pool_release(&e.pool, slot);
    slot = submit(&e); /* the same slot, another id */
    assert_int_equal(slot_pool_number(&e.pool, slot), 0);
    slot_move(slot, id_of(slot), SLOT_SUBMITTED, SLOT_REPLIED);
    ring_publish(e.producer.completions, entry);
    assert_null(channel_next_reply(&e.producer));
    assert_int_equal(dropped(&e.f, e.f.front), 4);
    ends_close(&e);
}

static void random_entries_and_words_never_lead_outside(void **state)
{
    struct ends e;
    uint64_t seed = 11, id, position;
    struct slot *slot;
    (void)state;

    ends_open(&e);
    for (unsigned round = 0; round < 20000; round++) {
        struct ring *ring = round % 2 ? e.producer.requests : e.producer.completions;
        struct ring_entry entry = {.request_id = unit_random(&seed) % 200,
                                   .slot = (uint32_t)(unit_random(&seed) >> (round % 60))};

        if (unit_random(&seed) % 4 == 0 && (slot = slot_pool_claim(&e.pool, false)) != NULL)
            channel_submit(&e.producer, slot);
        ring_publish(ring, entry);
        if (unit_random(&seed) % 50 == 0)
            atomic_store(&ring->head, unit_random(&seed));
        if (unit_random(&seed) % 50 == 0)
            atomic_store(&ring->head, atomic_load(&ring->tail));
        if (unit_random(&seed) % 20 == 0)
            atomic_store(&slot_area_at(&e.consumer.area, round % SMALL_SLOTS)->word,
                         unit_random(&seed));
        while ((slot = channel_receive(&e.consumer, &id, &position)) != NULL) {
            assert_true(slot_area_number(&e.consumer.area, slot) < SMALL_SLOTS + SLOT_LARGE_COUNT);
            channel_publish(&e.consumer, slot, id);
        }
        channel_consumed(&e.consumer);
        while ((slot = channel_next_reply(&e.producer)) != NULL)
            slot_pool_release(&e.pool, slot);
    }
    assert_true(dropped(&e.f, e.f.front) > 0 && dropped(&e.f, e.f.wallet) > 0);
    ends_close(&e);
}

static void there_is_no_channel_where_the_layout_has_none(void **state)
{
    struct ends e;
    struct channel_producer producer;
    struct channel_consumer consumer;
    (void)state;

    ends_open(&e);
    assert_int_equal(channel_producer_open(&producer, &e.pool, e.f.front), STATUS_INVALID);
    assert_int_equal(channel_producer_open(&producer, &e.pool, 9999), STATUS_INVALID);
    assert_int_equal(channel_consumer_open(&consumer, &e.f.segment, e.f.wallet, e.f.seat),
                     STATUS_INVALID);
    ends_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_there_and_its_reply_comes_back),
        cmocka_unit_test(a_flush_wakes_the_other_side_once_it_sleeps),
        cmocka_unit_test(answered_and_live_entries_of_every_slot_fit_the_rings),
        cmocka_unit_test(a_full_ring_leaves_the_slot_claimed),
        cmocka_unit_test(a_stale_id_neither_defers_nor_publishes),
        cmocka_unit_test(a_deferred_request_keeps_its_wait_and_is_published_later),
        cmocka_unit_test(request_entries_that_name_no_live_request_are_dropped_and_counted),
        cmocka_unit_test(an_entry_with_another_id_than_its_slots_is_dropped),
        cmocka_unit_test(a_request_of_another_channel_is_not_taken),
        cmocka_unit_test(completions_that_name_no_reply_are_dropped_and_counted),
        cmocka_unit_test(random_entries_and_words_never_lead_outside),
        cmocka_unit_test(there_is_no_channel_where_the_layout_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
