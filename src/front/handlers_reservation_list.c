#include "application.h"
#include "handlers.h"
#include "input.h"
#include "reservation_json.h"
#include <stdlib.h>

/* A user's own reservations, newest first: by the time of the hold, then by id. Every seat worker
 * has a part of them in this order; they are asked one after the other and their pages merged. With
 * a schedule only its worker is asked. */

enum { RESERVATIONS_INITIAL = 50 };

/* A reservation found so far, and where its seats are. */
struct found_line {
    struct reservation_line line;
    size_t seats_at; /* in list_query.seats */
};

/* A list in the making, private heap of one exchange (values[0]). */
struct list_query {
    struct reservations_get get;
    unsigned worker, workers_left;
    /* the least position down to which every worker asked so far has told all */
    struct cursor_pair floor;
    struct found_line *lines;
    size_t line_count;
    uint64_t *seats;
    size_t seat_count;
};

static struct list_query *query_of(const struct exchange *exchange)
{
    return (struct list_query *)(uintptr_t)exchange->values[0];
}

static void query_destroy(struct list_query *query)
{
    free(query->lines);
    free(query->seats);
    free(query);
}

static void list_abandon(struct exchange *exchange)
{
    dispatch_abandon(exchange);
    query_destroy(query_of(exchange));
}

/* Newest first. */
static int position_order(struct cursor_pair a, struct cursor_pair b)
{
    if (a.major != b.major)
        return a.major > b.major ? -1 : 1;
    return (a.minor < b.minor) - (a.minor > b.minor);
}

static struct cursor_pair position_of(const struct reservation_line *line)
{
    return (struct cursor_pair){line->held_at_ms, line->reservation};
}

static int line_order(const void *left, const void *right)
{
    const struct found_line *a = left, *b = right;
    return position_order(position_of(&a->line), position_of(&b->line));
}

/* Takes a worker's page in. False when memory is short, or the page is not sound. */
static bool page_add(struct list_query *query, const struct reservations *page)
{
    size_t lines = query->line_count + page->items.count;
    size_t seats = query->seat_count + page->seats.count;
    struct found_line *grown = reallocarray(query->lines, lines + 1, sizeof *grown);
    if (grown == NULL)
        return false;
    query->lines = grown;
    uint64_t *grown_seats = reallocarray(query->seats, seats + 1, sizeof *grown_seats);
    if (grown_seats == NULL)
        return false;
    query->seats = grown_seats;
    size_t at = query->seat_count;
    for (uint32_t i = 0; i < page->items.count; i++) {
        const struct reservation_line *line = &page->items.items[i];
        if (line->seat_count > seats - at)
            return false;
        query->lines[query->line_count++] = (struct found_line){*line, at};
        at += line->seat_count;
    }
    for (uint32_t i = 0; i < page->seats.count; i++)
        query->seats[query->seat_count++] = page->seats.items[i];
    struct cursor_pair next = {page->next_ms, page->next};
    if (next.minor != 0 && (query->floor.minor == 0 || position_order(next, query->floor) < 0))
        query->floor = next;
    return true;
}

/* How many lines the answer has: no more than asked for, and none below the floor, where a worker
 * may have others. */
static size_t lines_shown(const struct list_query *query)
{
    size_t count = 0;
    while (count < query->line_count && count < query->get.limit &&
           (query->floor.minor == 0 ||
            position_order(position_of(&query->lines[count].line), query->floor) <= 0))
        count++;
    return count;
}

static void list_render(struct json_out *json, const void *context)
{
    const struct list_query *query = context;
    size_t shown = lines_shown(query);
    json_object_open(json);
    json_key(json, "reservations");
    json_array_open(json);
    for (size_t i = 0; i < shown; i++)
        reservation_render(json, &query->lines[i].line, query->seats + query->lines[i].seats_at);
    json_array_close(json);
    json_key(json, "nextCursor");
    if (shown == query->line_count && query->floor.minor == 0) {
        json_out_null(json);
    } else {
        /* With a filter a worker may have looked far without finding. */
        struct cursor_pair next = query->floor;
        if (shown == query->get.limit || next.minor == 0)
            next = position_of(&query->lines[shown - 1].line);
        char cursor[CURSOR_PAIR_TEXT_SIZE];
        cursor_pair_write(CURSOR_RESERVATIONS, next, cursor);
        json_text(json, cursor, CURSOR_PAIR_TEXT_SIZE - 1);
    }
    json_object_close(json);
}

static void list_found(struct exchange *exchange, const struct dispatch_reply *reply);

static void list_ask(struct application *application, struct exchange *exchange,
                     struct list_query *query)
{
    union request request;
    request.reservations_get = query->get;
    request.reservations_get.directory = DIRECTORY_BASE + query->worker;
    query->worker++;
    query->workers_left--;
    exchange->values[0] = (uintptr_t)query;
    exchange->on_abandon = list_abandon;
    dispatch_ask(&application->dispatch, exchange, REQUEST_RESERVATIONS_GET, &request, list_found);
}

static void list_found(struct exchange *exchange, const struct dispatch_reply *reply)
{
    struct list_query *query = query_of(exchange);
    if (!answer_expect(exchange, reply, REPLY_RESERVATIONS, "cursor")) {
        query_destroy(query);
        return;
    }
    bool fits = page_add(query, &reply->value->reservations);
    if (fits && query->workers_left > 0) {
        list_ask(exchange_application(exchange), exchange, query);
        return;
    }
    if (!fits) {
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
    } else {
        qsort(query->lines, query->line_count, sizeof *query->lines, line_order);
        answer_rendered(exchange, 200, list_render, query);
    }
    query_destroy(query);
}

void handle_reservations_list(struct application *application, struct exchange *exchange,
                              const struct call *call)
{
    struct reservations_get get = {.user = call->ticket.user};
    struct cursor_pair before;
    if (!input_query_id(exchange, call, "scheduleId", &get.schedule) ||
        !input_limit(exchange, call, RESERVATIONS_INITIAL, LIST_MAX, &get.limit) ||
        !input_cursor_pair(exchange, call, CURSOR_RESERVATIONS, &before))
        return;
    get.before_ms = before.major;
    get.before = before.minor;
    struct list_query *query = calloc(1, sizeof *query);
    if (query == NULL) {
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
        return;
    }
    unsigned workers = application->catalogue.table_count;
    query->get = get;
    query->workers_left = get.schedule != 0 ? 1 : workers;
    query->worker = get.schedule != 0 ? (unsigned)(get.schedule % PARTITION_COUNT % workers) : 0;
    list_ask(application, exchange, query);
}
