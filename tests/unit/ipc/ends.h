#ifndef BOXOFFICE_TEST_IPC_ENDS_H
#define BOXOFFICE_TEST_IPC_ENDS_H

#include "fixture.h"

/* Both ends of the front→wallet channel in one process. */
struct ends {
    struct fixture f;
    struct slot_pool pool;
    struct channel_producer producer;
    struct channel_consumer consumer;
};

static inline void ends_open(struct ends *e)
{
    fixture_open(&e->f);
    atomic_store(&segment_process(&e->f.segment, e->f.front)->generation, 3);
    assert_int_equal(slot_pool_open(&e->pool, &e->f.segment, e->f.front), STATUS_OK);
    assert_int_equal(channel_producer_open(&e->producer, &e->pool, e->f.wallet), STATUS_OK);
    assert_int_equal(channel_consumer_open(&e->consumer, &e->f.segment, e->f.front, e->f.wallet),
                     STATUS_OK);
    assert_null(channel_next_reply(&e->producer)); /* ends the first scan */
}

static inline void ends_close(struct ends *e)
{
    slot_pool_close(&e->pool);
    fixture_close(&e->f);
}

static inline struct slot *submit(struct ends *e)
{
    struct slot *slot = slot_pool_claim(&e->pool, false);

    assert_non_null(slot);
    assert_int_equal(channel_submit(&e->producer, slot), STATUS_OK);
    return slot;
}

static inline void receive(struct ends *e, struct slot *expected, uint64_t expected_position)
{
    uint64_t id, position;

    assert_ptr_equal(channel_receive(&e->consumer, &id, &position), expected);
    assert_int_equal(id, id_of(expected));
    assert_int_equal(position, expected_position);
}

static inline void receive_nothing(struct ends *e)
{
    uint64_t id, position;

    assert_null(channel_receive(&e->consumer, &id, &position));
}

/* A worker's process that was killed: its successor opens the channel anew. */
static inline void consumer_succeeds(struct ends *e)
{
    assert_int_equal(channel_consumer_open(&e->consumer, &e->f.segment, e->f.front, e->f.wallet),
                     STATUS_OK);
}

static inline void producer_succeeds(struct ends *e)
{
    slot_pool_close(&e->pool);
    assert_int_equal(slot_pool_open(&e->pool, &e->f.segment, e->f.front), STATUS_OK);
    assert_int_equal(channel_producer_open(&e->producer, &e->pool, e->f.wallet), STATUS_OK);
}

#endif
