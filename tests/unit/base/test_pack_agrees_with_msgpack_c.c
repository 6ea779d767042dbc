#include "pack.h"
#include "unit.h"
#include <limits.h>
#include <msgpack.h>
#include <string.h>

enum { ROUNDS = 200000, BYTES_MAX = 48 };

/* What the two readers agree on: one value at the start of the bytes, and how long it is. */
struct seen {
    char kind;       /* n, a, s, b; - for everything else */
    uint64_t number; /* n: the value; a: the count; s, b: the length */
    size_t used;
    char bytes[BYTES_MAX];
};

/* An empty value of msgpack-c has no address. */
static void copy(char *to, const char *from, size_t size)
{
    if (size > 0)
        memcpy(to, from, size);
}

/* With msgpack-c; it must have the whole value, elements of arrays included. */
static struct seen seen_by_library(const char *bytes, size_t size)
{
    struct seen seen = {.kind = '-'};
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, bytes, size, &seen.used) == MSGPACK_UNPACK_SUCCESS) {
        const msgpack_object *object = &unpacked.data;
        if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
            seen.kind = 'n';
            seen.number = object->via.u64;
        } else if (object->type == MSGPACK_OBJECT_ARRAY) {
            seen.kind = 'a';
            seen.number = object->via.array.size;
        } else if (object->type == MSGPACK_OBJECT_STR) {
            seen.kind = 's';
            seen.number = object->via.str.size;
            copy(seen.bytes, object->via.str.ptr, object->via.str.size);
        } else if (object->type == MSGPACK_OBJECT_BIN) {
            seen.kind = 'b';
            seen.number = object->via.bin.size;
            copy(seen.bytes, object->via.bin.ptr, object->via.bin.size);
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    return seen;
}

static struct seen seen_by_reader(const char *bytes, size_t size)
{
    struct seen seen = {.kind = '-'};
    struct pack_reader reader;
    static const char kinds[] = "nasb";
    for (int i = 0; i < 4; i++) {
        memset(seen.bytes, 0, sizeof seen.bytes);
        pack_reader_init(&reader, bytes, size);
        if (kinds[i] == 'n')
            seen.number = unpack_u64(&reader);
        else if (kinds[i] == 'a')
            seen.number = unpack_array(&reader, UINT32_MAX);
        else if (kinds[i] == 's')
            seen.number = unpack_text(&reader, seen.bytes, sizeof seen.bytes);
        else
            seen.number = unpack_blob(&reader, seen.bytes, sizeof seen.bytes);
        if (!reader.failed) {
            assert_int_equal(seen.kind, '-'); /* a value is of one type */
            seen.kind = kinds[i];
            seen.used = reader.offset;
            return seen;
        }
    }
    return seen;
}

/* Small counts and lengths, so that many of the random values are whole. Huge ones would only make
 * msgpack-c allocate. */
static void random_value(uint64_t *seed, char bytes[BYTES_MAX])
{
    for (size_t i = 0; i < BYTES_MAX; i++)
        bytes[i] = (char)unit_random(seed);
    bytes[0] = (char)(unit_random(seed) % 256);
    unsigned char first = (unsigned char)bytes[0];
    size_t width = 0;
    if (first == 0xc4 || first == 0xd9)
        width = 1;
    else if (first == 0xc5 || first == 0xda || first == 0xdc || first == 0xde)
        width = 2;
    else if (first == 0xc6 || first == 0xdb || first == 0xdd || first == 0xdf)
        width = 4;
    if (width > 0) {
        memset(bytes + 1, 0, width);
        bytes[width] = (char)(unit_random(seed) % BYTES_MAX);
    }
    if ((first & 0xe0) == 0x80 || first >= 0xdc)
        memset(bytes + 1 + width, 7, BYTES_MAX - 1 - width); /* elements: 7 */
}

static void both_see_the_same_value_in_generated_bytes(void **state)
{
    (void)state;
    uint64_t seed = 20261123;
    unsigned whole = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char bytes[BYTES_MAX];
        random_value(&seed, bytes);
        size_t size = unit_random(&seed) % (BYTES_MAX + 1);
        struct seen library = seen_by_library(bytes, size);
        struct seen own = seen_by_reader(bytes, size);
        assert_int_equal(own.kind, library.kind);
        if (own.kind == '-')
            continue;
        whole++;
        assert_int_equal(own.number, library.number);
        if (own.kind == 'a')
            continue; /* msgpack-c has consumed the elements too */
        assert_int_equal(own.used, library.used);
        if (own.kind != 'n')
            assert_memory_equal(own.bytes, library.bytes, own.number);
    }
    assert_true(whole > ROUNDS / 4);
}

static void the_library_reads_what_the_writer_wrote(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t value = (UINT64_C(1) << shift) + (uint64_t)delta;
            char data[64];
            struct pack_writer writer;
            pack_writer_init(&writer, data, sizeof data);
            pack_u64(&writer, value);
            struct seen library = seen_by_library(data, writer.used);
            assert_int_equal(library.kind, 'n');
            assert_int_equal(library.number, value);
            struct seen own = seen_by_reader(data, writer.used);
            assert_int_equal(own.number, value);
            assert_int_equal(own.used, writer.used);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_see_the_same_value_in_generated_bytes),
        cmocka_unit_test(the_library_reads_what_the_writer_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
