#ifndef BOXOFFICE_PACK_H
#define BOXOFFICE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* MessagePack in bounded buffers. The writer uses msgpack-c's packer; the reader is our own,
 * because msgpack-c 4.0.0 allocates per message and trusts counts (five bytes can ask for 96 GB).
 * Both carry a sticky failure, so that callers chain calls and look once at the end.
 * Nothing here allocates. */

struct pack_writer {
    uint8_t *data;
    size_t size;
    size_t used;
    bool failed; /* did not fit; `used` stays within `size` */
};

void pack_writer_init(struct pack_writer *writer, void *data, size_t size);
void pack_array(struct pack_writer *writer, uint32_t count);
void pack_u64(struct pack_writer *writer, uint64_t value);
void pack_text(struct pack_writer *writer, const char *data, size_t length); /* str */
void pack_blob(struct pack_writer *writer, const void *data, size_t length); /* bin */

struct pack_reader {
    const uint8_t *data;
    size_t size;
    size_t offset;
    bool failed; /* malformed, of another type, or beyond a limit; all later reads return 0 */
};

void pack_reader_init(struct pack_reader *reader, const void *data, size_t size);
/* The element count; fails when it is above max or above the bytes that are left. */
uint32_t unpack_array(struct pack_reader *reader, uint32_t max);
uint64_t unpack_u64(struct pack_reader *reader);
/* Copies at most max bytes to `to` and returns the length; a longer one fails. */
size_t unpack_text(struct pack_reader *reader, char *to, size_t max);
size_t unpack_blob(struct pack_reader *reader, void *to, size_t max);
/* True when nothing failed and every byte was consumed. */
bool pack_reader_done(const struct pack_reader *reader);

#endif
