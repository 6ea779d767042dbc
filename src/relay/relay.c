#include "relay.h"
#include "crash_point.h"
#include "events.h"
#include "log.h"
#include "publisher.h"
#include "retention.h"
#include <poll.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    NICE = 10,         /* selling goes first */
    TURN_MS = 250,     /* heartbeat, stop flag */
    OPENING_MS = 10,   /* the same until it is READY: the start waits for it */
    FOLLOW_MS = 20,    /* between two looks for new events while they are published */
    GAUGES_MS = 200,   /* between two looks at the backlog */
    ROUND_MS = 1000,   /* between two rounds of retention and cursor */
    STOPPING_MS = 300, /* for the reports of what is under way */
};

struct relay {
    const struct relay_options *options;
    struct process_entry *entry;
    struct process_stats *stats;
    struct retention retention;
    bool is_ready;
    bool publishes; /* Kafka is configured */
    uint64_t next_round_ns, next_gauges_ns;
    struct publisher publisher;
    struct events events;
    unsigned source_count;
    struct source sources[SOURCES_MAX];
    uint64_t released[SOURCES_MAX];
};

static void relay_init(struct relay *relay, const struct relay_options *options)
{
    static const enum role roles[] = {ROLE_QUEUE, ROLE_SEAT, ROLE_WALLET};
    const struct segment *segment = options->segment;
    const struct config *config = &segment->header->config;
    *relay = (struct relay){
        .options = options,
        .entry = segment_process(segment, options->self),
        .stats = segment_stats(segment, options->self),
        .retention = {.age_ms = config->retention_s * 1000,
                      .size_max = config->retention_mib << 20},
        .publishes = *config->kafka != '\0',
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        for (unsigned instance = 0; segment_process_of(segment, roles[i], instance) < PROCESS_MAX;
             instance++)
            source_init(&relay->sources[relay->source_count++], segment, options->datadir, roles[i],
                        instance);
}

/* While demo data is being loaded, a worker that dies counts in its journal how far it came. */
static bool is_seeding(const struct relay *relay)
{
    const struct config *config = &relay->options->segment->header->config;
    return config->demo || config->demo_holds > 0;
}

static enum status open_sources(struct relay *relay, bool *all)
{
    *all = true;
    for (unsigned i = 0; i < relay->source_count; i++) {
        struct source *source = &relay->sources[i];
        enum status status = source_open(source);
        if (status != STATUS_OK) {
            log_error("journal", "name=%s error=\"%s\"", source->name, status_text(status));
            return status;
        }
        *all &= source->journal != NULL;
    }
    return STATUS_OK;
}

static enum status release(struct relay *relay, unsigned i)
{
    struct source *source = &relay->sources[i];
    enum status status = STATUS_OK;
    if (source->journal == NULL || is_seeding(relay))
        return STATUS_OK;
    if (relay->publishes)
        relay->released[i] = publisher_released(&relay->publisher, i);
    else
        status = retention_advance(&relay->retention, source->journal, clock_now_ms(),
                                   &relay->released[i]);
    atomic_store(&source->worker->released_sequence, relay->released[i]);
    CRASH_POINT(RETENTION_ADVANCED);
    return status;
}

/* ---- the backlog ---- */

struct backlog {
    uint64_t records, bytes, age_ms;
};

static enum status add_backlog(struct relay *relay, unsigned i, struct backlog *backlog)
{
    struct source *source = &relay->sources[i];
    uint64_t cursor = window_cursor(&relay->publisher.feeds[i].window), at_ms;
    enum status status = source_next_time(source, cursor, &at_ms);
    uint64_t first = journal_first_sequence(source->journal);
    uint64_t last = journal_last_sequence(source->journal);
    if (status != STATUS_OK || last <= cursor)
        return status;
    uint64_t now_ms = clock_now_ms(), records = last - cursor, kept = last - first + 1;
    if (at_ms != 0 && now_ms > at_ms && now_ms - at_ms > backlog->age_ms)
        backlog->age_ms = now_ms - at_ms;
    if (records > kept)
        records = kept;
    backlog->records += records;
    backlog->bytes +=
        (uint64_t)((double)journal_bytes_used(source->journal) * (double)records / (double)kept);
    return STATUS_OK;
}

static enum status set_gauges(struct relay *relay)
{
    struct backlog backlog = {0};
    struct publisher *publisher = &relay->publisher;
    for (unsigned i = 0; i < relay->source_count; i++) {
        enum status status = STATUS_OK;
        if (relay->sources[i].journal != NULL)
            status = add_backlog(relay, i, &backlog);
        if (status != STATUS_OK)
            return status;
    }
    stat_set(&relay->stats->relay_backlog_records, backlog.records);
    stat_set(&relay->stats->relay_backlog_bytes, backlog.bytes);
    stat_set(&relay->stats->relay_backlog_age_ms, backlog.age_ms);
    stat_set(&relay->stats->relay_journals_failing, publisher_failing(publisher));
    stat_set(&relay->stats->relay_in_flight, publisher_in_flight(publisher));
    stat_add(&relay->stats->backlog_looks_total, 1);
    return STATUS_OK;
}

/* ---- turns ---- */

static enum status relay_round(struct relay *relay)
{
    bool all;
    enum status status = open_sources(relay, &all);
    if (relay->publishes)
        publisher_store(&relay->publisher);
    for (unsigned i = 0; status == STATUS_OK && i < relay->source_count; i++)
        status = release(relay, i);
    if (status == STATUS_OK && !relay->is_ready && all) {
        relay->is_ready = true;
        segment_announce_ready(relay->options->segment, relay->options->self, PROCESS_READY);
    }
    return status;
}

static enum status relay_turn(struct relay *relay, bool *more)
{
    uint64_t now_ns = clock_monotonic_ns();
    enum status status = STATUS_OK;
    *more = false;
    atomic_store(&relay->entry->heartbeat_ns, now_ns);
    /* Until it is READY every wake-up is worth a look: a worker may just have made its journal. */
    if (now_ns >= relay->next_round_ns || !relay->is_ready) {
        relay->next_round_ns = now_ns + ROUND_MS * UINT64_C(1000000);
        status = relay_round(relay);
    }
    if (status == STATUS_OK && relay->publishes)
        status = publisher_turn(&relay->publisher, more);
    if (status == STATUS_OK && relay->publishes && now_ns >= relay->next_gauges_ns) {
        relay->next_gauges_ns = now_ns + GAUGES_MS * UINT64_C(1000000);
        status = set_gauges(relay);
    }
    if (status == STATUS_OK)
        status = events_turn(&relay->events, more);
    return status;
}

static void relay_wait(const struct relay *relay)
{
    struct segment *segment = relay->options->segment;
    unsigned self = relay->options->self;
    struct pollfd doorbell = {.fd = segment->doorbells[self], .events = POLLIN};
    int wait_ms = !relay->is_ready ? OPENING_MS : relay->publishes ? FOLLOW_MS : TURN_MS;
    uint64_t rung;
    segment_sleep_begin(segment, self);
    if (atomic_load(&relay->entry->stop) == 0 && !events_waiting(&relay->events) &&
        poll(&doorbell, 1, wait_ms) > 0)
        (void)!read(doorbell.fd, &rung, sizeof rung); /* librdkafka rings unannounced */
    segment_sleep_end(segment, self);
}

/* What is under way may still be reported; what is not is sent again after the next start. */
static void stop_publishing(struct relay *relay)
{
    struct pollfd doorbell = {.fd = relay->publisher.doorbell, .events = POLLIN};
    uint64_t until_ns = clock_monotonic_ns() + STOPPING_MS * UINT64_C(1000000), rung;
    while (relay->publisher.kafka != NULL && publisher_in_flight(&relay->publisher) > 0 &&
           clock_monotonic_ns() < until_ns) {
        atomic_store(&relay->entry->heartbeat_ns, clock_monotonic_ns());
        kafka_poll(relay->publisher.kafka);
        if (poll(&doorbell, 1, FOLLOW_MS) > 0)
            (void)!read(doorbell.fd, &rung, sizeof rung);
    }
    publisher_close(&relay->publisher);
}

static int exit_code(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return EX_OK;
    case STATUS_CORRUPT:
    case STATUS_MISMATCH:
        return EX_DATAERR;
    default:
        return EX_IOERR;
    }
}

