#include "datadir_layout.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int datadir_layout_format(const struct datadir_layout *layout, char *text, size_t size)
{
#define LINE_FORMAT(field, name) name " %" PRIu64 "\n"
#define LINE_VALUE(field, name) , layout->field
    return snprintf(text, size,
                    DATADIR_LAYOUT_FIELDS(LINE_FORMAT) DATADIR_LAYOUT_FIELDS(LINE_VALUE));
#undef LINE_FORMAT
#undef LINE_VALUE
}

struct line_reader {
    const char *at, *end;
};

/* `name`, a space, digits, a newline. */
static enum status read_line(struct line_reader *reader, const char *name, uint64_t *number)
{
    size_t length = strlen(name);
    if ((size_t)(reader->end - reader->at) <= length || memcmp(reader->at, name, length) != 0 ||
        reader->at[length] != ' ')
        return STATUS_CORRUPT;
    const char *digits = reader->at + length + 1, *at = digits;
    uint64_t value = 0;
    for (; at < reader->end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return STATUS_CORRUPT;
        value = value * 10 + digit;
    }
    if (at == digits || at == reader->end || *at != '\n')
        return STATUS_CORRUPT;
    reader->at = at + 1;
    *number = value;
    return STATUS_OK;
}

enum status datadir_layout_parse(struct datadir_layout *layout, const char *text, size_t length)
{
    struct line_reader reader = {.at = text, .end = text + length};
    enum status status = STATUS_OK;
    *layout = (struct datadir_layout){0};
#define LINE_READ(field, name)                                                                     \
    if (status == STATUS_OK)                                                                       \
        status = read_line(&reader, name, &layout->field);                                         \
    if (status == STATUS_OK && layout->format != DATADIR_FORMAT)                                   \
        status = STATUS_MISMATCH;
    DATADIR_LAYOUT_FIELDS(LINE_READ)
#undef LINE_READ
    if (status == STATUS_OK && reader.at != reader.end)
        status = STATUS_CORRUPT;
    return status;
}
