#include "directory.h"
#include "seat.h"
#include <stdlib.h>

/* The catalogue is a snapshot of the rows for the fronts. */

/* id → position, open addressing; never more than half full. Ids are mostly consecutive, so the id
 * itself is the hash. */
enum { INDEX_SIZE = 131072 };
_Static_assert(INDEX_SIZE >= 2 * CATALOGUE_SCHEDULES_MAX &&
                   INDEX_SIZE >= 2 * CATALOGUE_CONCERTS_MAX,
               "the index stays half empty");

struct id_index {
    struct {
        uint64_t id; /* 0: free */
        uint32_t at;
    } entries[INDEX_SIZE];
};

struct seat_catalogue {
    struct catalogue *catalogue;
    struct id_index concerts, schedules;
    uint32_t schedule_count;
    uint64_t seat_count;                /* of the schedules found at a start */
    uint64_t words[SEAT_MAP_WORDS_MAX]; /* the map at hand, at a start */
};

/* A schedule as it is published. */
struct schedule_view {
    uint64_t id;
    const struct schedule_row *row;
    const struct section *sections;
    uint32_t section_count;
    const uint64_t *words;
};

struct seat_catalogue *seat_catalogue_create(struct catalogue *catalogue)
{
    struct seat_catalogue *seat_catalogue = calloc(1, sizeof *seat_catalogue);
    if (seat_catalogue != NULL)
        seat_catalogue->catalogue = catalogue;
    return seat_catalogue;
}

void seat_catalogue_destroy(struct seat_catalogue *seat_catalogue)
{
    free(seat_catalogue);
}

static uint32_t index_slot(const struct id_index *index, uint64_t id)
{
    uint32_t slot = (uint32_t)(id % INDEX_SIZE);
    while (index->entries[slot].id != 0 && index->entries[slot].id != id)
        slot = (slot + 1) % INDEX_SIZE;
    return slot;
}

static uint32_t publish_concert(struct seat_catalogue *to, uint64_t concert, const char *title,
                                uint32_t title_length)
{
    uint32_t slot = index_slot(&to->concerts, concert);
    if (to->concerts.entries[slot].id == 0) {
        uint32_t at;
        /* What is made is bounded by what fits here. */
        check(catalogue_add_concert(to->catalogue, concert, title, title_length, &at) == STATUS_OK);
        to->concerts.entries[slot].id = concert;
        to->concerts.entries[slot].at = at;
    }
    return to->concerts.entries[slot].at;
}

/* The next position, with its map as it was, or not yet published. */
static uint32_t add_map(struct seat_catalogue *to, const struct schedule_view *schedule)
{
    struct seat_map_section sections[SECTIONS_MAX];
    uint32_t at = to->schedule_count++;
    memset(sections, 0, schedule->section_count * sizeof *sections);
    for (uint32_t i = 0; i < schedule->section_count; i++) {
        const struct section *from = &schedule->sections[i];
        sections[i].seat_count = (uint32_t)sections_seat_count(from, 1);
        sections[i].amount = from->amount;
        sections[i].name_length = from->name.length;
        memcpy(sections[i].name, from->name.data, from->name.length);
    }
    check(seat_maps_add(&to->catalogue->maps, at, sections, schedule->section_count) == STATUS_OK);
    return at;
}

static void add_entry(struct seat_catalogue *to, const struct schedule_view *schedule, uint32_t at)
{
    const struct schedule_row *row = schedule->row;
    struct catalogue_schedule entry = {
        .schedule = schedule->id,
        .concert = row->concert,
        .concert_at = publish_concert(to, row->concert, row->title.data, row->title.length),
        .seat_count = (uint32_t)row->seat_count,
    };
    memcpy(entry.open_date, row->open_date.data, row->open_date.length);
    memcpy(entry.start_time, row->start_time.data, row->start_time.length);
    memcpy(entry.end_time, row->end_time.data, row->end_time.length);
    uint32_t added;
    atomic_init(&entry.free, row->available << 32 | row->first_free);
    check(catalogue_add_schedule(to->catalogue, &entry, &added) == STATUS_OK && added == at);
    uint32_t slot = index_slot(&to->schedules, schedule->id);
    to->schedules.entries[slot].id = schedule->id;
    to->schedules.entries[slot].at = at;
}

/* A new map is published before its entry is seen. */
static void publish_schedule(struct seat_catalogue *to, const struct schedule_view *schedule)
{
    uint32_t slot = index_slot(&to->schedules, schedule->id);
    bool is_new = to->schedules.entries[slot].id == 0;
    uint32_t at = is_new ? add_map(to, schedule) : to->schedules.entries[slot].at;
    seat_maps_publish(&to->catalogue->maps, at, schedule->words);
    if (is_new)
        add_entry(to, schedule, at);
    catalogue_set_free(to->catalogue, at, (uint32_t)schedule->row->available,
                       (uint32_t)schedule->row->first_free);
    seat_maps_note(&to->catalogue->maps, at, schedule->row->last_sequence);
}

void schedule_publish(const void *object, void *publish_context)
{
    const struct schedule *schedule = object;
    const struct schedule_view view = {schedule->base.id, &schedule->row, schedule->sections,
                                       schedule->section_count, schedule->words};
    publish_schedule(publish_context, &view);
}

