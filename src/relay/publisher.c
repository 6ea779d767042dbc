#include "publisher.h"
#include "check.h"
#include "log.h"
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_FIRST_MS = 500,
    BACKOFF_MAX_MS = 30000,
    TURN_EVENTS_MAX = 512, /* handed over in one turn, so that a heartbeat is never far */
    TAG_SEQUENCE_BITS = 56,
};
_Static_assert(sizeof(void *) == sizeof(uint64_t), "a report's tag travels as a pointer");
_Static_assert((int)SOURCES_MAX <= 1 << (64 - TAG_SEQUENCE_BITS), "a tag names every source");

static uint64_t backoff_ms(unsigned failures)
{
    uint64_t wait_ms = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < failures && wait_ms < BACKOFF_MAX_MS; i++)
        wait_ms *= 2;
    return wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS;
}

unsigned publisher_in_flight(const struct publisher *publisher)
{
    unsigned total = 0;
    for (unsigned i = 0; i < publisher->feed_count; i++)
        total += window_in_flight(&publisher->feeds[i].window);
    return total;
}

unsigned publisher_failing(const struct publisher *publisher)
{
    uint64_t now_ns = clock_monotonic_ns();
    unsigned failing = 0;
    for (unsigned i = 0; i < publisher->feed_count; i++) {
        const struct feed *feed = &publisher->feeds[i];
        bool stalled = window_in_flight(&feed->window) > 0 &&
                       now_ns > feed->waits_since_ns + PUBLISHER_STALL_MS * UINT64_C(1000000);
        failing += stalled || feed->failures > 0;
    }
    return failing;
}

/* ---- Kafka's breaker ---- */

static bool may_send(struct publisher *publisher, uint64_t now_ns)
{
    if (publisher->call.open)
        return true;
    if (now_ns - publisher->call.began_ns < PUBLISHER_CALL_MS * UINT64_C(1000000))
        return !guard_refuses(&publisher->guard, now_ns) &&
               publisher->guard.breaker.state != BREAKER_HALF_OPEN;
    if (!guard_admit(&publisher->guard, now_ns, &publisher->call.permit))
        return false;
    publisher->call.open = true;
    publisher->call.began_ns = now_ns;
    return true;
}

/* Calls are few, because one stands for all that is sent while it lasts; so its end counts as often
 * as the breaker needs to be sure: a failure to open, a success to close. */
static void end_call(struct publisher *publisher, bool failed, uint64_t now_ns)
{
    struct guard *guard = &publisher->guard;
    enum breaker_state undecided = failed ? BREAKER_CLOSED : BREAKER_HALF_OPEN;
    int times = failed ? BREAKER_CALLS_MIN : BREAKER_PERMITS;
    uint32_t permit = publisher->call.permit;
    if (!publisher->call.open)
        return;
    publisher->call.open = false;
    /* Nobody waits for Kafka, so a slow delivery is a good one: no durations. */
    guard_record(guard, permit, failed, 0, now_ns);
    for (int i = 1; i < times && guard->breaker.state == undecided; i++)
        if (guard_admit(guard, now_ns, &permit))
            guard_record(guard, permit, failed, 0, now_ns);
}

/* A call that gets no report is over at last; one with nothing to wait for is taken back. */
static void watch_call(struct publisher *publisher, uint64_t now_ns)
{
    uint64_t since_ns = publisher->call.began_ns;
    if (!publisher->call.open)
        return;
    if (publisher_in_flight(publisher) == 0) {
        publisher->call.open = false;
        guard_cancel(&publisher->guard, publisher->call.permit);
        return;
    }
    if (publisher->reported_ns > since_ns)
        since_ns = publisher->reported_ns;
    if (now_ns < since_ns + PUBLISHER_STALL_MS * UINT64_C(1000000))
        return;
    end_call(publisher, true, now_ns);
    log_warn("kafka-stalled", "in_flight=%u breaker=%s", publisher_in_flight(publisher),
             breaker_state_text(publisher->guard.breaker.state));
}

/* ---- reports ---- */

static void delivered(struct publisher *publisher, struct feed *feed, uint64_t sequence)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (!window_delivered(&feed->window, sequence))
        return;
    if (!feed->proven && feed->failures > 0)
        log_info("kafka-again", "journal=%s", feed->source->name);
    feed->proven = true;
    feed->failures = 0;
    publisher->falls = 0;
    publisher->reported_ns = feed->waits_since_ns = now_ns;
    stat_add(&publisher->stats->events_published_total, 1);
    end_call(publisher, false, now_ns);
    guard_recovered(&publisher->guard, now_ns);
}

