#include "check.h"
#include "journal_internal.h"
#include "records.h"

/* Reading goes from segment to segment, up to the last committed record. */

enum { MARK_EVERY = 64 << 10 }; /* bytes between two places that a view remembers */

/* ---- places ---- */

/* The segment that a sequence is in, or that follows it. */
static size_t segment_of(const struct journal *journal, uint64_t sequence)
{
    size_t low = 0, high = journal->segment_count - 1;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (journal->segments[middle].first <= sequence)
            low = middle;
        else
            high = middle - 1;
    }
    if (low + 1 < journal->segment_count && sequence > journal_segment_last(journal, low))
        low++;
    return low;
}

static void remember(struct journal_view *view, uint64_t sequence, size_t offset)
{
    size_t count = view->mark_count;
    size_t last = count == 0 ? JOURNAL_SEGMENT_HEADER_SIZE : view->marks[count - 1].offset;
    size_t every = view->mapped / JOURNAL_VIEW_MARKS;
    if (count == JOURNAL_VIEW_MARKS || offset < last + (every > MARK_EVERY ? every : MARK_EVERY))
        return;
    view->marks[count].sequence = sequence;
    view->marks[count].offset = offset;
    view->mark_count++;
}

/* The place that is remembered best before `sequence`. */
static size_t recall(const struct journal_view *view, const struct journal_segment *segment,
                     uint64_t sequence, uint64_t *at)
{
    size_t count = view->mark_count;
    while (count > 0 && view->marks[count - 1].sequence > sequence)
        count--;
    *at = count == 0 ? segment->first : view->marks[count - 1].sequence;
    return count == 0 ? JOURNAL_SEGMENT_HEADER_SIZE : view->marks[count - 1].offset;
}

/* The first place at or behind `offset`, where the record `*sequence` should be, whose record is
 * one of those from `wanted` on: the sizes lead there, and where one can't be one, the next
 * trailer. The view's size: there is none. */
static size_t seek(struct journal_view *view, size_t offset, uint64_t *sequence, uint64_t wanted)
{
    while (*sequence < wanted) {
        size_t size = journal_record_size_at(view->bytes + offset, view->size - offset);
        if (size > 0) {
            offset += size;
            ++*sequence;
            remember(view, *sequence, offset);
            continue;
        }
        struct journal_links links;
        if (!journal_trailer_find(view->bytes, view->size, offset, *sequence, 0, &offset, &links))
            return view->size;
        *sequence = links.sequence;
    }
    return offset;
}

/* ---- up to date ---- */

/* Takes over what the writer has told. While the last record that was known here is there, so is
 * its segment, and those behind it are found one by one. */
static enum status refresh(struct journal *journal)
{
    struct journal_range *range = journal->range;
    uint64_t last = atomic_load_explicit(&range->last, memory_order_acquire);
    uint64_t first = atomic_load_explicit(&range->first, memory_order_relaxed);
    if (last == journal->last && first == journal->first)
        return STATUS_OK;
    bool is_lost = first > journal->last;
    journal->last = last;
    journal->first = first;
    journal->bytes = atomic_load_explicit(&range->bytes, memory_order_relaxed);
    enum status status =
        is_lost ? journal_segments_load(journal) : journal_segments_extend(journal);
    journal_segments_trim(journal);
    return status;
}

/* Whether the writer has trimmed what is read here; then everything is looked up again. */
static bool was_trimmed(struct journal *journal, uint64_t sequence)
{
    return journal->read_only && journal->range != NULL &&
           atomic_load_explicit(&journal->range->first, memory_order_acquire) > sequence;
}

/* ---- the walk ---- */

typedef bool (*record_cb)(void *context, enum status status, const struct journal_event *event);

struct walk {
    struct journal *journal;
    record_cb cb;
    void *context;
    uint64_t sequence; /* of the next record */
    bool is_over;
};

/* To the record behind a damaged one: by its size, when a sound record is there, or else to the
 * next trailer. */
static size_t behind_damage(const struct journal_view *view, size_t offset, uint64_t *sequence)
{
    struct journal_event event;
    struct journal_links links;
    size_t size = journal_record_size_at(view->bytes + offset, view->size - offset);
    if (size > 0 && journal_record_decode(view->bytes + offset + size, view->size - offset - size,
                                          *sequence + 1, &event) == STATUS_OK) {
        ++*sequence;
        return offset + size;
    }
    if (!journal_trailer_find(view->bytes, view->size, offset, *sequence, 0, &offset, &links))
        return view->size;
    *sequence = links.sequence;
    return offset;
}

