#include "relay.h"
#include "crash_point.h"
#include "log.h"
#include "retention.h"
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    NICE = 10,       /* selling goes first */
    TURN_MS = 250,   /* heartbeat, stop flag */
    OPENING_MS = 10, /* the same until it is READY: the start waits for it */
    ROUND_MS = 1000, /* between two looks at the journals */
};

struct source {
    struct process_entry *worker;
    struct journal *journal; /* NULL until its worker has made it */
    uint64_t released;
    char name[16];
    char path[DATADIR_PATH_MAX];
};

struct relay {
    const struct relay_options *options;
    struct process_entry *entry;
    struct retention retention;
    bool is_ready;
    uint64_t next_round_ns;
    unsigned source_count;
    struct source sources[PROCESS_MAX];
};

static void source_init(struct source *source, const struct relay_options *options, enum role role,
                        unsigned instance, unsigned index)
{
    source->worker = segment_process(options->segment, index);
    snprintf(source->name, sizeof source->name, "%s-%u", role_text(role), instance);
    datadir_worker_path(options->datadir, role_text(role), instance, "journal", source->path);
}

static void relay_init(struct relay *relay, const struct relay_options *options)
{
    static const enum role roles[] = {ROLE_QUEUE, ROLE_SEAT, ROLE_WALLET};
    const struct config *config = &options->segment->header->config;
    *relay = (struct relay){
        .options = options,
        .entry = segment_process(options->segment, options->self),
        .retention = {.age_ms = config->retention_s * 1000,
                      .size_max = config->retention_mib << 20},
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        for (unsigned instance = 0;; instance++) {
            unsigned index = segment_process_of(options->segment, roles[i], instance);
            if (index >= PROCESS_MAX)
                break;
            source_init(&relay->sources[relay->source_count++], options, roles[i], instance, index);
        }
}

/* Workers make their journals when they first start; until then there is nothing to read. */
static enum status source_open(struct source *source)
{
    struct journal_options options = {.read_only = true};
    enum status status = journal_open(&source->journal, source->path, &options);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* While demo data is being loaded, a worker that dies counts in its journal how far it came. */
static bool is_seeding(const struct relay *relay)
{
    const struct config *config = &relay->options->segment->header->config;
    return config->demo || config->demo_holds > 0;
}

static enum status source_round(struct relay *relay, struct source *source)
{
    enum status status = STATUS_OK;
    if (source->journal == NULL)
        status = source_open(source);
    if (status == STATUS_OK && source->journal != NULL && !is_seeding(relay))
        status = retention_advance(&relay->retention, source->journal, clock_now_ms(),
                                   &source->released);
    if (status != STATUS_OK) {
        log_error("journal", "name=%s error=\"%s\"", source->name, status_text(status));
        return status;
    }
    atomic_store(&source->worker->released_sequence, source->released);
    CRASH_POINT(RETENTION_ADVANCED);
    return STATUS_OK;
}

static enum status relay_round(struct relay *relay)
{
    unsigned open_count = 0;
    for (unsigned i = 0; i < relay->source_count; i++) {
        enum status status = source_round(relay, &relay->sources[i]);
        if (status != STATUS_OK)
            return status;
        open_count += relay->sources[i].journal != NULL;
    }
    if (!relay->is_ready && open_count == relay->source_count) {
        relay->is_ready = true;
        segment_announce_ready(relay->options->segment, relay->options->self, PROCESS_READY);
    }
    return STATUS_OK;
}

static void relay_wait(const struct relay *relay)
{
    struct segment *segment = relay->options->segment;
    unsigned self = relay->options->self;
    struct pollfd doorbell = {.fd = segment->doorbells[self], .events = POLLIN};
    segment_sleep_begin(segment, self);
    if (atomic_load(&relay->entry->stop) == 0)
        poll(&doorbell, 1, relay->is_ready ? TURN_MS : OPENING_MS);
    segment_sleep_end(segment, self);
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
    enum status status = STATUS_OK;
    if (nice(NICE) < 0)
        log_warn("nice", "reason=\"refused\"");
    relay_init(&relay, options);
    while (status == STATUS_OK && atomic_load(&relay.entry->stop) == 0) {
        uint64_t now_ns = clock_monotonic_ns();
        atomic_store(&relay.entry->heartbeat_ns, now_ns);
        /* Until it is READY every wake-up is worth a look: a worker may just have made its journal.
         */
        if (now_ns >= relay.next_round_ns || !relay.is_ready) {
            relay.next_round_ns = now_ns + ROUND_MS * UINT64_C(1000000);
            status = relay_round(&relay);
        }
        if (status == STATUS_OK)
            relay_wait(&relay);
    }
    for (unsigned i = 0; i < relay.source_count; i++)
        journal_close(relay.sources[i].journal);
    return exit_code(status);
}
