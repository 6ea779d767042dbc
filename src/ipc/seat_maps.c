#include "seat_maps.h"

#include "check.h"
#include <string.h>

_Static_assert(sizeof(struct seat_map) == 32, "a map's head has no padding");
_Static_assert(sizeof(struct seat_map_section) == 80, "a section has no padding");

enum { READ_TRIES = 3 };

void seat_map_clear(uint64_t *words, uint32_t seat_count)
{
    memset(words, 0, seat_map_word_count(seat_count) * sizeof *words);
    for (uint32_t place = seat_count; place % SEAT_MAP_WORD_SEATS != 0; place++)
        seat_map_set_state(words, place, SEAT_MAP_NONE);
}

void seat_maps_reset(struct seat_maps *maps)
{
    atomic_store_explicit(&maps->maps_added, 0, memory_order_relaxed);
    atomic_store_explicit(&maps->sections_added, 0, memory_order_relaxed);
    atomic_store_explicit(&maps->words_added, 0, memory_order_relaxed);
}

static uint64_t seats_of(const struct seat_map_section *sections, uint32_t count)
{
    uint64_t seats = 0;
    for (uint32_t i = 0; i < count; i++)
        seats += sections[i].seat_count;
    return seats;
}

static bool sections_equal(const struct seat_map_section *a, const struct seat_map_section *b,
                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (a[i].seat_count != b[i].seat_count || a[i].amount != b[i].amount ||
            a[i].name_length != b[i].name_length || a[i].name_length > TEXT_NAME_MAX ||
            memcmp(a[i].name, b[i].name, a[i].name_length) != 0)
            return false;
    return true;
}

/* Takes the map out of sight, whatever a reader is doing with it. */
static void hide(struct seat_map *map)
{
    uint64_t version = atomic_load_explicit(&map->version, memory_order_relaxed);
    atomic_store_explicit(&map->sequence, 0, memory_order_relaxed);
    atomic_store_explicit(&map->seat_count, 0, memory_order_relaxed);
    atomic_store_explicit(&map->version, version + 2, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

enum status seat_maps_add(struct seat_maps *maps, uint32_t at,
                          const struct seat_map_section *sections, uint32_t section_count)
{
    uint32_t first = atomic_load_explicit(&maps->sections_added, memory_order_relaxed);
    uint32_t word = atomic_load_explicit(&maps->words_added, memory_order_relaxed);
    uint64_t seats = seats_of(sections, section_count);
    check(at == atomic_load_explicit(&maps->maps_added, memory_order_relaxed));
    check(seats > 0 && seats <= SCHEDULE_SEATS_MAX);
    uint32_t words = seat_map_word_count((uint32_t)seats);
    if (at >= CATALOGUE_SCHEDULES_MAX || first + section_count > CATALOGUE_SECTIONS_MAX ||
        word + words > SEAT_MAPS_WORDS_MAX)
        return STATUS_FULL;
    struct seat_map *map = &maps->maps[at];
    if (atomic_load_explicit(&map->seat_count, memory_order_relaxed) != seats ||
        map->section_count != section_count || map->section_first != first ||
        map->word_first != word ||
        !sections_equal(&maps->sections[first], sections, section_count)) {
        hide(map);
        map->section_count = section_count;
        map->section_first = first;
        map->word_first = word;
        memcpy(&maps->sections[first], sections, section_count * sizeof *sections);
    }
    atomic_store_explicit(&maps->maps_added, at + 1, memory_order_relaxed);
    atomic_store_explicit(&maps->sections_added, first + section_count, memory_order_relaxed);
    atomic_store_explicit(&maps->words_added, word + words, memory_order_relaxed);
    return STATUS_OK;
}

void seat_maps_publish(struct seat_maps *maps, uint32_t at, const uint64_t *words)
{
    struct seat_map *map = &maps->maps[at];
    uint64_t version = atomic_load_explicit(&map->version, memory_order_relaxed), changed = 0;
    uint64_t seats = seats_of(&maps->sections[map->section_first], map->section_count);
    uint32_t count = seat_map_word_count((uint32_t)seats);
    const _Atomic uint64_t *in_use = &maps->words[version & 1][map->word_first];
    _Atomic uint64_t *hidden = &maps->words[(version + 1) & 1][map->word_first];
    /* Readers may still copy from what was in use before: they must see the version that ended it
     * before they see these words. */
    atomic_thread_fence(memory_order_release);
    for (uint32_t i = 0; i < count; i++) {
        changed |= words[i] ^ atomic_load_explicit(&in_use[i], memory_order_relaxed);
        atomic_store_explicit(&hidden[i], words[i], memory_order_relaxed);
    }
    bool is_new = atomic_load_explicit(&map->seat_count, memory_order_relaxed) == 0;
    if (changed == 0 && !is_new)
        return;
    atomic_store_explicit(&map->version, version + 1, memory_order_release);
    if (is_new)
        atomic_store_explicit(&map->seat_count, (uint32_t)seats, memory_order_release);
}

void seat_maps_note(struct seat_maps *maps, uint32_t at, uint64_t sequence)
{
    atomic_store_explicit(&maps->maps[at].sequence, sequence, memory_order_release);
}

bool seat_maps_shows(const struct seat_maps *maps, uint32_t at, uint64_t sequence)
{
    return sequence != 0 &&
           atomic_load_explicit(&maps->maps[at].sequence, memory_order_acquire) == sequence;
}

bool seat_maps_find(const struct seat_maps *maps, uint32_t at, struct seat_map_view *view)
{
    if (at >= CATALOGUE_SCHEDULES_MAX)
        return false;
    const struct seat_map *map = &maps->maps[at];
    uint32_t seats = atomic_load_explicit(&map->seat_count, memory_order_acquire);
    uint32_t sections = map->section_count, first = map->section_first;
    if (seats == 0 || seats > SCHEDULE_SEATS_MAX || sections == 0 || sections > SECTIONS_MAX ||
        first > CATALOGUE_SECTIONS_MAX - sections)
        return false;
    *view = (struct seat_map_view){seats, sections, &maps->sections[first]};
    return true;
}

uint64_t seat_maps_read(const struct seat_maps *maps, uint32_t at, uint32_t first, uint32_t count,
                        uint64_t *words)
{
    const struct seat_map *map = &maps->maps[at];
    for (unsigned tries = 0; tries < READ_TRIES; tries++) {
        uint64_t version = atomic_load_explicit(&map->version, memory_order_acquire);
        uint64_t from = (uint64_t)map->word_first + first;
        if (from + count > SEAT_MAPS_WORDS_MAX)
            return 0;
        for (uint32_t i = 0; i < count; i++)
            words[i] =
                atomic_load_explicit(&maps->words[version & 1][from + i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&map->version, memory_order_relaxed) == version)
            return version;
    }
    return 0;
}