void concert_publish(const void *object, void *publish_context)
{
    const struct concert *concert = object;
    publish_concert(publish_context, concert->base.id, concert->row.title.data,
                    concert->row.title.length);
}

void directory_publish(const void *object, void *publish_context)
{
    const struct directory *directory = object;
    struct seat_catalogue *to = publish_context;
    catalogue_claim_set(to->catalogue, directory->row.schedules, directory->row.seats);
}

struct start {
    struct seat_catalogue *to;
    uint64_t below; /* ids from here on are for a later pass */
    uint64_t id;    /* schedules: the one found; 0: none */
    struct schedule_row row;
};

static bool start_concert(void *context, const struct row_key *key, struct row_bytes value)
{
    struct start *start = context;
    struct concert_row row;
    uint64_t id = row_key_u64(key, 1);
    check(concert_row_decode(&row, value.data, value.size));
    if (id >= start->below)
        return false;
    publish_concert(start->to, id, row.title.data, row.title.length);
    return true;
}

static bool start_schedule(void *context, const struct row_key *key, struct row_bytes value)
{
    struct start *start = context;
    uint64_t id = row_key_u64(key, 1);
    check(key->size == 9 && schedule_row_decode(&start->row, value.data, value.size));
    start->id = id < start->below ? id : 0;
    return false;
}

static bool start_place(void *context, const struct row_key *key, struct row_bytes value)
{
    struct start *start = context;
    struct place_row row;
    uint64_t index = row_key_u64(key, 10);
    check(place_row_decode(&row, value.data, value.size));
    check(index >= 1 && index <= start->row.seat_count);
    seat_map_set_state(start->to->words, (uint32_t)index - 1, (unsigned)row.state);
    return true;
}

static void start_words(struct start *start, const struct row_view *rows)
{
    struct row_key key = place_prefix(start->id);
    check(start->row.seat_count <= SCHEDULE_SEATS_MAX);
    seat_map_clear(start->to->words, (uint32_t)start->row.seat_count);
    if (start->row.available < start->row.seat_count)
        rows->scan(rows->context, &key, NULL, false, start_place, start);
}

/* What a predecessor has shown already is left as it is: reading every seat that was ever taken
 * would make a restart as long as the sale is large. */
static void start_map(struct start *start, const struct row_view *rows)
{
    struct seat_maps *maps = &start->to->catalogue->maps;
    struct layout_row layout;
    struct row_key key = layout_key(start->id);
    check(layout_row_read(rows, &key, &layout));
    const struct schedule_view view = {start->id, &start->row, layout.sections.items,
                                       layout.sections.count, start->to->words};
    uint32_t at = add_map(start->to, &view);
    start->to->seat_count += start->row.seat_count;
    if (!seat_maps_shows(maps, at, start->row.last_sequence)) {
        start_words(start, rows);
        seat_maps_publish(maps, at, start->to->words);
    }
    add_entry(start->to, &view, at);
    seat_maps_note(maps, at, start->row.last_sequence);
}

/* Ids in [from, below): concerts first, as when they were made. Demo schedules may also bring a
 * concert of another worker, listed when it is first met; what was made later is listed after it.
 */
static void start_range(struct seat_catalogue *to, const struct row_view *rows, uint64_t from,
                        uint64_t below)
{
    struct start start = {.to = to, .below = below};
    struct row_key prefix = {.size = 1, .data = {'c'}}, from_key = concert_key(from);
    rows->scan(rows->context, &prefix, &from_key, false, start_concert, &start);
    /* From one schedule's first row to the next one's, past the rows of its seats. */
    prefix.data[0] = 's';
    do {
        from_key = schedule_key(from);
        start.id = 0;
        rows->scan(rows->context, &prefix, &from_key, false, start_schedule, &start);
        if (start.id != 0)
            start_map(&start, rows);
        from = start.id + 1;
    } while (start.id != 0);
}

void seat_start(const struct row_view *rows, void *publish_context)
{
    struct seat_catalogue *to = publish_context;
    memset(&to->concerts, 0, sizeof to->concerts);
    memset(&to->schedules, 0, sizeof to->schedules);
    to->schedule_count = 0;
    to->seat_count = 0;
    catalogue_reset(to->catalogue);
    start_range(to, rows, 0, DIRECTORY_FIRST_ID);
    start_range(to, rows, DIRECTORY_FIRST_ID, UINT64_MAX);
    catalogue_claim_set(to->catalogue, to->schedule_count, to->seat_count);
}

static bool take(void *context, uint64_t schedules, uint64_t seats)
{
    struct seat_capacity *capacity = context;
    return catalogue_claim(capacity->own, capacity->others, capacity->other_count, schedules,
                           seats);
}

void seat_capacity_init(struct seat_capacity *capacity, const struct segment *segment,
                        unsigned instance)
{
    *capacity = (struct seat_capacity){.gate = {capacity, take},
                                       .own = segment_catalogue(segment, instance)};
    for (unsigned other = 0; segment_process_of(segment, ROLE_SEAT, other) < PROCESS_MAX; other++)
        if (other != instance)
            capacity->others[capacity->other_count++] = segment_catalogue(segment, other);
}
