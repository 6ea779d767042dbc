#include "unit.h"

#include "body.h"
#include "limits.h"
#include "text.h"
#include <sodium.h>
#include <string.h>

static enum problem parse(const char *text)
{
    struct body body;
    enum problem problem = body_parse(&body, text_of(text));
    body_fini(&body);
    return problem;
}

static void test_only_one_object_without_repeats_is_a_body(void **state)
{
    (void)state;
    assert_int_equal(parse("{}"), PROBLEM_OK);
    assert_int_equal(parse(" {\"a\":[1,{\"b\":null}],\"c\":\"\xc3\xa9\"} \r\n"), PROBLEM_OK);
    static const char *const wrong[] = {
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"a\"",
        "{",
        "{}x",
        "{}{}",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"b\":1}}",
        "{'a':1}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc3\"}",
        "{\"a\":NaN}",
        "{\"a\":01}",
        "{\"a\":\"\\ud800\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (parse(wrong[i]) != PROBLEM_INVALID_JSON)
            fail_msg("accepted: %s", wrong[i]);
    struct body body;
    assert_int_equal(body_parse(&body, (struct text){.data = NULL, .size = 0}),
                     PROBLEM_INVALID_JSON);
}

static void test_a_nul_byte_is_nowhere_part_of_a_body(void **state)
{
    static const char text[] = "{\"a\":1,\"b\":\"c\"}";
    (void)state;
    for (size_t at = 0; at < sizeof text; at++) {
        char with_nul[sizeof text + 1] = {0};
        memcpy(with_nul, text, at);
        memcpy(with_nul + at + 1, text + at, sizeof text - 1 - at);
        struct body body;
        if (body_parse(&body, (struct text){.data = with_nul, .size = sizeof text}) !=
            PROBLEM_INVALID_JSON)
            fail_msg("accepted a NUL at %zu", at);
        body_fini(&body);
    }
}

static enum body_field integer(const char *text, uint64_t *value)
{
    struct body body;
    assert_int_equal(body_parse(&body, text_of(text)), PROBLEM_OK);
    enum body_field found = body_integer(&body, "n", 1, ID_MAX, value);
    body_fini(&body);
    return found;
}

static void test_integers_are_integers_within_bounds(void **state)
{
    uint64_t value = 0;
    (void)state;
    assert_int_equal(integer("{\"n\":1}", &value), BODY_FIELD_OK);
    assert_int_equal(value, 1);
    assert_int_equal(integer("{\"n\":9007199254740991}", &value), BODY_FIELD_OK);
    assert_int_equal(value, ID_MAX);
    assert_int_equal(integer("{\"n\":9007199254740992}", &value), BODY_FIELD_RANGE);
    assert_int_equal(integer("{\"n\":0}", &value), BODY_FIELD_RANGE);
    assert_int_equal(integer("{\"n\":-1}", &value), BODY_FIELD_RANGE);
    static const char *const wrong[] = {"{\"n\":\"1\"}", "{\"n\":1.0}", "{\"n\":1e2}",
                                        "{\"n\":true}",  "{\"n\":[1]}", "{\"n\":{}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(integer(wrong[i], &value), BODY_FIELD_WRONG);
    assert_int_equal(integer("{\"n\":null}", &value), BODY_FIELD_ABSENT);
    assert_int_equal(integer("{\"m\":1}", &value), BODY_FIELD_ABSENT);
}

static void test_an_integer_beyond_64_bits_is_out_of_bounds_not_malformed(void **state)
{
    uint64_t value = 0;
    (void)state;
    assert_int_equal(integer("{\"n\":99999999999999999999999}", &value), BODY_FIELD_RANGE);
    assert_int_equal(integer("{\"n\":-99999999999999999999999}", &value), BODY_FIELD_RANGE);
    assert_int_equal(integer("{\"n\":7,\"x\":99999999999999999999999}", &value), BODY_FIELD_OK);
    assert_int_equal(value, 7);
}

static void test_lists_of_ids_are_bounded(void **state)
{
    struct body body;
    uint64_t items[3];
    uint32_t count;
    (void)state;
    assert_int_equal(body_parse(&body, text_of("{\"a\":[5,6,7],\"b\":[1,2,3,4],\"c\":[1,\"2\"],"
                                               "\"d\":[0],\"e\":5,\"f\":[]}")),
                     PROBLEM_OK);
    assert_int_equal(body_ids(&body, "a", 3, items, &count), BODY_FIELD_OK);
    assert_int_equal(count, 3);
    assert_int_equal(items[2], 7);
    assert_int_equal(body_ids(&body, "b", 3, items, &count), BODY_FIELD_RANGE);
    assert_int_equal(body_ids(&body, "c", 3, items, &count), BODY_FIELD_WRONG);
    assert_int_equal(body_ids(&body, "d", 3, items, &count), BODY_FIELD_WRONG);
    assert_int_equal(body_ids(&body, "e", 3, items, &count), BODY_FIELD_WRONG);
    assert_int_equal(body_ids(&body, "f", 3, items, &count), BODY_FIELD_OK);
    assert_int_equal(count, 0);
    assert_int_equal(body_ids(&body, "g", 3, items, &count), BODY_FIELD_ABSENT);
    body_fini(&body);
}

static void test_deep_nesting_ends_in_a_refusal_not_in_a_crash(void **state)
{
    char text[16 * 1024];
    (void)state;
    memset(text, '[', sizeof text);
    memcpy(text, "{\"a\":", 5);
    struct body body;
    assert_int_equal(body_parse(&body, (struct text){.data = text, .size = sizeof text}),
                     PROBLEM_INVALID_JSON);
}

static void test_the_json_type_may_have_parameters_and_any_case(void **state)
{
    (void)state;
    assert_true(body_type_is_json(text_of("application/json")));
    assert_true(body_type_is_json(text_of("Application/JSON ; charset=utf-8")));
    assert_true(body_type_is_json(text_of("application/json;charset=UTF-8")));
    assert_false(body_type_is_json(text_of("application/jsonp")));
    assert_false(body_type_is_json(text_of("text/plain; application/json")));
    assert_false(body_type_is_json(text_of("")));
    assert_false(body_type_is_json((struct text){.data = NULL, .size = 0}));
}

static void test_another_body_has_another_hash_on_every_start(void **state)
{
    (void)state;
    assert_int_equal(body_hash(text_of("{\"amount\":1}")), body_hash(text_of("{\"amount\":1}")));
    assert_int_not_equal(body_hash(text_of("{\"amount\":1}")),
                         body_hash(text_of("{\"amount\":2}")));
    /* journals keep it, so it may never change */
    assert_int_equal(body_hash(text_of("{}")), UINT64_C(0x91c47c4a19bb40b9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_one_object_without_repeats_is_a_body),
        cmocka_unit_test(test_a_nul_byte_is_nowhere_part_of_a_body),
        cmocka_unit_test(test_integers_are_integers_within_bounds),
        cmocka_unit_test(test_an_integer_beyond_64_bits_is_out_of_bounds_not_malformed),
        cmocka_unit_test(test_lists_of_ids_are_bounded),
        cmocka_unit_test(test_deep_nesting_ends_in_a_refusal_not_in_a_crash),
        cmocka_unit_test(test_the_json_type_may_have_parameters_and_any_case),
        cmocka_unit_test(test_another_body_has_another_hash_on_every_start),
    };
    if (sodium_init() < 0)
        return 1;
    body_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
