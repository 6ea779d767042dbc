#include "segment.h"

#include "catalogue.h"
#include "segment_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEGMENT_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static void *segment_at(const struct segment *segment, uint64_t offset)
{
    return (uint8_t *)segment->header + offset;
}

/* The role that the layout, not the process table, gives to a process. */
static enum role process_role(const struct segment *segment, unsigned index)
{
    const struct config *config = &segment->header->config;
    unsigned role = 0;

    while (role < ROLE_COUNT && index >= segment_role_first(config, (enum role)(role + 1)))
        role++;
    return (enum role)role;
}

const char *process_state_text(enum process_state state)
{
    static const char *const names[] = {
        [PROCESS_STOPPED] = "stopped",   [PROCESS_STARTING] = "starting",
        [PROCESS_READY] = "ready",       [PROCESS_READ_ONLY] = "read-only",
        [PROCESS_STOPPING] = "stopping", [PROCESS_BACKOFF] = "backoff",
        [PROCESS_PARKED] = "parked",
    };
    return (size_t)state < sizeof names / sizeof names[0] ? names[state] : "unknown state";
}

const char *exit_cause_text(enum exit_cause cause)
{
    static const char *const texts[EXIT_CAUSE_COUNT] = {
#define CAUSE(name, text, api) [EXIT_CAUSE_##name] = (text),
        EXIT_CAUSES(CAUSE)
#undef CAUSE
    };

    return (unsigned)cause < EXIT_CAUSE_COUNT ? texts[cause] : "unknown";
}

const char *exit_cause_api(enum exit_cause cause)
{
    static const char *const names[EXIT_CAUSE_COUNT] = {
#define CAUSE(name, text, api) [EXIT_CAUSE_##name] = (api),
        EXIT_CAUSES(CAUSE)
#undef CAUSE
    };

    return (unsigned)cause < EXIT_CAUSE_COUNT ? names[cause] : "unknown";
}

/* ---- creation ---- */

static bool random_bytes(void *to, size_t size)
{
    return getrandom(to, size, 0) == (ssize_t)size; /* up to 256 bytes come in one piece */
}

static bool fill_header(struct segment_header *header, const struct segment_layout *layout,
                        const struct config *config)
{
    header->version = SEGMENT_VERSION;
    header->messages_version = MESSAGES_VERSION;
    header->size = layout->size;
    header->layout_hash = layout->hash;
    header->process_count = layout->process_count;
    header->slots_per_front = layout->slots_per_front;
    header->config = *config;
    header->processes_at = layout->processes_at;
    header->stats_at = layout->stats_at;
    header->http_stats_at = layout->http_stats_at;
    header->breakers_at = layout->breakers_at;
    header->dead_letters_at = layout->dead_letters_at;
    header->catalogue_at = layout->catalogue_at;
    header->waiting_rooms_at = layout->waiting_rooms_at;
    memcpy(header->pools_at, layout->pools_at, sizeof header->pools_at);
    memcpy(header->channels_at, layout->channels_at, sizeof header->channels_at);
    if (!random_bytes(&header->segment_id, sizeof header->segment_id) ||
        !random_bytes(&header->incarnation, sizeof header->incarnation) ||
        !random_bytes(header->ticket_key, sizeof header->ticket_key) ||
        !random_bytes(header->admin_key_hash, sizeof header->admin_key_hash) ||
        !random_bytes(header->charge_key_hash, sizeof header->charge_key_hash))
        return false;
    header->magic = SEGMENT_MAGIC;
    return true;
}

static void fill_processes(const struct segment *segment, const struct config *config)
{
    unsigned index = 0;

    for (unsigned role = 0; role < ROLE_COUNT; role++)
        for (unsigned i = 0; i < segment_role_count(config, (enum role)role); i++) {
            struct process_entry *entry = segment_process(segment, index++);

            atomic_store_explicit(&entry->role, role, memory_order_relaxed);
            atomic_store_explicit(&entry->instance, i, memory_order_relaxed);
        }
}

static void init_rings(const struct segment *segment, const struct config *config)
{
    const struct segment_header *header = segment->header;

    for (unsigned producer = 0; producer < header->process_count; producer++)
        for (unsigned consumer = 0; consumer < header->process_count; consumer++) {
            uint64_t capacity = segment_ring_capacity(config, process_role(segment, producer));
            uint64_t at = header->channels_at[producer][consumer];

            if (at == 0)
                continue;
            ring_init(segment_at(segment, at), capacity);
            ring_init(segment_at(segment, at + ring_size(capacity)), capacity);
        }
}

