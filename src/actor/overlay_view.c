#include "check.h"
#include "overlay_internal.h"
#include <stdlib.h>
#include <string.h>

static enum status view_get(void *context, const struct row_key *key, struct row_bytes *value)
{
    struct overlay *overlay = context;
    struct overlay_row *row = overlay->recent;
    if (!overlay_row_is_at(row, key))
        row = overlay_row_find(overlay, key);
    if (row != NULL) {
        overlay->recent = row; /* route, decide and apply read the same one */
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

/* A walk over the rows in memory, in key order. A prefix with an id meets one group. A shorter one
 * (a whole table, at a start or in an audit, which scans piece by piece) meets many: their order is
 * kept until a group comes or goes. */
struct walk {
    struct overlay_group *one, **groups;
    size_t count,
        at; /* groups not looked at yet: `at` up to count, or below `at` when descending */
    bool descending;
    struct overlay_row *row;
};

static int group_order(const struct overlay_group *group, const struct row_key *key)
{
    return memcmp(RB_ROOT(&group->rows)->key.data, key->data, OVERLAY_GROUP_KEY_SIZE);
}

static int by_table_and_id(const void *a, const void *b)
{
    const struct overlay_group *other = *(struct overlay_group *const *)b;
    return group_order(*(struct overlay_group *const *)a, &RB_ROOT(&other->rows)->key);
}

static void sort_groups(struct overlay *overlay)
{
    if (overlay->sorted != NULL)
        return;
    size_t count = 0;
    overlay->sorted = overlay_alloc((overlay->group_count + 1) * sizeof(struct overlay_group *));
    for (size_t i = 0; i < overlay->group_capacity; i++)
        if (!RB_EMPTY(&overlay->groups[i].rows))
            overlay->sorted[count++] = &overlay->groups[i];
    qsort(overlay->sorted, count, sizeof(struct overlay_group *), by_table_and_id);
}

/* The first group at or above the one that `start` is in. */
static size_t lower_bound(const struct overlay *overlay, const struct row_key *start)
{
    struct row_key padded = {.size = OVERLAY_GROUP_KEY_SIZE};
    memcpy(padded.data, start->data, start->size < padded.size ? start->size : padded.size);
    size_t low = 0, high = overlay->group_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (group_order(overlay->sorted[middle], &padded) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void walk_settle(struct walk *walk, const struct row_key *from)
{
    while (walk->row == NULL && (walk->descending ? walk->at > 0 : walk->at < walk->count)) {
        size_t at = walk->descending ? --walk->at : walk->at++;
        walk->row = overlay_group_seek(walk->groups[at], from, walk->descending);
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
    if (prefix->size >= OVERLAY_GROUP_KEY_SIZE) {
        walk->one = overlay_group_at(overlay, prefix);
        walk->groups = &walk->one;
        walk->count = !RB_EMPTY(&walk->one->rows);
        walk->at = descending ? walk->count : 0;
    } else {
        sort_groups(overlay);
        walk->groups = overlay->sorted;
        walk->count = overlay->group_count;
        walk->at = start->size == 0 ? 0 : lower_bound(overlay, start);
        if (descending) /* the group of `start` may have rows below it */
            walk->at = start->size == 0 || walk->at == walk->count ? walk->count : walk->at + 1;
    }
    walk_settle(walk, start->size == 0 ? NULL : start);
}

/* Cursors are kept: a scan that does not come to its end leaves nothing behind. */
static struct state_cursor *scan_begin(struct overlay *overlay)
{
    check(overlay->scan_depth < OVERLAY_SCANS_MAX);
    struct state_cursor **cursor = &overlay->cursors[overlay->scan_depth++];
    if (overlay->reader != NULL && *cursor == NULL)
        check(state_cursor_open(cursor, overlay->reader) == STATUS_OK);
    return *cursor;
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
    struct state_cursor *cursor = scan_begin(overlay);
    struct row_key saved_key = {0};
    struct row_bytes saved = {0};
    enum status status = STATUS_NOT_FOUND;
    if (cursor != NULL)
        status = state_cursor_seek(cursor, &start, descending, &saved_key, &saved);
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
    overlay->scan_depth--;
}

void overlay_view_reset(struct overlay *overlay)
{
    overlay->scan_depth = 0;
}

struct row_view overlay_view(struct overlay *overlay)
{
    return (struct row_view){overlay, view_get, view_scan};
}
