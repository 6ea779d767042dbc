#ifndef BOXOFFICE_TEST_IPC_FIXTURE_H
#define BOXOFFICE_TEST_IPC_FIXTURE_H

#include "unit.h"

#include "channel.h"

#include <string.h>

/* A segment with one front, queue, seat worker, wallet worker and relay, and few slots. */
enum { SMALL_SLOTS = 64 };

static inline void config_small(struct config *config)
{
    config_init(config);
    config->connections = SMALL_SLOTS;
}

struct fixture {
    struct segment segment;
    unsigned front, seat, wallet, queue, relay;
};

static inline void fixture_open(struct fixture *fixture)
{
    struct config config;

    config_small(&config);
    assert_int_equal(segment_create(&fixture->segment, &config), STATUS_OK);
    fixture->front = segment_process_of(&fixture->segment, ROLE_FRONT, 0);
    fixture->seat = segment_process_of(&fixture->segment, ROLE_SEAT, 0);
    fixture->wallet = segment_process_of(&fixture->segment, ROLE_WALLET, 0);
    fixture->queue = segment_process_of(&fixture->segment, ROLE_QUEUE, 0);
    fixture->relay = segment_process_of(&fixture->segment, ROLE_RELAY, 0);
}

static inline void fixture_close(struct fixture *fixture)
{
    segment_close(&fixture->segment);
}

static inline uint64_t dropped(const struct fixture *fixture, unsigned process)
{
    return stat_get(&segment_stats(&fixture->segment, process)->messages_dropped_total);
}

static inline enum slot_state state_of(const struct slot *slot)
{
    return slot_word_state(atomic_load(&slot->word));
}

static inline uint64_t id_of(const struct slot *slot)
{
    return slot_word_id(atomic_load(&slot->word));
}

/* What the supervisor and a started worker do between them. */
static inline void announce_successor(const struct fixture *fixture, unsigned process)
{
    atomic_fetch_add(&segment_process(&fixture->segment, process)->generation, 1);
    segment_announce_ready(&fixture->segment, process, PROCESS_READY);
}

#endif
