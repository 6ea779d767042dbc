#include "check.h"
#include "hash.h"
#include "overlay_internal.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* Within a group the first nine bytes of all keys are the same, so the words from the ninth on
 * (with the last byte before it) decide nearly always: tag and a number or two. */
enum { WORDS_BEGIN = 8, WORDS_END = 32 };

static uint64_t word_at(const struct row_key *key, size_t at)
{
    uint64_t word;
    memcpy(&word, key->data + at, sizeof word);
    return be64toh(word);
}

/* As row_key_compare, for keys that are zero beyond their size. */
static int row_order(const struct overlay_row *a, const struct overlay_row *b)
{
    for (size_t at = WORDS_BEGIN; at < WORDS_END; at += sizeof(uint64_t)) {
        uint64_t x = word_at(&a->key, at), y = word_at(&b->key, at);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return row_key_compare(&a->key, &b->key);
}

/* A key that is looked for: its words as if it were zero beyond its size. */
struct wanted {
    uint64_t words[(WORDS_END - WORDS_BEGIN) / sizeof(uint64_t)];
    const struct row_key *key;
};

static struct wanted want(const struct row_key *key)
{
    struct wanted wanted = {.key = key};
    for (size_t at = WORDS_BEGIN; at < key->size && at < WORDS_END; at += sizeof(uint64_t)) {
        size_t size = key->size - at;
        uint64_t beyond = size < sizeof(uint64_t) ? UINT64_MAX >> 8 * size : 0;
        wanted.words[(at - WORDS_BEGIN) / sizeof(uint64_t)] = word_at(key, at) & ~beyond;
    }
    return wanted;
}

static int wanted_order(const struct wanted *wanted, const struct overlay_row *row)
{
    for (size_t at = WORDS_BEGIN; at < WORDS_END; at += sizeof(uint64_t)) {
        uint64_t x = wanted->words[(at - WORDS_BEGIN) / sizeof(uint64_t)];
        uint64_t y = word_at(&row->key, at);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return row_key_compare(wanted->key, &row->key);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_INTERNAL(overlay_tree, overlay_row, node, row_order, static __attribute__((unused)))
#pragma GCC diagnostic pop

void overlay_row_set_key(struct overlay_row *row, const struct row_key *key)
{
    memset(&row->key, 0, sizeof row->key);
    row->key.size = key->size;
    memcpy(row->key.data, key->data, key->size);
}

bool overlay_row_is_at(const struct overlay_row *row, const struct row_key *key)
{
    return row != NULL && row_key_equal(&row->key, key);
}

/* Where the group is, or where it would go: the next free place. */
static struct overlay_place *place_of(const struct overlay *overlay, uint8_t table, uint64_t id)
{
    uint64_t word = hash_word(table, id);
    size_t at = hash_word_bucket(word, overlay->place_count);
    for (;; at = (at + 1) & (overlay->place_count - 1)) {
        struct overlay_place *place = &overlay->places[at];
        if (place->group == NULL ||
            (place->word == word && place->group->id == id && place->group->table == table))
            return place;
    }
}

/* Moves those that would not be found any more up into the gap (Knuth, 6.4, algorithm R). */
static void place_clear(struct overlay *overlay, struct overlay_place *place)
{
    size_t mask = overlay->place_count - 1, gap = (size_t)(place - overlay->places);
    for (size_t at = (gap + 1) & mask; overlay->places[at].group != NULL; at = (at + 1) & mask) {
        size_t home = hash_word_bucket(overlay->places[at].word, overlay->place_count);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        overlay->places[gap] = overlay->places[at];
        gap = at;
    }
    overlay->places[gap].group = NULL;
}

static void grow_places(struct overlay *overlay)
{
    struct overlay_place *old = overlay->places;
    size_t old_count = overlay->place_count;
    overlay->place_count = old_count * 2;
    overlay->places = calloc(overlay->place_count, sizeof *overlay->places);
    check(overlay->places != NULL);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].group != NULL)
            *place_of(overlay, old[i].group->table, old[i].group->id) = old[i];
    free(old);
}

static void forget_order(struct overlay *overlay)
{
    free(overlay->sorted);
    overlay->sorted = NULL;
}

struct overlay_group *overlay_group_make(struct overlay *overlay, const struct row_key *key)
{
    uint8_t table = key->data[0];
    uint64_t id = row_key_u64(key, 1);
    struct overlay_place *place = place_of(overlay, table, id);
    if (place->group != NULL)
        return place->group;
    if (overlay->group_count >= overlay->place_count / 2) {
        grow_places(overlay);
        place = place_of(overlay, table, id);
    }
    struct overlay_group *group = pool_take(&overlay->group_pool, sizeof *group);
    *group = (struct overlay_group){.table = table, .id = id};
    RB_INIT(&group->rows);
    *place = (struct overlay_place){hash_word(table, id), group};
    forget_order(overlay);
    overlay->group_count++;
    overlay->bytes += pool_round(sizeof *group);
    return group;
}

static void group_free(struct overlay *overlay, struct overlay_group *group)
{
    place_clear(overlay, place_of(overlay, group->table, group->id));
    forget_order(overlay);
    overlay->group_count--;
    overlay->bytes -= pool_round(sizeof *group);
    pool_give(&overlay->group_pool, group);
}

/* What is numbered is written in order, so most keys that are not here yet are beyond the last. */
struct overlay_row *overlay_group_search(struct overlay_group *group, const struct row_key *key)
{
    struct wanted wanted = want(key);
    if (group->last != NULL && wanted_order(&wanted, group->last) > 0)
        return NULL;
    struct overlay_row *row = RB_ROOT(&group->rows);
    int order;
    while (row != NULL && (order = wanted_order(&wanted, row)) != 0)
        row = order < 0 ? RB_LEFT(row, node) : RB_RIGHT(row, node);
    return row;
}

struct overlay_row *overlay_row_find(const struct overlay *overlay, const struct row_key *key)
{
    struct overlay_group *group = overlay_group_find(overlay, key);
    return group == NULL ? NULL : overlay_group_search(group, key);
}

bool overlay_in_group(const struct row_key *key, const struct overlay_group *group)
{
    return key->data[0] == group->table && row_key_u64(key, 1) == group->id;
}

struct overlay_group *overlay_group_find(const struct overlay *overlay, const struct row_key *key)
{
    return place_of(overlay, key->data[0], row_key_u64(key, 1))->group;
}

void overlay_group_insert(struct overlay_group *group, struct overlay_row *row)
{
    struct overlay_row *last = group->last;
    row->group = group;
    if (last != NULL && row_order(last, row) < 0) {
        RB_SET(row, last, node);
        RB_RIGHT(last, node) = row;
        overlay_tree_RB_INSERT_COLOR(&group->rows, row);
        group->last = row;
        return;
    }
    check(RB_INSERT(overlay_tree, &group->rows, row) == NULL);
    if (last == NULL)
        group->last = RB_MAX(overlay_tree, &group->rows);
}

void overlay_expect(const struct overlay *overlay, char table, uint64_t id, unsigned step)
{
    uint64_t word = hash_word((uint8_t)table, id);
    const struct overlay_place *place =
        &overlay->places[hash_word_bucket(word, overlay->place_count)];
    if (step == 0) {
        __builtin_prefetch(place);
        return;
    }
    if (place->group == NULL || place->word != word)
        return;
    if (step == 1) {
        __builtin_prefetch(place->group);
        return;
    }
    overlay_row_expect(RB_ROOT(&place->group->rows));
    overlay_row_expect(place->group->last);
}

void overlay_group_expect(const struct overlay *overlay, const struct overlay_row *row)
{
    __builtin_prefetch(row->group);
    overlay_expect(overlay, (char)row->key.data[0], row_key_u64(&row->key, 1), 0);
    overlay_row_expect(TAILQ_NEXT(row, sibling));
}

void overlay_group_remove(struct overlay *overlay, struct overlay_row *row)
{
    if (row->group->last == row)
        row->group->last = NULL;
    RB_REMOVE(overlay_tree, &row->group->rows, row);
    if (RB_EMPTY(&row->group->rows))
        group_free(overlay, row->group);
}

struct overlay_row *overlay_row_step(struct overlay_row *row, bool descending)
{
    return descending ? RB_PREV(overlay_tree, NULL, row) : RB_NEXT(overlay_tree, NULL, row);
}

struct overlay_row *overlay_group_seek(struct overlay_group *group, const struct row_key *from,
                                       bool descending)
{
    if (from == NULL)
        return descending ? RB_MAX(overlay_tree, &group->rows) : RB_MIN(overlay_tree, &group->rows);
    struct overlay_row *row = RB_ROOT(&group->rows), *next = NULL, *previous = NULL;
    while (row != NULL) {
        bool below = row_key_compare(&row->key, from) < 0;
        *(below ? &previous : &next) = row;
        row = below ? RB_RIGHT(row, node) : RB_LEFT(row, node);
    }
    return descending ? previous : next;
}

static void group_fini(struct overlay *overlay, struct overlay_group *group)
{
    struct overlay_row *row, *next;
    for (row = RB_MIN(overlay_tree, &group->rows); row != NULL; row = next) {
        next = RB_NEXT(overlay_tree, &group->rows, row);
        RB_REMOVE(overlay_tree, &group->rows, row);
        overlay_row_free(overlay, row);
    }
    pool_give(&overlay->group_pool, group);
}

void overlay_groups_fini(struct overlay *overlay)
{
    for (size_t i = 0; i < overlay->place_count; i++)
        if (overlay->places[i].group != NULL)
            group_fini(overlay, overlay->places[i].group);
    free(overlay->places);
    free(overlay->sorted);
}
