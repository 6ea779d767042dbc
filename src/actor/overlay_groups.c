#include "check.h"
#include "hash.h"
#include "overlay_internal.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { OVERLAY_GROUP_BYTES = 2 * sizeof(struct overlay_group) }; /* of the table, for each */

/* Within a group the first nine bytes of all keys are the same, so the words from the ninth on
 * (with the last byte before it) decide nearly always: tag and a number or two. */
enum { WORD_SIZE = 8, WORD_COUNT = 3, WORDS_BEGIN = 8 };
enum { WORDS_END = WORDS_BEGIN + WORD_COUNT * WORD_SIZE };

static uint64_t word_at(const struct row_key *key, size_t at)
{
    uint64_t word;
    memcpy(&word, key->data + at, sizeof word);
    return be64toh(word);
}

/* A key that is looked for: its words as if it were zero beyond its size. */
struct wanted {
    uint64_t words[WORD_COUNT];
    const struct row_key *key;
};

static struct wanted want(const struct row_key *key)
{
    struct wanted wanted = {.key = key};
    size_t at = WORDS_BEGIN;
    for (unsigned i = 0; i < WORD_COUNT && at < key->size; i++, at += WORD_SIZE) {
        size_t size = key->size - at;
        uint64_t beyond = size < WORD_SIZE ? UINT64_MAX >> 8 * size : 0;
        wanted.words[i] = word_at(key, at) & ~beyond;
    }
    return wanted;
}

/* As row_key_compare. A row's key is zero beyond its size; there is hardly ever more than words. */
static int wanted_order(const struct wanted *wanted, const struct overlay_row *row)
{
    for (unsigned i = 0; i < WORD_COUNT; i++) {
        uint64_t word = word_at(&row->key, WORDS_BEGIN + i * WORD_SIZE);
        if (wanted->words[i] != word)
            return wanted->words[i] < word ? -1 : 1;
    }
    bool is_same = wanted->key->size == row->key.size && row->key.size <= WORDS_END;
    return is_same ? 0 : row_key_compare(wanted->key, &row->key);
}

static int row_order(const struct overlay_row *a, const struct overlay_row *b)
{
    struct wanted wanted = want(&a->key);
    return wanted_order(&wanted, b);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_INTERNAL(overlay_tree, overlay_row, node, row_order, static __attribute__((unused)))
#pragma GCC diagnostic pop

bool overlay_row_is_at(const struct overlay_row *row, const struct row_key *key)
{
    return row != NULL && row_key_equal(&row->key, key);
}

static uint64_t word_of(const struct row_key *key)
{
    return hash_word(key->data[0], row_key_u64(key, 1));
}

static bool is_free(const struct overlay_group *group)
{
    return RB_EMPTY(&group->rows);
}

static bool is_of(const struct overlay_group *group, const struct row_key *key)
{
    const struct row_key *own = &RB_ROOT(&group->rows)->key;
    return own->data[0] == key->data[0] && row_key_u64(own, 1) == row_key_u64(key, 1);
}

struct overlay_group *overlay_group_at(const struct overlay *overlay, const struct row_key *key)
{
    uint64_t word = word_of(key);
    size_t at = hash_word_bucket(word, overlay->group_capacity);
    for (;; at = (at + 1) & (overlay->group_capacity - 1)) {
        struct overlay_group *group = &overlay->groups[at];
        if (is_free(group) || (group->word == word && is_of(group, key)))
            return group;
    }
}

/* Moves those that would not be found any more up into the gap (Knuth, 6.4, algorithm R). */
static void entry_clear(struct overlay *overlay, struct overlay_group *cleared)
{
    struct overlay_group *groups = overlay->groups;
    size_t mask = overlay->group_capacity - 1, gap = (size_t)(cleared - groups);
    for (size_t at = (gap + 1) & mask; !is_free(&groups[at]); at = (at + 1) & mask) {
        size_t home = hash_word_bucket(groups[at].word, overlay->group_capacity);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        groups[gap] = groups[at];
        gap = at;
    }
    groups[gap] = (struct overlay_group){0};
}

static void grow(struct overlay *overlay)
{
    struct overlay_group *old = overlay->groups;
    size_t old_capacity = overlay->group_capacity;
    overlay->group_capacity = old_capacity * 2;
    overlay->groups = calloc(overlay->group_capacity, sizeof *overlay->groups);
    check(overlay->groups != NULL);
    for (size_t i = 0; i < old_capacity; i++)
        if (!is_free(&old[i]))
            *overlay_group_at(overlay, &RB_ROOT(&old[i].rows)->key) = old[i];
    free(old);
}

/* Entries have moved, or there are others. */
static void forget_order(struct overlay *overlay)
{
    free(overlay->sorted);
    overlay->sorted = NULL;
}

struct overlay_group *overlay_group_for(struct overlay *overlay, const struct row_key *key)
{
    if (overlay->group_count >= overlay->group_capacity / 2) {
        grow(overlay);
        forget_order(overlay);
    }
    return overlay_group_at(overlay, key);
}

/* What is numbered is written in order, so most keys that are not here yet are beyond the last. */
struct overlay_row *overlay_group_search(const struct overlay_group *group,
                                         const struct row_key *key)
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
    return overlay_group_search(overlay_group_at(overlay, key), key);
}

void overlay_group_insert(struct overlay *overlay, struct overlay_group *group,
                          struct overlay_row *row)
{
    struct overlay_row *last = group->last;
    if (is_free(group)) {
        group->word = word_of(&row->key);
        overlay->group_count++;
        overlay->bytes += OVERLAY_GROUP_BYTES;
        forget_order(overlay);
    } else if (last != NULL && row_order(last, row) < 0) {
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

void overlay_expect(const struct overlay *overlay, const struct row_key *key, unsigned step)
{
    uint64_t word = word_of(key);
    const struct overlay_group *group =
        &overlay->groups[hash_word_bucket(word, overlay->group_capacity)];
    if (step == 0) {
        __builtin_prefetch(group);
    } else if (group->word == word) {
        overlay_row_expect(RB_ROOT(&group->rows));
        overlay_row_expect(group->last);
    }
}

void overlay_remove_expect(const struct overlay *overlay, const struct overlay_row *row)
{
    overlay_expect(overlay, &row->key, 0);
    overlay_row_expect(TAILQ_NEXT(row, sibling));
}

void overlay_group_remove(struct overlay *overlay, struct overlay_row *row)
{
    struct overlay_group *group = overlay_group_at(overlay, &row->key);
    if (group->last == row)
        group->last = NULL;
    RB_REMOVE(overlay_tree, &group->rows, row);
    if (!is_free(group))
        return;
    entry_clear(overlay, group);
    overlay->group_count--;
    overlay->bytes -= OVERLAY_GROUP_BYTES;
    forget_order(overlay);
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
}

void overlay_groups_fini(struct overlay *overlay)
{
    for (size_t i = 0; i < overlay->group_capacity; i++)
        group_fini(overlay, &overlay->groups[i]);
    free(overlay->groups);
    free(overlay->sorted);
}
