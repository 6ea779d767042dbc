#ifndef BOXOFFICE_CRC32C_H
#define BOXOFFICE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), continued from `crc` (0 to begin). */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same without the processor's instruction; crc32c falls back to it. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif
