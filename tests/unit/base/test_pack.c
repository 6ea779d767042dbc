#include "pack.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

/* Reads one number from literal bytes; `good` tells whether it was whole and well-formed. */
static uint64_t number_of(const char *bytes, size_t size, bool *good)
{
    struct pack_reader reader;
    pack_reader_init(&reader, bytes, size);
    uint64_t value = unpack_u64(&reader);
    *good = pack_reader_done(&reader);
    return value;
}

static void every_width_of_an_unsigned_number_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        uint64_t value;
    } cases[] = {
        {"\x00", 1, 0},
        {"\x7f", 1, 127},
        {"\xcc\x05", 2, 5},
        {"\xcc\xff", 2, 255},
        {"\xcd\x00\x05", 3, 5},
        {"\xcd\xff\xff", 3, 65535},
        {"\xce\x00\x00\x00\x05", 5, 5},
        {"\xce\xff\xff\xff\xff", 5, UINT32_MAX},
        {"\xcf\x00\x00\x00\x00\x00\x00\x00\x05", 9, 5},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, UINT64_MAX},
        {"\xd0\x7f", 2, 127},
        {"\xd1\x7f\xff", 3, 32767},
        {"\xd2\x7f\xff\xff\xff", 5, INT32_MAX},
        {"\xd3\x7f\xff\xff\xff\xff\xff\xff\xff", 9, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool good = false;
        assert_int_equal(number_of(cases[i].bytes, cases[i].size, &good), cases[i].value);
        assert_true(good);
        for (size_t cut = 0; cut < cases[i].size; cut++) {
            assert_int_equal(number_of(cases[i].bytes, cut, &good), 0);
            assert_false(good);
        }
    }
}

static void a_negative_number_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"\xff",
                                        "\xe0",
                                        "\xd0\x80",
                                        "\xd1\xff\xff",
                                        "\xd2\xff\xff\xff\xff",
                                        "\xd3\xff\xff\xff\xff\xff\xff\xff\xff"};
    static const size_t sizes[] = {1, 1, 2, 3, 5, 9};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        bool good = true;
        assert_int_equal(number_of(cases[i], sizes[i], &good), 0);
        assert_false(good);
    }
}

/* What each first byte begins, by the specification: n number, a array, s text, b blob, - refused.
 */
static char kind_of_first_byte(unsigned first)
{
    if (first < 0x80)
        return 'n';
    if (first >= 0x90 && first < 0xa0)
        return 'a';
    if (first >= 0xa0 && first < 0xc0)
        return 's';
    if (first >= 0xc4 && first <= 0xc6)
        return 'b';
    if (first >= 0xcc && first <= 0xd3)
        return 'n';
    if (first >= 0xd9 && first <= 0xdb)
        return 's';
    if (first == 0xdc || first == 0xdd)
        return 'a';
    return '-';
}

static void each_read_takes_its_own_type_only(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[64] = {(uint8_t)first};
        char to[64];
        struct pack_reader reader;
        char kind = kind_of_first_byte(first);
        pack_reader_init(&reader, bytes, sizeof bytes);
        unpack_u64(&reader);
        assert_int_equal(!reader.failed, kind == 'n');
        pack_reader_init(&reader, bytes, sizeof bytes);
        unpack_array(&reader, 100);
        assert_int_equal(!reader.failed, kind == 'a');
        pack_reader_init(&reader, bytes, sizeof bytes);
        unpack_text(&reader, to, sizeof to);
        assert_int_equal(!reader.failed, kind == 's');
        pack_reader_init(&reader, bytes, sizeof bytes);
        unpack_blob(&reader, to, sizeof to);
        assert_int_equal(!reader.failed, kind == 'b');
    }
}

