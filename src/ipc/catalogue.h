#ifndef BOXOFFICE_CATALOGUE_H
#define BOXOFFICE_CATALOGUE_H

#include "limits.h"
#include "seat_maps.h"
#include "status.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The read snapshot of what is on sale: one table for each seat worker, which alone writes it;
 * fronts read it without a hop. Entries are appended and never move or go; an entry's fixed part is
 * written before `schedule_count` is release-stored, and what changes is one atomic word, so a
 * reader never sees a torn line. A successor adds the same entries again in the same order (only
 * committed ones are ever added); meanwhile readers go on seeing all that its predecessor left. */
enum { CATALOGUE_CONCERTS_MAX = 50000, CATALOGUE_OPEN_WORDS = (CATALOGUE_SCHEDULES_MAX + 63) / 64 };

struct catalogue_schedule {
    uint64_t schedule, concert;
    uint32_t concert_at; /* index in concerts[] */
    uint32_t seat_count;
    char open_date[12];              /* "2026-12-24" */
    char start_time[8], end_time[8]; /* "19:00" */
    /* available seats << 32 | 1-based index of the first of them (0: none) */
    _Atomic uint64_t free;
};
struct catalogue_concert {
    uint64_t concert;
    uint32_t title_length;
    char title[TEXT_TITLE_MAX];
};
struct catalogue {
    _Alignas(64) _Atomic uint32_t schedule_count;
    _Atomic uint32_t concert_count;
    _Atomic uint32_t schedules_added, concerts_added; /* owner only: since its start */
    _Atomic uint64_t seats_added;                     /* likewise */
    _Atomic uint64_t seat_total;                      /* of the schedules that are visible */
    /* what the owner has or is about to have (catalogue_claim) */
    _Atomic uint64_t claimed_schedules, claimed_seats;
    struct catalogue_concert concerts[CATALOGUE_CONCERTS_MAX];
    struct catalogue_schedule schedules[CATALOGUE_SCHEDULES_MAX];
    /* Which schedules have free seats, a bit for each: where to look, `free` says what is so. */
    _Atomic uint64_t open[CATALOGUE_OPEN_WORDS];
    struct seat_maps maps;
};

/* A seat's id says its schedule: schedule << 17 | 1-based index. */
static inline uint64_t seat_id(uint64_t schedule, uint64_t index)
{
    return schedule << 17 | index;
}
static inline uint64_t seat_id_schedule(uint64_t seat)
{
    return seat >> 17;
}
static inline uint64_t seat_id_index(uint64_t seat)
{
    return seat & 0x1ffff;
}

/* Readers: how many entries may be read (acquire, never beyond the tables). Readers also bound
 * title_length and concert_at before use. */
static inline uint32_t catalogue_schedule_count(const struct catalogue *catalogue)
{
    uint32_t count = atomic_load_explicit(&catalogue->schedule_count, memory_order_acquire);
    return count < CATALOGUE_SCHEDULES_MAX ? count : CATALOGUE_SCHEDULES_MAX;
}
static inline uint32_t catalogue_concert_count(const struct catalogue *catalogue)
{
    uint32_t count = atomic_load_explicit(&catalogue->concert_count, memory_order_acquire);
    return count < CATALOGUE_CONCERTS_MAX ? count : CATALOGUE_CONCERTS_MAX;
}

static inline uint64_t catalogue_seat_total(const struct catalogue *catalogue)
{
    return atomic_load_explicit(&catalogue->seat_total, memory_order_relaxed);
}

/* The next schedule at or after `from`, below `count`, whose `open` bit is `open`; `count`: none.
 */
uint32_t catalogue_next(const struct catalogue *catalogue, uint32_t from, uint32_t count,
                        bool open);

/* Owner only. Position of the entry, or STATUS_FULL. The writer keeps its own index from id to
 * position. A title is cut at TEXT_TITLE_MAX; a schedule's `free` word is taken over as it is. */
enum status catalogue_add_concert(struct catalogue *catalogue, uint64_t concert, const char *title,
                                  size_t title_length, uint32_t *at);
enum status catalogue_add_schedule(struct catalogue *catalogue,
                                   const struct catalogue_schedule *schedule, uint32_t *at);
void catalogue_set_free(struct catalogue *catalogue, uint32_t at, uint32_t available,
                        uint32_t first_free_index);
/* Marks what the owner is about to have in all, for the owners of the others. False, and nothing is
 * marked, when the sum of all marks is beyond CATALOGUE_SCHEDULES_MAX or CATALOGUE_SEATS_MAX. Each
 * marks first and looks at the others then, so of two at the same moment at least one sees the
 * other: the limits are never passed, though near them both may be refused. */
bool catalogue_claim(struct catalogue *own, struct catalogue *const *others, unsigned other_count,
                     uint64_t schedules, uint64_t seats);
/* Marks what the owner has, whatever the limits. */
void catalogue_claim_set(struct catalogue *catalogue, uint64_t schedules, uint64_t seats);
/* A successor's first call: its next additions are again number 0, 1, … An addition that equals
 * what stands there leaves the entry's fixed part untouched; one that differs takes everything from
 * there on out of sight first. */
void catalogue_reset(struct catalogue *catalogue);

#endif
