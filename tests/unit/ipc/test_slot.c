#include "fixture.h"

#include <stdlib.h>

static struct slot *slot_new(bool large)
{
    struct slot *slot = aligned_alloc(64, large ? SLOT_LARGE_STRIDE : SLOT_SMALL_STRIDE);

    assert_non_null(slot);
    memset((void *)slot, 0, sizeof *slot);
    slot->large = large;
    return slot;
}

static void a_move_needs_both_the_state_and_the_id(void **state)
{
    struct slot *slot = slot_new(false);
    (void)state;

    for (unsigned is = SLOT_FREE; is <= SLOT_REPLIED; is++)
        for (unsigned from = SLOT_FREE; from <= SLOT_REPLIED; from++) {
            atomic_store(&slot->word, slot_word(41, (enum slot_state)is));
            assert_false(slot_move(slot, 40, (enum slot_state)from, SLOT_REPLIED));
            assert_false(slot_move(slot, 42, (enum slot_state)from, SLOT_REPLIED));
            assert_int_equal(atomic_load(&slot->word), slot_word(41, (enum slot_state)is));
            assert_int_equal(slot_move(slot, 41, (enum slot_state)from, SLOT_CLAIMED), is == from);
            assert_int_equal(atomic_load(&slot->word),
                             slot_word(41, is == from ? SLOT_CLAIMED : (enum slot_state)is));
        }
    free(slot);
}

static void the_word_keeps_an_id_of_56_bits(void **state)
{
    uint64_t id = (UINT64_C(1) << 56) - 1;
    (void)state;
    assert_int_equal(slot_word_id(slot_word(id, SLOT_DEFERRED)), id);
    assert_int_equal(slot_word_state(slot_word(id, SLOT_DEFERRED)), SLOT_DEFERRED);
}

static void areas_do_not_overlap_and_end_within_the_stride(void **state)
{
    (void)state;
    for (unsigned large = 0; large < 2; large++) {
        struct slot *slot = slot_new(large);
        size_t stride = large ? SLOT_LARGE_STRIDE : SLOT_SMALL_STRIDE;

        assert_ptr_equal(slot_request(slot) + slot_request_capacity(slot), slot_reply(slot));
        assert_true((size_t)(slot_reply(slot) + slot_reply_capacity(slot) - (uint8_t *)slot) <=
                    stride);
        memset(slot_request(slot), 1, slot_request_capacity(slot));
        memset(slot_reply(slot), 2, slot_reply_capacity(slot));
        free(slot);
    }
}

static void a_size_beyond_the_area_gives_no_view(void **state)
{
    const uint8_t *data;
    size_t size;
    (void)state;

    for (unsigned large = 0; large < 2; large++) {
        struct slot *slot = slot_new(large);

        slot->request_size = (uint32_t)slot_request_capacity(slot);
        slot->reply_size = (uint32_t)slot_reply_capacity(slot);
        assert_true(slot_request_view(slot, &data, &size));
        assert_ptr_equal(data, slot_request(slot));
        assert_int_equal(size, slot_request_capacity(slot));
        assert_true(slot_reply_view(slot, &data, &size));
        assert_ptr_equal(data, slot_reply(slot));
        assert_int_equal(size, slot_reply_capacity(slot));
        slot->request_size++;
        slot->reply_size++;
        assert_false(slot_request_view(slot, &data, &size));
        assert_false(slot_reply_view(slot, &data, &size));
        slot->request_size = slot->reply_size = UINT32_MAX;
        assert_false(slot_request_view(slot, &data, &size));
        assert_false(slot_reply_view(slot, &data, &size));
        free(slot);
    }
}

static void numbers_and_slots_of_an_area_correspond(void **state)
{
    struct fixture fixture;
    struct slot_area area;
    uint8_t *end = NULL;
    (void)state;

    fixture_open(&fixture);
    assert_true(segment_slot_area(&fixture.segment, fixture.front, &area));
    assert_int_equal(area.small_count, SMALL_SLOTS);
    assert_int_equal(area.large_count, SLOT_LARGE_COUNT);
    for (uint32_t number = 0; number < SMALL_SLOTS + SLOT_LARGE_COUNT; number++) {
        struct slot *slot = slot_area_at(&area, number);

        assert_int_equal(slot_area_number(&area, slot), number);
        assert_int_equal((uintptr_t)slot % 64, 0);
        assert_true((uint8_t *)slot >= end);
        end = (uint8_t *)slot + (number < SMALL_SLOTS ? SLOT_SMALL_STRIDE : SLOT_LARGE_STRIDE);
    }
    assert_null(slot_area_at(&area, SMALL_SLOTS + SLOT_LARGE_COUNT));
    assert_null(slot_area_at(&area, UINT32_MAX));
    assert_false(segment_slot_area(&fixture.segment, fixture.wallet, &area));
    assert_false(segment_slot_area(&fixture.segment, 9999, &area));
    fixture_close(&fixture);
}

static void a_scan_stops_at_the_marks_and_survives_garbage_in_them(void **state)
{
    struct fixture fixture;
    struct slot_area area;
    struct slot_pool pool;
    uint32_t number = 0, found = 0;
    (void)state;

    fixture_open(&fixture);
    segment_slot_area(&fixture.segment, fixture.front, &area);
    assert_null(slot_area_next(&area, &number));
    slot_pool_open(&pool, &fixture.segment, fixture.front);
    for (unsigned i = 0; i < 3; i++)
        slot_pool_claim(&pool, false);
    slot_pool_claim(&pool, true);
    number = 0;
    while (slot_area_next(&area, &number) != NULL)
        found++;
    assert_int_equal(found, 4);
    assert_int_equal(number, SMALL_SLOTS + 1);
    atomic_store(&area.marks->small_used, UINT32_MAX);
    atomic_store(&area.marks->large_used, UINT32_MAX);
    number = found = 0;
    while (slot_area_next(&area, &number) != NULL)
        found++;
    assert_int_equal(found, SMALL_SLOTS + SLOT_LARGE_COUNT);
    slot_pool_close(&pool);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_needs_both_the_state_and_the_id),
        cmocka_unit_test(the_word_keeps_an_id_of_56_bits),
        cmocka_unit_test(areas_do_not_overlap_and_end_within_the_stride),
        cmocka_unit_test(a_size_beyond_the_area_gives_no_view),
        cmocka_unit_test(numbers_and_slots_of_an_area_correspond),
        cmocka_unit_test(a_scan_stops_at_the_marks_and_survives_garbage_in_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