static void failed(struct publisher *publisher, struct feed *feed, const char *error)
{
    if (publisher->begin_again && feed->retry_at_ms > clock_now_ms())
        return; /* one of many that fell together */
    feed->failures++;
    feed->retry_at_ms = clock_now_ms() + backoff_ms(feed->failures);
    publisher->begin_again = true;
    stat_add(&publisher->stats->publish_failures_total, 1);
    end_call(publisher, true, clock_monotonic_ns());
    log_warn("kafka-failed", "journal=%s error=%s again_ms=%llu", feed->source->name, error,
             (unsigned long long)backoff_ms(feed->failures));
}

static void on_report(void *context, uint64_t tag, const char *error)
{
    struct publisher *publisher = context;
    uint64_t index = tag >> TAG_SEQUENCE_BITS;
    check(index < publisher->feed_count);
    struct feed *feed = &publisher->feeds[index];
    if (error != NULL)
        failed(publisher, feed, error);
    else
        delivered(publisher, feed, tag & ((UINT64_C(1) << TAG_SEQUENCE_BITS) - 1));
}

/* ---- the producer ---- */

static void begin_feeds(struct publisher *publisher)
{
    for (unsigned i = 0; i < publisher->feed_count; i++) {
        struct feed *feed = &publisher->feeds[i];
        window_reset(&feed->window, window_cursor(&feed->window));
        feed->proven = false;
    }
}

static void discard(struct publisher *publisher)
{
    check(publisher->going == NULL);
    kafka_discard(publisher->kafka);
    publisher->going = publisher->kafka;
    publisher->kafka = NULL;
    publisher->begin_again = false;
    begin_feeds(publisher);
    stat_add(&publisher->stats->producers_total, 1);
}

static void open_producer(struct publisher *publisher, uint64_t now_ms)
{
    char error[256];
    struct kafka_owner owner = {publisher, on_report, publisher->doorbell};
    publisher->kafka = kafka_open(publisher->config, &owner, error, sizeof error);
    if (publisher->kafka != NULL)
        return;
    publisher->open_at_ms = now_ms + backoff_ms(++publisher->falls);
    log_error("kafka-open", "error=\"%s\"", error);
}

/* Reports first; then, whatever is wrong with the producer, it goes. */
static void look_after_producer(struct publisher *publisher, uint64_t now_ms, uint64_t now_ns)
{
    if (publisher->going != NULL && kafka_is_gone(publisher->going))
        publisher->going = NULL;
    if (publisher->kafka != NULL)
        kafka_poll(publisher->kafka);
    bool forced = publisher->guard.breaker.state == BREAKER_FORCED_OPEN;
    if (publisher->kafka != NULL && publisher->going == NULL &&
        (publisher->begin_again || forced || kafka_has_failed(publisher->kafka))) {
        if (kafka_has_failed(publisher->kafka)) {
            end_call(publisher, true, now_ns);
            log_warn("kafka-fatal", "error=%s", kafka_error(publisher->kafka));
            if (!publisher->begin_again)
                publisher->open_at_ms = now_ms + backoff_ms(++publisher->falls);
        }
        discard(publisher);
    }
    if (publisher->kafka == NULL && publisher->going == NULL && !forced &&
        now_ms >= publisher->open_at_ms)
        open_producer(publisher, now_ms);
}

/* ---- events ---- */

enum sending { SENDING_ON, SENDING_LATER, SENDING_BROKEN };

static enum sending send_event(struct publisher *publisher, unsigned index,
                               const struct journal_event *from)
{
    struct feed *feed = &publisher->feeds[index];
    if (cloudevent_make(&publisher->event, publisher->incarnation, feed->source->name, from) !=
        STATUS_OK) {
        log_error("event-unreadable", "journal=%s sequence=%llu", feed->source->name,
                  (unsigned long long)from->sequence);
        return SENDING_BROKEN;
    }
    uint64_t tag = (uint64_t)index << TAG_SEQUENCE_BITS | from->sequence;
    switch (kafka_send(publisher->kafka, &publisher->event, tag)) {
    case KAFKA_SENT:
        if (window_in_flight(&feed->window) == 0)
            feed->waits_since_ns = clock_monotonic_ns();
        window_add(&feed->window, from->sequence);
        return SENDING_ON;
    case KAFKA_REFUSED:
        failed(publisher, feed, kafka_error(publisher->kafka));
        return SENDING_LATER;
    case KAFKA_FULL:
        break;
    }
    return SENDING_LATER;
}

static unsigned feed_room(const struct feed *feed, uint64_t now_ms)
{
    if (feed->source->journal == NULL || now_ms < feed->retry_at_ms)
        return 0;
    if (!feed->proven)
        return window_in_flight(&feed->window) == 0 ? 1 : 0;
    return WINDOW_MAX - feed->window.count;
}

