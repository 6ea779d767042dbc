#include "fixture.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A front and a wallet worker that both sleep whenever they have nothing to do. A time-out of the
 * poll while something waits is a lost wake-up. */
enum { MESSAGES = 1000000, BURST_MAX = 32, LOST_MS = 3000 };

/* True unless the sleep ended by the time-out although there was work. */
static bool sleep_until_rung(const struct segment *segment, unsigned self,
                             bool (*work)(const void *channel), const void *channel)
{
    bool lost = false;

    segment_sleep_begin(segment, self);
    if (!work(channel)) {
        struct pollfd doorbell = {.fd = segment->doorbells[self], .events = POLLIN};

        lost = poll(&doorbell, 1, LOST_MS) == 0 && work(channel);
    }
    segment_sleep_end(segment, self);
    return !lost;
}

static bool requests(const void *channel)
{
    return channel_requests_waiting(channel);
}

static bool replies(const void *channel)
{
    return channel_replies_waiting(channel);
}

static int worker(struct fixture *f, int parent)
{
    struct channel_consumer channel;
    uint64_t answered = 0;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
        channel_consumer_open(&channel, &f->segment, f->front, f->wallet) != STATUS_OK)
        return 1;
    while (answered < MESSAGES) {
        uint64_t id, position;
        struct slot *slot = channel_receive(&channel, &id, &position);

        if (slot == NULL) {
            if (!sleep_until_rung(&f->segment, f->wallet, requests, &channel))
                return 2;
            continue;
        }
        if (position != answered++)
            return 3;
        memcpy(slot_reply(slot), slot_request(slot), sizeof id);
        slot->reply_size = sizeof id;
        if (!channel_publish(&channel, slot, id))
            return 4;
        channel_consumed(&channel);
        channel_flush_completions(&channel);
    }
    return 0;
}

static void send(struct slot_pool *pool, struct channel_producer *channel, uint64_t value)
{
    struct slot *slot = slot_pool_claim(pool, false);

    assert_non_null(slot);
    memcpy(slot_request(slot), &value, sizeof value);
    slot->request_size = sizeof value;
    assert_int_equal(channel_submit(channel, slot), STATUS_OK);
}

static void a_million_messages_pass_between_sleepers_without_a_lost_wake_up(void **state)
{
    struct fixture f;
    struct slot_pool pool;
    struct channel_producer channel;
    uint64_t seed = 5, sent = 0, received = 0;
    int status, parent = getpid();
    pid_t pid;
    (void)state;

    fixture_open(&f);
    pid = fork();
    if (pid == 0)
        _exit(worker(&f, parent));
    assert_int_equal(slot_pool_open(&pool, &f.segment, f.front), STATUS_OK);
    assert_int_equal(channel_producer_open(&channel, &pool, f.wallet), STATUS_OK);
    while (received < MESSAGES) {
        struct slot *slot;

        for (uint64_t n = 1 + unit_random(&seed) % BURST_MAX; n > 0 && sent < MESSAGES; n--)
            send(&pool, &channel, sent++);
        channel_flush(&channel);
        while (received < sent) { /* nothing is in flight any more when the next burst begins */
            const uint8_t *data;
            uint64_t value;
            size_t size;

            while ((slot = channel_next_reply(&channel)) != NULL) {
                assert_true(slot_reply_view(slot, &data, &size));
                assert_int_equal(size, sizeof value);
                memcpy(&value, data, sizeof value);
                assert_int_equal(value, received++);
                slot_pool_release(&pool, slot);
            }
            if (received < sent)
                assert_true(sleep_until_rung(&f.segment, f.front, replies, &channel));
        }
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    for (unsigned i = 0; i < 2; i++) { /* both slept, and no sleep was rung twice */
        struct process_entry *entry = segment_process(&f.segment, i ? f.front : f.wallet);

        assert_true(atomic_load(&entry->sleeps) > 1000);
        assert_true(atomic_load(&entry->rings) > 0);
        assert_true(atomic_load(&entry->rings) <= atomic_load(&entry->sleeps));
    }
    assert_int_equal(dropped(&f, f.front) + dropped(&f, f.wallet), 0);
    assert_int_equal(pool.free_small_count, SMALL_SLOTS);
    slot_pool_close(&pool);
    fixture_close(&f);
}

/* ---- going to sleep at the very moment of a request ---- */

enum { ROUNDS = 200000, RACE_MS = 1500, DELAY_MAX = 64 }; /* rounds or time end it */

struct race {
    _Atomic uint32_t round;         /* both begin */
    _Atomic uint32_t ready, asleep; /* round in which the worker is about to begin, and is done */
    _Atomic uint32_t saw;           /* it saw the request in its recheck */
    _Atomic uint32_t last;          /* no round follows */
};

static void await(const _Atomic uint32_t *value, uint32_t expected)
{
    for (unsigned spins = 0; atomic_load(value) != expected; spins++)
        if (spins % 4096 == 4095)
            sched_yield(); /* there may be one processor only */
}

static void delay(uint64_t *seed)
{
    for (volatile uint64_t n = unit_random(seed) % DELAY_MAX; n > 0; n--)
        ;
}

/* The n-th processor that this process may use; side by side they race, on one they take turns. */
static void run_on(unsigned n)
{
    cpu_set_t allowed, one;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
        }
}

