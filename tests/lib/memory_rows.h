#ifndef BOXOFFICE_TEST_MEMORY_ROWS_H
#define BOXOFFICE_TEST_MEMORY_ROWS_H

#include "rows.h"
#include <bsd/sys/tree.h>

/* Rows on a map in memory, for tests of the domain without a runtime. */
struct memory_row {
    RB_ENTRY(memory_row) node;
    struct row_key key;
    size_t size;
    uint8_t value[];
};
RB_HEAD(memory_row_tree, memory_row);

struct memory_rows {
    struct memory_row_tree tree;
    size_t count;
    bool visiting; /* a visit is under way: another call then is a mistake of the domain */
};

void memory_rows_init(struct memory_rows *rows);
void memory_rows_fini(struct memory_rows *rows);
struct row_view memory_rows_view(struct memory_rows *rows);
void memory_rows_put(struct memory_rows *rows, const struct row_key *key, const void *value,
                     size_t size);
void memory_rows_delete(struct memory_rows *rows, const struct row_key *key);
/* The first row at or above `from`, or the last one below it when descending; an empty `from` is
 * below all. NULL: there is none. Rows stay where they are until they are deleted or put again. */
struct memory_row *memory_rows_seek(struct memory_rows *rows, const struct row_key *from,
                                    bool descending);
struct memory_row *memory_rows_next(struct memory_row *row, bool descending);
/* True when both hold the same keys with the same bytes. */
bool memory_rows_equal(struct memory_rows *a, struct memory_rows *b);

#endif
