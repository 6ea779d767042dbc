#include "messages.h"
#include "records.h"

#include <stdlib.h>
#include <string.h>

/* The decoders of requests, replies, events and rows on any bytes: they never read beyond the
 * input, and what they accept encodes to a canonical form that is no longer and decodes to itself.
 *
 * The first byte chooses the table, the second the kind in it. Built with BOXOFFICE_FUZZ
 * (tests/fuzz/CMakeLists.txt); fuzz_seeds writes well-formed inputs to begin with.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ENCODED_SIZE_MAX = 1 << 20 };

/* One way to decode into `value` and to encode it again. */
struct codec {
    bool (*decode)(uint16_t kind, const void *data, size_t size);
    size_t (*encode)(uint16_t kind, void *data, size_t size);
};

static union {
    union request request;
    union reply reply;
    union event event;
#define ROW(tag, FIELDS) struct tag tag;
    ROWS(ROW)
#undef ROW
} value;

static void must(bool condition)
{
    if (!condition)
        abort();
}

#define MESSAGE_CODEC(tag)                                                                         \
    static bool decode_##tag(uint16_t kind, const void *data, size_t size)                         \
    {                                                                                              \
        return tag##_decode(kind, &value.tag, data, size);                                         \
    }                                                                                              \
    static size_t encode_##tag(uint16_t kind, void *data, size_t size)                             \
    {                                                                                              \
        return tag##_encode(kind, &value.tag, data, size);                                         \
    }
MESSAGE_CODEC(request)
MESSAGE_CODEC(reply)
MESSAGE_CODEC(event)

#define ROW(tag, FIELDS)                                                                           \
    static bool decode_##tag(uint16_t kind, const void *data, size_t size)                         \
    {                                                                                              \
        (void)kind;                                                                                \
        return tag##_decode(&value.tag, data, size);                                               \
    }                                                                                              \
    static size_t encode_##tag(uint16_t kind, void *data, size_t size)                             \
    {                                                                                              \
        (void)kind;                                                                                \
        return tag##_encode(&value.tag, data, size);                                               \
    }
ROWS(ROW)
#undef ROW

static const struct codec row_codecs[] = {
#define ROW(tag, FIELDS) {decode_##tag, encode_##tag},
    ROWS(ROW)
#undef ROW
};

/* NULL when the two bytes choose nothing. */
static const struct codec *codec_of(uint8_t table, uint8_t kind)
{
    static const struct codec messages[] = {{decode_request, encode_request},
                                            {decode_reply, encode_reply},
                                            {decode_event, encode_event}};
    if (table < sizeof messages / sizeof messages[0])
        return &messages[table];
    bool is_row = table == 3 && kind < sizeof row_codecs / sizeof row_codecs[0];
    return is_row ? &row_codecs[kind] : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t first[ENCODED_SIZE_MAX], second[ENCODED_SIZE_MAX];
    if (size < 2)
        return 0;
    uint8_t kind = data[1];
    const struct codec *codec = codec_of(data[0], kind);
    if (codec == NULL)
        return -1; /* not for the corpus */
    size -= 2;

    /* a copy of exactly these bytes, so that the address sanitizer sees every read beyond them */
    uint8_t *input = malloc(size > 0 ? size : 1);
    must(input != NULL);
    memcpy(input, data + 2, size);
    bool accepted = codec->decode(kind, input, size);
    free(input);
    if (!accepted)
        return 0;

    size_t first_size = codec->encode(kind, first, sizeof first);
    must(first_size <= size);
    must(first_size > 0 || size == 0); /* a reply without a body */
    must(codec->decode(kind, first, first_size));
    size_t second_size = codec->encode(kind, second, sizeof second);
    must(second_size == first_size && memcmp(first, second, first_size) == 0);
    return 0;
}