/* Kafka was not configured for a time, say, and the retention has passed over what it never got. */
static void begin_feed(struct feed *feed)
{
    uint64_t first = journal_first_sequence(feed->source->journal);
    uint64_t cursor = window_cursor(&feed->window);
    feed->begun = true;
    if (cursor > 0 && first > cursor + 1)
        log_warn("events-not-kept", "journal=%s records=%llu", feed->source->name,
                 (unsigned long long)(first - cursor - 1));
}

static enum status feed_turn(struct publisher *publisher, unsigned index, unsigned room,
                             unsigned *sent, bool *more)
{
    struct feed *feed = &publisher->feeds[index];
    struct batch *batch = &publisher->batch;
    if (!feed->begun)
        begin_feed(feed);
    enum status status = source_read(feed->source, feed->window.scanned, room, batch);
    if (status != STATUS_OK)
        return status;
    for (unsigned i = 0; i < batch->count; i++) {
        enum sending sending = send_event(publisher, index, &batch->events[i]);
        if (sending == SENDING_BROKEN)
            return STATUS_CORRUPT;
        if (sending == SENDING_LATER)
            return STATUS_OK;
        ++*sent;
    }
    window_scanned(&feed->window, batch->scanned);
    *more |= batch->more && feed->proven && !window_full(&feed->window);
    return STATUS_OK;
}

static enum status send_events(struct publisher *publisher, uint64_t now_ms, uint64_t now_ns,
                               bool *more)
{
    unsigned sent = 0;
    publisher->first++;
    for (unsigned i = 0; i < publisher->feed_count && sent < TURN_EVENTS_MAX; i++) {
        unsigned index = (publisher->first + i) % publisher->feed_count;
        unsigned room = feed_room(&publisher->feeds[index], now_ms);
        if (room == 0 || publisher->begin_again)
            continue;
        if (!may_send(publisher, now_ns))
            break;
        enum status status = feed_turn(publisher, index, room, &sent, more);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

enum status publisher_turn(struct publisher *publisher, bool *more)
{
    uint64_t now_ms = clock_now_ms(), now_ns = clock_monotonic_ns();
    enum status status = STATUS_OK;
    *more = false;
    guard_tick(&publisher->guard, now_ns);
    look_after_producer(publisher, now_ms, now_ns);
    if (publisher->kafka != NULL)
        status = send_events(publisher, now_ms, now_ns, more);
    watch_call(publisher, now_ns);
    return status;
}

/* ---- the cursor ---- */

void publisher_store(struct publisher *publisher)
{
    bool moved = false;
    struct relay_cursor next = publisher->cursor;
    for (unsigned i = 0; i < publisher->feed_count; i++) {
        const struct feed *feed = &publisher->feeds[i];
        uint64_t cursor = window_cursor(&feed->window);
        moved |= cursor > relay_cursor_get(&next, feed->source->name);
        check(relay_cursor_set(&next, feed->source->name, cursor));
    }
    if (!moved)
        return;
    enum status status = relay_cursor_store(&next);
    if (status == STATUS_OK)
        publisher->cursor = next;
    else
        log_error("cursor", "error=\"%s\"", status_text(status));
}

uint64_t publisher_released(const struct publisher *publisher, unsigned source)
{
    return relay_cursor_get(&publisher->cursor, publisher->feeds[source].source->name);
}

/* ---- life ---- */

enum status publisher_open(struct publisher *publisher, const struct segment *segment,
                           unsigned self, const char *cursor_path, struct source *sources,
                           unsigned source_count)
{
    *publisher = (struct publisher){
        .config = &segment->header->config,
        .incarnation = segment->header->incarnation,
        .doorbell = segment->doorbells[self],
        .stats = segment_stats(segment, self),
        .feed_count = source_count,
        .feeds = calloc(source_count, sizeof *publisher->feeds),
    };
    if (publisher->feeds == NULL)
        return STATUS_NO_MEMORY;
    enum status status = guard_open(&publisher->guard, segment, self, 0);
    if (status != STATUS_OK)
        return status;
    status = relay_cursor_open(&publisher->cursor, cursor_path);
    if (status == STATUS_CORRUPT) {
        log_error("cursor", "error=\"unreadable: every event that is kept is sent again\"");
        status = STATUS_OK;
    }
    for (unsigned i = 0; status == STATUS_OK && i < source_count; i++) {
        publisher->feeds[i].source = &sources[i];
        window_reset(&publisher->feeds[i].window,
                     relay_cursor_get(&publisher->cursor, sources[i].name));
    }
    return status;
}

void publisher_close(struct publisher *publisher)
{
    publisher_store(publisher);
    relay_cursor_close(&publisher->cursor);
    free(publisher->feeds);
}
