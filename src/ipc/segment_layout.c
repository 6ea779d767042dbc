#include "segment_layout.h"

#include "catalogue.h"
#include "dead_letters.h"
#include "guard.h"

#include <string.h>

_Static_assert(sizeof(struct process_entry) % 64 == 0, "a process's line fills whole cache lines");
_Static_assert(offsetof(struct process_entry, heartbeat_ns) == 64,
               "what others poll and what the process itself writes are apart");
_Static_assert(sizeof(struct histogram) == (HISTOGRAM_BUCKETS + 1) * 8,
               "a histogram is words only");
_Static_assert(sizeof(struct process_stats) % 8 == 0, "statistics are words only");
_Static_assert(sizeof(struct http_stats) ==
                   HTTP_ROUTE_MAX * HTTP_STATUS_MAX * sizeof(struct histogram),
               "statistics are words only");
_Static_assert(offsetof(struct segment_header, magic) == 0 &&
                   offsetof(struct segment_header, version) == 8,
               "magic and version stay where every version looks for them");
_Static_assert((int)SEGMENT_GUARD_SIZE >= (int)SLOT_LARGE_STRIDE, "the guard takes a misread slot");
_Static_assert(SEGMENT_GUARD_SIZE >= 2 * RING_CAPACITY_MAX * (int)sizeof(struct ring_entry),
               "the guard takes a misread ring");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "atomics in shared memory need no lock");

enum { FRONTS_MAX = 8, WORKERS_MAX = 16, CONNECTIONS_MAX = 60000 };
_Static_assert((int)BREAKER_OWNERS_MAX >= (int)FRONTS_MAX,
               "every front has lines for its breakers");
_Static_assert(3 + FRONTS_MAX + 2 * WORKERS_MAX <= PROCESS_MAX, "every process has a line");
_Static_assert(2 * (CONNECTIONS_MAX + SLOT_LARGE_COUNT) <= RING_CAPACITY_MAX,
               "the largest pool's rings are within the limit");

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static size_t stride(size_t size)
{
    return (size_t)align_up(size, 64);
}

size_t segment_stats_stride(void)
{
    return stride(sizeof(struct process_stats));
}

size_t segment_http_stats_stride(void)
{
    return stride(sizeof(struct http_stats));
}

size_t segment_catalogue_stride(void)
{
    return (size_t)align_up(sizeof(struct catalogue), SEGMENT_PAGE_SIZE);
}

unsigned segment_role_count(const struct config *config, enum role role)
{
    switch (role) {
    case ROLE_FRONT:
        return (unsigned)config->fronts;
    case ROLE_SEAT:
        return (unsigned)config->seat_workers;
    case ROLE_WALLET:
        return (unsigned)config->wallet_workers;
    case ROLE_SUPERVISOR:
    case ROLE_QUEUE:
    case ROLE_RELAY:
        return 1;
    case ROLE_COUNT:
        break;
    }
    return 0;
}

unsigned segment_role_first(const struct config *config, enum role role)
{
    unsigned first = 0;

    for (unsigned earlier = 0; earlier < (unsigned)role; earlier++)
        first += segment_role_count(config, (enum role)earlier);
    return first;
}

uint32_t segment_small_slots(const struct config *config, enum role role)
{
    if (role == ROLE_FRONT)
        return (uint32_t)((config->connections + config->fronts - 1) / config->fronts);
    return role == ROLE_SEAT ? SEAT_POOL_SLOTS : 0;
}

uint32_t segment_large_slots(enum role role)
{
    return role == ROLE_FRONT ? SLOT_LARGE_COUNT : 0;
}

uint64_t segment_ring_capacity(const struct config *config, enum role role)
{
    uint64_t slots = segment_small_slots(config, role) + segment_large_slots(role);
    uint64_t capacity = 64;

    while (capacity < 2 * slots)
        capacity *= 2;
    return capacity;
}

/* Takes `size` bytes at the next page and moves the end behind them. */
static uint64_t place(uint64_t *end, uint64_t size)
{
    uint64_t at = align_up(*end, SEGMENT_PAGE_SIZE);

    *end = at + size;
    return at;
}

static void place_channels(struct segment_layout *layout, const struct config *config,
                           enum role producer, enum role consumer)
{
    uint64_t size = 2 * ring_size(segment_ring_capacity(config, producer));
    unsigned first_producer = segment_role_first(config, producer);
    unsigned first_consumer = segment_role_first(config, consumer);

