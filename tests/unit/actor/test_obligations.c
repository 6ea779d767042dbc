#include "unit.h"

#include "obligations.h"
#include <stdlib.h>

/* What is owed to the queue worker is never in the way of what is owed to wallets. */

enum { ACTOR_KIND = 3, ACTOR = 5 };

struct fixture {
    struct segment segment;
    struct obligations obligations;
    struct channel_consumer queue, wallet;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct config *config = malloc(sizeof *config);
    config_init(config);
    assert_int_equal(segment_create(&fixture->segment, config), STATUS_OK);
    free(config);
    unsigned seat = segment_process_of(&fixture->segment, ROLE_SEAT, 0);
    unsigned queue = segment_process_of(&fixture->segment, ROLE_QUEUE, 0);
    unsigned wallet = segment_process_of(&fixture->segment, ROLE_WALLET, 0);
    assert_int_equal(obligations_open(&fixture->obligations, &fixture->segment, seat), STATUS_OK);
    assert_int_equal(channel_consumer_open(&fixture->queue, &fixture->segment, seat, queue),
                     STATUS_OK);
    assert_int_equal(channel_consumer_open(&fixture->wallet, &fixture->segment, seat, wallet),
                     STATUS_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    obligations_close(&fixture->obligations);
    segment_close(&fixture->segment);
    free(fixture);
    return 0;
}

static void owe(struct fixture *fixture, uint64_t number, uint16_t kind)
{
    union request request;
    uint8_t value[192];
    if (kind == REQUEST_PURCHASED)
        request.purchased = (struct purchased){0, 7, number, number};
    else
        request.debit = (struct debit){7, number, 1, 100};
    size_t size = obligation_encode(kind, &request, value, sizeof value);
    struct row_key key = obligation_key(ACTOR_KIND, ACTOR, number);
    obligations_add(&fixture->obligations, &key, (struct row_bytes){value, size});
}

/* How many requests arrive; each is answered with the outcome. */
static unsigned receive(struct channel_consumer *channel, enum outcome outcome)
{
    uint64_t id, position;
    struct slot *slot;
    unsigned count = 0;
    while ((slot = channel_receive(channel, &id, &position)) != NULL) {
        slot->outcome = (uint16_t)outcome;
        slot->reply_kind = REPLY_NONE;
        slot->reply_size = 0;
        assert_true(channel_publish(channel, slot, id));
        count++;
    }
    channel_consumed(channel);
    return count;
}

static unsigned take_replies(struct fixture *fixture, bool discharge)
{
    struct obligation *obligation;
    struct slot *slot;
    unsigned count = 0;
    while (obligations_next_reply(&fixture->obligations, &obligation, &slot)) {
        uint64_t number = obligation->number;
        obligations_replied(&fixture->obligations, slot, 1000);
        if (discharge)
            obligations_remove(&fixture->obligations, ACTOR_KIND, ACTOR, number);
        count++;
    }
    return count;
}

static void while_the_queue_worker_is_down_sales_go_on(void **state)
{
    struct fixture *fixture = *state;
    struct obligations *obligations = &fixture->obligations;
    for (uint64_t number = 1; number <= 2 * SEAT_POOL_SLOTS; number++)
        owe(fixture, number, REQUEST_PURCHASED);
    obligations_send(obligations, 1000);
    assert_int_equal(obligations->patient_sent, SEAT_POOL_SLOTS / 4);
    assert_true(obligations_room(obligations));
    assert_int_equal(obligations_next_ms(obligations), UINT64_MAX); /* nothing to do but wait */
    owe(fixture, 100000, REQUEST_DEBIT);
    obligations_send(obligations, 1000);
    assert_int_equal(receive(&fixture->wallet, OUTCOME_OK), 1);
    assert_int_equal(take_replies(fixture, true), 1);
    assert_int_equal(obligations->count, 2 * SEAT_POOL_SLOTS);
}

static void all_that_was_sold_is_told_when_it_is_back(void **state)
{
    struct fixture *fixture = *state;
    struct obligations *obligations = &fixture->obligations;
    enum { COUNT = 3000 };
    unsigned told = 0;
    for (uint64_t number = 1; number <= COUNT; number++)
        owe(fixture, number, REQUEST_PURCHASED);
    while (told < COUNT) {
        obligations_send(obligations, 1000);
        unsigned received = receive(&fixture->queue, OUTCOME_OK);
        assert_in_range(received, 1, SEAT_POOL_SLOTS / 4);
        assert_int_equal(take_replies(fixture, true), received);
        told += received;
    }
    assert_int_equal(obligations->count, 0);
    assert_int_equal(obligations->patient_count, 0);
    assert_int_equal(obligations->patient_sent, 0);
}

static void one_that_is_refused_is_sent_again_later(void **state)
{
    struct fixture *fixture = *state;
    struct obligations *obligations = &fixture->obligations;
    owe(fixture, 1, REQUEST_PURCHASED);
    obligations_send(obligations, 1000);
    assert_int_equal(receive(&fixture->queue, OUTCOME_UNAVAILABLE), 1);
    assert_int_equal(take_replies(fixture, false), 1);
    assert_int_equal(obligations->patient_sent, 0);
    assert_int_equal(obligations_next_ms(obligations), 1000 + OBLIGATION_RETRY_MS);
    obligations_send(obligations, 1000 + OBLIGATION_RETRY_MS - 1);
    assert_int_equal(receive(&fixture->queue, OUTCOME_OK), 0);
    obligations_send(obligations, 1000 + OBLIGATION_RETRY_MS);
    assert_int_equal(receive(&fixture->queue, OUTCOME_OK), 1);
    assert_int_equal(take_replies(fixture, true), 1);
    assert_int_equal(obligations->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(while_the_queue_worker_is_down_sales_go_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(all_that_was_sold_is_told_when_it_is_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_is_refused_is_sent_again_later, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
