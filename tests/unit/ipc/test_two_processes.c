#include "fixture.h"

#include <poll.h>
#include <signal.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_messages_pass_between_sleepers_without_a_lost_wake_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
