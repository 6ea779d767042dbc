#include "crc32c.h"
#include <string.h>

uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size)
{
    /* Half a byte a step (Sarwate 1988) for the reflected polynomial 0x82f63b78. */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 0x0f];
        crc = crc >> 4 ^ table[crc & 0x0f];
    }
    return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const void *data,
                                                                 size_t size)
{
    const uint8_t *bytes = data;
    uint64_t wide = ~crc;
    for (; size >= sizeof wide; size -= sizeof wide, bytes += sizeof wide) {
        uint64_t next = 0;
        memcpy(&next, bytes, sizeof next);
        wide = _mm_crc32_u64(wide, next);
    }
    crc = (uint32_t)wide;
    for (; size > 0; size--, bytes++)
        crc = _mm_crc32_u8(crc, *bytes);
    return ~crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    if (__builtin_cpu_supports("sse4.2"))
        return by_instruction(crc, data, size);
    return crc32c_by_table(crc, data, size);
}
#else
uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return crc32c_by_table(crc, data, size);
}
#endif
