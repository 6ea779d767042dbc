#include "unit.h"

#include "ring.h"

#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 8 };

/* A ring in a heap block of exactly its size. */
static struct ring *ring_new(uint64_t capacity)
{
    struct ring *ring = aligned_alloc(64, ring_size(capacity));

    assert_non_null(ring);
    memset((void *)ring, 0, ring_size(capacity));
    ring_init(ring, capacity);
    return ring;
}

static struct ring_entry entry_of(uint64_t id)
{
    return (struct ring_entry){.request_id = id, .slot = (uint32_t)id + 1};
}

static void entries_come_out_in_order_across_many_wraps(void **state)
{
    struct ring *ring = ring_new(CAPACITY);
    uint64_t seed = 7, published = 0, cursor = 0;
    struct ring_entry entry;
    (void)state;

    for (unsigned round = 0; round < 10000; round++) {
        for (uint64_t n = unit_random(&seed) % 6; n > 0; n--)
            if (ring_publish(ring, entry_of(published)) == STATUS_OK)
                published++;
        for (uint64_t n = unit_random(&seed) % 6; n > 0 && cursor < published; n--) {
            uint64_t expected = cursor;

            assert_true(ring_read(ring, &cursor, &entry));
            assert_int_equal(entry.request_id, expected);
            assert_int_equal(entry.slot, expected + 1);
            assert_int_equal(cursor, expected + 1);
        }
        ring_consume(ring, cursor);
        assert_int_equal(ring_depth(ring), published - cursor);
    }
    assert_true(published > 5000);
    free(ring);
}

static void a_full_ring_refuses_until_something_is_consumed(void **state)
{
    struct ring *ring = ring_new(CAPACITY);
    uint64_t cursor = 0;
    struct ring_entry entry;
    (void)state;

    for (uint64_t i = 0; i < CAPACITY; i++)
        assert_int_equal(ring_publish(ring, entry_of(i)), STATUS_OK);
    assert_int_equal(ring_publish(ring, entry_of(99)), STATUS_FULL);
    assert_true(ring_read(ring, &cursor, &entry));
    assert_int_equal(ring_publish(ring, entry_of(99)), STATUS_FULL); /* read is not consumed */
    ring_consume(ring, cursor);
    assert_int_equal(ring_publish(ring, entry_of(CAPACITY)), STATUS_OK);
    assert_int_equal(atomic_load(&ring->head), CAPACITY + 1);
    free(ring);
}

static void what_is_not_consumed_is_read_again_by_a_successor(void **state)
{
    struct ring *ring = ring_new(CAPACITY);
    uint64_t cursor = 0, successor;
    struct ring_entry entry;
    (void)state;

    for (uint64_t i = 0; i < 5; i++)
        ring_publish(ring, entry_of(i));
    for (unsigned i = 0; i < 4; i++)
        ring_read(ring, &cursor, &entry);
    ring_consume(ring, 2);
    successor = atomic_load(&ring->tail);
    for (uint64_t i = 2; i < 5; i++) {
        assert_true(ring_read(ring, &successor, &entry));
        assert_int_equal(entry.request_id, i);
    }
    assert_false(ring_read(ring, &successor, &entry));
    free(ring);
}

static void a_cursor_outside_is_moved_to_the_nearer_end(void **state)
{
    struct ring *ring = ring_new(CAPACITY);
    uint64_t cursor;
    struct ring_entry entry;
    (void)state;

    for (uint64_t i = 0; i < 20; i++) {
        ring_publish(ring, entry_of(i));
        ring_consume(ring, i < 15 ? i + 1 : 15); /* [15, 20) stand */
    }
    cursor = 3;
    assert_true(ring_read(ring, &cursor, &entry));
    assert_int_equal(entry.request_id, 15);
    cursor = 23;
    assert_false(ring_read(ring, &cursor, &entry));
    assert_int_equal(cursor, 20);
    cursor = 20;
    assert_false(ring_read(ring, &cursor, &entry));
    free(ring);
}

static void garbage_cursors_make_it_full_and_empty_and_nothing_worse(void **state)
{
    struct ring *ring = ring_new(CAPACITY);
    uint64_t seed = 3;
    struct ring_entry entry;
    (void)state;

    for (unsigned round = 0; round < 20000; round++) {
        uint64_t head = unit_random(&seed), tail = unit_random(&seed), cursor = unit_random(&seed);
        unsigned reads = 0;

        if (round % 2)
            tail = head - unit_random(&seed) % (2 * CAPACITY);
        atomic_store(&ring->head, head);
        atomic_store(&ring->tail, tail);
        assert_int_equal(ring_publish(ring, entry_of(round)),
                         head - tail < CAPACITY ? STATUS_OK : STATUS_FULL);
        while (ring_read(ring, &cursor, &entry))
            assert_true(++reads <= CAPACITY);
        if (head - tail > CAPACITY)
            assert_int_equal(reads, 0);
        assert_true(ring_depth(ring) <= CAPACITY);
    }
    free(ring);
}

static void a_garbage_capacity_is_never_an_index(void **state)
{
    static const uint64_t garbage[] = {
        0, 3, 7, 12, RING_CAPACITY_MAX * UINT64_C(2), UINT64_C(1) << 63, UINT64_MAX};
    struct ring *ring = ring_new(CAPACITY);
    (void)state;

    for (unsigned i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        uint64_t cursor = 1000000;
        struct ring_entry entry;

        ring->capacity = garbage[i];
        atomic_store(&ring->head, 1000001);
        atomic_store(&ring->tail, 1000000);
        assert_int_equal(ring_publish(ring, entry_of(1)), STATUS_FULL);
        assert_false(ring_read(ring, &cursor, &entry));
        assert_int_equal(ring_depth(ring), 0);
    }
    free(ring);
}

static void positions_pass_the_end_of_the_number_range(void **state)
{
    struct ring *ring = ring_new(CAPACITY);
    uint64_t cursor = UINT64_MAX - 2;
    struct ring_entry entry;
    (void)state;

    atomic_store(&ring->head, cursor);
    atomic_store(&ring->tail, cursor);
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(ring_publish(ring, entry_of(i)), STATUS_OK);
    for (uint64_t i = 0; i < 6; i++) {
        assert_true(ring_read(ring, &cursor, &entry));
        assert_int_equal(entry.request_id, i);
    }
    assert_false(ring_read(ring, &cursor, &entry));
    free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_come_out_in_order_across_many_wraps),
        cmocka_unit_test(a_full_ring_refuses_until_something_is_consumed),
        cmocka_unit_test(what_is_not_consumed_is_read_again_by_a_successor),
        cmocka_unit_test(a_cursor_outside_is_moved_to_the_nearer_end),
        cmocka_unit_test(garbage_cursors_make_it_full_and_empty_and_nothing_worse),
        cmocka_unit_test(a_garbage_capacity_is_never_an_index),
        cmocka_unit_test(positions_pass_the_end_of_the_number_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
