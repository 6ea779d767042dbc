#include "application.h"
#include "etag.h"
#include "handlers.h"
#include "input.h"
#include "seat_walk.h"
#include "text.h"
#include <string.h>

/* Seat maps, from the seat workers' read snapshots; where one can't be read the worker is asked. */

enum { SEATS_INITIAL = 1000 };

/* What the answer's bytes follow from. */
struct seat_etag_source {
    uint64_t segment, version, schedule, first, limit, status;
};

static struct etag seats_etag(const struct application *application, const struct seat_query *query,
                              uint64_t version)
{
    const struct seat_etag_source source = {
        .segment = application->segment->header->segment_id, /* versions begin anew with it */
        .version = version,
        .schedule = query->schedule,
        .first = query->first,
        .limit = query->limit,
        .status = query->status,
    };
    return etag_of(&source, sizeof source);
}

static void seats_answer(struct application *application, struct exchange *exchange,
                         const struct call *call, const struct seat_query *query)
{
    const struct catalogue *catalogue;
    uint32_t at;
    uint64_t version = 0;
    struct text body;
    enum seat_page_result result = SEAT_PAGE_UNREADABLE;
    if (catalogue_view_schedule(&application->catalogue, query->schedule, &catalogue, &at)) {
        if (call->request->if_none_match.data != NULL && !query->bare) {
            version = seat_maps_version(&catalogue->maps, at);
            struct etag etag = seats_etag(application, query, version);
            if (etag_answers(exchange, call->request->if_none_match, &etag))
                return;
        }
        result = seat_page_render(&application->scratch, catalogue, at, query, &body, &version);
    }
    switch (result) {
    case SEAT_PAGE_OK: {
        struct etag etag = {""};
        if (!query->bare)
            etag = seats_etag(application, query, version);
        answer_bytes(exchange, 200, "application/json", query->bare ? NULL : etag.line, body);
        break;
    }
    case SEAT_PAGE_UNREADABLE:
        seat_walk_begin(application, exchange, query);
        break;
    case SEAT_PAGE_NO_SEAT:
        if (query->bare)
            answer_problem(exchange, PROBLEM_NOT_FOUND, NULL);
        else
            answer_invalid_field(exchange, "cursor", "The cursor is not one of this list.");
        break;
    case SEAT_PAGE_NO_MEMORY:
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
        break;
    }
}

static bool input_status(struct exchange *exchange, const struct call *call, unsigned *status)
{
    struct text value;
    *status = SEAT_STATE_ANY;
    if (!query_find(call->request->query, "status", &value))
        return true;
    for (*status = 0; *status < SEAT_STATES; ++*status)
        if (text_is(value, seat_state_names[*status]))
            return true;
    answer_invalid_field(exchange, "status", "AVAILABLE, TEMP_RESERVED or RESERVED.");
    return false;
}

void handle_seats_list(struct application *application, struct exchange *exchange,
                       const struct call *call)
{
    struct seat_query query = {.schedule = call->id};
    uint64_t limit, cursor;
    if (!input_limit(exchange, call, SEATS_INITIAL, SEAT_LIST_MAX, &limit) ||
        !input_cursor(exchange, call, CURSOR_SEATS, &cursor) ||
        !input_status(exchange, call, &query.status))
        return;
    if (cursor != 0 && seat_id_schedule(cursor) != query.schedule) {
        answer_invalid_field(exchange, "cursor", "The cursor is not one of this list.");
        return;
    }
    query.first = cursor == 0 ? 1 : seat_id_index(cursor);
    query.limit = (uint32_t)limit;
    seats_answer(application, exchange, call, &query);
}

/* The load-test scripts name a seat as ?=ID or ?seatId=ID, a schedule as ?scheduleId=ID. */
void handle_seats_find(struct application *application, struct exchange *exchange,
                       const struct call *call)
{
    struct seat_query query = {.status = SEAT_STATE_ANY, .bare = true};
    struct text value, given = call->request->query;
    uint64_t seat;
    bool has_seat = query_find(given, "", &value) || query_find(given, "seatId", &value);
    if (has_seat && text_number(value, ID_MAX, &seat) && seat > 0) {
        query.schedule = seat_id_schedule(seat);
        query.first = seat_id_index(seat);
        query.limit = 1;
    } else if (!has_seat && query_find(given, "scheduleId", &value) &&
               text_number(value, ID_MAX, &query.schedule) && query.schedule > 0) {
        query.first = 1;
        query.limit = SEAT_LIST_MAX;
    } else {
        answer_invalid_field(exchange, has_seat ? "seatId" : "scheduleId",
                             "Name a seat or a schedule by its id.");
        return;
    }
    seats_answer(application, exchange, call, &query);
}
