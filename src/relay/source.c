#include "source.h"
#include "cloudevent.h"
#include <stdio.h>
#include <string.h>

void source_init(struct source *source, const struct segment *segment,
                 const struct datadir *datadir, enum role role, unsigned instance)
{
    *source = (struct source){
        .worker = segment_process(segment, segment_process_of(segment, role, instance))};
    snprintf(source->name, sizeof source->name, "%s-%u", role_text(role), instance);
    datadir_worker_path(datadir, role_text(role), instance, "journal", source->path);
}

enum status source_open(struct source *source)
{
    struct journal_options options = {.read_only = true, .range = &source->worker->journal};
    if (source->journal != NULL)
        return STATUS_OK;
    enum status status = journal_open(&source->journal, source->path, &options);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void source_close(struct source *source)
{
    journal_close(source->journal);
    source->journal = NULL;
}

enum { RECORDS_MAX = 4096 }; /* looked at in one read */

struct reading {
    struct batch *batch;
    unsigned count_max, looked_at;
};

static bool copy_event(void *context, const struct journal_event *event)
{
    struct reading *reading = context;
    struct batch *batch = reading->batch;
    bool is_public = cloudevent_is_public(event);
    bool fits = batch->count < reading->count_max &&
                event->payload_size <= sizeof batch->bytes - batch->used;
    if (reading->looked_at++ == RECORDS_MAX || (is_public && !fits)) {
        batch->more = true;
        return false;
    }
    if (is_public) {
        struct journal_event *to = &batch->events[batch->count++];
        *to = *event;
        to->payload = batch->bytes + batch->used;
        if (event->payload_size > 0)
            memcpy(batch->bytes + batch->used, event->payload, event->payload_size);
        batch->used += event->payload_size;
    }
    batch->scanned = event->sequence;
    return true;
}

enum status source_read(struct source *source, uint64_t after, unsigned count_max,
                        struct batch *batch)
{
    struct reading reading = {batch, count_max < BATCH_EVENTS_MAX ? count_max : BATCH_EVENTS_MAX,
                              0};
    batch->count = 0;
    batch->used = 0;
    batch->more = false;
    batch->scanned = after;
    enum status status = journal_read(source->journal, after + 1, copy_event, &reading);
    /* The last records of a journal are no events: with nothing behind them they are done with. */
    uint64_t last = journal_last_sequence(source->journal);
    if (status == STATUS_OK && !batch->more && last > batch->scanned)
        batch->scanned = last;
    return status;
}

static bool first_time(void *context, const struct journal_event *event)
{
    *(uint64_t *)context = event->at_ms;
    return false;
}

enum status source_next_time(struct source *source, uint64_t after, uint64_t *at_ms)
{
    *at_ms = 0;
    return journal_read(source->journal, after + 1, first_time, at_ms);
}
