#include "storm.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A front and a wallet worker in processes of their own, one or both of which are killed at random
 * moments, reaped and succeeded, thousands of times. */

#ifdef __SANITIZE_ADDRESS__
enum { KILLS = 400 }; /* a fork is slow there */
#else
enum { KILLS = 2000 };
#endif

/* ---- the worker: decide, commit, publish, consume ---- */

struct pending {
    struct slot *slot;
    uint64_t id;
};
struct worker {
    struct storm *storm;
    struct channel_consumer channel;
    struct pending waiters[SMALL_SLOTS], replies[BATCH_MAX];
    uint64_t staged[BATCH_MAX];
    unsigned waiter_count, reply_count, staged_count;
    uint64_t seed;
};

static uint64_t request_token(const struct slot *slot)
{
    const uint8_t *data;
    uint64_t token = 0;
    size_t size;

    if (slot_request_view(slot, &data, &size) && size == sizeof token)
        memcpy(&token, data, sizeof token);
    return token;
}

static void write_reply(struct slot *slot)
{
    uint64_t answer = ~request_token(slot);

    memcpy(slot_reply(slot), &answer, sizeof answer);
    slot->reply_size = sizeof answer;
}

static void stage(struct worker *worker, uint64_t id, enum record record)
{
    worker->staged[worker->staged_count++] = id << 8 | (uint64_t)record;
}

static void answer(struct worker *worker, struct slot *slot, uint64_t id)
{
    write_reply(slot);
    worker->replies[worker->reply_count++] = (struct pending){slot, id};
}

/* Makes the tallies say what the journal says. */
static void fold(struct storm *storm)
{
    uint64_t end = storm->commits[atomic_load(&storm->commit)].records;

    for (uint64_t i = storm->folded; i < end; i++)
        atomic_fetch_or(&storm->decided[storm->records[i] >> 8], (uint8_t)storm->records[i]);
    storm->folded = end;
}

static void commit(struct worker *worker)
{
    struct storm *storm = worker->storm;
    uint32_t now = atomic_load(&storm->commit);
    uint64_t end = storm->commits[now].records;

    if (worker->staged_count == 0)
        return;
    memcpy(&storm->records[end], worker->staged, worker->staged_count * sizeof worker->staged[0]);
    storm->commits[1 - now].records = end + worker->staged_count;
    storm->commits[1 - now].mark = worker->channel.cursor;
    atomic_store(&storm->commit, 1 - now);
    worker->staged_count = 0;
    fold(storm);
}

static void decide(struct worker *worker, struct slot *slot, uint64_t id)
{
    if (atomic_load(&worker->storm->decided[id]) != 0)
        storm_violate(worker->storm, VIOLATION_DECIDED_TWICE);
    if (request_waits(id)) {
        if (!channel_defer(slot, id, id, 1))
            storm_violate(worker->storm, VIOLATION_PUBLISH_REFUSED);
        worker->waiters[worker->waiter_count++] = (struct pending){slot, id};
        stage(worker, id, RECORD_WAIT);
        return;
    }
    answer(worker, slot, id);
    if (!request_reads(id))
        stage(worker, id, RECORD_EFFECT);
}

static bool turn(struct worker *worker)
{
    unsigned ending = worker->waiter_count / 2;
    struct slot *slot;
    uint64_t id, position;

    if (ending == 0 && worker->waiter_count > 0)
        ending = (unsigned)(unit_random(&worker->seed) % 2);
    if (ending > BATCH_MAX / 2)
        ending = BATCH_MAX / 2;
    for (unsigned i = 0; i < ending; i++) { /* what they waited for has come */
        struct pending *waiter = &worker->waiters[--worker->waiter_count];

        stage(worker, waiter->id, RECORD_END);
        answer(worker, waiter->slot, waiter->id);
    }
    while (worker->staged_count < BATCH_MAX && worker->reply_count < BATCH_MAX &&
           (slot = channel_receive(&worker->channel, &id, &position)) != NULL)
        decide(worker, slot, id);
    commit(worker);
    for (unsigned i = 0; i < worker->reply_count; i++)
        if (!channel_publish(&worker->channel, worker->replies[i].slot, worker->replies[i].id))
            storm_violate(worker->storm, VIOLATION_PUBLISH_REFUSED);
    channel_consumed(&worker->channel);
    channel_flush_completions(&worker->channel);
    if (worker->reply_count == 0 && worker->waiter_count == 0)
        return false;
    worker->reply_count = 0;
    return true;
}

