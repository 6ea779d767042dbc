#include "room.h"
#include <stdlib.h>

/* The bits of those who left the line before it reached them. Who leaves at its head just moves it
 * on, so there is nothing here in a line that nobody leaves. */

enum { CAPACITY_MIN = 4 };

static uint64_t block_of(uint64_t number)
{
    return number / LEAVERS_BLOCK;
}

/* Position of the block, or where it would stand. */
static uint32_t find(const struct line *line, uint64_t block)
{
    uint32_t low = 0, high = line->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (line->blocks[middle].block < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const uint64_t *line_words(const void *line, uint64_t block)
{
    const struct line *of = line;
    uint32_t at = find(of, block);
    return at < of->count && of->blocks[at].block == block ? of->blocks[at].words : NULL;
}

static struct leavers *insert(struct line *line, uint32_t at, uint64_t block)
{
    if (line->count == line->capacity) {
        line->capacity = line->capacity == 0 ? CAPACITY_MIN : line->capacity * 2;
        line->blocks = reallocarray(line->blocks, line->capacity, sizeof *line->blocks);
        check(line->blocks != NULL);
    }
    struct leavers *leavers = &line->blocks[at];
    memmove(leavers + 1, leavers, (line->count - at) * sizeof *leavers);
    *leavers = (struct leavers){.block = block};
    line->count++;
    return leavers;
}

static bool load_block(void *context, const struct row_key *key, struct row_bytes value)
{
    struct line *line = context;
    struct leavers_row row;
    check(leavers_row_decode(&row, value.data, value.size) && row.words.count == LEAVERS_WORDS);
    struct leavers *leavers = insert(line, line->count, row_key_u64(key, 10));
    for (unsigned i = 0; i < LEAVERS_WORDS; i++) {
        leavers->words[i] = row.words.items[i];
        leavers->count += (uint32_t)__builtin_popcountll(row.words.items[i]);
    }
    return true;
}

void line_load(struct line *line, uint64_t room, const struct row_view *rows)
{
    struct row_key prefix = room_prefix(room, 'b');
    rows->scan(rows->context, &prefix, NULL, false, load_block, line);
}

void line_fini(struct line *line)
{
    free(line->blocks);
}

/* The first bit from `offset` that is not set; LEAVERS_BLOCK: none. */
static uint64_t first_clear(const struct leavers *leavers, uint64_t offset)
{
    if (leavers->count == LEAVERS_BLOCK)
        return LEAVERS_BLOCK;
    for (; offset < LEAVERS_BLOCK; offset = (offset / 64 + 1) * 64) {
        uint64_t clear = ~leavers->words[offset / 64] >> (offset % 64);
        if (clear != 0)
            return offset + (uint64_t)__builtin_ctzll(clear);
    }
    return LEAVERS_BLOCK;
}

uint64_t line_next(const struct line *line, uint64_t after)
{
    uint64_t number = after + 1;
    for (uint32_t at = find(line, block_of(number)); at < line->count; at++) {
        const struct leavers *leavers = &line->blocks[at];
        if (leavers->block != block_of(number))
            break;
        uint64_t offset = first_clear(leavers, number % LEAVERS_BLOCK);
        number = leavers->block * LEAVERS_BLOCK + offset;
        if (offset < LEAVERS_BLOCK)
            break;
    }
    return number;
}

const struct leavers *line_leave(struct line *line, uint64_t number)
{
    uint32_t at = find(line, block_of(number));
    struct leavers *leavers = at < line->count && line->blocks[at].block == block_of(number)
                                  ? &line->blocks[at]
                                  : insert(line, at, block_of(number));
    uint64_t bit = UINT64_C(1) << (number % 64);
    uint64_t *word = &leavers->words[number % LEAVERS_BLOCK / 64];
    check((*word & bit) == 0);
    *word |= bit;
    leavers->count++;
    return leavers;
}

bool line_pass(struct line *line, uint64_t serving, uint64_t *block)
{
    if (line->count == 0 || (line->blocks[0].block + 1) * LEAVERS_BLOCK - 1 > serving)
        return false;
    *block = line->blocks[0].block;
    line->count--;
    memmove(line->blocks, line->blocks + 1, line->count * sizeof *line->blocks);
    return true;
}