/* From walk->sequence to the segment's last record. A place that is not found is shown as damage,
 * once. */
static void walk_segment(struct walk *walk, struct journal_view *view,
                         const struct journal_segment *segment, uint64_t last)
{
    struct journal_event event;
    uint64_t sequence;
    size_t offset = recall(view, segment, walk->sequence, &sequence);
    offset = seek(view, offset, &sequence, walk->sequence);
    if (offset < view->size && sequence > walk->sequence) { /* damage on the way hides it */
        event = (struct journal_event){.sequence = walk->sequence};
        walk->is_over = !walk->cb(walk->context, STATUS_CORRUPT, &event);
        walk->sequence = sequence;
    }
    while (!walk->is_over && walk->sequence <= last) {
        enum status found = journal_record_decode(view->bytes + offset, view->size - offset,
                                                  walk->sequence, &event);
        if (found != STATUS_OK && was_trimmed(walk->journal, walk->sequence))
            return;
        walk->is_over = !walk->cb(walk->context, found, &event);
        if (found == STATUS_OK) {
            offset += journal_record_size(&event);
            remember(view, ++walk->sequence, offset);
        } else {
            offset = behind_damage(view, offset, &walk->sequence);
            if (offset == view->size)
                walk->sequence = last + 1;
        }
    }
}

/* Calls cb for each record from `from` on, damaged ones too, until it returns false. */
static enum status walk(struct journal *journal, uint64_t from, record_cb cb, void *context)
{
    struct walk walk = {journal, cb, context, from, false};
    while (!walk.is_over) {
        struct journal_view *view;
        if (walk.sequence < journal->first)
            walk.sequence = journal->first;
        if (journal->segment_count == 0 || walk.sequence > journal->last)
            return STATUS_OK;
        size_t index = segment_of(journal, walk.sequence);
        const struct journal_segment segment = journal->segments[index];
        uint64_t last = journal_segment_last(journal, index);
        enum status status = STATUS_OK;
        if (walk.sequence < segment.first && index == 0)
            status =
                STATUS_CORRUPT; /* the segment that it is in is missing, or trimmed meanwhile */
        else if (walk.sequence < segment.first)
            walk.sequence = segment.first;
        if (status == STATUS_OK)
            status = journal_view_open(journal, &segment, &view);
        if (status == STATUS_OK)
            walk_segment(&walk, view, &segment, last);
        if (was_trimmed(journal, walk.sequence))
            status = refresh(journal);
        if (status != STATUS_OK)
            return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
    }
    return STATUS_OK;
}

/* ---- events ---- */

struct event_read {
    journal_event_cb cb;
    void *context;
    enum status status;
};

static bool read_event(void *context, enum status status, const struct journal_event *event)
{
    struct event_read *read = context;
    read->status = status;
    if (status != STATUS_OK)
        return false;
    return event->kind == EVENT_TRAILER || read->cb(read->context, event);
}

static enum status reading_begin(struct journal *journal)
{
    check(!journal->is_reading);
    enum status status = STATUS_OK;
    if (journal->read_only && journal->range != NULL)
        status = refresh(journal);
    journal->is_reading = status == STATUS_OK;
    return status;
}

enum status journal_read(struct journal *journal, uint64_t from, journal_event_cb cb, void *context)
{
    enum status status = reading_begin(journal);
    if (status != STATUS_OK)
        return status;
    struct event_read read = {cb, context, STATUS_OK};
    status = walk(journal, from, read_event, &read);
    journal->is_reading = false;
    return status == STATUS_OK ? read.status : status;
}

struct record_walk {
    journal_record_cb cb;
    void *context;
};

static bool walk_record(void *context, enum status status, const struct journal_event *event)
{
    const struct record_walk *walk = context;
    struct journal_links links;
    struct journal_record record = {.status = status, .event = *event};
    if (status == STATUS_OK && event->kind == EVENT_TRAILER)
        record.status = journal_trailer_decode(event, &record.trailer, &links);
    return walk->cb(walk->context, &record);
}

enum status journal_walk(struct journal *journal, uint64_t from, journal_record_cb cb,
                         void *context)
{
    enum status status = reading_begin(journal);
    if (status != STATUS_OK)
        return status;
    struct record_walk records = {cb, context};
    status = walk(journal, from, walk_record, &records);
    journal->is_reading = false;
    return status;
}