static void publish_decided(void *context, struct channel_consumer *channel, struct slot *slot,
                            uint64_t id)
{
    struct worker *worker = context;

    if (!request_reads(id) &&
        (atomic_load(&worker->storm->decided[id]) & (RECORD_EFFECT | RECORD_END)) == 0)
        storm_violate(worker->storm, VIOLATION_ANSWERED_UNCOMMITTED);
    atomic_fetch_add(&worker->storm->recovered_decided, 1);
    channel_publish(channel, slot, id);
}

static void resume_deferred(void *context, struct channel_consumer *channel, struct slot *slot,
                            uint64_t id)
{
    struct worker *worker = context;
    uint8_t decided = atomic_load(&worker->storm->decided[id]);

    atomic_fetch_add(&worker->storm->recovered_deferred, 1);
    if ((decided & RECORD_WAIT) == 0)
        storm_violate(worker->storm, VIOLATION_WAIT_UNCOMMITTED);
    if ((decided & RECORD_END) != 0) { /* committed, but not published: from state */
        write_reply(slot);
        channel_publish(channel, slot, id);
        return;
    }
    worker->waiters[worker->waiter_count++] = (struct pending){slot, id};
}

static bool worker_has_work(const void *context)
{
    const struct worker *worker = context;

    return worker->waiter_count > 0 || channel_requests_waiting(&worker->channel);
}

static _Noreturn void run_worker(struct storm *storm, const struct fixture *f, uint64_t seed)
{
    static struct worker worker;
    struct segment *segment = (struct segment *)&f->segment;

    worker.storm = storm;
    worker.seed = seed;
    fold(storm);
    if (channel_consumer_open(&worker.channel, segment, f->front, f->wallet) != STATUS_OK)
        storm_violate(storm, VIOLATION_SETUP);
    channel_recover_decided(&worker.channel, storm->commits[atomic_load(&storm->commit)].mark,
                            publish_decided, &worker);
    channel_recover_deferred(&worker.channel, resume_deferred, &worker);
    channel_consumed(&worker.channel);
    channel_flush_completions(&worker.channel);
    segment_announce_ready(segment, f->wallet, PROCESS_READY);
    for (;;) {
        atomic_fetch_add(&storm->worker_turns, 1);
        if (!turn(&worker))
            storm_sleep(storm, segment, f->wallet, worker_has_work, &worker);
    }
}

/* ---- the front ---- */

struct front {
    struct storm *storm;
    struct slot_pool pool;
    struct channel_producer channel;
    uint64_t known[SMALL_SLOTS]; /* the request that this process has in a slot; 0: none */
    bool heir;                   /* succeeds a front that was killed */
};

static void take_reply(struct front *front, struct slot *slot)
{
    struct storm *storm = front->storm;
    uint64_t id = id_of(slot), *known = &front->known[slot_pool_number(&front->pool, slot)];
    const uint8_t *data;
    uint64_t value;
    size_t size;

    if (!slot_reply_view(slot, &data, &size) || size != sizeof value ||
        (memcpy(&value, data, sizeof value), value != ~token_of(id)))
        storm_violate(storm, VIOLATION_WRONG_REPLY);
    if (!request_reads(id) &&
        (atomic_load(&storm->decided[id]) & (RECORD_EFFECT | RECORD_END)) == 0)
        storm_violate(storm, VIOLATION_ANSWERED_UNCOMMITTED);
    if (*known != id) {
        atomic_fetch_add(&storm->orphans, 1);
        if (!front->heir || *known != 0)
            storm_violate(storm, VIOLATION_ORPHAN);
    }
    *known = 0;
    if (atomic_fetch_add(&storm->answered[id], 1) != 0)
        storm_violate(storm, VIOLATION_ANSWERED_TWICE);
    slot_pool_release(&front->pool, slot);
}

static bool submit_one(struct front *front)
{
    struct slot *slot = slot_pool_claim(&front->pool, false);
    uint64_t id, token;

    if (slot == NULL)
        return false;
    id = id_of(slot);
    token = token_of(id);
    if (id >= REQUESTS_MAX) {
        slot_pool_release(&front->pool, slot);
        return false;
    }
    memcpy(slot_request(slot), &token, sizeof token);
    slot->request_size = sizeof token;
    front->known[slot_pool_number(&front->pool, slot)] = id;
    if (channel_submit(&front->channel, slot) != STATUS_OK)
        storm_violate(front->storm, VIOLATION_RING_FULL);
    atomic_store(&front->storm->submitted[id], 1);
    return true;
}