int relay_run(const struct relay_options *options)
{
    static struct relay relay;
    char cursor_path[DATADIR_PATH_MAX];
    enum status status = STATUS_OK;
    bool more;
    if (nice(NICE) < 0)
        log_warn("nice", "reason=\"refused\"");
    relay_init(&relay, options);
    datadir_worker_path(options->datadir, role_text(ROLE_RELAY), 0, "cursor", cursor_path);
    status = events_open(&relay.events, options->segment, options->self, relay.sources,
                         relay.source_count);
    if (status == STATUS_OK && relay.publishes)
        status = publisher_open(&relay.publisher, options->segment, options->self, cursor_path,
                                relay.sources, relay.source_count);
    while (status == STATUS_OK && atomic_load(&relay.entry->stop) == 0) {
        status = relay_turn(&relay, &more);
        if (status == STATUS_OK && !more)
            relay_wait(&relay);
    }
    if (status != STATUS_OK)
        log_error("relay", "error=\"%s\"", status_text(status));
    else if (relay.publishes)
        stop_publishing(&relay);
    events_close(&relay.events);
    for (unsigned i = 0; i < relay.source_count; i++)
        source_close(&relay.sources[i]);
    /* The library's threads may still be about their business; they end with the process, which
     * must not wait for them. */
    if (relay.publishes)
        _exit(exit_code(status));
    return exit_code(status);
}