    for (unsigned p = 0; p < segment_role_count(config, producer); p++)
        for (unsigned c = 0; c < segment_role_count(config, consumer); c++)
            layout->channels_at[first_producer + p][first_consumer + c] =
                place(&layout->size, size);
}

static void place_pools(struct segment_layout *layout, const struct config *config, enum role role)
{
    uint64_t size = POOL_SLOTS_AT +
                    (uint64_t)segment_small_slots(config, role) * SLOT_SMALL_STRIDE +
                    (uint64_t)segment_large_slots(role) * SLOT_LARGE_STRIDE;

    for (unsigned i = 0; i < segment_role_count(config, role); i++)
        layout->pools_at[segment_role_first(config, role) + i] = place(&layout->size, size);
}

/* FNV-1a over words (Fowler, Noll, Vo). */
static uint64_t hash_words(uint64_t hash, const uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (unsigned shift = 0; shift < 64; shift += 8)
            hash = (hash ^ (words[i] >> shift & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t layout_hash(const struct segment_layout *layout)
{
    const uint64_t words[] = {
        layout->process_count,
        layout->slots_per_front,
        layout->size,
        layout->processes_at,
        layout->stats_at,
        layout->http_stats_at,
        layout->breakers_at,
        layout->dead_letters_at,
        layout->catalogue_at,
        layout->waiting_rooms_at,
        sizeof(struct segment_header),
        sizeof(struct config),
        sizeof(struct process_entry),
        sizeof(struct process_stats),
        sizeof(struct http_stats),
        sizeof(struct breaker_table),
        sizeof(struct dead_letters),
        sizeof(struct catalogue),
        sizeof(struct waiting_rooms),
        sizeof(struct slot),
        sizeof(struct ring),
        sizeof(struct ring_entry),
        SLOT_SMALL_STRIDE,
        SLOT_SMALL_REQUEST_SIZE,
        SLOT_LARGE_STRIDE,
        SLOT_LARGE_REQUEST_SIZE,
        OUTCOME_COUNT,
        sizeof(union request),
        sizeof(union reply),
    };
    uint64_t hash = hash_words(UINT64_C(0xcbf29ce484222325), words, sizeof words / sizeof words[0]);

    hash = hash_words(hash, layout->pools_at, PROCESS_MAX);
    return hash_words(hash, &layout->channels_at[0][0], PROCESS_MAX * PROCESS_MAX);
}

static bool in_range(uint64_t value, uint64_t max)
{
    return value >= 1 && value <= max;
}

bool segment_layout_compute(struct segment_layout *layout, const struct config *config)
{
    if (!in_range(config->fronts, FRONTS_MAX) || !in_range(config->seat_workers, WORKERS_MAX) ||
        !in_range(config->wallet_workers, WORKERS_MAX) ||
        !in_range(config->connections, CONNECTIONS_MAX))
        return false;
    memset(layout, 0, sizeof *layout);
    layout->process_count = segment_role_first(config, ROLE_COUNT);
    layout->slots_per_front = segment_small_slots(config, ROLE_FRONT);
    layout->size = sizeof(struct segment_header);
    layout->processes_at =
        place(&layout->size, layout->process_count * sizeof(struct process_entry));
    layout->stats_at = place(&layout->size, layout->process_count * segment_stats_stride());
    layout->http_stats_at = place(&layout->size, config->fronts * segment_http_stats_stride());
    layout->breakers_at = place(&layout->size, sizeof(struct breaker_table));
    layout->dead_letters_at = place(&layout->size, sizeof(struct dead_letters));
    layout->catalogue_at = place(&layout->size, config->seat_workers * segment_catalogue_stride());
    layout->waiting_rooms_at = place(&layout->size, sizeof(struct waiting_rooms));
    place_pools(layout, config, ROLE_FRONT);
    place_pools(layout, config, ROLE_SEAT);
    place_channels(layout, config, ROLE_FRONT, ROLE_QUEUE);
    place_channels(layout, config, ROLE_FRONT, ROLE_SEAT);
    place_channels(layout, config, ROLE_FRONT, ROLE_WALLET);
    place_channels(layout, config, ROLE_FRONT, ROLE_RELAY);
    place_channels(layout, config, ROLE_SEAT, ROLE_WALLET);
    place_channels(layout, config, ROLE_SEAT, ROLE_QUEUE);
    layout->size = align_up(layout->size, SEGMENT_PAGE_SIZE) + SEGMENT_GUARD_SIZE;
    layout->hash = layout_hash(layout);
    return true;
}
