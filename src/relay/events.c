#include "events.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURN_REQUESTS_MAX = 8 };

/* A page in the making. */
struct page {
    struct events *events;
    struct position position;
    unsigned taken[SOURCES_MAX]; /* of each source's batch */
    uint64_t format, limit;
    struct event_page *reply;
};

/* ---- one event ---- */

static size_t render_json(const struct cloudevent *event, const char *cursor, bool first, char *to,
                          size_t room)
{
    struct json_out json;
    json_out_init(&json, to, room);
    json.comma = !first;
    cloudevent_render(&json, event, cursor);
    return json.failed ? 0 : json.used;
}

/* "id: …", "event: …", "data: …" and an empty line; JSON has no line breaks. */
static size_t render_stream(const struct cloudevent *event, const char *cursor, char *to,
                            size_t room)
{
    struct json_out json;
    int head = snprintf(to, room, "id: %s\nevent: %s\ndata: ", cursor, event->type);
    if (head < 0 || (size_t)head + 2 >= room)
        return 0;
    json_out_init(&json, to + head, room - (size_t)head - 2);
    cloudevent_render(&json, event, cursor);
    if (json.failed)
        return 0;
    size_t end = (size_t)head + json.used;
    to[end] = to[end + 1] = '\n';
    return end + 2;
}

/* False: the page is full. */
static bool put_event(struct page *page, const struct position *after)
{
    char cursor[POSITION_TEXT_SIZE];
    struct event_page *reply = page->reply;
    const struct cloudevent *event = &page->events->event;
    char *to = reply->text.data + reply->text.length;
    size_t room = sizeof reply->text.data - reply->text.length, size;
    position_write(after, page->events->segment->header->incarnation, cursor);
    size = page->format == EVENTS_STREAM ? render_stream(event, cursor, to, room)
                                         : render_json(event, cursor, reply->count == 0, to, room);
    reply->text.length += (uint32_t)size;
    reply->count += size > 0;
    return size > 0;
}

/* ---- a page ---- */

/* The source whose next event is the oldest; source_count when all batches are used up. *dry: one
 * of them has more in its journal, so what is next is not known. */
static unsigned oldest(const struct page *page, bool *dry)
{
    const struct events *events = page->events;
    unsigned best = events->source_count;
    uint64_t best_ms = UINT64_MAX;
    for (unsigned i = 0; i < events->source_count; i++) {
        const struct batch *batch = &events->batches[i];
        if (page->taken[i] == batch->count)
            *dry |= batch->more;
        else if (batch->events[page->taken[i]].at_ms < best_ms) {
            best_ms = batch->events[page->taken[i]].at_ms;
            best = i;
        }
    }
    return best;
}

/* Moves events from the batches to the page until it is full or they are used up. */
static enum status merge(struct page *page)
{
    struct events *events = page->events;
    while (page->reply->count < page->limit) {
        bool dry = false;
        unsigned i = oldest(page, &dry);
        if (dry || i == events->source_count)
            break;
        const struct journal_event *from = &events->batches[i].events[page->taken[i]];
        struct position after = page->position;
        after.sequences[i] = from->sequence;
        if (cloudevent_make(&events->event, events->segment->header->incarnation,
                            events->sources[i].name, from) != STATUS_OK)
            return STATUS_CORRUPT;
        if (!put_event(page, &after))
            break;
        page->position = after;
        page->taken[i]++;
    }
    return STATUS_OK;
}

static enum status read_batches(struct page *page)
{
    struct events *events = page->events;
    for (unsigned i = 0; i < events->source_count; i++) {
        struct source *source = &events->sources[i];
        struct batch *batch = &events->batches[i];
        uint64_t after = page->position.sequences[i];
        batch->count = 0;
        batch->more = false;
        batch->scanned = after;
        if (source->journal == NULL)
            continue;
        enum status status = source_read(source, after, (unsigned)page->limit, batch);
        if (status != STATUS_OK)
            return status;
        page->reply->truncated |= after > 0 && journal_first_sequence(source->journal) > after + 1;
    }
    return STATUS_OK;
}

static enum status fill_page(struct page *page)
{
    struct events *events = page->events;
    struct event_page *reply = page->reply;
    enum status status = read_batches(page);
    if (status == STATUS_OK)
        status = merge(page);
    for (unsigned i = 0; i < events->source_count; i++) {
        const struct batch *batch = &events->batches[i];
        if (page->taken[i] < batch->count || batch->more)
            reply->more = 1;
        if (page->taken[i] == batch->count)
            page->position.sequences[i] = batch->scanned;
    }
    position_write(&page->position, events->segment->header->incarnation, reply->next.data);
    reply->next.length = (uint32_t)strlen(reply->next.data);
    return status;
}

