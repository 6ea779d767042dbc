#include "cursor.h"

#include "crc32c.h"
#include <sodium.h>

/* kind u8 · position u64 · the low 24 bits of their CRC-32C: 12 bytes, 16 characters. */
enum { CHECKED_SIZE = 9, CURSOR_SIZE = 12 };

_Static_assert(sodium_base64_ENCODED_LEN(CURSOR_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
                   CURSOR_TEXT_SIZE,
               "the size of a cursor's text");

static void checksum_put(uint8_t bytes[CURSOR_SIZE])
{
    uint32_t sum = crc32c(0, bytes, CHECKED_SIZE);
    for (int i = 0; i < CURSOR_SIZE - CHECKED_SIZE; i++)
        bytes[CHECKED_SIZE + i] = (uint8_t)(sum >> (8 * i));
}

static void cursor_bytes(enum cursor_kind kind, uint64_t position, uint8_t bytes[CURSOR_SIZE])
{
    bytes[0] = (uint8_t)kind;
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(position >> (8 * i));
    checksum_put(bytes);
}

void cursor_write(enum cursor_kind kind, uint64_t position, char text[CURSOR_TEXT_SIZE])
{
    uint8_t bytes[CURSOR_SIZE];
    cursor_bytes(kind, position, bytes);
    sodium_bin2base64(text, CURSOR_TEXT_SIZE, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool cursor_read(struct text text, enum cursor_kind kind, uint64_t *position)
{
    uint8_t bytes[CURSOR_SIZE], expected[CURSOR_SIZE];
    size_t used;
    if (text.size != CURSOR_TEXT_SIZE - 1 ||
        sodium_base642bin(bytes, sizeof bytes, text.data, text.size, NULL, &used, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        used != sizeof bytes)
        return false;
    *position = 0;
    for (int i = 7; i >= 0; i--)
        *position = *position << 8 | bytes[1 + i];
    cursor_bytes(kind, *position, expected);
    return sodium_memcmp(bytes, expected, sizeof bytes) == 0;
}
