#include "overlay.h"
#include "check.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* As row_key_compare, for keys that are zero beyond their size: the first sixteen bytes (table, id,
 * tag) decide nearly always, and two loads are cheaper than memcmp on the way down a tree. */
static int row_order(const struct overlay_row *a, const struct overlay_row *b)
{
    for (size_t at = 0; at < 16; at += sizeof(uint64_t)) {
        uint64_t x, y;
        memcpy(&x, a->key.data + at, sizeof x);
        memcpy(&y, b->key.data + at, sizeof y);
        if (x != y)
            return be64toh(x) < be64toh(y) ? -1 : 1;
    }
    return row_key_compare(&a->key, &b->key);
}

static void row_set_key(struct overlay_row *row, const struct row_key *key)
{
    memset(&row->key, 0, sizeof row->key);
    row->key.size = key->size;
    memcpy(row->key.data, key->data, key->size);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_INTERNAL(overlay_tree, overlay_row, node, row_order, static __attribute__((unused)))
#pragma GCC diagnostic pop

enum { BUCKETS_MIN = 1024, SPARE_MAX = 65536, GROUP_KEY_SIZE = 9 };

enum status overlay_init(struct overlay *overlay, struct state_reader *reader)
{
    memset(overlay, 0, sizeof *overlay);
    overlay->reader = reader;
    TAILQ_INIT(&overlay->dirty);
    overlay->bucket_count = BUCKETS_MIN;
    overlay->buckets = calloc(BUCKETS_MIN, sizeof(struct overlay_owner *));
    overlay->group_bucket_count = BUCKETS_MIN;
    overlay->group_buckets = calloc(BUCKETS_MIN, sizeof(struct overlay_group *));
    if (overlay->buckets != NULL && overlay->group_buckets != NULL)
        return STATUS_OK;
    free(overlay->buckets);
    free(overlay->group_buckets);
    return STATUS_NO_MEMORY;
}

static void value_free(struct overlay_row *row)
{
    if (row->value != row->embedded)
        free(row->value);
}

static void group_fini(struct overlay_group *group)
{
    struct overlay_row *row, *next;
    for (row = RB_MIN(overlay_tree, &group->rows); row != NULL; row = next) {
        next = RB_NEXT(overlay_tree, &group->rows, row);
        RB_REMOVE(overlay_tree, &group->rows, row);
        value_free(row);
        free(row);
    }
    free(group);
}

void overlay_fini(struct overlay *overlay)
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
    struct overlay_row *row;
    while ((row = overlay->spare) != NULL) {
        overlay->spare = TAILQ_NEXT(row, sibling);
        free(row);
    }
    for (size_t i = 0; i < overlay->bucket_count; i++) {
        struct overlay_owner *owner = overlay->buckets[i];
        while (owner != NULL) {
            struct overlay_owner *following = owner->hash_next;
            free(owner);
            owner = following;
        }
    }
    free(overlay->buckets);
    memset(overlay, 0, sizeof *overlay);
}

static void *must_alloc(size_t size)
{
    void *memory = malloc(size);
    check(memory != NULL);
    return memory;
}

