#include "check.h"
#include "hash.h"
#include "overlay_internal.h"
#include <stdlib.h>
#include <string.h>

enum status overlay_init(struct overlay *overlay, struct state_reader *reader)
{
    memset(overlay, 0, sizeof *overlay);
    overlay->reader = reader;
    TAILQ_INIT(&overlay->dirty);
    TAILQ_INIT(&overlay->round);
    overlay->bucket_count = OVERLAY_BUCKETS_MIN;
    overlay->buckets = calloc(OVERLAY_BUCKETS_MIN, sizeof(struct overlay_owner *));
    overlay->group_capacity = OVERLAY_BUCKETS_MIN;
    overlay->groups = calloc(OVERLAY_BUCKETS_MIN, sizeof *overlay->groups);
    if (overlay->buckets != NULL && overlay->groups != NULL)
        return STATUS_OK;
    free(overlay->buckets);
    free(overlay->groups);
    return STATUS_NO_MEMORY;
}

void overlay_fini(struct overlay *overlay)
{
    for (unsigned i = 0; i < OVERLAY_SCANS_MAX; i++)
        state_cursor_close(overlay->cursors[i]);
    overlay_groups_fini(overlay);
    for (size_t i = 0; i < overlay->bucket_count; i++) {
        struct overlay_owner *owner = overlay->buckets[i];
        while (owner != NULL) {
            struct overlay_owner *following = owner->hash_next;
            pool_give(&overlay->owner_pool, owner);
            owner = following;
        }
    }
    free(overlay->buckets);
    pool_fini(&overlay->small_pool);
    pool_fini(&overlay->large_pool);
    pool_fini(&overlay->owner_pool);
    memset(overlay, 0, sizeof *overlay);
}

void *overlay_alloc(size_t size)
{
    void *memory = malloc(size);
    check(memory != NULL);
    return memory;
}

