#ifndef BOXOFFICE_TEST_COUNTERS_H
#define BOXOFFICE_TEST_COUNTERS_H

#include "channel.h"
#include "check.h"
#include "clock.h"
#include "worker.h"
#include "unit.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A worker process with counters for actors, and a front's side of it. */

enum {
    COUNTERS = 50,
    POISON_AMOUNT = 666, /* a counter that is charged this fails a check */
    CRASH_AMOUNT = 667,  /* and this one takes the process with it */
    DEFER_AMOUNT = 668,  /* this one waits for ever */
    UNLOADABLE = 1000,   /* no counter of this id can be loaded */
};

struct counter {
    struct actor_base base;
    uint64_t value, version;
};

static inline struct row_key counter_key(uint64_t id)
{
    return row_key_of('w', id);
}

static inline enum status counter_load(void *object, const struct row_view *rows)
{
    struct counter *counter = object;
    struct row_key key = counter_key(counter->base.id);
    struct row_bytes value;
    struct wallet_row row;
    check(counter->base.id != UNLOADABLE);
    if (row_get(rows, &key, &value) != STATUS_OK)
        return STATUS_NOT_FOUND;
    assert_true(wallet_row_decode(&row, value.data, value.size));
    counter->base.last_sequence = row.last_sequence;
    counter->value = row.balance;
    counter->version = row.version;
    return STATUS_OK;
}

static inline void counter_decide(struct decision *decision, const void *object,
                                  const struct message *message)
{
    const struct counter *counter = object;
    if (message->kind == REQUEST_BALANCE_GET) {
        decision->reply->balance =
            (struct balance){.user = counter->base.id, .balance = counter->value};
        decision_reply(decision, OUTCOME_OK, REPLY_BALANCE);
        return;
    }
    uint64_t amount = message->request->charge.amount;
    if (amount == CRASH_AMOUNT)
        raise(SIGSEGV);
    if (amount == DEFER_AMOUNT) {
        decision_defer(decision, 1, 1);
        return;
    }
    union event event = {.wallet_charged = {.user = counter->base.id,
                                            .transaction = decision->next_sequence,
                                            .amount = amount,
                                            .balance = counter->value + amount}};
    decision_emit(decision, EVENT_WALLET_CHARGED, counter->base.id, counter->version + 1, &event);
    check(amount != POISON_AMOUNT);
    decision->reply->wallet_entry = (struct wallet_entry){.transaction = decision->next_sequence,
                                                          .user = counter->base.id,
                                                          .amount = amount,
                                                          .balance = counter->value + amount};
    decision_reply(decision, OUTCOME_OK, REPLY_WALLET_ENTRY);
}

static inline void counter_apply(void *object, const struct event_view *event,
                                 struct row_sink *sink)
{
    struct counter *counter = object;
    assert_int_equal(event->aggregate_version, counter->version + 1);
    counter->value += event->body->wallet_charged.amount;
    counter->version++;
    assert_int_equal(counter->value, event->body->wallet_charged.balance);
    struct wallet_row row = {.last_sequence = counter->base.last_sequence,
                             .version = counter->version,
                             .balance = counter->value};
    uint8_t data[64];
    struct row_key key = counter_key(counter->base.id);
    sink->put(sink->view.context, &key, data, wallet_row_encode(&row, data, sizeof data));
}

static const struct actor_kind counter_kind = {.name = "counter",
                                               .number = 1,
                                               .object_size = sizeof(struct counter),
                                               .load = counter_load,
                                               .decide = counter_decide,
                                               .apply = counter_apply};
static const struct actor_kind *const kinds[] = {&counter_kind, NULL};

static inline enum status counter_route(const struct message *message, const struct row_view *rows,
                                        const struct actor_kind **kind, uint64_t *id)
{
    (void)rows;
    *kind = &counter_kind;
    *id = request_key(message->kind, message->request);
    return STATUS_OK;
}

static const struct behaviour counters = {
    .role = ROLE_WALLET, .kinds = kinds, .route = counter_route};

struct fixture {
    char directory[64], journal[96], state_path[96];
    struct config config;
    struct segment segment;
    struct slot_pool pool;
    struct channel_producer channel;
    unsigned front, wallet;
    pid_t worker;
    uint64_t expected[COUNTERS + 1];
    uint64_t sent, answered;
};