static void texts_and_blobs_are_read_in_every_length_format(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool blob;
    } cases[] = {
        {"\xa3"
         "abc",
         4, false},
        {"\xd9\x03"
         "abc",
         5, false},
        {"\xda\x00\x03"
         "abc",
         6, false},
        {"\xdb\x00\x00\x00\x03"
         "abc",
         8, false},
        {"\xc4\x03"
         "abc",
         5, true},
        {"\xc5\x00\x03"
         "abc",
         6, true},
        {"\xc6\x00\x00\x00\x03"
         "abc",
         8, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t cut = 0; cut <= cases[i].size; cut++) {
            char to[3] = "###";
            struct pack_reader reader;
            pack_reader_init(&reader, cases[i].bytes, cut);
            size_t length = cases[i].blob ? unpack_blob(&reader, to, sizeof to)
                                          : unpack_text(&reader, to, sizeof to);
            bool whole = cut == cases[i].size;
            assert_int_equal(pack_reader_done(&reader), whole);
            assert_int_equal(length, whole ? 3 : 0);
            assert_memory_equal(to, whole ? "abc" : "###", 3);
        }
    }
}

static void a_text_longer_than_its_place_is_refused_and_not_copied(void **state)
{
    (void)state;
    char to[4] = "####";
    struct pack_reader reader;
    pack_reader_init(&reader,
                     "\xa4"
                     "abcd",
                     5);
    assert_int_equal(unpack_text(&reader, to, 3), 0);
    assert_true(reader.failed);
    assert_memory_equal(to, "####", 4);
    pack_reader_init(&reader,
                     "\xa4"
                     "abcd",
                     5);
    assert_int_equal(unpack_text(&reader, to, 4), 4);
    assert_true(pack_reader_done(&reader));
}

static void counts_beyond_the_limit_or_the_bytes_left_are_refused(void **state)
{
    (void)state;
    struct pack_reader reader;
    /* what makes msgpack-c 4.0.0 ask for 96 GB */
    pack_reader_init(&reader, "\xdd\xff\xff\xff\xff", 5);
    assert_int_equal(unpack_array(&reader, UINT32_MAX), 0);
    assert_true(reader.failed);
    pack_reader_init(&reader, "\xdb\xff\xff\xff\xff", 5);
    char to[8];
    assert_int_equal(unpack_text(&reader, to, SIZE_MAX), 0);
    assert_true(reader.failed);
    pack_reader_init(&reader,
                     "\xc6\xff\xff\xff\xff"
                     "abc",
                     8);
    assert_int_equal(unpack_blob(&reader, to, SIZE_MAX), 0);
    assert_true(reader.failed);

    pack_reader_init(&reader, "\x93\x01\x02\x03", 4);
    assert_int_equal(unpack_array(&reader, 2), 0);
    assert_true(reader.failed);
    pack_reader_init(&reader, "\x93\x01\x02", 3);
    assert_int_equal(unpack_array(&reader, 3), 0);
    assert_true(reader.failed);
    pack_reader_init(&reader, "\xdc\x00\x03\x01\x02\x03", 6);
    assert_int_equal(unpack_array(&reader, 3), 3);
    assert_false(reader.failed);
    assert_false(pack_reader_done(&reader));
}

