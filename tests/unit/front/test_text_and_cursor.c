#include "unit.h"

#include "cursor.h"
#include "text.h"
#include <sodium.h>
#include <string.h>

static void test_a_number_is_digits_within_bounds(void **state)
{
    uint64_t value = 0;
    (void)state;
    assert_true(text_number(text_of("0"), 10, &value));
    assert_int_equal(value, 0);
    assert_true(text_number(text_of("18446744073709551615"), UINT64_MAX, &value));
    assert_int_equal(value, UINT64_MAX);
    assert_true(text_number(text_of("10"), 10, &value));
    static const char *const wrong[] = {"",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "01",
                                        "00",
                                        "1.0",
                                        "1e1",
                                        "0x1",
                                        "11",
                                        "18446744073709551616",
                                        "99999999999999999999",
                                        "100000000000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(text_number(text_of(wrong[i]), 10, &value));
    assert_false(text_number(text_of("18446744073709551616"), UINT64_MAX, &value));
    assert_false(text_number(text_of("5"), 3, &value));
}

static struct text found(const char *query, const char *name)
{
    struct text value = {.data = NULL, .size = 0};
    if (!query_find(text_of(query), name, &value))
        return (struct text){.data = NULL, .size = 0};
    return value;
}

static void test_a_query_gives_the_first_value_of_a_name(void **state)
{
    (void)state;
    assert_true(text_is(found("limit=5&cursor=ab", "limit"), "5"));
    assert_true(text_is(found("limit=5&cursor=ab", "cursor"), "ab"));
    assert_true(text_is(found("a=1&a=2", "a"), "1"));
    assert_true(text_is(found("a=", "a"), ""));
    assert_true(text_is(found("a=b=c", "a"), "b=c"));
    assert_null(found("xlimit=5", "limit").data);
    assert_null(found("limit", "limit").data);
    assert_null(found("", "limit").data);
    struct text value;
    assert_false(query_find((struct text){.data = NULL, .size = 0}, "a", &value));
}

static void test_a_parameter_may_have_an_empty_name(void **state)
{
    (void)state;
    assert_true(text_is(found("=131073", ""), "131073"));
    assert_true(text_is(found("a=1&=7", ""), "7"));
    assert_null(found("a=1", "").data);
}

static void test_a_cursor_gives_its_position_back(void **state)
{
    char text[CURSOR_TEXT_SIZE];
    uint64_t position = 0;
    (void)state;
    cursor_write(CURSOR_TRANSACTIONS, UINT64_C(0xfedcba9876543210), text);
    assert_int_equal(strlen(text), CURSOR_TEXT_SIZE - 1);
    assert_true(cursor_read(text_of(text), CURSOR_TRANSACTIONS, &position));
    assert_int_equal(position, UINT64_C(0xfedcba9876543210));
}

static void test_a_cursor_of_another_list_or_a_made_up_one_is_refused(void **state)
{
    char text[CURSOR_TEXT_SIZE];
    uint64_t position;
    (void)state;
    cursor_write(CURSOR_TRANSACTIONS, 12, text);
    assert_false(cursor_read(text_of(text), CURSOR_SEATS, &position));
    assert_false(cursor_read(text_of(""), CURSOR_TRANSACTIONS, &position));
    assert_false(cursor_read(text_of("AQwAAAAAAAAAAAAA"), CURSOR_TRANSACTIONS, &position));
    for (size_t i = 0; i < CURSOR_TEXT_SIZE - 1; i++) {
        char before = text[i];
        text[i] = before == 'B' ? 'C' : 'B';
        assert_false(cursor_read(text_of(text), CURSOR_TRANSACTIONS, &position));
        text[i] = before;
    }
}

static void test_a_cursor_of_two_parts_gives_both_back(void **state)
{
    const struct cursor_pair from = {UINT64_C(0xfedcba9876543210), 77};
    char text[CURSOR_PAIR_TEXT_SIZE], single[CURSOR_TEXT_SIZE];
    struct cursor_pair to;
    uint64_t position;
    (void)state;
    cursor_pair_write(CURSOR_RESERVATIONS, from, text);
    assert_int_equal(strlen(text), CURSOR_PAIR_TEXT_SIZE - 1);
    assert_true(cursor_pair_read(text_of(text), CURSOR_RESERVATIONS, &to));
    assert_true(to.major == from.major && to.minor == from.minor);
    assert_false(cursor_pair_read(text_of(text), CURSOR_SEATS, &to));
    assert_false(cursor_read(text_of(text), CURSOR_RESERVATIONS, &position));
    cursor_write(CURSOR_RESERVATIONS, 5, single);
    assert_false(cursor_pair_read(text_of(single), CURSOR_RESERVATIONS, &to));
    text[3] = text[3] == 'B' ? 'C' : 'B';
    assert_false(cursor_pair_read(text_of(text), CURSOR_RESERVATIONS, &to));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_number_is_digits_within_bounds),
        cmocka_unit_test(test_a_query_gives_the_first_value_of_a_name),
        cmocka_unit_test(test_a_parameter_may_have_an_empty_name),
        cmocka_unit_test(test_a_cursor_gives_its_position_back),
        cmocka_unit_test(test_a_cursor_of_another_list_or_a_made_up_one_is_refused),
        cmocka_unit_test(test_a_cursor_of_two_parts_gives_both_back),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
