#include "journal_internal.h"

/* Whether there are pages for one more transaction. LMDB needs pages to write anything, also to
 * delete, and those that a transaction frees come back only two commits later, and not while a
 * reader that is older than that reads on. Two ways to run out, hence two questions:
 *
 * The records fill the map. Their pages are counted in the roots of the trees: cheap, asked each
 * time.
 *
 * A reader that does not end keeps all that is freed; then the file grows with every commit
 * although the records don't. The number of pages that were never used is cheap to know and answers
 * for most of a journal's life. Once it is low, the free list must be looked at, and how much was
 * found there tells for how many transactions it need not be looked at again. */

enum {
    SPARE_PERCENT_MIN = 10,     /* to append */
    SPARE_TRIM_PERCENT_MIN = 2, /* to trim */
    TRANSACTION_PAGES = 64,     /* that 512 small records take, generously */
    ROOM_KNOWN_FOR_MAX = 4096,
};

static uint64_t percent(uint64_t pages, uint64_t of_100)
{
    return pages * of_100 / 100;
}

enum status journal_room(struct journal *journal, bool trim_only)
{
    uint64_t page_count = journal->lmdb.page_count;
    if (!trim_only && journal->pages_used >= percent(page_count, JOURNAL_USED_PERCENT_MAX))
        return STATUS_FULL;
    uint64_t spare = lmdb_pages_untouched(&journal->lmdb);
    uint64_t least = percent(page_count, trim_only ? SPARE_TRIM_PERCENT_MIN : SPARE_PERCENT_MIN);
    if (spare >= least)
        return STATUS_OK;
    if (!trim_only && journal->room_known_for > 0) {
        journal->room_known_for--;
        return STATUS_OK;
    }
    spare += lmdb_pages_reusable(&journal->lmdb);
    if (spare < least)
        return STATUS_FULL;
    uint64_t known_for = (spare - least) / TRANSACTION_PAGES;
    journal->room_known_for = known_for < ROOM_KNOWN_FOR_MAX ? known_for : ROOM_KNOWN_FOR_MAX;
    return STATUS_OK;
}
