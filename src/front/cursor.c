#include "cursor.h"

#include "crc32c.h"
#include <sodium.h>

/* kind u8 · one or two positions u64 · the low 24 bits of their CRC-32C. */
enum {
    SUM_SIZE = 3,
    CURSOR_SIZE = 1 + 8 + SUM_SIZE,
    CURSOR_PAIR_SIZE = 1 + 16 + SUM_SIZE,
    VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};

_Static_assert(sodium_base64_ENCODED_LEN(CURSOR_SIZE, VARIANT) == CURSOR_TEXT_SIZE,
               "the size of a cursor's text");
_Static_assert(sodium_base64_ENCODED_LEN(CURSOR_PAIR_SIZE, VARIANT) == CURSOR_PAIR_TEXT_SIZE,
               "the size of a cursor's text");

static size_t cursor_bytes(enum cursor_kind kind, const uint64_t *positions, size_t count,
                           uint8_t bytes[CURSOR_PAIR_SIZE])
{
    size_t used = 0;
    bytes[used++] = (uint8_t)kind;
    for (size_t i = 0; i < count; i++)
        for (int byte = 0; byte < 8; byte++)
            bytes[used++] = (uint8_t)(positions[i] >> (8 * byte));
    uint32_t sum = crc32c(0, bytes, used);
    for (int byte = 0; byte < SUM_SIZE; byte++)
        bytes[used++] = (uint8_t)(sum >> (8 * byte));
    return used;
}

static bool positions_read(struct text text, enum cursor_kind kind, uint64_t *positions,
                           size_t count)
{
    uint8_t bytes[CURSOR_PAIR_SIZE], expected[CURSOR_PAIR_SIZE];
    size_t used, size = 1 + 8 * count + SUM_SIZE;
    if (text.data == NULL ||
        sodium_base642bin(bytes, sizeof bytes, text.data, text.size, NULL, &used, NULL, VARIANT) !=
            0 ||
        used != size)
        return false;
    for (size_t i = 0; i < count; i++) {
        positions[i] = 0;
        for (size_t byte = 8; byte-- > 0;)
            positions[i] = positions[i] << 8 | bytes[1 + 8 * i + byte];
    }
    cursor_bytes(kind, positions, count, expected);
    return sodium_memcmp(bytes, expected, size) == 0;
}

void cursor_write(enum cursor_kind kind, uint64_t position, char text[CURSOR_TEXT_SIZE])
{
    uint8_t bytes[CURSOR_PAIR_SIZE];
    size_t size = cursor_bytes(kind, &position, 1, bytes);
    sodium_bin2base64(text, CURSOR_TEXT_SIZE, bytes, size, VARIANT);
}

bool cursor_read(struct text text, enum cursor_kind kind, uint64_t *position)
{
    return positions_read(text, kind, position, 1);
}

void cursor_pair_write(enum cursor_kind kind, struct cursor_pair position,
                       char text[CURSOR_PAIR_TEXT_SIZE])
{
    const uint64_t positions[] = {position.major, position.minor};
    uint8_t bytes[CURSOR_PAIR_SIZE];
    size_t size = cursor_bytes(kind, positions, 2, bytes);
    sodium_bin2base64(text, CURSOR_PAIR_TEXT_SIZE, bytes, size, VARIANT);
}

bool cursor_pair_read(struct text text, enum cursor_kind kind, struct cursor_pair *position)
{
    uint64_t positions[2];
    if (!positions_read(text, kind, positions, 2))
        return false;
    *position = (struct cursor_pair){positions[0], positions[1]};
    return true;
}