static uint64_t mix(uint8_t kind, uint64_t id)
{
    return ((id ^ (uint64_t)kind << 56) * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
}

static size_t bucket_of(const struct overlay *overlay, uint8_t kind, uint64_t id)
{
    return (size_t)mix(kind, id) & (overlay->bucket_count - 1);
}

static void grow_buckets(struct overlay *overlay)
{
    struct overlay_owner **old = overlay->buckets;
    size_t old_count = overlay->bucket_count;
    overlay->bucket_count = old_count * 2;
    overlay->buckets = calloc(overlay->bucket_count, sizeof(struct overlay_owner *));
    check(overlay->buckets != NULL);
    for (size_t i = 0; i < old_count; i++) {
        struct overlay_owner *owner = old[i];
        while (owner != NULL) {
            struct overlay_owner *following = owner->hash_next;
            size_t bucket = bucket_of(overlay, owner->kind, owner->id);
            owner->hash_next = overlay->buckets[bucket];
            overlay->buckets[bucket] = owner;
            owner = following;
        }
    }
    free(old);
}

static struct overlay_owner *owner_find(const struct overlay *overlay, uint8_t kind, uint64_t id)
{
    struct overlay_owner *owner = overlay->buckets[bucket_of(overlay, kind, id)];
    while (owner != NULL && (owner->id != id || owner->kind != kind))
        owner = owner->hash_next;
    return owner;
}

struct overlay_owner *overlay_touch(struct overlay *overlay, uint8_t kind, uint64_t id,
                                    uint64_t sequence)
{
    struct overlay_owner *owner = owner_find(overlay, kind, id);
    if (owner == NULL) {
        if (overlay->owner_count >= overlay->bucket_count)
            grow_buckets(overlay);
        owner = must_alloc(sizeof *owner);
        memset(owner, 0, sizeof *owner);
        owner->kind = kind;
        owner->id = id;
        owner->state = OWNER_DIRTY;
        owner->first_sequence = sequence;
        TAILQ_INIT(&owner->rows);
        size_t bucket = bucket_of(overlay, kind, id);
        owner->hash_next = overlay->buckets[bucket];
        overlay->buckets[bucket] = owner;
        overlay->owner_count++;
        overlay->bytes += sizeof *owner;
        TAILQ_INSERT_TAIL(&overlay->dirty, owner, link);
    } else if (owner->state == OWNER_SAVING && !owner->dirty_again) {
        owner->dirty_again = true;
        owner->first_sequence = sequence;
        TAILQ_INSERT_TAIL(&overlay->dirty, owner, link);
    }
    return owner;
}

static void owner_free(struct overlay *overlay, struct overlay_owner *owner)
{
    struct overlay_owner **at = &overlay->buckets[bucket_of(overlay, owner->kind, owner->id)];
    while (*at != owner)
        at = &(*at)->hash_next;
    *at = owner->hash_next;
    overlay->owner_count--;
    overlay->bytes -= sizeof *owner;
    free(owner);
}

/* ---- groups ---- */

static struct overlay_group **group_at(const struct overlay *overlay, uint8_t table, uint64_t id)
{
    struct overlay_group **at =
        &overlay->group_buckets[mix(table, id) & (overlay->group_bucket_count - 1)];
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

static struct overlay_group *group_of(struct overlay *overlay, const struct row_key *key)
{
    uint8_t table = key->data[0];
    uint64_t id = row_key_u64(key, 1);
    struct overlay_group **at = group_at(overlay, table, id);
    if (*at != NULL)
        return *at;
    if (overlay->group_count >= overlay->group_bucket_count) {
        grow_groups(overlay);
        at = group_at(overlay, table, id);
    }
    struct overlay_group *group = must_alloc(sizeof *group);
    *group = (struct overlay_group){.table = table, .id = id};
    RB_INIT(&group->rows);
    *at = group;
    overlay->group_count++;
    overlay->bytes += sizeof *group;
    return group;
}

static void group_free(struct overlay *overlay, struct overlay_group *group)
{
    struct overlay_group **at = group_at(overlay, group->table, group->id);
    *at = group->hash_next;
    overlay->group_count--;
    overlay->bytes -= sizeof *group;
    free(group);
}

static struct overlay_row *row_find(struct overlay *overlay, const struct row_key *key)
{
    struct overlay_group *group = *group_at(overlay, key->data[0], row_key_u64(key, 1));
    if (group == NULL)
        return NULL;
    struct overlay_row probe;
    row_set_key(&probe, key);
    return RB_FIND(overlay_tree, &group->rows, &probe);
}

static struct overlay_row *row_alloc(struct overlay *overlay)
{
    struct overlay_row *row = overlay->spare;
    if (row == NULL)
        return must_alloc(sizeof *row);
    overlay->spare = TAILQ_NEXT(row, sibling);
    overlay->spare_count--;
    return row;
}

static void row_free(struct overlay *overlay, struct overlay_row *row)
{
    value_free(row);
    if (overlay->spare_count >= SPARE_MAX) {
        free(row);
        return;
    }
    TAILQ_NEXT(row, sibling) = overlay->spare;
    overlay->spare = row;
    overlay->spare_count++;
}

/* The row to write to. An actor's first row is its head row, which nearly every event writes again.
 */
static bool in_group(const struct row_key *key, const struct overlay_group *group)
{
    return key->data[0] == group->table && row_key_u64(key, 1) == group->id;
}

static struct overlay_row *row_touch(struct overlay *overlay, struct overlay_owner *owner,
                                     const struct row_key *key)
{
    struct overlay_row *row = owner->head;
    if (row == NULL || row->key.size != key->size ||
        memcmp(row->key.data, key->data, key->size) != 0) {
        struct overlay_row *fresh = row_alloc(overlay);
        row_set_key(fresh, key);
        fresh->group =
            row != NULL && in_group(key, row->group) ? row->group : group_of(overlay, key);
        row = RB_INSERT(overlay_tree, &fresh->group->rows, fresh);
        if (row != NULL) {
            fresh->value = fresh->embedded;
            row_free(overlay, fresh);
        } else {
            row = fresh;
            row->owner = owner;
            row->value = row->embedded;
            row->capacity = OVERLAY_INLINE_SIZE;
            TAILQ_INSERT_TAIL(&owner->rows, row, sibling);
            if (owner->head == NULL || key->size < owner->head->key.size)
                owner->head = row;
            owner->row_count++;
            overlay->row_count++;
            overlay->bytes += sizeof *row;
        }
    }
    check(row->owner == owner); /* a row belongs to one actor */
    row->stamp = ++overlay->stamp;
    return row;
}

void overlay_put(struct overlay *overlay, struct overlay_owner *owner, const struct row_key *key,
                 const void *value, size_t size)
{
    struct overlay_row *row = row_touch(overlay, owner, key);
    if (size > row->capacity) {
        uint8_t *larger = must_alloc(size);
        overlay->bytes += size - (row->value == row->embedded ? 0 : row->capacity);
        value_free(row);
        row->value = larger;
        row->capacity = (uint32_t)size;
    }
    memcpy(row->value, value, size);
    row->size = (uint32_t)size;
    row->deleted = false;
}

void overlay_delete(struct overlay *overlay, struct overlay_owner *owner, const struct row_key *key)
{
    struct overlay_row *row = row_touch(overlay, owner, key);
    row->deleted = true;
    row->size = 0;
}

/* ---- reading ---- */

static enum status view_get(void *context, const struct row_key *key, struct row_bytes *value)
{
    struct overlay *overlay = context;
    const struct overlay_row *row = row_find(overlay, key);
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
    if (prefix->size >= GROUP_KEY_SIZE) {
        walk->one = *group_at(overlay, prefix->data[0], row_key_u64(prefix, 1));
        walk->groups = &walk->one;
        walk->count = walk->one != NULL;
        return;
    }
    walk->groups = must_alloc((overlay->group_count + 1) * sizeof(struct overlay_group *));
    for (size_t i = 0; i < overlay->group_bucket_count; i++)
        for (struct overlay_group *group = overlay->group_buckets[i]; group != NULL;
             group = group->hash_next)
            if (has_prefix(&RB_MIN(overlay_tree, &group->rows)->key, prefix))
                walk->groups[walk->count++] = group;
    qsort(walk->groups, walk->count, sizeof(struct overlay_group *), by_table_and_id);
}

/* The group's first row >= from, or its last row < from when descending; from NULL: its end. */
static struct overlay_row *group_seek(struct overlay_group *group, const struct row_key *from,
                                      bool descending)
{
    if (from == NULL)
        return descending ? RB_MAX(overlay_tree, &group->rows) : RB_MIN(overlay_tree, &group->rows);
    struct overlay_row probe;
    row_set_key(&probe, from);
    struct overlay_row *row = RB_NFIND(overlay_tree, &group->rows, &probe);
    if (!descending)
        return row;
    return row == NULL ? RB_MAX(overlay_tree, &group->rows)
                       : RB_PREV(overlay_tree, &group->rows, row);
}

static void walk_settle(struct walk *walk, const struct row_key *from)
{
    while (walk->row == NULL && walk->at < walk->count) {
        size_t at = walk->descending ? walk->count - 1 - walk->at : walk->at;
        walk->row = group_seek(walk->groups[at], from, walk->descending);
        walk->at++;
    }
}

static void walk_next(struct walk *walk)
{
    walk->row = walk->descending ? RB_PREV(overlay_tree, NULL, walk->row)
                                 : RB_NEXT(overlay_tree, NULL, walk->row);
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

/* ---- checkpoints ---- */

size_t overlay_round_begin(struct overlay *overlay, struct overlay_owner **owners)
{
    size_t count = 0;
    struct overlay_owner *owner;
    TAILQ_FOREACH(owner, &overlay->dirty, link)
    {
        if (owners != NULL) {
            check(owner->state == OWNER_DIRTY);
            owner->state = OWNER_ROUND;
            owners[count] = owner;
        }
        count++;
    }
    if (owners != NULL)
        TAILQ_INIT(&overlay->dirty);
    return count;
}

void overlay_saving(struct overlay_owner *owner)
{
    check(owner->state == OWNER_ROUND);
    owner->state = OWNER_SAVING;
    owner->dirty_again = false;
}

void overlay_saved(struct overlay *overlay, struct overlay_owner *owner, uint64_t stamp)
{
    check(owner->state == OWNER_SAVING);
    struct overlay_row *row, *next;
    for (row = TAILQ_FIRST(&owner->rows); row != NULL; row = next) {
        next = TAILQ_NEXT(row, sibling);
        if (row->stamp > stamp)
            continue;
        RB_REMOVE(overlay_tree, &row->group->rows, row);
        if (RB_EMPTY(&row->group->rows))
            group_free(overlay, row->group);
        TAILQ_REMOVE(&owner->rows, row, sibling);
        if (row == owner->head)
            owner->head = NULL;
        owner->row_count--;
        overlay->row_count--;
        overlay->bytes -= sizeof *row + (row->value == row->embedded ? 0 : row->capacity);
        row_free(overlay, row);
    }
    if (owner->dirty_again) {
        owner->state = OWNER_DIRTY;
        owner->dirty_again = false;
    } else {
        check(owner->row_count == 0);
        owner_free(overlay, owner);
    }
}

uint64_t overlay_covered(const struct overlay *overlay, uint64_t last_sequence)
{
    const struct overlay_owner *oldest = TAILQ_FIRST(&overlay->dirty);
    return oldest == NULL ? last_sequence : oldest->first_sequence - 1;
}
