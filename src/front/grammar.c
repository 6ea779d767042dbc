#include "grammar.h"

#include <string.h>
#include <strings.h>

#define ALL (CLASS_TOKEN | CLASS_VISIBLE | CLASS_HOST)
#define HEX (ALL | CLASS_HEX)
#define TOK (CLASS_TOKEN | CLASS_VISIBLE)
#define VIS CLASS_VISIBLE
#define VHO (CLASS_VISIBLE | CLASS_HOST)
static const uint8_t classes[256] = {
    ['!'] = ALL,         ['"'] = VIS, ['#'] = CLASS_TOKEN, ['$'] = ALL,
    ['%'] = ALL,         ['&'] = ALL, ['\''] = ALL,        ['('] = VHO,
    [')'] = VHO,         ['*'] = ALL, ['+'] = ALL,         [','] = VHO,
    ['-'] = ALL,         ['.'] = ALL, ['/'] = VIS,         ['0' ... '9'] = HEX,
    [':'] = VIS,         [';'] = VHO, ['<'] = VIS,         ['='] = VHO,
    ['>'] = VIS,         ['?'] = VIS, ['@'] = VIS,         ['A' ... 'F'] = HEX,
    ['G' ... 'Z'] = ALL, ['['] = VIS, ['\\'] = VIS,        [']'] = VIS,
    ['^'] = TOK,         ['_'] = ALL, ['`'] = TOK,         ['a' ... 'f'] = HEX,
    ['g' ... 'z'] = ALL, ['{'] = VIS, ['|'] = TOK,         ['}'] = VIS,
    ['~'] = ALL,
};
#undef ALL
#undef HEX
#undef TOK
#undef VIS
#undef VHO

bool grammar_is(char byte, unsigned class)
{
    return (classes[(uint8_t)byte] & class) != 0;
}

size_t grammar_span(const char *data, size_t size, unsigned class)
{
    size_t used = 0;
    while (used < size && grammar_is(data[used], class))
        used++;
    return used;
}

bool grammar_equals(const char *data, size_t size, const char *lower_case)
{
    return size == strlen(lower_case) && strncasecmp(data, lower_case, size) == 0;
}

/* "Bit Twiddling Hacks" (Sean Anderson), hasless and haszero, eight bytes at a time; both are exact
 * when they say no. */
size_t grammar_find_control(const char *data, size_t from, size_t to)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    while (from < to) {
        if (to - from >= 8) {
            uint64_t word;
            memcpy(&word, data + from, 8);
            uint64_t delete = word ^ (ones * 0x7f);
            uint64_t low = (word - ones * 0x20) & ~word & highs;
            if ((low | ((delete - ones) & ~delete &highs)) == 0) {
                from += 8;
                continue;
            }
        }
        size_t end = to - from >= 8 ? from + 8 : to;
        for (; from < end; from++) {
            uint8_t byte = (uint8_t)data[from];
            if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
                return from;
        }
    }
    return to;
}

bool grammar_host_valid(const char *data, size_t size)
{
    size_t host;
    if (size > 0 && data[0] == '[') {
        size_t used = 1;
        while (used < size &&
               (grammar_is(data[used], CLASS_HEX) || data[used] == ':' || data[used] == '.'))
            used++;
        if (used < 3 || used == size || data[used] != ']')
            return false;
        host = used + 1;
    } else {
        host = grammar_span(data, size, CLASS_HOST);
        for (size_t i = 0; i < host; i++) {
            if (data[i] == '%' && !(i + 2 < host && grammar_is(data[i + 1], CLASS_HEX) &&
                                    grammar_is(data[i + 2], CLASS_HEX)))
                return false;
        }
        if (host == 0)
            return false;
    }
    if (host == size)
        return true;
    if (data[host] != ':' || size - host < 2 || size - host > 6)
        return false;
    unsigned port = 0;
    for (size_t i = host + 1; i < size; i++) {
        if (data[i] < '0' || data[i] > '9')
            return false;
        port = port * 10 + (unsigned)(data[i] - '0');
    }
    return port <= 65535;
}
