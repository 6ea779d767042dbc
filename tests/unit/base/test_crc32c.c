#include "crc32c.h"
#include "unit.h"
#include <string.h>

/* RFC 3720, B.4: the CRCs of 32 bytes, as numbers. */
static void vectors_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    assert_int_equal(crc32c_by_table(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    assert_int_equal(crc32c_by_table(0, bytes, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c_by_table(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void instruction_and_table_agree_for_every_length_and_alignment(void **state)
{
    (void)state;
    uint8_t bytes[200];
    uint64_t seed = 42;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)unit_random(&seed);
    for (size_t start = 0; start < 16; start++) {
        for (size_t length = 0; start + length <= sizeof bytes; length++) {
            uint32_t begin = (uint32_t)unit_random(&seed);
            assert_int_equal(crc32c(begin, bytes + start, length),
                             crc32c_by_table(begin, bytes + start, length));
        }
    }
}

static void a_crc_continues_over_pieces(void **state)
{
    (void)state;
    const char text[] = "an acknowledged sale survives";
    size_t length = sizeof text - 1;
    uint32_t whole = crc32c(0, text, length);
    for (size_t cut = 0; cut <= length; cut++)
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, length - cut), whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_rfc_3720),
        cmocka_unit_test(instruction_and_table_agree_for_every_length_and_alignment),
        cmocka_unit_test(a_crc_continues_over_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
