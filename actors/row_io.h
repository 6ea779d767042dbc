#ifndef BOXOFFICE_ROW_IO_H
#define BOXOFFICE_ROW_IO_H

#include "check.h"
#include "records.h"
#include "rows.h"

/* A record's encoding is never larger: a number takes 9 bytes at most, a text 5 more than it has.
 */
#define ROW_SIZE_MAX(tag) (sizeof(struct tag) * 9 / 8 + 64)

/* ROW_IO(tag) makes tag_read and tag_write for one kind of row. A row that does not decode is a
 * bug: the store has checked its CRC and version. */
#define ROW_IO(tag)                                                                                \
    __attribute__((unused)) static inline bool tag##_read(                                         \
        const struct row_view *view, const struct row_key *key, struct tag *to)                    \
    {                                                                                              \
        struct row_bytes value;                                                                    \
        if (row_get(view, key, &value) != STATUS_OK)                                               \
            return false;                                                                          \
        check(tag##_decode(to, value.data, value.size));                                           \
        return true;                                                                               \
    }                                                                                              \
    __attribute__((unused)) static inline void tag##_write(                                        \
        struct row_sink *sink, const struct row_key *key, const struct tag *from)                  \
    {                                                                                              \
        uint8_t data[ROW_SIZE_MAX(tag)];                                                           \
        size_t size = tag##_encode(from, data, sizeof data);                                       \
        check(size > 0);                                                                           \
        sink->put(sink->view.context, key, data, size);                                            \
    }

static inline void row_delete(struct row_sink *sink, const struct row_key *key)
{
    sink->delete (sink->view.context, key);
}

#endif