static void a_failure_stays_and_later_reads_return_nothing(void **state)
{
    (void)state;
    struct pack_reader reader;
    char to[8];
    pack_reader_init(&reader, "\xc0\x05\xa1x\x91\x01", 6);
    assert_int_equal(unpack_u64(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(unpack_u64(&reader), 0);
    assert_int_equal(unpack_text(&reader, to, sizeof to), 0);
    assert_int_equal(unpack_array(&reader, 8), 0);
    assert_int_equal(unpack_blob(&reader, to, sizeof to), 0);
    assert_false(pack_reader_done(&reader));
}

static void trailing_bytes_are_not_done(void **state)
{
    (void)state;
    bool good = true;
    assert_int_equal(number_of("\x05\x00", 2, &good), 5);
    assert_false(good);
}

static void write_sample(struct pack_writer *writer)
{
    static char text[300];
    memset(text, 't', sizeof text);
    pack_array(writer, 20);
    for (unsigned bits = 0; bits < 16; bits++)
        pack_u64(writer, (UINT64_C(1) << (bits * 4)) - (bits % 2));
    pack_text(writer, "", 0);
    pack_text(writer, text, 31);
    pack_text(writer, text, 300);
    pack_blob(writer, text, 300);
}

static bool read_sample(const void *data, size_t size)
{
    struct pack_reader reader;
    char to[300];
    pack_reader_init(&reader, data, size);
    bool same = unpack_array(&reader, 20) == 20;
    for (unsigned bits = 0; bits < 16; bits++)
        same = unpack_u64(&reader) == (UINT64_C(1) << (bits * 4)) - (bits % 2) && same;
    same = unpack_text(&reader, to, sizeof to) == 0 && same;
    same = unpack_text(&reader, to, sizeof to) == 31 && same;
    same = unpack_text(&reader, to, sizeof to) == 300 && same;
    same = unpack_blob(&reader, to, sizeof to) == 300 && same;
    return pack_reader_done(&reader) && same;
}

static void what_was_written_is_read_back_and_no_part_of_it_is(void **state)
{
    (void)state;
    uint8_t data[1024];
    struct pack_writer writer;
    pack_writer_init(&writer, data, sizeof data);
    write_sample(&writer);
    assert_false(writer.failed);
    assert_true(read_sample(data, writer.used));
    for (size_t cut = 0; cut < writer.used; cut++) {
        /* a block of exactly that size, so that a sanitizer sees any read beyond it */
        uint8_t *part = malloc(cut + 1);
        memcpy(part + 1, data, cut);
        assert_false(read_sample(part + 1, cut));
        free(part);
    }
}

static void a_writer_that_is_full_fails_within_its_buffer(void **state)
{
    (void)state;
    uint8_t data[1024];
    struct pack_writer writer;
    pack_writer_init(&writer, data, sizeof data);
    write_sample(&writer);
    size_t needed = writer.used;
    for (size_t size = 0; size < needed; size++) {
        memset(data, '#', sizeof data);
        pack_writer_init(&writer, data, size);
        write_sample(&writer);
        assert_true(writer.failed);
        assert_true(writer.used <= size);
        for (size_t i = size; i < sizeof data; i++)
            assert_int_equal(data[i], '#');
    }
    pack_writer_init(&writer, data, needed);
    write_sample(&writer);
    assert_false(writer.failed);
}

static void nothing_is_written_after_what_did_not_fit(void **state)
{
    (void)state;
    uint8_t data[8];
    struct pack_writer writer;
    pack_writer_init(&writer, data, sizeof data);
    pack_u64(&writer, 5);
    pack_text(&writer, "much too long", 13);
    size_t used = writer.used;
    pack_u64(&writer, 6);
    assert_true(writer.failed);
    assert_int_equal(writer.used, used);
}

static void an_empty_text_needs_no_address(void **state)
{
    (void)state;
    uint8_t data[8];
    struct pack_writer writer;
    pack_writer_init(&writer, data, sizeof data);
    pack_text(&writer, NULL, 0);
    pack_blob(&writer, NULL, 0);
    assert_false(writer.failed);
    assert_int_equal(writer.used, 3);
    assert_memory_equal(data, "\xa0\xc4\x00", 3);
}

static void a_length_that_no_format_holds_fails(void **state)
{
    (void)state;
    uint8_t data[16];
    struct pack_writer writer;
    pack_writer_init(&writer, data, sizeof data);
    pack_text(&writer, "x", (size_t)UINT32_MAX + 1);
    assert_true(writer.failed);
    pack_writer_init(&writer, data, sizeof data);
    pack_blob(&writer, "x", (size_t)UINT32_MAX + 1);
    assert_true(writer.failed);
    assert_int_equal(writer.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_of_an_unsigned_number_is_read),
        cmocka_unit_test(a_negative_number_is_refused),
        cmocka_unit_test(each_read_takes_its_own_type_only),
        cmocka_unit_test(texts_and_blobs_are_read_in_every_length_format),
        cmocka_unit_test(a_text_longer_than_its_place_is_refused_and_not_copied),
        cmocka_unit_test(counts_beyond_the_limit_or_the_bytes_left_are_refused),
        cmocka_unit_test(a_failure_stays_and_later_reads_return_nothing),
        cmocka_unit_test(trailing_bytes_are_not_done),
        cmocka_unit_test(what_was_written_is_read_back_and_no_part_of_it_is),
        cmocka_unit_test(a_writer_that_is_full_fails_within_its_buffer),
        cmocka_unit_test(nothing_is_written_after_what_did_not_fit),
        cmocka_unit_test(an_empty_text_needs_no_address),
        cmocka_unit_test(a_length_that_no_format_holds_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
