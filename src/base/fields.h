#ifndef BOXOFFICE_FIELDS_H
#define BOXOFFICE_FIELDS_H

#include "pack.h"
#include <string.h>

/* One table of fields makes a struct, its encoder and its decoder. On the wire it is a MessagePack
 * array of the fields in order; nested items are arrays too. A table is a macro that applies its
 * argument to each field:
 *
 *     #define POINT_FIELDS(F) F(U64, x) F(TEXT, name, 32)
 *     FIELDS_STRUCT(point, POINT_FIELDS)            in the header
 *     FIELDS_CODEC_DECLARE(point)
 *     FIELDS_CODEC_DEFINE(point, POINT_FIELDS)      in one .c file
 *
 * Kinds: U64 name · TEXT name, max bytes (UTF-8, not terminated) · IDS name, max count ·
 * LIST name, item tag, max count (item: a struct made by a table declared before).
 *
 * Changing a table changes the format: fields are never reordered or dropped; raise the version
 * that stands above the table that uses it. */

#define FIELD_DECLARE_U64(name) uint64_t name;
#define FIELD_DECLARE_TEXT(name, max)                                                              \
    struct {                                                                                       \
        uint32_t length;                                                                           \
        char data[max];                                                                            \
    } name;
#define FIELD_DECLARE_IDS(name, max)                                                               \
    struct {                                                                                       \
        uint32_t count;                                                                            \
        uint64_t items[max];                                                                       \
    } name;
#define FIELD_DECLARE_LIST(name, item, max)                                                        \
    struct {                                                                                       \
        uint32_t count;                                                                            \
        struct item items[max];                                                                    \
    } name;
#define FIELD_DECLARE(kind, ...) FIELD_DECLARE_##kind(__VA_ARGS__)

#define FIELD_COUNT(kind, ...) +1u

#define FIELD_PACK_U64(name) pack_u64(writer, from->name);
#define FIELD_PACK_TEXT(name, max) pack_text(writer, from->name.data, from->name.length);
#define FIELD_PACK_IDS(name, max)                                                                  \
    pack_array(writer, from->name.count);                                                          \
    for (uint32_t i = 0; i < from->name.count; i++)                                                \
        pack_u64(writer, from->name.items[i]);
#define FIELD_PACK_LIST(name, item, max)                                                           \
    pack_array(writer, from->name.count);                                                          \
    for (uint32_t i = 0; i < from->name.count; i++)                                                \
        item##_pack(writer, &from->name.items[i]);
#define FIELD_PACK(kind, ...) FIELD_PACK_##kind(__VA_ARGS__)

#define FIELD_UNPACK_U64(name) to->name = unpack_u64(reader);
#define FIELD_UNPACK_TEXT(name, max)                                                               \
    to->name.length = (uint32_t)unpack_text(reader, to->name.data, max);
#define FIELD_UNPACK_IDS(name, max)                                                                \
    to->name.count = unpack_array(reader, max);                                                    \
    for (uint32_t i = 0; i < to->name.count; i++)                                                  \
        to->name.items[i] = unpack_u64(reader);
#define FIELD_UNPACK_LIST(name, item, max)                                                         \
    to->name.count = unpack_array(reader, max);                                                    \
    for (uint32_t i = 0; i < to->name.count; i++)                                                  \
        item##_unpack(reader, &to->name.items[i]);
#define FIELD_UNPACK(kind, ...) FIELD_UNPACK_##kind(__VA_ARGS__)

#define FIELDS_STRUCT(tag, TABLE)                                                                  \
    struct tag {                                                                                   \
        TABLE(FIELD_DECLARE)                                                                       \
    };

/* tag_pack/tag_unpack chain; tag_encode returns the size, 0 when it did not fit; tag_decode returns
 * true only when the whole buffer was one well-formed value. */
#define FIELDS_CODEC_DECLARE(tag)                                                                  \
    void tag##_pack(struct pack_writer *writer, const struct tag *from);                           \
    void tag##_unpack(struct pack_reader *reader, struct tag *to);                                 \
    size_t tag##_encode(const struct tag *from, void *data, size_t size);                          \
    bool tag##_decode(struct tag *to, const void *data, size_t size);

#define FIELDS_CODEC_DEFINE(tag, TABLE)                                                            \
    void tag##_pack(struct pack_writer *writer, const struct tag *from)                            \
    {                                                                                              \
        pack_array(writer, 0u TABLE(FIELD_COUNT));                                                 \
        TABLE(FIELD_PACK)                                                                          \
    }                                                                                              \
    void tag##_unpack(struct pack_reader *reader, struct tag *to)                                  \
    {                                                                                              \
        if (unpack_array(reader, 0u TABLE(FIELD_COUNT)) != (0u TABLE(FIELD_COUNT)))                \
            reader->failed = true;                                                                 \
        TABLE(FIELD_UNPACK)                                                                        \
    }                                                                                              \
    size_t tag##_encode(const struct tag *from, void *data, size_t size)                           \
    {                                                                                              \
        struct pack_writer writer;                                                                 \
        pack_writer_init(&writer, data, size);                                                     \
        tag##_pack(&writer, from);                                                                 \
        return writer.failed ? 0 : writer.used;                                                    \
    }                                                                                              \
    bool tag##_decode(struct tag *to, const void *data, size_t size)                               \
    {                                                                                              \
        struct pack_reader reader;                                                                 \
        pack_reader_init(&reader, data, size);                                                     \
        tag##_unpack(&reader, to);                                                                 \
        return pack_reader_done(&reader);                                                          \
    }

/* Sets a TEXT field from a C string or bytes; cut at the field's size. */
#define text_set(field, from, from_length)                                                         \
    do {                                                                                           \
        size_t text_length_ = (from_length);                                                       \
        if (text_length_ > sizeof(field)->data)                                                    \
            text_length_ = sizeof(field)->data;                                                    \
        memcpy((field)->data, (from), text_length_);                                               \
        (field)->length = (uint32_t)text_length_;                                                  \
    } while (0)

#endif
