#include "keys.h"
#include "bytes.h"
#include <string.h>

struct row_key row_key_of(char table, uint64_t id)
{
    struct row_key key = {.size = 9};
    key.data[0] = (uint8_t)table;
    store_be64(key.data + 1, id);
    return key;
}

void row_key_add_tag(struct row_key *key, char tag)
{
    row_key_add_bytes(key, &tag, 1);
}

void row_key_add_u64(struct row_key *key, uint64_t value)
{
    uint8_t bytes[8];
    store_be64(bytes, value);
    row_key_add_bytes(key, bytes, sizeof bytes);
}

void row_key_add_bytes(struct row_key *key, const void *data, size_t size)
{
    size_t room = (size_t)ROW_KEY_MAX - key->size;
    if (size > room)
        size = room;
    if (size == 0)
        return;
    memcpy(key->data + key->size, data, size);
    key->size = (uint8_t)(key->size + size);
}

uint64_t row_key_u64(const struct row_key *key, size_t offset)
{
    if (offset > key->size || key->size - offset < sizeof(uint64_t))
        return 0;
    return load_be64(key->data + offset);
}

/* By words, the last of which overlaps the one before: nearly every key is 9, 18 or 26 bytes long,
 * which a call of memcmp takes longer for. */
bool row_key_equal(const struct row_key *a, const struct row_key *b)
{
    uint64_t x, y;
    if (a->size != b->size)
        return false;
    if (a->size < sizeof x)
        return memcmp(a->data, b->data, a->size) == 0;
    for (size_t at = 0;; at += sizeof x) {
        if (at + sizeof x > a->size)
            at = a->size - sizeof x;
        memcpy(&x, a->data + at, sizeof x);
        memcpy(&y, b->data + at, sizeof y);
        if (x != y)
            return false;
        if (at + sizeof x == a->size)
            return true;
    }
}

int row_key_compare(const struct row_key *a, const struct row_key *b)
{
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->data, b->data, common);
    return order != 0 ? order : (int)a->size - (int)b->size;
}