/* The child opens its environments itself, so the fork carries none. */
static inline void start_worker(struct fixture *fixture)
{
    struct process_entry *entry = segment_process(&fixture->segment, fixture->wallet);
    atomic_fetch_add(&entry->generation, 1);
    atomic_store(&entry->state, PROCESS_STARTING);
    fixture->worker = fork();
    assert_true(fixture->worker >= 0);
    if (fixture->worker != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* A crash is to end the child, not to run the parent's tests in it. */
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        signal(faults[i], SIG_DFL);
    struct worker_options options = {.segment = &fixture->segment,
                                     .self = fixture->wallet,
                                     .behaviour = &counters,
                                     .journal_path = fixture->journal,
                                     .state_path = fixture->state_path};
    _exit(worker_run(&options));
}

static inline void kill_worker(struct fixture *fixture)
{
    int status;
    assert_int_equal(kill(fixture->worker, SIGKILL), 0);
    assert_int_equal(waitpid(fixture->worker, &status, 0), fixture->worker);
    assert_true(WIFSIGNALED(status));
}

static inline void open_segment(struct fixture *fixture)
{
    assert_int_equal(segment_create(&fixture->segment, &fixture->config), STATUS_OK);
    clock_start(&fixture->segment.header->clock, 0);
    clock_attach(&fixture->segment.header->clock);
    fixture->front = segment_process_of(&fixture->segment, ROLE_FRONT, 0);
    fixture->wallet = segment_process_of(&fixture->segment, ROLE_WALLET, 0);
    assert_int_equal(slot_pool_open(&fixture->pool, &fixture->segment, fixture->front), STATUS_OK);
    assert_int_equal(channel_producer_open(&fixture->channel, &fixture->pool, fixture->wallet),
                     STATUS_OK);
}

static inline void close_segment(struct fixture *fixture)
{
    slot_pool_close(&fixture->pool);
    segment_close(&fixture->segment);
}

static inline int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->directory, "/tmp/boxoffice-worker-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->journal, sizeof fixture->journal, "%s/journal", fixture->directory);
    snprintf(fixture->state_path, sizeof fixture->state_path, "%s/state", fixture->directory);
    config_init(&fixture->config);
    fixture->config.connections = 128;
    fixture->config.journal_size_mib = 64;
    fixture->config.state_size_mib = 256;
    open_segment(fixture);
    *state = fixture;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *fixture = *state;
    close_segment(fixture);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static inline void send_request(struct fixture *fixture, uint16_t kind, uint64_t counter,
                                uint64_t amount)
{
    struct slot *slot = slot_pool_claim(&fixture->pool, false);
    assert_non_null(slot);
    union request request = {0};
    request.charge.user = counter;
    request.charge.amount = amount;
    slot->kind = kind;
    slot->actor = counter;
    slot->deadline_ms = clock_now_ms() + 60000;
    slot->request_size =
        (uint32_t)request_encode(kind, &request, slot_request(slot), slot_request_capacity(slot));
    assert_int_equal(channel_submit(&fixture->channel, slot), STATUS_OK);
}

/* Blocks on the doorbell until at least one reply is there, and counts what it finds. */
static inline void take_answers(struct fixture *fixture)
{
    struct slot *slot;
    for (;;) {
        bool any = false;
        while ((slot = channel_next_reply(&fixture->channel)) != NULL) {
            union reply reply;
            assert_int_equal(slot->outcome, OUTCOME_OK);
            assert_true(reply_decode(slot->reply_kind, &reply, slot_reply(slot), slot->reply_size));
            assert_int_equal(slot->reply_kind, REPLY_WALLET_ENTRY);
            fixture->expected[reply.wallet_entry.user] += reply.wallet_entry.amount;
            slot_pool_release(&fixture->pool, slot);
            fixture->answered++;
            any = true;
        }
        if (any)
            return;
        segment_sleep_begin(&fixture->segment, fixture->front);
        struct pollfd bell = {fixture->segment.doorbells[fixture->front], POLLIN, 0};
        if (ring_depth(fixture->channel.completions) == 0)
            (void)poll(&bell, 1, 20);
        segment_sleep_end(&fixture->segment, fixture->front);
    }
}

static inline uint64_t ask_balance(struct fixture *fixture, uint64_t counter)
{
    send_request(fixture, REQUEST_BALANCE_GET, counter, 0);
    channel_flush(&fixture->channel);
    struct slot *slot;
    while ((slot = channel_next_reply(&fixture->channel)) == NULL) {
        struct pollfd bell = {fixture->segment.doorbells[fixture->front], POLLIN, 0};
        segment_sleep_begin(&fixture->segment, fixture->front);
        if (ring_depth(fixture->channel.completions) == 0)
            (void)poll(&bell, 1, 20);
        segment_sleep_end(&fixture->segment, fixture->front);
    }
    union reply reply;
    assert_true(reply_decode(slot->reply_kind, &reply, slot_reply(slot), slot->reply_size));
    slot_pool_release(&fixture->pool, slot);
    return reply.balance.balance;
}

#endif
