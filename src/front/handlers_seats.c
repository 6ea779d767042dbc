#include "application.h"
#include "handlers.h"
#include "input.h"
#include "text.h"
#include <stdlib.h>

/* Seat maps: pages that the seat worker answers with, put together until the limit or the end. */

enum {
    SEATS_INITIAL = 1000,
    PAGES_MAX = 10, /* asked for in one request; a filter that finds little stops there */
    STATUS_ANY = -1,
};

/* A seat map in the making, private heap of one exchange (values[0]). */
struct seat_query {
    uint64_t schedule, first; /* the next seat to ask for */
    uint32_t left, pages_left;
    int status;    /* enum seat_state, or STATUS_ANY */
    uint64_t only; /* just this seat; 0: all of the schedule */
    bool bare;     /* an array, without a cursor */
    uint32_t found;
    char *data;
    struct json_out json;
};

static const char *const state_names[] = {
    [SEAT_AVAILABLE] = "AVAILABLE",
    [SEAT_TEMP_RESERVED] = "TEMP_RESERVED",
    [SEAT_RESERVED] = "RESERVED",
};
enum { STATE_COUNT = sizeof state_names / sizeof state_names[0] };

static struct seat_query *query_of(const struct exchange *exchange)
{
    return (struct seat_query *)(uintptr_t)exchange->values[0];
}

static void query_destroy(struct seat_query *query)
{
    free(query->data);
    free(query);
}

static void seats_abandon(struct exchange *exchange)
{
    dispatch_abandon(exchange);
    query_destroy(query_of(exchange));
}

static bool query_grow(struct seat_query *query)
{
    size_t size = query->json.size == 0 ? SCRATCH_FIRST / 8 : query->json.size * 2;
    char *data = size <= SCRATCH_MAX ? realloc(query->data, size) : NULL;
    if (data == NULL)
        return false;
    query->data = query->json.data = data;
    query->json.size = size;
    return true;
}

static struct seat_query *query_create(void)
{
    struct seat_query *query = calloc(1, sizeof *query);
    if (query == NULL || !query_grow(query)) {
        free(query);
        return NULL;
    }
    return query;
}

static void query_open(struct seat_query *query)
{
    answer_open(&query->json, query->data, query->json.size);
    if (!query->bare) {
        json_object_open(&query->json);
        json_key(&query->json, "seats");
    }
    json_array_open(&query->json);
}

static void seat_render(struct json_out *json, const struct seats *seats, const struct seat *seat)
{
    const struct section_name *section =
        seat->section < seats->sections.count ? &seats->sections.items[seat->section] : NULL;
    json_object_open(json);
    json_member_u64(json, "seatId", seat->seat);
    json_member_u64(json, "position", seat_id_index(seat->seat));
    json_key(json, "section");
    json_text(json, section != NULL ? section->name.data : "",
              section != NULL ? section->name.length : 0);
    json_member_u64(json, "amount", seat->amount);
    json_member_text(json, "seatStatus",
                     seat->state < STATE_COUNT ? state_names[seat->state] : "RESERVED");
    json_object_close(json);
}

/* False when memory is short. */
static bool seat_append(struct seat_query *query, const struct seats *seats,
                        const struct seat *seat)
{
    for (;;) {
        struct json_out before = query->json;
        seat_render(&query->json, seats, seat);
        if (!query->json.failed)
            return true;
        query->json = before;
        if (!query_grow(query))
            return false;
    }
}

static bool page_append(struct seat_query *query, const struct seats *seats)
{
    query->first = seats->next;
    for (uint32_t i = 0; i < seats->items.count; i++) {
        const struct seat *seat = &seats->items.items[i];
        if ((query->status != STATUS_ANY && seat->state != (uint64_t)query->status) ||
            (query->only != 0 && seat->seat != query->only))
            continue;
        if (query->left == 0) {
            query->first = seat->seat;
            break;
        }
        if (!seat_append(query, seats, seat))
            return false;
        query->left--;
        query->found++;
    }
    return true;
}

static bool query_close(struct seat_query *query)
{
    enum { TAIL_SIZE = 64 };
    char cursor[CURSOR_TEXT_SIZE];
    while (query->json.size - query->json.used < TAIL_SIZE)
        if (!query_grow(query))
            return false;
    json_array_close(&query->json);
    if (query->bare)
        return true;
    json_key(&query->json, "nextCursor");
    if (query->first == 0) {
        json_out_null(&query->json);
    } else {
        cursor_write(CURSOR_SEATS, query->first, cursor);
        json_text(&query->json, cursor, CURSOR_TEXT_SIZE - 1);
    }
    json_object_close(&query->json);
    return true;
}

