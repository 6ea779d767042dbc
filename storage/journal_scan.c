#include "journal_internal.h"

/* Where the log ends: behind the last transaction that is whole. What is left behind that may be
 * zeros, the contents of the file's earlier use, or a transaction that was torn because its writer
 * died or the power went; none of them can be taken for the log, because a record's checksum covers
 * its sequence and a trailer names the one before it.
 *
 * A record in the log that was damaged later looks like a torn one at first. But only the newest
 * transaction can be torn, so a trailer that names that one or a later one as the one before it
 * tells of damage. */

struct scan {
    struct journal *journal;
    const struct journal_view *view;
    uint64_t next, trailer; /* sequences: of the record that is due, and of the last trailer */
    uint64_t first;         /* as that trailer says */
    size_t at, end;         /* the place of the due record; behind the last trailer */
    bool is_damaged;
};

/* False: what is due is not there. */
static bool take_record(struct scan *scan)
{
    struct journal_event event;
    struct journal_links links;
    struct journal_trailer trailer;
    const struct journal_view *view = scan->view;
    if (scan->at > view->size ||
        journal_record_decode(view->bytes + scan->at, view->size - scan->at, scan->next, &event) !=
            STATUS_OK)
        return false;
    if (journal_trailer_decode(&event, &trailer, &links) == STATUS_OK) {
        if (links.previous != scan->trailer)
            return false;
        scan->journal->trailer = trailer;
        scan->trailer = links.sequence;
        scan->first = links.first;
        scan->journal->last_begins_at = scan->end;
        scan->end = scan->at + journal_record_size(&event);
    }
    scan->at += journal_record_size(&event);
    scan->next++;
    return true;
}

/* To the next trailer behind a damaged record. False: it was none, the log ends here. */
static bool skip_damage(struct scan *scan)
{
    struct journal_links links;
    const struct journal_view *view = scan->view;
    if (!journal_trailer_find(view->bytes, view->size, scan->end, scan->trailer, scan->trailer + 1,
                              &scan->at, &links))
        return false;
    scan->is_damaged = true;
    scan->trailer = links.previous;
    scan->next = links.sequence;
    return true;
}

/* *is_begun: something in it belongs to the log. */
static enum status scan_segment(struct scan *scan, struct journal_segment *segment, bool *is_begun)
{
    struct journal *journal = scan->journal;
    struct journal_view *view;
    enum status status = journal_view_open(journal, segment, &view);
    if (status != STATUS_OK)
        return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
    bool goes_on = segment->size != 0; /* it has been scanned before */
    uint64_t trailer = goes_on ? journal->last : segment->previous;
    if (scan->trailer != 0 && scan->trailer != trailer)
        scan->is_damaged = true; /* the segment before it has lost its end */
    scan->view = view;
    scan->trailer = trailer;
    scan->next = goes_on ? trailer + 1 : segment->first;
    scan->at = scan->end = goes_on ? segment->size : JOURNAL_SEGMENT_HEADER_SIZE;
    do
        while (take_record(scan))
            ;
    while (skip_damage(scan));
    *is_begun = goes_on || scan->end > JOURNAL_SEGMENT_HEADER_SIZE;
    if (*is_begun) {
        segment->size = scan->end;
        journal->last = scan->trailer;
        journal->first = scan->first;
    }
    return STATUS_OK;
}

/* *is_begun: of the newest one. Only that one may be without a whole transaction. */
static enum status scan_segments(struct scan *scan, size_t begin, bool *is_begun)
{
    struct journal *journal = scan->journal;
    *is_begun = true;
    for (size_t i = begin; i < journal->segment_count; i++) {
        if (!*is_begun)
            return STATUS_CORRUPT;
        enum status status = scan_segment(scan, &journal->segments[i], is_begun);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

/* The newest segment has the end, or the one before it, when its own first transaction was torn. */
static enum status find_end(struct scan *scan)
{
    struct journal *journal = scan->journal;
    bool is_begun;
    size_t begin = journal->segment_count - 1;
    while (begin > 0 && journal->last != 0 && journal->segments[begin].size == 0)
        begin--;
    enum status status = scan_segments(scan, begin, &is_begun);
    if (status != STATUS_OK || is_begun)
        return status;
    journal->segment_count--;
    if (journal->last != 0 || begin == 0)
        return STATUS_OK;
    scan->trailer = 0;
    status = scan_segments(scan, begin - 1, &is_begun);
    return status == STATUS_OK && !is_begun ? STATUS_CORRUPT : status;
}

/* The file behind the newest segment has transactions that follow the end: it was begun. */
static bool is_header_damaged(struct journal *journal)
{
    struct journal_view *view;
    struct journal_links links;
    size_t at;
    struct journal_segment next = {.number = journal_next_number(journal), .fd = -1};
    /* Looked for first: a writer may begin it right now, header and all. */
    return journal_view_open(journal, &next, &view) == STATUS_OK &&
           journal_trailer_find(view->bytes, view->size, 0, journal->last, journal->last + 1, &at,
                                &links) &&
           journal_segment_look(journal, &next) == STATUS_NOT_FOUND;
}

enum status journal_scan(struct journal *journal, bool *is_damaged)
{
    struct scan scan = {.journal = journal, .first = journal->first};
    enum status status = STATUS_OK;
    bool is_first = journal->last == 0;
    if (journal->segment_count > 0)
        status = find_end(&scan);
    *is_damaged = scan.is_damaged;
    if (status == STATUS_OK && journal->segment_count > 0 &&
        journal->segments[0].first > journal->first)
        status = STATUS_CORRUPT; /* older segments are missing */
    if (status == STATUS_OK && is_first && is_header_damaged(journal))
        status = STATUS_CORRUPT;
    return status;
}

/* The table as it is now. Where the end was known to be, looking for it goes on; unless that file
 * is gone. */
static enum status load_again(struct journal *journal)
{
    struct journal_segment known = {0};
    if (journal_newest(journal) != NULL)
        known = *journal_newest(journal);
    enum status status = journal_segments_load(journal);
    for (size_t i = 0; i < journal->segment_count; i++)
        if (journal->segments[i].number == known.number) {
            journal->segments[i].size = known.size;
            return status;
        }
    journal->first = journal->last = 0;
    return status;
}

enum status journal_pin(struct journal *journal)
{
    bool is_damaged;
    enum status status = load_again(journal);
    if (status == STATUS_OK)
        status = journal_scan(journal, &is_damaged);
    if (status == STATUS_OK) {
        journal_segments_trim(journal);
        status = journal_segments_hold(journal);
    }
    journal_views_close(journal, UINT64_MAX);
    journal->is_pinned = status == STATUS_OK;
    return status;
}
