#include "etag.h"

#include "answer.h"
#include "text.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const char name[] = "ETag: ";
_Static_assert(sizeof name - 1 + 2 + 2 * crypto_shorthash_BYTES + 2 + 1 == ETAG_LINE_SIZE,
               "a line's size");

struct etag etag_of(const void *data, size_t size)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES] = "boxoffice etag";
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[crypto_shorthash_BYTES];
    struct etag etag;
    char *to = etag.line + sizeof name - 1;
    crypto_shorthash(hash, data, size, key);
    memcpy(etag.line, name, sizeof name - 1);
    *to++ = '"';
    for (size_t i = 0; i < sizeof hash; i++) {
        *to++ = digits[hash[i] >> 4];
        *to++ = digits[hash[i] & 15];
    }
    memcpy(to, "\"\r\n", 4);
    return etag;
}

bool etag_answers(struct exchange *exchange, struct text if_none_match, const struct etag *etag)
{
    struct text tag = {etag->line + sizeof name - 1, ETAG_LINE_SIZE - sizeof name - 2};
    struct text rest = if_none_match, each;
    while (text_next(&rest, ',', &each)) {
        each = text_trim(each);
        if (each.size > 2 && memcmp(each.data, "W/", 2) == 0)
            each = (struct text){.data = each.data + 2, .size = each.size - 2};
        bool same = each.size == tag.size && memcmp(each.data, tag.data, tag.size) == 0;
        if (!same && !text_is(each, "*"))
            continue;
        answer_empty(exchange, 304, etag->line);
        return true;
    }
    return false;
}
