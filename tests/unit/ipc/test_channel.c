#include "fixture.h"

/* Both ends of the front→wallet channel in one process. */
struct ends {
    struct fixture f;
    struct slot_pool pool;
    struct channel_producer producer;
    struct channel_consumer consumer;
};

static void ends_open(struct ends *e)
{
    fixture_open(&e->f);
    atomic_store(&segment_process(&e->f.segment, e->f.front)->generation, 3);
    assert_int_equal(slot_pool_open(&e->pool, &e->f.segment, e->f.front), STATUS_OK);
    assert_int_equal(channel_producer_open(&e->producer, &e->pool, e->f.wallet), STATUS_OK);
    assert_int_equal(channel_consumer_open(&e->consumer, &e->f.segment, e->f.front, e->f.wallet),
                     STATUS_OK);
    assert_null(channel_next_reply(&e->producer)); /* ends the first scan */
}

static void ends_close(struct ends *e)
{
    slot_pool_close(&e->pool);
    fixture_close(&e->f);
}

static struct slot *submit(struct ends *e)
{
    struct slot *slot = slot_pool_claim(&e->pool, false);

    assert_non_null(slot);
    assert_int_equal(channel_submit(&e->producer, slot), STATUS_OK);
    return slot;
}

static void receive(struct ends *e, struct slot *expected, uint64_t expected_position)
{
    uint64_t id, position;

    assert_ptr_equal(channel_receive(&e->consumer, &id, &position), expected);
    assert_int_equal(id, id_of(expected));
    assert_int_equal(position, expected_position);
}

static void receive_nothing(struct ends *e)
{
    uint64_t id, position;

    assert_null(channel_receive(&e->consumer, &id, &position));
}

/* A worker's process that was killed: its successor opens the channel anew. */
static void consumer_succeeds(struct ends *e)
{
    assert_int_equal(channel_consumer_open(&e->consumer, &e->f.segment, e->f.front, e->f.wallet),
                     STATUS_OK);
}

static void producer_succeeds(struct ends *e)
{
    slot_pool_close(&e->pool);
    assert_int_equal(slot_pool_open(&e->pool, &e->f.segment, e->f.front), STATUS_OK);
    assert_int_equal(channel_producer_open(&e->producer, &e->pool, e->f.wallet), STATUS_OK);
}

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
        cmocka_unit_test(a_request_of_another_channel_is_not_taken),
        cmocka_unit_test(completions_that_name_no_reply_are_dropped_and_counted),
        cmocka_unit_test(random_entries_and_words_never_lead_outside),
        cmocka_unit_test(a_reply_whose_completion_was_never_written_is_found_after_the_restart),
        cmocka_unit_test(completions_are_drained_before_the_scan_begins),
        cmocka_unit_test(the_completion_of_a_reply_that_a_scan_took_is_dropped),
        cmocka_unit_test(a_successor_publishes_below_the_mark_and_decides_above_it),
        cmocka_unit_test(a_mark_of_the_past_or_beyond_the_ring_is_bounded),
        cmocka_unit_test(deferred_requests_of_other_channels_are_not_recovered),
        cmocka_unit_test(replies_to_a_dead_front_come_to_its_successor_as_orphans),
        cmocka_unit_test(fronts_that_die_before_they_read_do_not_fill_the_completion_ring),
        cmocka_unit_test(the_position_of_a_request_that_was_never_published_is_used_again),
        cmocka_unit_test(there_is_no_channel_where_the_layout_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
