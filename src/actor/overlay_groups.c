#include "check.h"
#include "hash.h"
#include "overlay_internal.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* As row_key_compare, for keys that are zero beyond their size: words that hold table, id, tag and
 * a number decide nearly always, and loads are cheaper than memcmp on the way down a tree. */
static int row_order(const struct overlay_row *a, const struct overlay_row *b)
{
    for (size_t at = 0; at < 24; at += sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a->key.data + at, sizeof x);
        memcpy(&y, b->key.data + at, sizeof y);
        if (x != y)
            return be64toh(x) < be64toh(y) ? -1 : 1;
    }
    return row_key_compare(&a->key, &b->key);
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

static struct overlay_group **group_at(const struct overlay *overlay, uint8_t table, uint64_t id)
{
    struct overlay_group **at =
        &overlay->group_buckets[hash_bucket(table, id, overlay->group_bucket_count)];
    while (*at != NULL && ((*at)->id != id || (*at)->table != table))
        at = &(*at)->hash_next;
    return at;
}

static void grow_groups(struct overlay *overlay)
{
    struct overlay_group **old = overlay->group_buckets;
    size_t old_count = overlay->group_bucket_count;
    overlay->group_bucket_count = old_count * 2;
    overlay->group_buckets = calloc(old_count * 2, sizeof(struct overlay_group *));
    check(overlay->group_buckets != NULL);
    for (size_t i = 0; i < old_count; i++) {
        struct overlay_group *group = old[i];
        while (group != NULL) {
            struct overlay_group *following = group->hash_next;
            struct overlay_group **at = group_at(overlay, group->table, group->id);
            *at = group;
            group->hash_next = NULL;
            group = following;
        }
    }
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
    struct overlay_group **at = group_at(overlay, table, id);
    if (*at != NULL)
        return *at;
    if (overlay->group_count >= overlay->group_bucket_count / 2) {
        grow_groups(overlay);
        at = group_at(overlay, table, id);
    }
    struct overlay_group *group = spare_take(&overlay->spare_groups, sizeof *group);
    *group = (struct overlay_group){.table = table, .id = id};
    RB_INIT(&group->rows);
    *at = group;
    forget_order(overlay);
    overlay->group_count++;
    overlay->bytes += sizeof *group;
    return group;
}

static void group_free(struct overlay *overlay, struct overlay_group *group)
{
    struct overlay_group **at = group_at(overlay, group->table, group->id);
    *at = group->hash_next;
    forget_order(overlay);
    overlay->group_count--;
    overlay->bytes -= sizeof *group;
    spare_give(&overlay->spare_groups, group, OVERLAY_SPARE_MAX);
}

/* What is numbered is written in order, so most keys that are not here yet are beyond the last. */
struct overlay_row *overlay_group_search(struct overlay_group *group, const struct row_key *key)
{
    struct overlay_row probe;
    overlay_row_set_key(&probe, key);
    if (group->last != NULL && row_order(group->last, &probe) < 0)
        return NULL;
    return RB_FIND(overlay_tree, &group->rows, &probe);
}

struct overlay_row *overlay_row_find(const struct overlay *overlay, const struct row_key *key)
{
    struct overlay_group *group = *group_at(overlay, key->data[0], row_key_u64(key, 1));
    return group == NULL ? NULL : overlay_group_search(group, key);
}

bool overlay_in_group(const struct row_key *key, const struct overlay_group *group)
{
    return key->data[0] == group->table && row_key_u64(key, 1) == group->id;
}

struct overlay_group *overlay_group_find(const struct overlay *overlay, const struct row_key *key)
{
    return *group_at(overlay, key->data[0], row_key_u64(key, 1));
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
    struct overlay_row probe;
    overlay_row_set_key(&probe, from);
    struct overlay_row *row = RB_NFIND(overlay_tree, &group->rows, &probe);
    if (!descending)
        return row;
    return row == NULL ? RB_MAX(overlay_tree, &group->rows)
                       : RB_PREV(overlay_tree, &group->rows, row);
}

static void group_fini(struct overlay_group *group)
{
    struct overlay_row *row, *next;
    for (row = RB_MIN(overlay_tree, &group->rows); row != NULL; row = next) {
        next = RB_NEXT(overlay_tree, &group->rows, row);
        RB_REMOVE(overlay_tree, &group->rows, row);
        overlay_value_free(row);
        free(row);
    }
    free(group);
}

void overlay_groups_fini(struct overlay *overlay)
{
    for (size_t i = 0; i < overlay->group_bucket_count; i++) {
        struct overlay_group *group = overlay->group_buckets[i];
        while (group != NULL) {
            struct overlay_group *following = group->hash_next;
            group_fini(group);
            group = following;
        }
    }
    free(overlay->group_buckets);
    free(overlay->sorted);
}