static bool make_doorbells(struct segment *segment, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        segment->doorbells[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (segment->doorbells[i] < 0)
            return false;
    }
    return true;
}

static void segment_clear(struct segment *segment)
{
    segment->header = NULL;
    segment->size = 0;
    segment->fd = -1;
    for (unsigned i = 0; i < PROCESS_MAX; i++)
        segment->doorbells[i] = -1;
}

static enum status segment_build(struct segment *segment, const struct segment_layout *layout,
                                 const struct config *config)
{
    void *base;

    segment->fd = memfd_create("boxoffice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (segment->fd < 0 || ftruncate(segment->fd, (off_t)layout->size) != 0 ||
        fcntl(segment->fd, F_ADD_SEALS, SEGMENT_SEALS) != 0)
        return STATUS_IO;
    base = mmap(NULL, layout->size, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
    if (base == MAP_FAILED)
        return STATUS_NO_MEMORY;
    segment->header = base;
    segment->size = layout->size;
    if (!fill_header(segment->header, layout, config))
        return STATUS_IO;
    fill_processes(segment, config);
    init_rings(segment, config);
    return make_doorbells(segment, layout->process_count) ? STATUS_OK : STATUS_IO;
}

enum status segment_create(struct segment *segment, const struct config *config)
{
    struct segment_layout *layout = malloc(sizeof *layout);
    enum status status;

    segment_clear(segment);
    if (layout == NULL)
        return STATUS_NO_MEMORY;
    status = segment_layout_compute(layout, config) ? segment_build(segment, layout, config)
                                                    : STATUS_INVALID;
    if (status != STATUS_OK)
        segment_close(segment);
    free(layout);
    return status;
}

/* ---- opening ---- */

/* The header is compared with what this binary computes for the config that stands in it. */
static bool header_matches(const struct segment_header *header, uint64_t size)
{
    struct segment_layout *layout;
    bool matches;

    if (header->magic != SEGMENT_MAGIC || header->version != SEGMENT_VERSION ||
        header->messages_version != MESSAGES_VERSION || header->size != size)
        return false;
    layout = malloc(sizeof *layout);
    matches = layout != NULL && segment_layout_compute(layout, &header->config) &&
              header->layout_hash == layout->hash && header->size == layout->size &&
              header->process_count == layout->process_count &&
              header->slots_per_front == layout->slots_per_front &&
              header->processes_at == layout->processes_at &&
              header->stats_at == layout->stats_at &&
              header->http_stats_at == layout->http_stats_at &&
              header->breakers_at == layout->breakers_at &&
              header->dead_letters_at == layout->dead_letters_at &&
              header->catalogue_at == layout->catalogue_at &&
              header->waiting_rooms_at == layout->waiting_rooms_at &&
              memcmp(header->pools_at, layout->pools_at, sizeof header->pools_at) == 0 &&
              memcmp(header->channels_at, layout->channels_at, sizeof header->channels_at) == 0;
    free(layout);
    return matches;
}

static bool rings_match(const struct segment *segment)
{
    const struct segment_header *header = segment->header;

    for (unsigned producer = 0; producer < header->process_count; producer++)
        for (unsigned consumer = 0; consumer < header->process_count; consumer++) {
            uint64_t capacity =
                segment_ring_capacity(&header->config, process_role(segment, producer));
            struct ring *requests, *completions;

            if (!segment_rings(segment, producer, consumer, &requests, &completions))
                continue;
            if (requests->capacity != capacity || completions->capacity != requests->capacity)
                return false;
        }
    return true;
}

static bool doorbells_open(const struct segment *segment, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int flags = fcntl(segment->doorbells[i], F_GETFL);

        if (flags < 0 || (flags & O_NONBLOCK) == 0)
            return false;
    }
    return true;
}

enum status segment_open(struct segment *segment, int fd, int first_doorbell)
{
    enum status status = STATUS_MISMATCH;
    struct stat info;
    int seals;
    uint64_t size;
    void *base;

