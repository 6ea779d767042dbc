#include "memory_rows.h"
#include "check.h"
#include <stdlib.h>

static int compare(const struct memory_row *a, const struct memory_row *b)
{
    return row_key_compare(&a->key, &b->key);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
RB_GENERATE_INTERNAL(memory_row_tree, memory_row, node, compare, static __attribute__((unused)))
#pragma GCC diagnostic pop

void memory_rows_init(struct memory_rows *rows)
{
    memset(rows, 0, sizeof *rows);
    RB_INIT(&rows->tree);
}

static void drop(struct memory_rows *rows, struct memory_row *row)
{
    RB_REMOVE(memory_row_tree, &rows->tree, row);
    rows->count--;
    free(row);
}

void memory_rows_fini(struct memory_rows *rows)
{
    struct memory_row *row;
    while ((row = RB_MIN(memory_row_tree, &rows->tree)) != NULL)
        drop(rows, row);
}

static struct memory_row *find(struct memory_rows *rows, const struct row_key *key)
{
    struct memory_row wanted;
    wanted.key = *key;
    return RB_FIND(memory_row_tree, &rows->tree, &wanted);
}

void memory_rows_delete(struct memory_rows *rows, const struct row_key *key)
{
    struct memory_row *row = find(rows, key);
    check(!rows->visiting);
    if (row != NULL)
        drop(rows, row);
}

void memory_rows_put(struct memory_rows *rows, const struct row_key *key, const void *value,
                     size_t size)
{
    memory_rows_delete(rows, key);
    struct memory_row *row = malloc(sizeof *row + size);
    check(row != NULL);
    row->key = *key;
    row->size = size;
    memcpy(row->value, value, size);
    RB_INSERT(memory_row_tree, &rows->tree, row);
    rows->count++;
}

static enum status get(void *context, const struct row_key *key, struct row_bytes *value)
{
    struct memory_rows *rows = context;
    check(!rows->visiting);
    struct memory_row *row = find(rows, key);
    if (row == NULL)
        return STATUS_NOT_FOUND;
    *value = (struct row_bytes){row->value, row->size};
    return STATUS_OK;
}

static bool begins_with(const struct memory_row *row, const struct row_key *prefix)
{
    return row->key.size >= prefix->size && memcmp(row->key.data, prefix->data, prefix->size) == 0;
}

/* The first row of a descending scan: the last one below `from`, or the last one of the prefix. */
static struct memory_row *last_below(struct memory_rows *rows, const struct row_key *prefix,
                                     const struct row_key *from)
{
    struct row_key end = from != NULL ? *from : *prefix;
    if (from == NULL) {
        memset(end.data + prefix->size, 0xff, ROW_KEY_MAX - prefix->size);
        end.size = ROW_KEY_MAX;
    }
    return memory_rows_seek(rows, &end, true);
}

static void scan(void *context, const struct row_key *prefix, const struct row_key *from,
                 bool descending, row_visit_cb visit, void *visit_context)
{
    struct memory_rows *rows = context;
    struct memory_row wanted, *row;
    check(!rows->visiting);
    rows->visiting = true;
    wanted.key = from != NULL ? *from : *prefix;
    row = descending ? last_below(rows, prefix, from)
                     : RB_NFIND(memory_row_tree, &rows->tree, &wanted);
    while (row != NULL && begins_with(row, prefix) &&
           visit(visit_context, &row->key, (struct row_bytes){row->value, row->size}))
        row = descending ? RB_PREV(memory_row_tree, &rows->tree, row)
                         : RB_NEXT(memory_row_tree, &rows->tree, row);
    rows->visiting = false;
}

struct row_view memory_rows_view(struct memory_rows *rows)
{
    return (struct row_view){rows, get, scan};
}

struct memory_row *memory_rows_seek(struct memory_rows *rows, const struct row_key *from,
                                    bool descending)
{
    struct memory_row wanted;
    wanted.key = *from;
    struct memory_row *row = RB_NFIND(memory_row_tree, &rows->tree, &wanted);
    if (!descending)
        return row;
    return row == NULL ? RB_MAX(memory_row_tree, &rows->tree)
                       : RB_PREV(memory_row_tree, &rows->tree, row);
}

struct memory_row *memory_rows_next(struct memory_row *row, bool descending)
{
    return descending ? RB_PREV(memory_row_tree, NULL, row) : RB_NEXT(memory_row_tree, NULL, row);
}

bool memory_rows_equal(struct memory_rows *a, struct memory_rows *b)
{
    struct memory_row *of_a = RB_MIN(memory_row_tree, &a->tree);
    struct memory_row *of_b = RB_MIN(memory_row_tree, &b->tree);
    while (of_a != NULL && of_b != NULL) {
        if (compare(of_a, of_b) != 0 || of_a->size != of_b->size ||
            memcmp(of_a->value, of_b->value, of_a->size) != 0)
            return false;
        of_a = RB_NEXT(memory_row_tree, &a->tree, of_a);
        of_b = RB_NEXT(memory_row_tree, &b->tree, of_b);
    }
    return of_a == NULL && of_b == NULL;
}