static int race_to_sleep(struct race *race, struct fixture *f, int parent)
{
    struct channel_consumer channel;
    uint64_t seed = 21, id, position;
    struct slot *slot;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
        channel_consumer_open(&channel, &f->segment, f->front, f->wallet) != STATUS_OK)
        return 1;
    run_on(1);
    for (uint32_t round = 1; atomic_load(&race->last) == 0; round++) {
        atomic_store(&race->ready, round);
        await(&race->round, round);
        delay(&seed);
        segment_sleep_begin(&f->segment, f->wallet);
        atomic_store(&race->saw, channel_requests_waiting(&channel));
        atomic_store(&race->asleep, round);
        await(&race->round, 0); /* the front has looked */
        segment_sleep_end(&f->segment, f->wallet);
        slot = channel_receive(&channel, &id, &position);
        if (slot == NULL || !channel_publish(&channel, slot, id))
            return 2;
        channel_consumed(&channel);
    }
    return 0;
}

/* Either the sleeper sees the request or the waker sees the sleeper: both fences are needed. */
static void a_request_at_the_moment_of_falling_asleep_is_seen_or_rung_for(void **state)
{
    struct race *race =
        mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct fixture f;
    struct slot_pool pool;
    struct channel_producer channel;
    unsigned saw = 0, rung = 0, lost = 0;
    uint64_t seed = 22, until_ns = clock_monotonic_ns() + RACE_MS * UINT64_C(1000000);
    int status, parent = getpid();
    pid_t pid;
    (void)state;

    assert_ptr_not_equal(race, MAP_FAILED);
    fixture_open(&f);
    assert_int_equal(slot_pool_open(&pool, &f.segment, f.front), STATUS_OK);
    assert_int_equal(channel_producer_open(&channel, &pool, f.wallet), STATUS_OK);
    pid = fork();
    if (pid == 0)
        _exit(race_to_sleep(race, &f, parent));
    run_on(0);
    for (uint32_t round = 1; atomic_load(&race->last) == 0; round++) {
        const _Atomic uint32_t *sleeping = &segment_process(&f.segment, f.wallet)->sleeping;
        struct slot *slot = slot_pool_claim(&pool, false);

        assert_non_null(slot);
        await(&race->ready, round);
        atomic_store(&race->round, round);
        delay(&seed);
        assert_int_equal(channel_submit(&channel, slot), STATUS_OK);
        channel_flush(&channel);
        await(&race->asleep, round);
        saw += atomic_load(&race->saw);
        rung += atomic_load(sleeping) == 0;
        lost += atomic_load(&race->saw) == 0 && atomic_load(sleeping) != 0;
        atomic_store(&race->last, round == ROUNDS || clock_monotonic_ns() > until_ns);
        atomic_store(&race->round, 0);
        while ((slot = channel_next_reply(&channel)) == NULL)
            sched_yield();
        slot_pool_release(&pool, slot);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(lost, 0);
    print_message("seen %u times, rung for %u times\n", saw, rung); /* one processor: seen only */
    slot_pool_close(&pool);
    fixture_close(&f);
    munmap(race, sizeof *race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_messages_pass_between_sleepers_without_a_lost_wake_up),
        cmocka_unit_test(a_request_at_the_moment_of_falling_asleep_is_seen_or_rung_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
