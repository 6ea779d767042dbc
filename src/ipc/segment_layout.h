#ifndef BOXOFFICE_SEGMENT_LAYOUT_H
#define BOXOFFICE_SEGMENT_LAYOUT_H

#include "segment.h"

/* Where everything in a segment is, computed from a config by its creator and once more by every
 * child, which compares (private to segment.c). */
struct segment_layout {
    uint32_t process_count, slots_per_front;
    uint64_t size, hash;
    uint64_t processes_at, stats_at, http_stats_at, breakers_at, dead_letters_at, catalogue_at;
    uint64_t waiting_rooms_at;
    uint64_t pools_at[PROCESS_MAX];
    uint64_t channels_at[PROCESS_MAX][PROCESS_MAX];
};

enum {
    SEGMENT_PAGE_SIZE = 4096,
    /* the marks of a pool have a page of their own, so that its slots begin on one */
    POOL_SLOTS_AT = SEGMENT_PAGE_SIZE,
};

/* False when a count of the config is out of range. */
bool segment_layout_compute(struct segment_layout *layout, const struct config *config);

/* How many processes a role has, and the index of its first. */
unsigned segment_role_count(const struct config *config, enum role role);
unsigned segment_role_first(const struct config *config, enum role role);
/* The slots of a process of this role. */
uint32_t segment_small_slots(const struct config *config, enum role role);
uint32_t segment_large_slots(enum role role);
/* Entries of either ring of a channel whose producer has this role. */
uint64_t segment_ring_capacity(const struct config *config, enum role role);
/* Distances between elements of the arrays. */
size_t segment_stats_stride(void);
size_t segment_http_stats_stride(void);
size_t segment_catalogue_stride(void);

#endif