static size_t bucket_of(const struct overlay *overlay, uint8_t kind, uint64_t id)
{
    return hash_bucket(kind, id, overlay->bucket_count);
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

void overlay_touch_expect(const struct overlay *overlay, uint8_t kind, uint64_t id)
{
    __builtin_prefetch(&overlay->buckets[bucket_of(overlay, kind, id)]);
}

struct overlay_owner *overlay_touch(struct overlay *overlay, uint8_t kind, uint64_t id,
                                    uint64_t sequence, struct overlay_owner **known)
{
    struct overlay_owner *owner =
        known != NULL && *known != NULL ? *known : owner_find(overlay, kind, id);
    if (owner == NULL) {
        if (overlay->owner_count >= overlay->bucket_count / 2)
            grow_buckets(overlay);
        owner = pool_take(&overlay->owner_pool, sizeof *owner);
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
        overlay->bytes += pool_round(sizeof *owner);
        TAILQ_INSERT_TAIL(&overlay->dirty, owner, link);
    } else if (owner->state == OWNER_SAVING && !owner->dirty_again) {
        owner->dirty_again = true;
        owner->first_sequence = sequence;
        TAILQ_INSERT_TAIL(&overlay->dirty, owner, link);
    }
    if (known != NULL) {
        owner->known = known;
        *known = owner;
    }
    return owner;
}

void overlay_forget(struct overlay_owner **known)
{
    if (*known != NULL)
        (*known)->known = NULL;
    *known = NULL;
}

static void owner_free(struct overlay *overlay, struct overlay_owner *owner)
{
    struct overlay_owner **at = &overlay->buckets[bucket_of(overlay, owner->kind, owner->id)];
    while (*at != owner)
        at = &(*at)->hash_next;
    *at = owner->hash_next;
    overlay->owner_count--;
    overlay->bytes -= pool_round(sizeof *owner);
    if (owner->known != NULL)
        *owner->known = NULL;
    pool_give(&overlay->owner_pool, owner);
}

static size_t row_bytes(const struct overlay_row *row)
{
    return row->is_large ? OVERLAY_ROW_LARGE : OVERLAY_ROW_SMALL;
}

static void value_free(struct overlay_row *row)
{
    if (row->value != row->embedded)
        free(row->value);
}

void overlay_row_free(struct overlay *overlay, struct overlay_row *row)
{
    value_free(row);
    pool_give(row->is_large ? &overlay->large_pool : &overlay->small_pool, row);
}

static void row_set_key(struct overlay_row *row, const struct row_key *key)
{
    memset(&row->key, 0, sizeof row->key);
    row->key.size = key->size;
    memcpy(row->key.data, key->data, key->size);
}

static struct overlay_row *row_alloc(struct overlay *overlay, size_t value_size)
{
    bool is_large = value_size > OVERLAY_ROW_SMALL - sizeof(struct overlay_row);
    struct overlay_row *row = is_large ? pool_take(&overlay->large_pool, OVERLAY_ROW_LARGE)
                                       : pool_take(&overlay->small_pool, OVERLAY_ROW_SMALL);
    row->is_large = is_large;
    row->value = row->embedded;
    row->capacity = (uint32_t)(row_bytes(row) - sizeof *row);
    return row;
}

/* Out of everything, and freed. */
static void row_drop(struct overlay *overlay, struct overlay_owner *owner, struct overlay_row *row)
{
    overlay_group_remove(overlay, row);
    if (row == owner->drop_next)
        owner->drop_next = TAILQ_NEXT(row, sibling);
    TAILQ_REMOVE(&owner->rows, row, sibling);
    if (row == owner->head)
        owner->head = NULL;
    if (row == overlay->recent)
        overlay->recent = NULL;
    owner->row_count--;
    overlay->row_count--;
    overlay->bytes -= row_bytes(row) + (row->value == row->embedded ? 0 : row->capacity);
    overlay_row_free(overlay, row);
}

static struct overlay_row *row_make(struct overlay *overlay, struct overlay_owner *owner,
                                    struct overlay_group *group, const struct row_key *key,
                                    size_t value_size)
{
    struct overlay_row *row = row_alloc(overlay, value_size);
    row_set_key(row, key);
    overlay_group_insert(overlay, group, row);
    row->owner = owner;
    row->stamp = UINT64_MAX; /* its caller's to set */
    row->born = false;
    TAILQ_INSERT_TAIL(&owner->rows, row, sibling);
    if (owner->head == NULL || key->size < owner->head->key.size)
        owner->head = row;
    owner->row_count++;
    overlay->row_count++;
    overlay->bytes += row_bytes(row);
    return row;
}

/* The row to write to. Nearly every event writes the head row and one that was read just before. */
static struct overlay_row *row_touch(struct overlay *overlay, struct overlay_owner *owner,
                                     const struct row_key *key, size_t value_size)
{
    struct overlay_row *row = owner->head;
    if (!overlay_row_is_at(row, key) && overlay_row_is_at(overlay->recent, key))
        row = overlay->recent;
    if (!overlay_row_is_at(row, key)) {
        struct overlay_group *group = overlay_group_for(overlay, key);
        row = overlay_group_search(group, key);
        if (row == NULL)
            row = row_make(overlay, owner, group, key, value_size);
    }
    check(row->owner == owner); /* a row belongs to one actor */
    if (owner->state == OWNER_SAVING && row->stamp <= owner->copied_stamp)
        row->born = false; /* the environment is about to get it */
    row->stamp = ++overlay->stamp;
    return row;
}

static struct overlay_row *put(struct overlay *overlay, struct overlay_owner *owner,
                               const struct row_key *key, const void *value, size_t size)
{
    struct overlay_row *row = row_touch(overlay, owner, key, size);
    if (size > row->capacity) {
        uint8_t *larger = overlay_alloc(size);
        overlay->bytes += size - (row->value == row->embedded ? 0 : row->capacity);
        value_free(row);
        row->value = larger;
        row->capacity = (uint32_t)size;
    }
    memcpy(row->value, value, size);
    row->size = (uint32_t)size;
    row->deleted = false;
    return row;
}

void overlay_put(struct overlay *overlay, struct overlay_owner *owner, const struct row_key *key,
                 const void *value, size_t size)
{
    (void)put(overlay, owner, key, value, size);
}

void overlay_put_new(struct overlay *overlay, struct overlay_owner *owner,
                     const struct row_key *key, const void *value, size_t size)
{
    size_t count = overlay->row_count;
    struct overlay_row *row = put(overlay, owner, key, value, size);
    row->born = overlay->row_count > count;
}

void overlay_delete(struct overlay *overlay, struct overlay_owner *owner, const struct row_key *key)
{
    struct overlay_row *row = row_touch(overlay, owner, key, 0);
    if (row->born) {
        row_drop(overlay, owner, row);
        return;
    }
    row->deleted = true;
    row->size = 0;
}

/* ---- checkpoints ---- */

bool overlay_round_begin(struct overlay *overlay)
{
    check(TAILQ_EMPTY(&overlay->round));
    TAILQ_CONCAT(&overlay->round, &overlay->dirty, link);
    return !TAILQ_EMPTY(&overlay->round);
}

struct overlay_owner *overlay_round_next(struct overlay *overlay)
{
    struct overlay_owner *owner = TAILQ_FIRST(&overlay->round);
    if (owner != NULL)
        TAILQ_REMOVE(&overlay->round, owner, link);
    return owner;
}

void overlay_saving(const struct overlay *overlay, struct overlay_owner *owner)
{
    check(owner->state == OWNER_DIRTY);
    owner->state = OWNER_SAVING;
    owner->dirty_again = false;
    owner->copied_stamp = overlay->stamp;
    owner->drop_next = TAILQ_FIRST(&owner->rows);
}

void overlay_row_expect(const struct overlay_row *row)
{
    pool_expect(row, OVERLAY_ROW_SMALL);
}

void overlay_owner_expect(const struct overlay_owner *owner)
{
    pool_expect(owner, sizeof *owner);
}

bool overlay_saved(struct overlay *overlay, struct overlay_owner *owner, size_t *row_budget)
{
    check(owner->state == OWNER_SAVING);
    struct overlay_row *row;
    while ((row = owner->drop_next) != NULL) {
        if (*row_budget == 0)
            return false;
        --*row_budget;
        owner->drop_next = TAILQ_NEXT(row, sibling);
        if (owner->drop_next != NULL)
            overlay_remove_expect(overlay, owner->drop_next);
        if (row->stamp > owner->copied_stamp)
            continue;
        row_drop(overlay, owner, row);
    }
    if (owner->dirty_again) {
        owner->state = OWNER_DIRTY;
        owner->dirty_again = false;
    } else {
        check(owner->row_count == 0);
        owner_free(overlay, owner);
    }
    return true;
}

uint64_t overlay_covered(const struct overlay *overlay, uint64_t last_sequence)
{
    const struct overlay_owner *oldest = TAILQ_FIRST(&overlay->dirty);
    return oldest == NULL ? last_sequence : oldest->first_sequence - 1;
}
