#include "json_out.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

static void a_document_has_its_commas_where_they_belong(void **state)
{
    (void)state;
    char text[512];
    struct json_out json;
    json_out_init(&json, text, sizeof text);
    json_object_open(&json);
    json_key(&json, "data");
    json_array_open(&json);
    json_object_open(&json);
    json_key(&json, "id");
    json_u64(&json, 18446744073709551615u);
    json_key(&json, "zero");
    json_u64(&json, 0);
    json_object_close(&json);
    json_array_open(&json);
    json_array_close(&json);
    json_object_open(&json);
    json_object_close(&json);
    json_bool(&json, true);
    json_bool(&json, false);
    json_out_null(&json);
    json_array_close(&json);
    json_key(&json, "at");
    json_time(&json, 1795468320123);
    json_key(&json, "name");
    json_text(&json, NULL, 0);
    json_object_close(&json);
    assert_false(json.failed);
    text[json.used] = '\0';
    assert_string_equal(text,
                        "{\"data\":[{\"id\":18446744073709551615,\"zero\":0},[],{},true,false,"
                        "null],\"at\":\"2026-11-23T21:12:00.123Z\",\"name\":\"\"}");
}

/* The byte that the escape at *at stands for; *at moves behind it. */
static int unescape(const char *text, size_t *at)
{
    static const char names[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
    if (text[*at] != '\\')
        return (unsigned char)text[(*at)++];
    ++*at;
    const char *name = strchr(names, text[(*at)++]);
    if (name != NULL)
        return bytes[name - names];
    unsigned value = 0;
    assert_int_equal(sscanf(text + *at, "%4x", &value), 1);
    *at += 4;
    return (int)value;
}

static void every_control_character_is_escaped(void **state)
{
    (void)state;
    for (int byte = 0; byte < 0x80; byte++) {
        char in[3] = {'a', (char)byte, 'b'}, out[64] = {0};
        struct json_out json;
        json_out_init(&json, out, sizeof out);
        json_text(&json, in, sizeof in);
        assert_false(json.failed);
        for (size_t i = 0; i < json.used; i++)
            assert_true((unsigned char)out[i] >= 0x20);
        size_t at = 2;
        assert_int_equal(unescape(out, &at), byte);
        assert_string_equal(out + at, "b\"");
    }
}

static void escapes_are_the_short_ones_where_json_has_them(void **state)
{
    (void)state;
    char out[128];
    struct json_out json;
    json_out_init(&json, out, sizeof out);
    json_text(&json, "\"\\\b\f\n\r\t\x01\x1f/\x7f\xc3\xa9", 13);
    out[json.used] = '\0';
    assert_string_equal(out, "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f/\x7f\xc3\xa9\"");
}

static void write_sample(struct json_out *json)
{
    json_object_open(json);
    json_key(json, "text");
    json_text(json, "line\nline", 9);
    json_key(json, "number");
    json_u64(json, 12345);
    json_object_close(json);
}

static void what_does_not_fit_fails_and_stays_within_the_buffer(void **state)
{
    (void)state;
    char whole[128], text[128];
    struct json_out json;
    json_out_init(&json, whole, sizeof whole);
    write_sample(&json);
    size_t needed = json.used;
    for (size_t size = 0; size < needed; size++) {
        memset(text, '#', sizeof text);
        json_out_init(&json, text, size);
        write_sample(&json);
        assert_true(json.failed);
        assert_true(json.used <= size);
        assert_memory_equal(text, whole, json.used);
        assert_int_equal(text[size], '#');
    }
    json_out_init(&json, text, needed);
    write_sample(&json);
    assert_false(json.failed);
    assert_memory_equal(text, whole, needed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_has_its_commas_where_they_belong),
        cmocka_unit_test(every_control_character_is_escaped),
        cmocka_unit_test(escapes_are_the_short_ones_where_json_has_them),
        cmocka_unit_test(what_does_not_fit_fails_and_stays_within_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
