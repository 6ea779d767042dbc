#include "world.h"
#include "check.h"
#include "coverage.h"
#include "ledger_rooms.h"
#include "trace.h"
#include <string.h>

struct world world;

uint64_t draw(uint64_t below)
{
    world.random ^= world.random >> 12; /* xorshift64*, Vigna 2016 */
    world.random ^= world.random << 25;
    world.random ^= world.random >> 27;
    return world.random * UINT64_C(0x2545f4914f6cdd1d) % below;
}

static struct segment segments[2]; /* with one and with two workers of a role */

void world_create(void)
{
    static struct config config;
    coverage_open();
    config_init(&config);
    config.connections = 64;
    for (unsigned i = 0; i < 2; i++) {
        config.seat_workers = config.wallet_workers = i + 1;
        check(segment_create(&segments[i], &config) == STATUS_OK);
        for (unsigned process = 0; process < segments[i].header->process_count; process++)
            machine_doorbell(segments[i].doorbells[process], &world.tasks[process]);
    }
}

void world_use(unsigned workers)
{
    static const enum role roles[] = {ROLE_SEAT, ROLE_WALLET, ROLE_QUEUE};
    world.segment = &segments[workers - 1];
    world.front = segment_process_of(world.segment, ROLE_FRONT, 0);
    world.worker_count = 0;
    for (unsigned i = 0; i < sizeof roles / sizeof roles[0]; i++)
        for (unsigned instance = 0; instance < workers; instance++) {
            unsigned process = segment_process_of(world.segment, roles[i], instance);
            if (process == PROCESS_MAX) /* there is one queue */
                continue;
            world.workers[world.worker_count].role = roles[i];
            world.workers[world.worker_count++].process = process;
        }
}

static void renew_process(unsigned process)
{
    struct process_entry *entry = segment_process(world.segment, process);
    uint32_t role = entry->role, instance = entry->instance;
    memset((void *)entry, 0, sizeof *entry);
    entry->role = role;
    entry->instance = instance;
    memset((void *)segment_stats(world.segment, process), 0, sizeof(struct process_stats));
}

static void renew_pool(unsigned process)
{
    struct slot_area area;
    if (!segment_slot_area(world.segment, process, &area))
        return;
    struct slot *slot;
    uint32_t number = 0;
    while ((slot = slot_area_next(&area, &number)) != NULL)
        memset((void *)slot, 0, sizeof *slot);
    memset((void *)area.marks, 0, sizeof *area.marks);
}

static void renew_waiting_rooms(struct waiting_rooms *rooms)
{
    for (unsigned bucket = 0; bucket < SESSION_BUCKETS; bucket += 64)
        for (uint64_t used = rooms->used[bucket / 64]; used != 0; used &= used - 1) {
            unsigned at = bucket + (unsigned)__builtin_ctzll(used);
            memset((void *)&rooms->sessions[at * SESSION_BUCKET], 0,
                   SESSION_BUCKET * sizeof rooms->sessions[0]);
        }
    memset((void *)rooms->rooms, 0, rooms->room_count * sizeof rooms->rooms[0]);
    memset((void *)rooms, 0, offsetof(struct waiting_rooms, sessions));
}

void world_renew_segment(void)
{
    struct segment_header *header = world.segment->header;
    header->segment_id = draw(UINT64_MAX);
    for (unsigned i = 0; i < header->process_count; i++) {
        renew_process(i);
        renew_pool(i);
        for (unsigned j = 0; j < header->process_count; j++) {
            struct ring *requests, *completions;
            if (!segment_rings(world.segment, i, j, &requests, &completions))
                continue;
            ring_init(requests, requests->capacity);
            ring_init(completions, completions->capacity);
        }
    }
    atomic_store(&segment_process(world.segment, PROCESS_SUPERVISOR)->started_ms, machine_now_ms());
    renew_waiting_rooms(segment_waiting_rooms(world.segment));
    ledger_claims_lost();
    clock_attach(&header->clock);
}

void world_check_slots(void)
{
    for (unsigned i = 0; i < world.segment->header->process_count; i++) {
        struct slot_area area;
        struct slot *slot;
        uint32_t number = 0;
        if (!segment_slot_area(world.segment, i, &area))
            continue;
        while ((slot = slot_area_next(&area, &number)) != NULL)
            require(slot_word_state(atomic_load(&slot->word)) == SLOT_FREE,
                    "slot %u of process %u is never given back", number - 1, i);
    }
}

void world_spawn(unsigned process)
{
    struct process_entry *entry = segment_process(world.segment, process);
    atomic_store(&entry->stop, 0);
    atomic_store(&entry->state, (uint32_t)PROCESS_STARTING);
    atomic_fetch_add(&entry->generation, 1);
    atomic_store(&entry->pid, (int32_t)process + 1);
}
