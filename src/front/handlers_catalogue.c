#include "application.h"
#include "etag.h"
#include "handlers.h"
#include <stdlib.h>
#include <string.h>

/* What is on sale, from the seat workers' read snapshots, without a hop. */

enum { SCHEDULES_OPEN_MAX = 100 };

static void answer_tagged(struct exchange *exchange, const struct call *call, struct text body,
                          const struct etag *etag)
{
    if (!etag_answers(exchange, call->request->if_none_match, etag))
        answer_bytes(exchange, 200, "application/json", etag->line, body);
}

static struct text title_of(const struct catalogue_concert *concert)
{
    size_t size = concert->title_length;
    return (struct text){.data = concert->title,
                         .size = size < TEXT_TITLE_MAX ? size : TEXT_TITLE_MAX};
}

static void concerts_render(struct json_out *json, const void *context)
{
    const struct catalogue_view *view = context;
    json_array_open(json);
    for (uint32_t i = 0; i < view->place_count; i++) {
        if (i > 0 && view->places[i].concert == view->places[i - 1].concert)
            continue; /* another table's line of the same concert */
        struct text title = title_of(catalogue_view_concert(view, &view->places[i]));
        json_object_open(json);
        json_member_u64(json, "concertId", view->places[i].concert);
        json_key(json, "title");
        json_text(json, title.data, title.size);
        json_object_close(json);
    }
    json_array_close(json);
}

/* The list changes only when concerts appear, so it is rendered once for each version. False when
 * memory is short. */
static bool concerts_render_anew(struct application *application)
{
    struct catalogue_view *view = &application->catalogue;
    if (view->concerts_version == view->version)
        return true;
    struct text fresh = scratch_render(&application->scratch, concerts_render, view);
    char *copy = fresh.data != NULL ? realloc(view->concerts_text, fresh.size) : NULL;
    if (copy == NULL)
        return false;
    memcpy(copy, fresh.data, fresh.size);
    view->concerts_text = copy;
    view->concerts_size = fresh.size;
    view->concerts_etag = etag_of(copy, fresh.size);
    view->concerts_version = view->version;
    return true;
}

void handle_concerts_list(struct application *application, struct exchange *exchange,
                          const struct call *call)
{
    const struct catalogue_view *view = &application->catalogue;
    if (catalogue_view_refresh(&application->catalogue) != STATUS_OK ||
        !concerts_render_anew(application))
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
    else
        answer_tagged(exchange, call,
                      (struct text){.data = view->concerts_text, .size = view->concerts_size},
                      &view->concerts_etag);
}

/* Texts in shared memory are another process's: never trusted to end. */
static void member_bounded(struct json_out *json, const char *name, const char *text, size_t max)
{
    json_key(json, name);
    json_text(json, text, strnlen(text, max));
}

static void schedule_members(struct json_out *json, const struct catalogue_schedule *schedule,
                             const struct catalogue_concert *concert, uint32_t available)
{
    struct text title = title_of(concert);
    json_member_u64(json, "scheduleId", schedule->schedule);
    json_member_u64(json, "concertId", schedule->concert);
    json_key(json, "concertTitle");
    json_text(json, title.data, title.size);
    member_bounded(json, "openDate", schedule->open_date, sizeof schedule->open_date);
    member_bounded(json, "startTime", schedule->start_time, sizeof schedule->start_time);
    member_bounded(json, "endTime", schedule->end_time, sizeof schedule->end_time);
    json_member_u64(json, "seatCount", schedule->seat_count);
    json_member_u64(json, "availableSeats", available);
    json_member_text(json, "seatStatus", available > 0 ? "AVAILABLE" : "SOLD_OUT");
}

static uint64_t free_read(const struct catalogue_schedule *schedule)
{
    return atomic_load_explicit(&schedule->free, memory_order_acquire);
}

struct concert_query {
    const struct catalogue_view *view;
    uint64_t concert;
    uint32_t place;
};

static void table_schedules_render(struct json_out *json, const struct catalogue_table *table,
                                   uint32_t concert_at)
{
    const struct catalogue *catalogue = table->catalogue;
    for (uint32_t at = table->first[concert_at]; at != 0; at = table->next[at - 1]) {
        const struct catalogue_schedule *schedule = &catalogue->schedules[at - 1];
        json_object_open(json);
        schedule_members(json, schedule, &catalogue->concerts[concert_at],
                         (uint32_t)(free_read(schedule) >> 32));
        json_object_close(json);
    }
}

static void schedules_render(struct json_out *json, const void *context)
{
    const struct concert_query *query = context;
    const struct catalogue_view *view = query->view;
    json_array_open(json);
    for (uint32_t i = query->place;
         i < view->place_count && view->places[i].concert == query->concert; i++)
        table_schedules_render(json, &view->tables[view->places[i].table], view->places[i].at);
    json_array_close(json);
}

void handle_schedules_list(struct application *application, struct exchange *exchange,
                           const struct call *call)
{
    struct concert_query query = {.view = &application->catalogue, .concert = call->id};
    if (catalogue_view_refresh(&application->catalogue) != STATUS_OK) {
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
        return;
    }
    if (!catalogue_view_find(query.view, query.concert, &query.place)) {
        answer_problem(exchange, PROBLEM_NOT_FOUND, NULL);
        return;
    }
    struct text body = scratch_render(&application->scratch, schedules_render, &query);
    if (body.data == NULL) {
        answer_problem(exchange, PROBLEM_INTERNAL, NULL);
        return;
    }
    struct etag etag = etag_of(body.data, body.size);
    answer_tagged(exchange, call, body, &etag);
}

static void open_schedule_render(struct json_out *json, const struct catalogue *catalogue,
                                 const struct catalogue_schedule *schedule, uint64_t unsold)
{
    if (schedule->concert_at >= CATALOGUE_CONCERTS_MAX)
        return;
    json_object_open(json);
    schedule_members(json, schedule, &catalogue->concerts[schedule->concert_at],
                     (uint32_t)(unsold >> 32));
    if ((uint32_t)unsold != 0)
        json_member_u64(json, "seatId", seat_id(schedule->schedule, (uint32_t)unsold));
    else {
        json_key(json, "seatId");
        json_out_null(json);
    }
    json_object_close(json);
}

/* Renders up to `left` schedules that are sold out, or that are not, and returns how many are left.
 */
static unsigned open_schedules_render(struct json_out *json, const struct catalogue_view *view,
                                      bool open, unsigned left)
{
    for (unsigned number = 0; number < view->table_count; number++) {
        const struct catalogue *catalogue = view->tables[number].catalogue;
        uint32_t count = view->tables[number].schedule_count;
        for (uint32_t at = catalogue_next(catalogue, 0, count, open); at < count && left > 0;
             at = catalogue_next(catalogue, at + 1, count, open)) {
            const struct catalogue_schedule *schedule = &catalogue->schedules[at];
            uint64_t unsold = free_read(schedule);
            if ((unsold >> 32 != 0) != open)
                continue; /* it changes just now */
            open_schedule_render(json, catalogue, schedule, unsold);
            left--;
        }
    }
    return left;
}

static void schedules_open_render(struct json_out *json, const void *context)
{
    json_array_open(json);
    unsigned left = open_schedules_render(json, context, true, SCHEDULES_OPEN_MAX);
    open_schedules_render(json, context, false, left);
    json_array_close(json);
}

void handle_schedules_open(struct application *application, struct exchange *exchange,
                           const struct call *call)
{
    (void)call;
    if (catalogue_view_refresh(&application->catalogue) != STATUS_OK)
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
    else
        answer_rendered(exchange, 200, schedules_open_render, &application->catalogue);
}
