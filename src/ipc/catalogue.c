#include "catalogue.h"

#include <string.h>

_Static_assert(sizeof(struct catalogue_schedule) == 64, "one cache line a schedule");
_Static_assert(offsetof(struct catalogue_schedule, free) == 56, "the changing word comes last");
_Static_assert(sizeof(struct catalogue_concert) == 216, "a concert's size");

static bool concert_equal(const struct catalogue_concert *a, const struct catalogue_concert *b)
{
    return a->concert == b->concert && a->title_length == b->title_length &&
           memcmp(a->title, b->title, a->title_length) == 0;
}

static bool schedule_equal(const struct catalogue_schedule *a, const struct catalogue_schedule *b)
{
    return a->schedule == b->schedule && a->concert == b->concert &&
           a->concert_at == b->concert_at && a->seat_count == b->seat_count &&
           memcmp(a->open_date, b->open_date, sizeof a->open_date) == 0 &&
           memcmp(a->start_time, b->start_time, sizeof a->start_time) == 0 &&
           memcmp(a->end_time, b->end_time, sizeof a->end_time) == 0;
}

enum status catalogue_add_concert(struct catalogue *catalogue, uint64_t concert, const char *title,
                                  size_t title_length, uint32_t *at)
{
    uint32_t position = atomic_load_explicit(&catalogue->concerts_added, memory_order_relaxed);
    uint32_t visible = catalogue_concert_count(catalogue);
    struct catalogue_concert entry = {.concert = concert};

    if (position >= CATALOGUE_CONCERTS_MAX)
        return STATUS_FULL;
    entry.title_length = (uint32_t)(title_length < TEXT_TITLE_MAX ? title_length : TEXT_TITLE_MAX);
    memcpy(entry.title, title, entry.title_length);
    if (position >= visible || !concert_equal(&catalogue->concerts[position], &entry)) {
        /* schedules name concerts by position, so none may stay that names what goes */
        if (position < visible) {
            atomic_store_explicit(&catalogue->seat_total, 0, memory_order_relaxed);
            atomic_store_explicit(&catalogue->schedule_count, 0, memory_order_release);
            atomic_store_explicit(&catalogue->concert_count, position, memory_order_release);
        }
        catalogue->concerts[position] = entry;
        atomic_store_explicit(&catalogue->concert_count, position + 1, memory_order_release);
    }
    atomic_store_explicit(&catalogue->concerts_added, position + 1, memory_order_relaxed);
    *at = position;
    return STATUS_OK;
}

static void seats_count(struct catalogue *catalogue, uint64_t seats)
{
    seats += atomic_load_explicit(&catalogue->seats_added, memory_order_relaxed);
    atomic_store_explicit(&catalogue->seats_added, seats, memory_order_relaxed);
}

/* Makes exactly the first `count` schedules visible. */
static void catalogue_show(struct catalogue *catalogue, uint32_t count)
{
    uint64_t seats = atomic_load_explicit(&catalogue->seats_added, memory_order_relaxed);
    atomic_store_explicit(&catalogue->seat_total, seats, memory_order_relaxed);
    atomic_store_explicit(&catalogue->schedule_count, count, memory_order_release);
}

static void set_open(struct catalogue *catalogue, uint32_t at, bool open)
{
    _Atomic uint64_t *word = &catalogue->open[at / 64];
    uint64_t bit = UINT64_C(1) << at % 64;
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, open ? before | bit : before & ~bit, memory_order_release);
}

enum status catalogue_add_schedule(struct catalogue *catalogue,
                                   const struct catalogue_schedule *schedule, uint32_t *at)
{
    uint32_t position = atomic_load_explicit(&catalogue->schedules_added, memory_order_relaxed);
    uint32_t visible = catalogue_schedule_count(catalogue);
    struct catalogue_schedule *entry;
    uint64_t available = atomic_load_explicit(&schedule->free, memory_order_relaxed);

    if (position >= CATALOGUE_SCHEDULES_MAX)
        return STATUS_FULL;
    entry = &catalogue->schedules[position];
    if (position < visible && schedule_equal(entry, schedule)) {
        seats_count(catalogue, schedule->seat_count);
        atomic_store_explicit(&entry->free, available, memory_order_release);
        set_open(catalogue, position, available >> 32 > 0);
    } else {
        if (position < visible)
            catalogue_show(catalogue, position);
        memcpy(entry, schedule, offsetof(struct catalogue_schedule, free));
        atomic_store_explicit(&entry->free, available, memory_order_relaxed);
        set_open(catalogue, position, available >> 32 > 0);
        seats_count(catalogue, schedule->seat_count);
        catalogue_show(catalogue, position + 1);
    }
    atomic_store_explicit(&catalogue->schedules_added, position + 1, memory_order_relaxed);
    *at = position;
    return STATUS_OK;
}

void catalogue_set_free(struct catalogue *catalogue, uint32_t at, uint32_t available,
                        uint32_t first_free_index)
{
    if (at >= CATALOGUE_SCHEDULES_MAX)
        return;
    atomic_store_explicit(&catalogue->schedules[at].free,
                          (uint64_t)available << 32 | first_free_index, memory_order_release);
    set_open(catalogue, at, available > 0);
}

uint32_t catalogue_next(const struct catalogue *catalogue, uint32_t from, uint32_t count, bool open)
{
    if (count > CATALOGUE_SCHEDULES_MAX)
        count = CATALOGUE_SCHEDULES_MAX;
    while (from < count) {
        uint64_t word = atomic_load_explicit(&catalogue->open[from / 64], memory_order_acquire);
        word = (open ? word : ~word) >> from % 64;
        if (word != 0) {
            from += (uint32_t)__builtin_ctzll(word);
            return from < count ? from : count;
        }
        from = (from / 64 + 1) * 64;
    }
    return count;
}

void catalogue_reset(struct catalogue *catalogue)
{
    atomic_store_explicit(&catalogue->concerts_added, 0, memory_order_relaxed);
    atomic_store_explicit(&catalogue->schedules_added, 0, memory_order_relaxed);
    atomic_store_explicit(&catalogue->seats_added, 0, memory_order_relaxed);
    seat_maps_reset(&catalogue->maps);
}

void catalogue_claim_set(struct catalogue *catalogue, uint64_t schedules, uint64_t seats)
{
    atomic_store_explicit(&catalogue->claimed_schedules, schedules, memory_order_seq_cst);
    atomic_store_explicit(&catalogue->claimed_seats, seats, memory_order_seq_cst);
}

bool catalogue_claim(struct catalogue *own, struct catalogue *const *others, unsigned other_count,
                     uint64_t schedules, uint64_t seats)
{
    uint64_t schedules_before = atomic_load(&own->claimed_schedules);
    uint64_t seats_before = atomic_load(&own->claimed_seats);
    catalogue_claim_set(own, schedules, seats);
    for (unsigned i = 0; i < other_count; i++) {
        schedules += atomic_load(&others[i]->claimed_schedules);
        seats += atomic_load(&others[i]->claimed_seats);
    }
    if (schedules <= CATALOGUE_SCHEDULES_MAX && seats <= CATALOGUE_SEATS_MAX)
        return true;
    catalogue_claim_set(own, schedules_before, seats_before);
    return false;
}
