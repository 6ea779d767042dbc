#ifndef BOXOFFICE_SEAT_MAPS_H
#define BOXOFFICE_SEAT_MAPS_H

#include "limits.h"
#include "messages.h"
#include "status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read snapshots of seat maps: one such area for each seat worker, which alone writes it; fronts
 * read it without a hop. Map number n belongs to entry n of the worker's catalogue and is added
 * before that entry becomes visible.
 *
 * A seat's state takes two bits, 32 seats a word, seat 1 in the lowest; places behind the last seat
 * have SEAT_MAP_NONE. There are two copies of a map. The owner writes the one that is not in use
 * and then raises `version`, whose lowest bit says which copy is in use:
 *
 *   owner    write copy (version + 1) & 1, release, version += 1
 *   reader   read version, copy the words of copy version & 1, acquire, read version again
 *
 * The same version at both ends means that the words are of that version. A dead owner's last
 * version stays readable, whatever it was writing; its successor goes on from there. */

enum {
    SEAT_MAP_STATE_BITS = 2,
    SEAT_MAP_WORD_SEATS = 32,
    SEAT_MAP_NONE = 3,
    SEAT_MAP_WORDS_MAX = (SCHEDULE_SEATS_MAX + SEAT_MAP_WORD_SEATS - 1) / SEAT_MAP_WORD_SEATS,
    SEAT_MAPS_WORDS_MAX = CATALOGUE_SEATS_MAX / SEAT_MAP_WORD_SEATS + CATALOGUE_SCHEDULES_MAX,
};

struct seat_map_section {
    uint32_t seat_count, name_length;
    uint64_t amount;
    char name[TEXT_NAME_MAX];
};
struct seat_map {
    _Atomic uint64_t version;
    _Atomic uint32_t seat_count; /* 0: there is no map yet */
    uint32_t section_count, section_first, word_first;
    _Atomic uint64_t sequence; /* for the owner's successor: of the last event that is shown */
};
struct seat_maps {
    /* owner only: since its start */
    _Alignas(64) _Atomic uint32_t maps_added;
    _Atomic uint32_t sections_added, words_added;
    struct seat_map maps[CATALOGUE_SCHEDULES_MAX];
    struct seat_map_section sections[CATALOGUE_SECTIONS_MAX];
    _Atomic uint64_t words[2][SEAT_MAPS_WORDS_MAX];
};

static inline uint32_t seat_map_word_count(uint32_t seat_count)
{
    return (seat_count + SEAT_MAP_WORD_SEATS - 1) / SEAT_MAP_WORD_SEATS;
}
/* `place` is 0-based. */
static inline unsigned seat_map_state(const uint64_t *words, uint32_t place)
{
    unsigned shift = place % SEAT_MAP_WORD_SEATS * SEAT_MAP_STATE_BITS;
    return (unsigned)(words[place / SEAT_MAP_WORD_SEATS] >> shift) & 3;
}
static inline void seat_map_set_state(uint64_t *words, uint32_t place, unsigned state)
{
    unsigned shift = place % SEAT_MAP_WORD_SEATS * SEAT_MAP_STATE_BITS;
    uint64_t *word = &words[place / SEAT_MAP_WORD_SEATS];
    *word = (*word & ~(UINT64_C(3) << shift)) | (uint64_t)state << shift;
}
/* The places of a word that are in `state`: the lower bit of each. */
static inline uint64_t seat_map_match(uint64_t word, unsigned state)
{
    uint64_t other = word ^ UINT64_C(0x5555555555555555) * state;
    return ~(other | other >> 1) & UINT64_C(0x5555555555555555);
}
/* All seats available, and nothing behind the last. */
void seat_map_clear(uint64_t *words, uint32_t seat_count);

/* ---- owner ---- */

/* A successor's first call: its next additions are again number 0, 1, … */
void seat_maps_reset(struct seat_maps *maps);
/* Adds map `at`, the next number; a successor's equal one stays as it is, readable, until it is
 * published. STATUS_FULL: the area is full. */
enum status seat_maps_add(struct seat_maps *maps, uint32_t at,
                          const struct seat_map_section *sections, uint32_t section_count);
/* Makes these states the map's. Nothing happens when they are so already. */
void seat_maps_publish(struct seat_maps *maps, uint32_t at, const uint64_t *words);

/* What the owner notes behind a publication, catalogue line included: the sequence of the
 * schedule's last event, which no other state has. A successor that finds it again need not
 * publish. */
void seat_maps_note(struct seat_maps *maps, uint32_t at, uint64_t sequence);
bool seat_maps_shows(const struct seat_maps *maps, uint32_t at, uint64_t sequence);

/* ---- readers; what another process wrote is bounded, not believed ---- */

/* What never changes of a map. `sections` is in shared memory. */
struct seat_map_view {
    uint32_t seat_count, section_count;
    const struct seat_map_section *sections;
};
/* False when there is no such map. */
bool seat_maps_find(const struct seat_maps *maps, uint32_t at, struct seat_map_view *view);
static inline uint64_t seat_maps_version(const struct seat_maps *maps, uint32_t at)
{
    return atomic_load_explicit(&maps->maps[at].version, memory_order_acquire);
}
/* Copies `count` words from number `first` on, all of one version, which it returns; 0: the owner
 * wrote three times meanwhile, or there are no such words. */
uint64_t seat_maps_read(const struct seat_maps *maps, uint32_t at, uint32_t first, uint32_t count,
                        uint64_t *words);

#endif