/* Behind everything that is there now. */
static enum status latest(struct events *events, struct position *position)
{
    for (unsigned i = 0; i < events->source_count; i++) {
        struct source *source = &events->sources[i];
        uint64_t at_ms;
        if (source->journal == NULL)
            continue;
        enum status status = source_next_time(source, UINT64_MAX - 1, &at_ms);
        if (status != STATUS_OK)
            return status;
        position->sequences[i] = journal_last_sequence(source->journal);
    }
    return STATUS_OK;
}

/* ---- requests ---- */

static bool is_latest(const struct events_get *request)
{
    return request->after.length == 6 && memcmp(request->after.data, "latest", 6) == 0;
}

static enum status answer(struct events *events, enum outcome *outcome)
{
    const struct events_get *request = &events->request.events_get;
    struct event_page *reply = &events->reply.event_page;
    struct page page = {
        .events = events,
        .position = {.count = events->source_count},
        .format = request->format,
        .limit = request->limit,
        .reply = reply,
    };
    enum status status = STATUS_OK;
    reply->count = reply->more = reply->truncated = 0;
    reply->text.length = 0;
    if (events->batches == NULL)
        events->batches = calloc(events->source_count, sizeof *events->batches);
    if (events->batches == NULL)
        return STATUS_NO_MEMORY;
    *outcome = OUTCOME_OK;
    if (is_latest(request))
        status = latest(events, &page.position);
    else if (request->after.length > 0 &&
             !position_read(&page.position, events->segment->header->incarnation,
                            events->source_count, request->after.data, request->after.length)) {
        *outcome = OUTCOME_INVALID_FIELD;
        return STATUS_OK;
    }
    return status == STATUS_OK ? fill_page(&page) : status;
}

static enum status take(struct events *events, struct channel_consumer *channel, struct slot *slot,
                        uint64_t request_id)
{
    const uint8_t *data;
    size_t size;
    enum outcome outcome = OUTCOME_INTERNAL;
    enum status status = STATUS_OK;
    slot->reply_size = 0;
    slot->reply_kind = REPLY_NONE;
    if (slot->kind == REQUEST_EVENTS_GET && slot_request_view(slot, &data, &size) &&
        request_decode(REQUEST_EVENTS_GET, &events->request, data, size))
        status = answer(events, &outcome);
    else
        stat_add(&events->stats->messages_malformed_total, 1);
    if (status != STATUS_OK)
        return status; /* the successor answers it */
    if (outcome == OUTCOME_OK) {
        size = reply_encode(REPLY_EVENT_PAGE, &events->reply, slot_reply(slot),
                            slot_reply_capacity(slot));
        slot->reply_size = (uint32_t)size;
        slot->reply_kind = REPLY_EVENT_PAGE;
        outcome = size > 0 ? OUTCOME_OK : OUTCOME_INTERNAL;
    }
    slot->outcome = (uint16_t)outcome;
    channel_publish(channel, slot, request_id);
    stat_add(&events->stats->messages_total, 1);
    atomic_fetch_add_explicit(&events->entry->progress, 1, memory_order_relaxed);
    return STATUS_OK;
}

enum status events_turn(struct events *events, bool *more)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < events->channel_count; i++) {
        struct channel_consumer *channel = &events->channels[i];
        uint64_t request_id, position;
        struct slot *slot;
        while (taken < TURN_REQUESTS_MAX &&
               (slot = channel_receive(channel, &request_id, &position)) != NULL) {
            enum status status = take(events, channel, slot, request_id);
            if (status != STATUS_OK)
                return status;
            taken++;
        }
        channel_consumed(channel);
        channel_flush_completions(channel);
    }
    *more |= taken == TURN_REQUESTS_MAX;
    return STATUS_OK;
}

bool events_waiting(const struct events *events)
{
    for (unsigned i = 0; i < events->channel_count; i++)
        if (channel_requests_waiting(&events->channels[i]))
            return true;
    return false;
}

/* ---- life ---- */

enum status events_open(struct events *events, struct segment *segment, unsigned self,
                        struct source *sources, unsigned source_count)
{
    *events = (struct events){
        .segment = segment,
        .stats = segment_stats(segment, self),
        .entry = segment_process(segment, self),
        .sources = sources,
        .source_count = source_count,
    };
    for (unsigned i = 0; i < segment->header->process_count; i++) {
        if (segment->header->channels_at[i][self] == 0)
            continue;
        enum status status =
            channel_consumer_open(&events->channels[events->channel_count++], segment, i, self);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

void events_close(struct events *events)
{
    free(events->batches);
}
