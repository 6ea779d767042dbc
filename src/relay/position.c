#include "position.h"
#include "bytes.h"
#include "check.h"
#include "crc32c.h"
#include <sodium.h>

enum {
    VERSION = 1,
    AT_INCARNATION = 1,
    AT_COUNT = 5,
    AT_SEQUENCES = 6,
    CRC_SIZE = 2,
    SEQUENCE_SIZE_MAX = 10,
    ENCODED_MAX = 380, /* as text within POSITION_TEXT_SIZE: every sequence up to 2^49 */
    BASE64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING,
};
_Static_assert(sodium_base64_ENCODED_LEN(ENCODED_MAX, BASE64) <= POSITION_TEXT_SIZE,
               "the longest position fits its text");
_Static_assert(AT_SEQUENCES + SOURCES_MAX * 7 + CRC_SIZE <= ENCODED_MAX,
               "seven bytes for each sequence fit");

static uint16_t checksum(const uint8_t *data, size_t size)
{
    return (uint16_t)crc32c(0, data, size);
}

void position_write(const struct position *position, uint64_t incarnation,
                    char text[POSITION_TEXT_SIZE])
{
    uint8_t data[AT_SEQUENCES + SOURCES_MAX * SEQUENCE_SIZE_MAX + CRC_SIZE];
    size_t size = AT_SEQUENCES;
    data[0] = VERSION;
    store_le32(data + AT_INCARNATION, (uint32_t)incarnation);
    data[AT_COUNT] = (uint8_t)position->count;
    for (unsigned i = 0; i < position->count; i++) {
        uint64_t sequence = position->sequences[i];
        for (; sequence >= 0x80; sequence >>= 7)
            data[size++] = (uint8_t)(0x80 | (sequence & 0x7f));
        data[size++] = (uint8_t)sequence;
    }
    store_le16(data + size, checksum(data, size));
    size += CRC_SIZE;
    check(size <= ENCODED_MAX);
    sodium_bin2base64(text, POSITION_TEXT_SIZE, data, size, BASE64);
}

static bool sequence_read(const uint8_t **at, const uint8_t *end, uint64_t *sequence)
{
    *sequence = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *sequence |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

bool position_read(struct position *position, uint64_t incarnation, unsigned count,
                   const char *text, size_t size)
{
    uint8_t data[ENCODED_MAX];
    size_t used;
    if (sodium_base642bin(data, sizeof data, text, size, NULL, &used, NULL, BASE64) != 0 ||
        used < AT_SEQUENCES + CRC_SIZE || data[0] != VERSION || data[AT_COUNT] != count ||
        load_le32(data + AT_INCARNATION) != (uint32_t)incarnation ||
        load_le16(data + used - CRC_SIZE) != checksum(data, used - CRC_SIZE))
        return false;
    const uint8_t *at = data + AT_SEQUENCES, *end = data + used - CRC_SIZE;
    position->count = count;
    for (unsigned i = 0; i < count; i++)
        if (!sequence_read(&at, end, &position->sequences[i]))
            return false;
    return at == end;
}