static bool front_has_work(const void *context)
{
    const struct front *front = context;

    return channel_replies_waiting(&front->channel) ||
           (atomic_load(&front->storm->stop) != 0 &&
            front->pool.free_small_count == front->pool.small_count);
}

static _Noreturn void run_front(struct storm *storm, const struct fixture *f, uint64_t seed,
                                bool heir)
{
    static struct front front;
    struct segment *segment = (struct segment *)&f->segment;

    front.storm = storm;
    front.heir = heir;
    if (slot_pool_open(&front.pool, segment, f->front) != STATUS_OK ||
        channel_producer_open(&front.channel, &front.pool, f->wallet) != STATUS_OK)
        storm_violate(storm, VIOLATION_SETUP);
    for (;;) {
        bool worked = false, stop = atomic_load(&storm->stop) != 0;
        struct slot *slot;

        atomic_fetch_add(&storm->front_turns, 1);
        while ((slot = channel_next_reply(&front.channel)) != NULL) {
            take_reply(&front, slot);
            worked = true;
        }
        if (stop && front.pool.free_small_count == front.pool.small_count)
            _exit(0);
        for (uint64_t n = unit_random(&seed) % 24; n > 0 && !stop && submit_one(&front); n--)
            worked = true;
        channel_flush(&front.channel);
        if (!worked)
            storm_sleep(storm, segment, f->front, front_has_work, &front);
    }
}

/* ---- the supervisor ---- */

struct killing {
    struct fixture f;
    struct storm *storm;
    pid_t worker, front;
    uint64_t seed;
};

static pid_t start(struct killing *killing, unsigned process, bool heir)
{
    uint64_t seed = unit_random(&killing->seed);
    int parent = getpid();
    pid_t pid;

    atomic_fetch_add(&segment_process(&killing->f.segment, process)->generation, 1);
    pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(1);
    if (process == killing->f.wallet)
        run_worker(killing->storm, &killing->f, seed);
    run_front(killing->storm, &killing->f, seed, heir);
}

static void kill_and_reap(struct killing *killing, pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    segment_wake_all(&killing->f.segment); /* it may have taken a flag and not rung */
}