static void seats_found(struct exchange *exchange, const struct dispatch_reply *reply);

static void seats_ask(struct application *application, struct exchange *exchange,
                      struct seat_query *query)
{
    union request request;
    bool filtered = query->status != STATUS_ANY;
    query->pages_left--;
    request.seats_get = (struct seats_get){
        .schedule = query->schedule,
        .first = query->first,
        .limit = filtered || query->left > LIST_MAX ? LIST_MAX : query->left,
    };
    exchange->values[0] = (uintptr_t)query;
    exchange->on_abandon = seats_abandon;
    dispatch_ask(&application->dispatch, exchange, REQUEST_SEATS_GET, &request, seats_found);
}

static void seats_found(struct exchange *exchange, const struct dispatch_reply *reply)
{
    struct seat_query *query = query_of(exchange);
    if (!answer_expect(exchange, reply, REPLY_SEATS, "cursor")) {
        query_destroy(query);
        return;
    }
    bool fits = page_append(query, &reply->value->seats);
    if (fits && query->left > 0 && query->first != 0 && query->pages_left > 0) {
        seats_ask(exchange_application(exchange), exchange, query);
        return;
    }
    if (!fits || !query_close(query))
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
    else if (query->only != 0 && query->found == 0)
        answer_problem(exchange, PROBLEM_NOT_FOUND, NULL);
    else
        answer_close(exchange, 200, &query->json);
    query_destroy(query);
}

static void seats_begin(struct application *application, struct exchange *exchange,
                        const struct seat_query *wanted)
{
    struct seat_query *query = query_create();
    if (query == NULL) {
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
        return;
    }
    char *data = query->data;
    size_t size = query->json.size;
    *query = *wanted;
    query->data = data;
    query->json.size = size;
    query->pages_left = PAGES_MAX;
    query_open(query);
    seats_ask(application, exchange, query);
}

static bool input_status(struct exchange *exchange, const struct call *call, int *status)
{
    struct text value;
    *status = STATUS_ANY;
    if (!query_find(call->request->query, "status", &value))
        return true;
    for (int state = 0; state < (int)STATE_COUNT; state++) {
        if (text_is(value, state_names[state])) {
            *status = state;
            return true;
        }
    }
    answer_invalid_field(exchange, "status", "AVAILABLE, TEMP_RESERVED or RESERVED.");
    return false;
}

void handle_seats_list(struct application *application, struct exchange *exchange,
                       const struct call *call)
{
    struct seat_query wanted = {.schedule = call->id};
    uint64_t limit;
    if (!input_limit(exchange, call, SEATS_INITIAL, SEAT_LIST_MAX, &limit) ||
        !input_cursor(exchange, call, CURSOR_SEATS, &wanted.first) ||
        !input_status(exchange, call, &wanted.status))
        return;
    if (wanted.first != 0 && seat_id_schedule(wanted.first) != wanted.schedule) {
        answer_invalid_field(exchange, "cursor", "The cursor is not one of this list.");
        return;
    }
    if (wanted.first == 0)
        wanted.first = seat_id(wanted.schedule, 1);
    wanted.left = (uint32_t)limit;
    seats_begin(application, exchange, &wanted);
}

/* The load-test scripts name a seat as ?=ID or ?seatId=ID, a schedule as ?scheduleId=ID. */
void handle_seats_find(struct application *application, struct exchange *exchange,
                       const struct call *call)
{
    struct seat_query wanted = {.status = STATUS_ANY, .bare = true};
    struct text value, query = call->request->query;
    bool has_seat = query_find(query, "", &value) || query_find(query, "seatId", &value);
    if (has_seat && text_number(value, ID_MAX, &wanted.only) && wanted.only > 0) {
        wanted.schedule = seat_id_schedule(wanted.only);
        wanted.first = wanted.only;
        wanted.left = 1;
    } else if (!has_seat && query_find(query, "scheduleId", &value) &&
               text_number(value, ID_MAX, &wanted.schedule) && wanted.schedule > 0) {
        wanted.first = seat_id(wanted.schedule, 1);
        wanted.left = SEAT_LIST_MAX;
    } else {
        answer_invalid_field(exchange, has_seat ? "seatId" : "scheduleId",
                             "Name a seat or a schedule by its id.");
        return;
    }
    seats_begin(application, exchange, &wanted);
}