    segment_clear(segment);
    if (fstat(fd, &info) != 0)
        return STATUS_IO;
    seals = fcntl(fd, F_GET_SEALS);
    size = (uint64_t)info.st_size;
    if (seals < 0 || (seals & SEGMENT_SEALS) != SEGMENT_SEALS ||
        size < sizeof(struct segment_header))
        return STATUS_MISMATCH;
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return STATUS_IO;
    segment->header = base;
    segment->size = size;
    if (!header_matches(segment->header, size) || !rings_match(segment))
        goto fail;
    status = STATUS_IO;
    for (unsigned i = 0; i < segment->header->process_count; i++)
        segment->doorbells[i] = first_doorbell + (int)i;
    if (!doorbells_open(segment, segment->header->process_count) ||
        mprotect(base, (size_t)segment->header->processes_at, PROT_READ) != 0)
        goto fail;
    segment->fd = fd;
    return STATUS_OK;
fail:
    munmap(base, size);
    segment_clear(segment);
    return status;
}

void segment_close(struct segment *segment)
{
    if (segment->header != NULL)
        munmap(segment->header, segment->size);
    if (segment->fd >= 0)
        close(segment->fd);
    for (unsigned i = 0; i < PROCESS_MAX; i++)
        if (segment->doorbells[i] >= 0)
            close(segment->doorbells[i]);
    segment_clear(segment);
}

/* ---- what is where ---- */

struct process_entry *segment_process(const struct segment *segment, unsigned index)
{
    struct process_entry *entries = segment_at(segment, segment->header->processes_at);

    return index < segment->header->process_count ? &entries[index] : NULL;
}

unsigned segment_process_of(const struct segment *segment, enum role role, unsigned instance)
{
    const struct config *config = &segment->header->config;

    if (instance >= segment_role_count(config, role))
        return PROCESS_MAX;
    return segment_role_first(config, role) + instance;
}

struct process_stats *segment_stats(const struct segment *segment, unsigned index)
{
    if (index >= segment->header->process_count)
        return NULL;
    return segment_at(segment, segment->header->stats_at + index * segment_stats_stride());
}

struct http_stats *segment_http_stats(const struct segment *segment, unsigned front_instance)
{
    if (front_instance >= segment->header->config.fronts)
        return NULL;
    return segment_at(segment, segment->header->http_stats_at +
                                   front_instance * segment_http_stats_stride());
}

struct catalogue *segment_catalogue(const struct segment *segment, unsigned seat_instance)
{
    if (seat_instance >= segment->header->config.seat_workers)
        return NULL;
    return segment_at(segment,
                      segment->header->catalogue_at + seat_instance * segment_catalogue_stride());
}

struct waiting_rooms *segment_waiting_rooms(const struct segment *segment)
{
    return segment_at(segment, segment->header->waiting_rooms_at);
}

struct breaker_table *segment_breakers(const struct segment *segment)
{
    return segment_at(segment, segment->header->breakers_at);
}

struct dead_letters *segment_dead_letters(const struct segment *segment)
{
    return segment_at(segment, segment->header->dead_letters_at);
}

unsigned segment_owner(const struct segment *segment, enum role role, uint64_t key)
{
    const struct config *config = &segment->header->config;
    unsigned count = segment_role_count(config, role);
    unsigned partition = (unsigned)(key % PARTITION_COUNT);

    if (count == 0)
        return PROCESS_MAX;
    return segment_role_first(config, role) + (count == 1 ? 0 : partition % count);
}

bool segment_slot_area(const struct segment *segment, unsigned process, struct slot_area *area)
{
    enum role role;
    uint8_t *pool;

    if (process >= segment->header->process_count || segment->header->pools_at[process] == 0)
        return false;
    role = process_role(segment, process);
    pool = segment_at(segment, segment->header->pools_at[process]);
    area->marks = (struct slot_marks *)(void *)pool;
    area->slots = pool + POOL_SLOTS_AT;
    area->small_count = segment_small_slots(&segment->header->config, role);
    area->large_count = segment_large_slots(role);
    return true;
}

bool segment_rings(const struct segment *segment, unsigned producer, unsigned consumer,
                   struct ring **requests, struct ring **completions)
{
    const struct segment_header *header = segment->header;
    uint64_t at, capacity;

    if (producer >= header->process_count || consumer >= header->process_count)
        return false;
    at = header->channels_at[producer][consumer];
    if (at == 0)
        return false;
    capacity = segment_ring_capacity(&header->config, process_role(segment, producer));
    *requests = segment_at(segment, at);
    *completions = segment_at(segment, at + ring_size(capacity));
    return true;
}
