#include "text.h"

#include <string.h>
#include <strings.h>

bool text_is(struct text text, const char *other)
{
    return text.size == strlen(other) && memcmp(text.data, other, text.size) == 0;
}

bool text_is_ignoring_case(struct text text, const char *other)
{
    return text.size == strlen(other) && strncasecmp(text.data, other, text.size) == 0;
}

struct text text_of(const char *terminated)
{
    return (struct text){.data = terminated, .size = strlen(terminated)};
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct text text_trim(struct text text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

bool text_number(struct text text, uint64_t max, uint64_t *value)
{
    if (text.size == 0 || text.size > 20 || (text.size > 1 && text.data[0] == '0'))
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';
        if (digit > 9 || number > (max - digit) / 10 || digit > max)
            return false;
        number = number * 10 + digit;
    }
    *value = number;
    return true;
}

bool text_next(struct text *rest, char separator, struct text *part)
{
    if (rest->data == NULL)
        return false;
    const char *end = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);
    part->data = rest->data;
    if (end == NULL) {
        part->size = rest->size;
        *rest = (struct text){.data = NULL, .size = 0};
        return true;
    }
    part->size = (size_t)(end - rest->data);
    rest->data = end + 1;
    rest->size -= part->size + 1;
    return true;
}

bool query_find(struct text query, const char *name, struct text *value)
{
    struct text rest = query, parameter;
    while (text_next(&rest, '&', &parameter)) {
        struct text key;
        *value = parameter;
        if (!text_next(value, '=', &key) || value->data == NULL)
            continue; /* no '=': not a parameter with a value */
        if (text_is(key, name))
            return true;
    }
    return false;
}
