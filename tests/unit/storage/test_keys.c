#include "keys.h"
#include "unit.h"
#include <string.h>

static void byte_order_of_keys_is_number_order(void **state)
{
    (void)state;
    static const uint64_t rising[] = {
        0, 1, 255, 256, 65535, 65536, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 1; i < sizeof rising / sizeof rising[0]; i++) {
        struct row_key low = row_key_of('w', rising[i - 1]), high = row_key_of('w', rising[i]);
        assert_true(row_key_compare(&low, &high) < 0);
        assert_true(row_key_compare(&high, &low) > 0);
        assert_int_equal(row_key_compare(&low, &low), 0);
    }
}

static void keys_are_equal_when_all_their_bytes_are(void **state)
{
    (void)state;
    struct row_key key = {0};
    memset(key.data, 7, sizeof key.data);
    for (key.size = 0; key.size <= ROW_KEY_MAX; key.size++) {
        struct row_key other = key;
        memset(other.data + other.size, 9, (size_t)ROW_KEY_MAX - other.size); /* does not count */
        assert_true(row_key_equal(&key, &other));
        for (uint8_t at = 0; at < other.size; at++) {
            other.data[at]++;
            assert_false(row_key_equal(&key, &other));
            other.data[at]--;
        }
        other.size++;
        assert_false(row_key_equal(&key, &other));
    }
}

static void a_head_row_stands_before_the_rows_under_it_and_after_those_of_a_lower_id(void **state)
{
    (void)state;
    struct row_key head = row_key_of('w', 7), under = head, lower = row_key_of('w', 6);
    row_key_add_tag(&under, 'x');
    row_key_add_u64(&under, 0);
    row_key_add_tag(&lower, 'z');
    row_key_add_u64(&lower, UINT64_MAX);
    assert_true(row_key_compare(&lower, &head) < 0);
    assert_true(row_key_compare(&head, &under) < 0);
}

static void parts_are_read_back_and_nothing_is_read_beyond_the_end(void **state)
{
    (void)state;
    struct row_key key = row_key_of('s', UINT64_C(0x0102030405060708));
    row_key_add_tag(&key, 'p');
    row_key_add_u64(&key, 42);
    assert_int_equal(key.size, 18);
    assert_memory_equal(key.data, "s\1\2\3\4\5\6\7\10p\0\0\0\0\0\0\0*", 18);
    assert_true(row_key_u64(&key, 1) == UINT64_C(0x0102030405060708));
    assert_int_equal(row_key_u64(&key, 10), 42);
    assert_int_equal(row_key_u64(&key, 11), 0);
    assert_int_equal(row_key_u64(&key, 18), 0);
    assert_int_equal(row_key_u64(&key, SIZE_MAX), 0);
}

static void a_key_is_cut_at_its_greatest_size(void **state)
{
    (void)state;
    uint8_t bytes[100];
    memset(bytes, 0xaa, sizeof bytes);
    struct row_key key = row_key_of('w', 1);
    row_key_add_bytes(&key, bytes, sizeof bytes);
    assert_int_equal(key.size, ROW_KEY_MAX);
    row_key_add_u64(&key, 1);
    row_key_add_tag(&key, 'x');
    assert_int_equal(key.size, ROW_KEY_MAX);
    assert_int_equal(key.data[ROW_KEY_MAX - 1], 0xaa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_order_of_keys_is_number_order),
        cmocka_unit_test(keys_are_equal_when_all_their_bytes_are),
        cmocka_unit_test(a_head_row_stands_before_the_rows_under_it_and_after_those_of_a_lower_id),
        cmocka_unit_test(parts_are_read_back_and_nothing_is_read_beyond_the_end),
        cmocka_unit_test(a_key_is_cut_at_its_greatest_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
