#include "check.h"
#include "overlay_internal.h"
#include <stdlib.h>
#include <string.h>

static enum status view_get(void *context, const struct row_key *key, struct row_bytes *value)
{
    struct overlay *overlay = context;
    const struct overlay_row *row = overlay_row_find(overlay, key);
    if (row != NULL) {
        if (row->deleted)
            return STATUS_NOT_FOUND;
        *value = (struct row_bytes){row->value, row->size};
        return STATUS_OK;
    }
    if (overlay->reader == NULL)
        return STATUS_NOT_FOUND;
    enum status status = state_get(overlay->reader, key, value);
    check(status == STATUS_OK || status == STATUS_NOT_FOUND);
    return status;
}

static bool has_prefix(const struct row_key *key, const struct row_key *prefix)
{
    return key->size >= prefix->size && memcmp(key->data, prefix->data, prefix->size) == 0;
}

/* The first key above everything with this prefix; size 0 when there is none. */
static struct row_key prefix_end(const struct row_key *prefix)
{
    struct row_key end = *prefix;
    while (end.size > 0 && end.data[end.size - 1] == 0xff)
        end.size--;
    if (end.size > 0)
        end.data[end.size - 1]++;
    return end;
}

/* A walk over the rows in memory, in key order: the groups that a prefix can meet, and the row
 * where it stands. A prefix with an id meets one group. A shorter one (a whole table, at a start or
 * in an audit) meets many, so they are sorted first. */
struct walk {
    struct overlay_group *one, **groups;
    size_t count, at;
    bool descending;
    struct overlay_row *row;
};

static int by_table_and_id(const void *a, const void *b)
{
    const struct overlay_group *x = *(struct overlay_group *const *)a;
    const struct overlay_group *y = *(struct overlay_group *const *)b;
    if (x->table != y->table)
        return x->table < y->table ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

static void walk_groups(struct walk *walk, struct overlay *overlay, const struct row_key *prefix)
{
    if (prefix->size >= OVERLAY_GROUP_KEY_SIZE) {
        walk->one = overlay_group_find(overlay, prefix);
        walk->groups = &walk->one;
        walk->count = walk->one != NULL;
        return;
    }
    walk->groups = overlay_alloc((overlay->group_count + 1) * sizeof(struct overlay_group *));
    for (size_t i = 0; i < overlay->group_bucket_count; i++)
        for (struct overlay_group *group = overlay->group_buckets[i]; group != NULL;
             group = group->hash_next)
            if (has_prefix(&overlay_group_seek(group, NULL, false)->key, prefix))
                walk->groups[walk->count++] = group;
    qsort(walk->groups, walk->count, sizeof(struct overlay_group *), by_table_and_id);
}

static void walk_settle(struct walk *walk, const struct row_key *from)
{
    while (walk->row == NULL && walk->at < walk->count) {
        size_t at = walk->descending ? walk->count - 1 - walk->at : walk->at;
        walk->row = overlay_group_seek(walk->groups[at], from, walk->descending);
        walk->at++;
    }
}

static void walk_next(struct walk *walk)
{
    walk->row = overlay_row_step(walk->row, walk->descending);
    walk_settle(walk, NULL);
}

static void walk_begin(struct walk *walk, struct overlay *overlay, const struct row_key *prefix,
                       const struct row_key *start, bool descending)
{
    *walk = (struct walk){.descending = descending};
    walk_groups(walk, overlay, prefix);
    walk_settle(walk, start->size == 0 ? NULL : start);
}

static void walk_end(struct walk *walk)
{
    if (walk->groups != &walk->one)
        free(walk->groups);
}

/* Walks memory and environment side by side; a row in memory hides the saved one of the same key.
 */
static void view_scan(void *context, const struct row_key *prefix, const struct row_key *from,
                      bool descending, row_visit_cb visit, void *visit_context)
{
    struct overlay *overlay = context;
    struct row_key start = from != NULL ? *from : descending ? prefix_end(prefix) : *prefix;
    struct walk walk;
    walk_begin(&walk, overlay, prefix, &start, descending);
    struct state_cursor *cursor = NULL;
    struct row_key saved_key = {0};
    struct row_bytes saved = {0};
    enum status status = STATUS_NOT_FOUND;
    if (overlay->reader != NULL) {
        check(state_cursor_open(&cursor, overlay->reader) == STATUS_OK);
        status = state_cursor_seek(cursor, &start, descending, &saved_key, &saved);
    }
    for (;;) {
        struct overlay_row *row = walk.row;
        check(status == STATUS_OK || status == STATUS_NOT_FOUND);
        bool have_saved = status == STATUS_OK && has_prefix(&saved_key, prefix);
        bool have_row = row != NULL && has_prefix(&row->key, prefix);
        if (!have_saved && !have_row)
            break;
        int order = !have_row ? 1 : !have_saved ? -1 : row_key_compare(&row->key, &saved_key);
        if (descending && have_row && have_saved)
            order = -order;
        bool more = true;
        if (order > 0)
            more = visit(visit_context, &saved_key, saved);
        else if (!row->deleted)
            more = visit(visit_context, &row->key, (struct row_bytes){row->value, row->size});
        if (!more)
            break;
        if (order >= 0)
            status = state_cursor_next(cursor, descending, &saved_key, &saved);
        if (order <= 0)
            walk_next(&walk);
    }
    walk_end(&walk);
    if (cursor != NULL)
        state_cursor_close(cursor);
}

struct row_view overlay_view(struct overlay *overlay)
{
    return (struct row_view){overlay, view_get, view_scan};
}