static void storm_open(struct killing *killing)
{
    void *base = mmap(NULL, sizeof(struct storm), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(base, MAP_FAILED);
    memset(killing, 0, sizeof *killing);
    killing->storm = base;
    killing->seed = 0xdead;
    fixture_open(&killing->f);
    killing->worker = start(killing, killing->f.wallet, false);
    killing->front = start(killing, killing->f.front, false);
}

/* Most deaths come a random moment after the process has begun to work, some while it recovers. */
static void await_moment(struct killing *killing, const _Atomic uint32_t *turns, uint32_t before)
{
    const struct timespec moment = {.tv_nsec = 1000 + (long)(unit_random(&killing->seed) % 300000)};
    bool early = unit_random(&killing->seed) % 4 == 0;

    while (!early && atomic_load(turns) == before && atomic_load(&killing->storm->violation) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    nanosleep(&moment, NULL);
}

/* The front dies with requests at a worker that stands still, so its successor must meet replies to
 * requests that it has never made, however fast the worker is otherwise. */
static void kill_front_of_a_stopped_worker(struct killing *killing)
{
    const _Atomic uint32_t *turns = &killing->storm->front_turns;

    assert_int_equal(kill(killing->worker, SIGSTOP), 0);
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* the front goes on asking */
    kill_and_reap(killing, killing->front);
    uint32_t before = atomic_load(turns);
    killing->front = start(killing, killing->f.front, true);
    for (unsigned i = 0; i < 100000 && atomic_load(turns) == before; i++)
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    assert_int_equal(kill(killing->worker, SIGCONT), 0);
}

static void storm_kill(struct killing *killing, unsigned kills, bool workers, bool fronts)
{
    uint32_t front_before = 0, worker_before = 0;

    for (unsigned i = 0; i < kills && atomic_load(&killing->storm->violation) == 0; i++) {
        bool front = fronts && (!workers || unit_random(&killing->seed) % 2);
        const _Atomic uint32_t *turns =
            front ? &killing->storm->front_turns : &killing->storm->worker_turns;

        await_moment(killing, turns, front ? front_before : worker_before);
        if (front) {
            kill_and_reap(killing, killing->front);
            front_before = atomic_load(turns);
            killing->front = start(killing, killing->f.front, true);
        } else {
            kill_and_reap(killing, killing->worker);
            worker_before = atomic_load(turns);
            killing->worker = start(killing, killing->f.wallet, true);
        }
    }
}

/* Kills, and on a busy machine a few more, until what the test is about has happened. */
static void storm_kill_until(struct killing *killing, const _Atomic uint64_t *happened)
{
    storm_kill(killing, KILLS, true, false);
    for (unsigned i = 0; i < 100 && atomic_load(happened) == 0; i++)
        storm_kill(killing, KILLS / 20, true, false);
    assert_true(atomic_load(happened) > 0);
}

/* Lets everything that is in flight end. */
static void storm_drain(struct killing *killing)
{
    int status = 0;
    pid_t ended = 0;

    atomic_store(&killing->storm->stop, 1);
    segment_wake_all(&killing->f.segment);
    for (unsigned i = 0; i < 10000 && ended == 0; i++) {
        ended = waitpid(killing->front, &status, WNOHANG);
        if (ended == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (ended == 0)
        kill_and_reap(killing, killing->front);
    kill_and_reap(killing, killing->worker);
    assert_int_equal(atomic_load(&killing->storm->violation), VIOLATION_NONE);
    assert_int_equal(ended, killing->front); /* else a slot was never given back */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Every request that was submitted is decided once; with the front alive, also answered once. */
static void storm_check(struct killing *killing, bool fronts_died)
{
    static uint8_t effects[REQUESTS_MAX], waits[REQUESTS_MAX], ends[REQUESTS_MAX];
    struct storm *storm = killing->storm;
    uint64_t count = storm->commits[atomic_load(&storm->commit)].records, submitted = 0;

    memset(effects, 0, sizeof effects);
    memset(waits, 0, sizeof waits);
    memset(ends, 0, sizeof ends);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = storm->records[i] >> 8, record = storm->records[i] & 0xff;

        (record == RECORD_EFFECT ? effects : record == RECORD_WAIT ? waits : ends)[id]++;
    }
    for (uint64_t id = 1; id < REQUESTS_MAX; id++) {
        bool sure = atomic_load(&storm->submitted[id]) != 0;

        submitted += sure;
        assert_true(effects[id] <= 1 && waits[id] <= 1 && ends[id] == waits[id]);
        if (sure && request_waits(id))
            assert_int_equal(waits[id], 1);
        else if (sure && !request_reads(id))
            assert_int_equal(effects[id], 1);
        if (sure && !fronts_died)
            assert_int_equal(atomic_load(&storm->answered[id]), 1);
    }
    assert_true(submitted > 10000);
    assert_int_equal(atomic_load(&storm->submitted[REQUESTS_MAX - 1]), 0); /* ids did not run out */
    print_message("%llu requests, %llu published and %llu resumed by successors, %llu orphans\n",
                  (unsigned long long)submitted,
                  (unsigned long long)atomic_load(&storm->recovered_decided),
                  (unsigned long long)atomic_load(&storm->recovered_deferred),
                  (unsigned long long)atomic_load(&storm->orphans));
}

static void storm_close(struct killing *killing)
{
    munmap(killing->storm, sizeof *killing->storm);
    fixture_close(&killing->f);
}

static void a_killed_worker_costs_no_request_and_decides_none_twice(void **state)
{
    struct killing killing;
    (void)state;

    storm_open(&killing);
    storm_kill_until(&killing, &killing.storm->recovered_decided);
    storm_drain(&killing);
    storm_check(&killing, false);
    assert_true(atomic_load(&killing.storm->recovered_deferred) > 0);
    storm_close(&killing);
}

static void a_killed_front_loses_no_slot_and_takes_no_reply_twice(void **state)
{
    struct killing killing;
    (void)state;

    storm_open(&killing);
    storm_kill(&killing, KILLS, false, true);
    for (unsigned i = 0; i < 10; i++)
        kill_front_of_a_stopped_worker(&killing);
    storm_drain(&killing);
    storm_check(&killing, true);
    assert_true(atomic_load(&killing.storm->orphans) > 0);
    storm_close(&killing);
}

static void both_may_die_again_and_again(void **state)
{
    struct killing killing;
    (void)state;

    storm_open(&killing);
    storm_kill(&killing, KILLS, true, true);
    storm_drain(&killing);
    storm_check(&killing, true);
    storm_close(&killing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_worker_costs_no_request_and_decides_none_twice),
        cmocka_unit_test(a_killed_front_loses_no_slot_and_takes_no_reply_twice),
        cmocka_unit_test(both_may_die_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
