#include "schedule.h"
#include "idempotency.h"
#include <stdlib.h>

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    check(memory != NULL);
    return memory;
}

uint64_t sections_seat_count(const struct section *sections, uint32_t count)
{
    uint64_t seats = 0;
    for (uint32_t i = 0; i < count; i++)
        seats += sections[i].rows * sections[i].seats_per_row;
    return seats;
}

static uint32_t open_word_count(uint32_t words)
{
    return (words + 63) / 64;
}

void schedule_lay_out(struct schedule *schedule, const struct section *sections, uint32_t count)
{
    size_t seats = schedule->row.seat_count;
    check(schedule->sections == NULL && count > 0 && count <= SECTIONS_MAX);
    check(seats > 0 && seats <= SCHEDULE_SEATS_MAX);
    check(seats == sections_seat_count(sections, count));
    schedule->sections = allocate(count, sizeof *sections);
    memcpy(schedule->sections, sections, count * sizeof *sections);
    schedule->section_count = count;
    schedule->reservations = allocate(seats, sizeof *schedule->reservations);
    schedule->expires_at_ms = allocate(seats, sizeof *schedule->expires_at_ms);
    uint32_t words = seat_map_word_count((uint32_t)seats);
    schedule->words = allocate(words, sizeof *schedule->words);
    seat_map_clear(schedule->words, (uint32_t)seats);
    schedule->open_words = allocate(open_word_count(words), sizeof *schedule->open_words);
    for (uint32_t word = 0; word < words; word++)
        schedule->open_words[word / 64] |= UINT64_C(1) << word % 64;
}

void schedule_set_state(struct schedule *schedule, uint64_t at, enum seat_state state)
{
    uint32_t word = (uint32_t)at / SEAT_MAP_WORD_SEATS;
    uint64_t bit = UINT64_C(1) << word % 64;
    seat_map_set_state(schedule->words, (uint32_t)at, state);
    if (seat_map_match(schedule->words[word], SEAT_AVAILABLE) != 0)
        schedule->open_words[word / 64] |= bit;
    else
        schedule->open_words[word / 64] &= ~bit;
}

/* Number of the first available seat; 0: none. */
static uint64_t first_available(const struct schedule *schedule)
{
    uint32_t words = seat_map_word_count((uint32_t)schedule->row.seat_count);
    for (uint32_t i = 0; i < open_word_count(words); i++) {
        if (schedule->open_words[i] == 0)
            continue;
        uint32_t word = i * 64 + (uint32_t)__builtin_ctzll(schedule->open_words[i]);
        uint64_t match = seat_map_match(schedule->words[word], SEAT_AVAILABLE);
        return (uint64_t)word * SEAT_MAP_WORD_SEATS + (uint64_t)__builtin_ctzll(match) / 2 + 1;
    }
    return 0;
}

static bool load_place(void *context, const struct row_key *key, struct row_bytes value)
{
    struct schedule *schedule = context;
    struct place_row row;
    uint64_t index = row_key_u64(key, 10);
    check(place_row_decode(&row, value.data, value.size));
    check(index >= 1 && index <= schedule->row.seat_count);
    schedule->reservations[index - 1] = row.reservation;
    schedule->expires_at_ms[index - 1] = row.expires_at_ms;
    schedule_set_state(schedule, index - 1, (enum seat_state)row.state);
    return true;
}

enum status schedule_load(void *object, const struct row_view *rows)
{
    struct schedule *schedule = object;
    uint64_t id = schedule->base.id;
    struct row_key key = schedule_key(id);
    if (!schedule_row_read(rows, &key, &schedule->row))
        return STATUS_NOT_FOUND;
    schedule->base.last_sequence = schedule->row.last_sequence;
    struct layout_row layout;
    key = layout_key(id);
    check(layout_row_read(rows, &key, &layout));
    schedule_lay_out(schedule, layout.sections.items, layout.sections.count);
    key = place_prefix(id);
    rows->scan(rows->context, &key, NULL, false, load_place, schedule);
    expiries_rebuild(schedule);
    schedule->armed_ms = expiries_next_ms(schedule);
    schedule->oldest_key_ms = idempotency_oldest_ms(rows, 's', id);
    return STATUS_OK;
}

void schedule_unload(void *object)
{
    struct schedule *schedule = object;
    free(schedule->sections);
    free(schedule->reservations);
    free(schedule->expires_at_ms);
    free(schedule->words);
    free(schedule->open_words);
    free(schedule->heap);
}

size_t schedule_weight(const void *object)
{
    const struct schedule *schedule = object;
    return schedule->section_count * sizeof *schedule->sections +
           schedule->row.seat_count * 2 * sizeof(uint64_t) + schedule->row.seat_count / 4 +
           schedule->heap_capacity * sizeof *schedule->heap;
}

bool schedule_keeps(const void *object)
{
    const struct schedule *schedule = object;
    return schedule->row.seat_count >= SCHEDULE_KEPT_SEATS_MIN;
}

struct seat schedule_seat(const struct schedule *schedule, uint64_t index)
{
    check(index >= 1 && index <= schedule->row.seat_count);
    uint32_t section = 0;
    uint64_t at = index - 1;
    for (; at >= sections_seat_count(&schedule->sections[section], 1); section++)
        at -= sections_seat_count(&schedule->sections[section], 1);
    const struct section *in = &schedule->sections[section];
    return (struct seat){
        .seat = seat_id(schedule->base.id, index),
        .section = section,
        .row = at / in->seats_per_row + 1,
        .number = at % in->seats_per_row + 1,
        .amount = in->amount,
        .state = schedule_state(schedule, index - 1),
    };
}

void schedule_take(struct schedule *schedule, uint64_t index, uint64_t reservation,
                   uint64_t expires_at_ms)
{
    check(index >= 1 && index <= schedule->row.seat_count);
    check(schedule_state(schedule, index - 1) == SEAT_AVAILABLE && schedule->row.available > 0);
    schedule_set_state(schedule, index - 1, SEAT_TEMP_RESERVED);
    schedule->reservations[index - 1] = reservation;
    schedule->expires_at_ms[index - 1] = expires_at_ms;
    schedule->row.available--;
    if (schedule->row.first_free == index)
        schedule->row.first_free = first_available(schedule);
}

void schedule_free(struct schedule *schedule, uint64_t index)
{
    check(index >= 1 && index <= schedule->row.seat_count);
    check(schedule_state(schedule, index - 1) != SEAT_AVAILABLE);
    schedule_set_state(schedule, index - 1, SEAT_AVAILABLE);
    schedule->reservations[index - 1] = 0;
    schedule->expires_at_ms[index - 1] = 0;
    schedule->row.available++;
    if (schedule->row.first_free == 0 || index < schedule->row.first_free)
        schedule->row.first_free = index;
}
