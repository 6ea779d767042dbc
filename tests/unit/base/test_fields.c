#include "fields.h"
#include "unit.h"

#define NAMED_FIELDS(F) F(U64, id) F(TEXT, name, 8)
#define SHAPE_FIELDS(F) F(U64, kind) F(IDS, ids, 3) F(LIST, items, named, 2) F(TEXT, note, 4)
FIELDS_STRUCT(named, NAMED_FIELDS)
FIELDS_STRUCT(shape, SHAPE_FIELDS)
FIELDS_CODEC_DECLARE(named)
FIELDS_CODEC_DECLARE(shape)
FIELDS_CODEC_DEFINE(named, NAMED_FIELDS)
FIELDS_CODEC_DEFINE(shape, SHAPE_FIELDS)

static struct shape sample(void)
{
    struct shape shape = {.kind = 7, .ids = {.count = 3, .items = {1, 1000, UINT64_MAX}}};
    shape.items.count = 2;
    shape.items.items[0].id = 5;
    text_set(&shape.items.items[0].name, "left", 4);
    shape.items.items[1].id = 6;
    text_set(&shape.items.items[1].name, "right side", 10); /* cut */
    return shape;
}

static void a_struct_comes_back_as_it_was(void **state)
{
    (void)state;
    struct shape before = sample(), after = {0};
    char data[256];
    size_t size = shape_encode(&before, data, sizeof data);
    assert_true(size > 0);
    assert_true(shape_decode(&after, data, size));
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(after.items.items[1].name.length, 8);
}

static void no_prefix_and_no_extension_decodes(void **state)
{
    (void)state;
    struct shape before = sample(), after;
    char data[256];
    size_t size = shape_encode(&before, data, sizeof data);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(shape_decode(&after, data, cut));
    data[size] = 0;
    assert_false(shape_decode(&after, data, size + 1));
}

static void more_elements_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    struct shape after;
    assert_true(shape_decode(&after, "\x94\x07\x90\x90\xa0", 5));
    assert_false(shape_decode(&after, "\x94\x07\x94\x01\x01\x01\x01\x90\xa0", 9));
    assert_false(
        shape_decode(&after, "\x94\x07\x90\x93\x92\x01\xa0\x92\x01\xa0\x92\x01\xa0\xa0", 14));
    assert_false(shape_decode(&after, "\x94\x07\x90\x90\xa5hello", 10));
    assert_false(shape_decode(&after, "\x93\x07\x90\x90", 4));
    assert_false(shape_decode(&after, "\x95\x07\x90\x90\xa0\x00", 6));
}

static void what_does_not_fit_encodes_to_nothing(void **state)
{
    (void)state;
    struct shape before = sample();
    char data[256];
    size_t size = shape_encode(&before, data, sizeof data);
    for (size_t less = 0; less < size; less++)
        assert_int_equal(shape_encode(&before, data, less), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_struct_comes_back_as_it_was),
        cmocka_unit_test(no_prefix_and_no_extension_decodes),
        cmocka_unit_test(more_elements_than_there_is_room_for_are_refused),
        cmocka_unit_test(what_does_not_fit_encodes_to_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
