#include "pack.h"
#include <limits.h> /* msgpack.h uses CHAR_MIN without including it */
#include <msgpack.h>
#include <string.h>

/* ---- writer ---- */

static int writer_append(void *context, const char *data, size_t length)
{
    struct pack_writer *writer = context;
    if (writer->failed || length > writer->size - writer->used) {
        writer->failed = true;
        return -1;
    }
    if (length > 0)
        memcpy(writer->data + writer->used, data, length);
    writer->used += length;
    return 0;
}

static msgpack_packer writer_packer(struct pack_writer *writer)
{
    return (msgpack_packer){.data = writer, .callback = writer_append};
}

void pack_writer_init(struct pack_writer *writer, void *data, size_t size)
{
    *writer = (struct pack_writer){.data = data, .size = size};
}

void pack_array(struct pack_writer *writer, uint32_t count)
{
    msgpack_packer packer = writer_packer(writer);
    msgpack_pack_array(&packer, count);
}

void pack_u64(struct pack_writer *writer, uint64_t value)
{
    msgpack_packer packer = writer_packer(writer);
    msgpack_pack_uint64(&packer, value);
}

void pack_text(struct pack_writer *writer, const char *data, size_t length)
{
    if (length > UINT32_MAX) {
        writer->failed = true;
        return;
    }
    msgpack_packer packer = writer_packer(writer);
    msgpack_pack_str(&packer, length);
    msgpack_pack_str_body(&packer, data, length);
}

void pack_blob(struct pack_writer *writer, const void *data, size_t length)
{
    if (length > UINT32_MAX) {
        writer->failed = true;
        return;
    }
    msgpack_packer packer = writer_packer(writer);
    msgpack_pack_bin(&packer, length);
    msgpack_pack_bin_body(&packer, data, length);
}

/* ---- reader ---- */

/* First bytes of the formats that are read, from the MessagePack specification. */
enum {
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    BIN8 = 0xc4,
    BIN16 = 0xc5,
    BIN32 = 0xc6,
    UINT8 = 0xcc,
    UINT16 = 0xcd,
    UINT32 = 0xce,
    UINT64 = 0xcf,
    INT8 = 0xd0,
    INT16 = 0xd1,
    INT32 = 0xd2,
    INT64 = 0xd3,
    STR8 = 0xd9,
    STR16 = 0xda,
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
};

void pack_reader_init(struct pack_reader *reader, const void *data, size_t size)
{
    *reader = (struct pack_reader){.data = data, .size = size};
}

static uint64_t reader_fail(struct pack_reader *reader)
{
    reader->failed = true;
    return 0;
}

static size_t reader_left(const struct pack_reader *reader)
{
    return reader->size - reader->offset;
}

/* The next `width` bytes as a big-endian number; 0 after a failure. */
static uint64_t read_number(struct pack_reader *reader, size_t width)
{
    if (reader->failed || width > reader_left(reader))
        return reader_fail(reader);
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | reader->data[reader->offset + i];
    reader->offset += width;
    return value;
}

/* A number of a signed format: what is negative is refused, because no field is. */
static uint64_t read_signed(struct pack_reader *reader, size_t width)
{
    uint64_t value = read_number(reader, width);
    if ((value >> (width * 8 - 1) & 1) != 0)
        return reader_fail(reader);
    return value;
}

uint64_t unpack_u64(struct pack_reader *reader)
{
    if (!reader->failed && reader->offset < reader->size && reader->data[reader->offset] < 0x80)
        return reader->data[reader->offset++]; /* most fields of most records */
    uint64_t first = read_number(reader, 1);
    switch (first) {
    case UINT8:
        return read_number(reader, 1);
    case UINT16:
        return read_number(reader, 2);
    case UINT32:
        return read_number(reader, 4);
    case UINT64:
        return read_number(reader, 8);
    case INT8:
        return read_signed(reader, 1);
    case INT16:
        return read_signed(reader, 2);
    case INT32:
        return read_signed(reader, 4);
    case INT64:
        return read_signed(reader, 8);
    default:
        return reader_fail(reader);
    }
}

uint32_t unpack_array(struct pack_reader *reader, uint32_t max)
{
    uint64_t first = read_number(reader, 1);
    uint64_t count = 0;
    if ((first & 0xf0) == FIXARRAY)
        count = first & 0x0f;
    else if (first == ARRAY16)
        count = read_number(reader, 2);
    else if (first == ARRAY32)
        count = read_number(reader, 4);
    else
        return (uint32_t)reader_fail(reader);
    /* an element takes at least one byte */
    if (reader->failed || count > max || count > reader_left(reader))
        return (uint32_t)reader_fail(reader);
    return (uint32_t)count;
}

static size_t read_bytes(struct pack_reader *reader, uint64_t length, void *to, size_t max)
{
    if (reader->failed || length > max || length > reader_left(reader))
        return (size_t)reader_fail(reader);
    if (length > 0)
        memcpy(to, reader->data + reader->offset, (size_t)length);
    reader->offset += (size_t)length;
    return (size_t)length;
}

size_t unpack_text(struct pack_reader *reader, char *to, size_t max)
{
    uint64_t first = read_number(reader, 1);
    uint64_t length = 0;
    if ((first & 0xe0) == FIXSTR)
        length = first & 0x1f;
    else if (first == STR8)
        length = read_number(reader, 1);
    else if (first == STR16)
        length = read_number(reader, 2);
    else if (first == STR32)
        length = read_number(reader, 4);
    else
        return (size_t)reader_fail(reader);
    return read_bytes(reader, length, to, max);
}

size_t unpack_blob(struct pack_reader *reader, void *to, size_t max)
{
    uint64_t first = read_number(reader, 1);
    uint64_t length = 0;
    if (first == BIN8)
        length = read_number(reader, 1);
    else if (first == BIN16)
        length = read_number(reader, 2);
    else if (first == BIN32)
        length = read_number(reader, 4);
    else
        return (size_t)reader_fail(reader);
    return read_bytes(reader, length, to, max);
}

bool pack_reader_done(const struct pack_reader *reader)
{
    return !reader->failed && reader->offset == reader->size;
}
