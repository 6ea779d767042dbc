#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "buffers.h"

#include <string.h>

static void test_small_buffers_are_recycled(void **state)
{
    (void)state;
    struct buffers buffers;
    buffers_init(&buffers);
    struct buffer *first = buffers_take(&buffers, 1);
    assert_non_null(first);
    assert_int_equal(first->capacity, BUFFER_SMALL_SIZE);
    memset(first->data, 1, first->capacity);
    first->end = 10;
    buffers_give(&buffers, first);
    struct buffer *second = buffers_take(&buffers, BUFFER_SMALL_SIZE);
    assert_ptr_equal(second, first);
    assert_int_equal(second->end, 0);
    buffers_give(&buffers, second);
    assert_int_equal(buffers.lent_size, 0);
    buffers_fini(&buffers);
}

static void test_each_size_is_recycled_apart(void **state)
{
    (void)state;
    struct buffers buffers;
    buffers_init(&buffers);
    struct buffer *small = buffers_take(&buffers, 1);
    struct buffer *medium = buffers_take(&buffers, BUFFER_SMALL_SIZE + 1);
    assert_non_null(medium);
    assert_int_equal(medium->capacity, BUFFER_MEDIUM_SIZE);
    buffers_give(&buffers, small);
    buffers_give(&buffers, medium);
    assert_ptr_equal(buffers_take(&buffers, BUFFER_MEDIUM_SIZE), medium);
    assert_ptr_equal(buffers_take(&buffers, 1), small);
    struct buffer *large = buffers_take(&buffers, BUFFER_MEDIUM_SIZE + 1);
    assert_int_equal(large->capacity, BUFFER_LARGE_SIZE);
    buffers_give(&buffers, large);
    assert_ptr_equal(buffers_take(&buffers, BUFFER_LARGE_SIZE), large);
    buffers_give(&buffers, large);
    large = buffers_take(&buffers, BUFFER_LARGE_SIZE + 1);
    assert_int_equal(large->capacity, BUFFER_LARGE_SIZE + 1);
    buffers_give(&buffers, large);
    buffers_give(&buffers, medium);
    buffers_give(&buffers, small);
    assert_int_equal(buffers.lent_size, 0);
    buffers_fini(&buffers);
}

static void test_large_buffers_hold_what_was_asked_for(void **state)
{
    (void)state;
    struct buffers buffers;
    buffers_init(&buffers);
    struct buffer *large = buffers_take(&buffers, 1000000);
    assert_non_null(large);
    memset(large->data, 1, 1000000);
    assert_true(buffers.lent_size >= 1000000);
    buffers_give(&buffers, large);
    assert_int_equal(buffers.lent_size, 0);
    buffers_fini(&buffers);
}

static void test_large_buffers_leave_a_quarter_to_small_ones(void **state)
{
    (void)state;
    struct buffers buffers;
    buffers_init(&buffers);
    const size_t quarter = BUFFERS_LENT_SIZE_MAX / 4;
    struct buffer *large[3];
    for (unsigned i = 0; i < 3; i++) {
        large[i] = buffers_take(&buffers, quarter);
        assert_non_null(large[i]);
    }
    assert_null(buffers_take(&buffers, BUFFER_SMALL_SIZE + 1));
    struct buffer *small = buffers_take(&buffers, 1);
    assert_non_null(small);
    buffers_give(&buffers, small);
    buffers_give(&buffers, large[0]);
    large[0] = buffers_take(&buffers, quarter);
    assert_non_null(large[0]);
    for (unsigned i = 0; i < 3; i++)
        buffers_give(&buffers, large[i]);
    buffers_fini(&buffers);
}

static void test_all_together_are_bounded(void **state)
{
    (void)state;
    struct buffers buffers;
    buffers_init(&buffers);
    struct buffer *taken = NULL, *next;
    size_t count = 0;
    for (; (next = buffers_take(&buffers, 1)) != NULL; count++) {
        next->next = taken;
        taken = next;
    }
    assert_int_equal(count, BUFFERS_LENT_SIZE_MAX / BUFFER_SMALL_SIZE);
    while (taken != NULL) {
        next = taken->next;
        buffers_give(&buffers, taken);
        taken = next;
    }
    assert_int_equal(buffers.spare_count[0], BUFFERS_SPARE_MAX);
    buffers_fini(&buffers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_buffers_are_recycled),
        cmocka_unit_test(test_each_size_is_recycled_apart),
        cmocka_unit_test(test_large_buffers_hold_what_was_asked_for),
        cmocka_unit_test(test_large_buffers_leave_a_quarter_to_small_ones),
        cmocka_unit_test(test_all_together_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
