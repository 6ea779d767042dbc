#include "retention.h"

struct probe {
    bool found;
    uint64_t sequence, at_ms;
};

static bool first_only(void *context, const struct journal_event *event)
{
    struct probe *probe = context;
    *probe = (struct probe){true, event->sequence, event->at_ms};
    return false;
}

/* The last sequence up to which everything is older than `before_ms`, at least `released`. */
static enum status released_by_age(struct journal *journal, uint64_t before_ms, uint64_t *released)
{
    struct probe probe = {0};
    enum status status = journal_read(journal, *released + 1, first_only, &probe);
    if (status != STATUS_OK || !probe.found || probe.at_ms >= before_ms)
        return status;
    uint64_t low = probe.sequence;                      /* may go */
    uint64_t high = journal_last_sequence(journal) + 1; /* stays */
    while (status == STATUS_OK && high - low > 1 && low < high) {
        uint64_t middle = low + (high - low) / 2;
        probe = (struct probe){0};
        status = journal_read(journal, middle, first_only, &probe);
        if (probe.found && probe.at_ms < before_ms)
            low = probe.sequence;
        else
            high = middle;
    }
    *released = low;
    return status;
}

/* By the mean size of a record, which the pages in use and the range of sequences give. */
static uint64_t released_by_size(const struct journal *journal, uint64_t size_max)
{
    uint64_t first = journal_first_sequence(journal), last = journal_last_sequence(journal);
    uint64_t used = journal_bytes_used(journal);
    if (first == 0 || used <= size_max)
        return 0;
    uint64_t count = last - first + 1;
    uint64_t kept = (uint64_t)((double)count * ((double)size_max / (double)used));
    return last - kept;
}

enum status retention_advance(const struct retention *retention, struct journal *journal,
                              uint64_t now_ms, uint64_t *released)
{
    uint64_t before_ms = now_ms > retention->age_ms ? now_ms - retention->age_ms : 0;
    if (retention->age_ms == 0)
        before_ms = UINT64_MAX;
    enum status status = released_by_age(journal, before_ms, released);
    if (status != STATUS_OK)
        return status;
    uint64_t by_size = released_by_size(journal, retention->size_max);
    if (by_size > *released)
        *released = by_size;
    return STATUS_OK;
}
