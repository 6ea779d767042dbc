#include "catalogue_view.h"

#include <stdlib.h>

static enum status table_open(struct catalogue_table *table, const struct catalogue *catalogue)
{
    table->catalogue = catalogue;
    table->first = calloc(CATALOGUE_CONCERTS_MAX, sizeof *table->first);
    table->last = calloc(CATALOGUE_CONCERTS_MAX, sizeof *table->last);
    table->next = calloc(CATALOGUE_SCHEDULES_MAX, sizeof *table->next);
    table->found = calloc(CATALOGUE_FOUND_SIZE, sizeof *table->found);
    bool complete =
        table->first != NULL && table->last != NULL && table->next != NULL && table->found != NULL;
    return complete ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status catalogue_view_open(struct catalogue_view *view, const struct segment *segment)
{
    *view = (struct catalogue_view){.version = 1};
    for (unsigned instance = 0; instance < CATALOGUE_TABLES_MAX; instance++) {
        if (segment_process_of(segment, ROLE_SEAT, instance) == PROCESS_MAX)
            break;
        enum status status =
            table_open(&view->tables[view->table_count++], segment_catalogue(segment, instance));
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

void catalogue_view_close(struct catalogue_view *view)
{
    for (unsigned i = 0; i < view->table_count; i++) {
        free(view->tables[i].first);
        free(view->tables[i].last);
        free(view->tables[i].next);
        free(view->tables[i].found);
    }
    free(view->places);
    free(view->concerts_text);
    *view = (struct catalogue_view){.table_count = 0};
}

static int place_compare(const void *left, const void *right)
{
    const struct catalogue_place *a = left, *b = right;
    if (a->concert != b->concert)
        return a->concert < b->concert ? -1 : 1;
    return a->table < b->table ? -1 : a->table > b->table;
}

static uint32_t count_read(const _Atomic uint32_t *count, uint32_t max)
{
    uint32_t value = atomic_load_explicit(count, memory_order_acquire);
    return value < max ? value : max; /* another process wrote it */
}

static bool places_reserve(struct catalogue_view *view, uint32_t more)
{
    if (view->place_count + more <= view->place_capacity)
        return true;
    uint32_t capacity = view->place_count + more + view->place_capacity;
    struct catalogue_place *places = realloc(view->places, capacity * sizeof *places);
    if (places == NULL)
        return false;
    view->places = places;
    view->place_capacity = capacity;
    return true;
}

static enum status concerts_refresh(struct catalogue_view *view, uint32_t number)
{
    struct catalogue_table *table = &view->tables[number];
    uint32_t count = count_read(&table->catalogue->concert_count, CATALOGUE_CONCERTS_MAX);
    if (count <= table->concert_count)
        return STATUS_OK;
    if (!places_reserve(view, count - table->concert_count))
        return STATUS_NO_MEMORY;
    for (; table->concert_count < count; table->concert_count++)
        view->places[view->place_count++] = (struct catalogue_place){
            .concert = table->catalogue->concerts[table->concert_count].concert,
            .table = number,
            .at = table->concert_count,
        };
    qsort(view->places, view->place_count, sizeof *view->places, place_compare);
    view->version++;
    return STATUS_OK;
}

/* Where the schedule is, or would be. Ids of one worker differ in their upper bits first. */
static uint32_t *found_slot(const struct catalogue_table *table, uint64_t schedule)
{
    uint32_t slot = (uint32_t)(schedule * UINT64_C(0x9e3779b97f4a7c15) >> 47);
    for (;; slot++) {
        uint32_t *at = &table->found[slot % CATALOGUE_FOUND_SIZE];
        if (*at == 0 || table->catalogue->schedules[*at - 1].schedule == schedule)
            return at;
    }
}

static void schedules_refresh(struct catalogue_table *table)
{
    uint32_t count = count_read(&table->catalogue->schedule_count, CATALOGUE_SCHEDULES_MAX);
    while (table->schedule_count < count) {
        uint32_t concert = table->catalogue->schedules[table->schedule_count].concert_at;
        uint32_t schedule = ++table->schedule_count; /* 1-based */
        *found_slot(table, table->catalogue->schedules[schedule - 1].schedule) = schedule;
        if (concert >= CATALOGUE_CONCERTS_MAX)
            continue;
        if (table->last[concert] == 0)
            table->first[concert] = schedule;
        else
            table->next[table->last[concert] - 1] = schedule;
        table->last[concert] = schedule;
    }
}

enum status catalogue_view_refresh(struct catalogue_view *view)
{
    for (uint32_t number = 0; number < view->table_count; number++) {
        schedules_refresh(&view->tables[number]);
        enum status status = concerts_refresh(view, number);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

bool catalogue_view_find(const struct catalogue_view *view, uint64_t concert, uint32_t *at)
{
    uint32_t low = 0, high = view->place_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (view->places[middle].concert < concert)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return low < view->place_count && view->places[low].concert == concert;
}

bool catalogue_view_schedule(struct catalogue_view *view, uint64_t schedule,
                             const struct catalogue **catalogue, uint32_t *at)
{
    struct catalogue_table *table = &view->tables[schedule % PARTITION_COUNT % view->table_count];
    uint32_t found = *found_slot(table, schedule);
    if (found == 0) {
        schedules_refresh(table);
        found = *found_slot(table, schedule);
    }
    *catalogue = table->catalogue;
    *at = found - 1;
    return found != 0;
}

const struct catalogue_concert *catalogue_view_concert(const struct catalogue_view *view,
                                                       const struct catalogue_place *place)
{
    return &view->tables[place->table].catalogue->concerts[place->at];
}
