#include "seat_walk.h"
#include "application.h"
#include "cursor.h"
#include "etag.h"
#include <stdlib.h>

/* A seat map whose snapshot can't be read: the seat worker is asked, in pages that are put together
 * until the limit or the end. */

enum { PAGES_MAX = 10 /* asked for in one request; a filter that finds little stops there */ };

/* A page in the making, private heap of one exchange (values[0]). */
struct seat_walk {
    struct seat_query query;
    uint64_t next; /* id of the next seat to ask for; 0: there is none */
    uint32_t left, pages_left;
    char *data;
    struct json_out json;
};

static struct seat_walk *walk_of(const struct exchange *exchange)
{
    return (struct seat_walk *)(uintptr_t)exchange->values[0];
}

static void walk_destroy(struct seat_walk *walk)
{
    free(walk->data);
    free(walk);
}

static void seats_abandon(struct exchange *exchange)
{
    dispatch_abandon(exchange);
    walk_destroy(walk_of(exchange));
}

static bool walk_grow(struct seat_walk *walk)
{
    size_t size = walk->json.size == 0 ? SCRATCH_FIRST / 8 : walk->json.size * 2;
    char *data = size <= SCRATCH_MAX ? realloc(walk->data, size) : NULL;
    if (data == NULL)
        return false;
    walk->data = walk->json.data = data;
    walk->json.size = size;
    return true;
}

static struct seat_walk *walk_create(void)
{
    struct seat_walk *walk = calloc(1, sizeof *walk);
    if (walk == NULL || !walk_grow(walk)) {
        free(walk);
        return NULL;
    }
    return walk;
}

static void walk_open(struct seat_walk *walk)
{
    answer_open(&walk->json, walk->data, walk->json.size);
    if (!walk->query.bare) {
        json_object_open(&walk->json);
        json_key(&walk->json, "seats");
    }
    json_array_open(&walk->json);
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
                     seat->state < SEAT_STATES ? seat_state_names[seat->state] : "RESERVED");
    json_object_close(json);
}

/* False when memory is short. */
static bool seat_append(struct seat_walk *walk, const struct seats *seats, const struct seat *seat)
{
    for (;;) {
        struct json_out before = walk->json;
        seat_render(&walk->json, seats, seat);
        if (!walk->json.failed)
            return true;
        walk->json = before;
        if (!walk_grow(walk))
            return false;
    }
}

static bool page_append(struct seat_walk *walk, const struct seats *seats)
{
    walk->next = seats->next;
    for (uint32_t i = 0; i < seats->items.count; i++) {
        const struct seat *seat = &seats->items.items[i];
        if (walk->query.status != SEAT_STATE_ANY && seat->state != walk->query.status)
            continue;
        if (walk->left == 0) {
            walk->next = seat->seat;
            break;
        }
        if (!seat_append(walk, seats, seat))
            return false;
        walk->left--;
    }
    return true;
}

static bool walk_close(struct seat_walk *walk)
{
    enum { TAIL_SIZE = 64 };
    char cursor[CURSOR_TEXT_SIZE];
    while (walk->json.size - walk->json.used < TAIL_SIZE)
        if (!walk_grow(walk))
            return false;
    json_array_close(&walk->json);
    if (walk->query.bare)
        return true;
    json_key(&walk->json, "nextCursor");
    if (walk->next == 0) {
        json_out_null(&walk->json);
    } else {
        cursor_write(CURSOR_SEATS, walk->next, cursor);
        json_text(&walk->json, cursor, CURSOR_TEXT_SIZE - 1);
    }
    json_object_close(&walk->json);
    return true;
}

static void seats_found(struct exchange *exchange, const struct dispatch_reply *reply);

static void seats_ask(struct application *application, struct exchange *exchange,
                      struct seat_walk *walk)
{
    union request request;
    bool filtered = walk->query.status != SEAT_STATE_ANY;
    walk->pages_left--;
    request.seats_get = (struct seats_get){
        .schedule = walk->query.schedule,
        .first = walk->next,
        .limit = filtered || walk->left > LIST_MAX ? LIST_MAX : walk->left,
    };
    exchange->values[0] = (uintptr_t)walk;
    exchange->on_abandon = seats_abandon;
    dispatch_ask(&application->dispatch, exchange, REQUEST_SEATS_GET, &request, seats_found);
}

/* As seat_page_render's answers have one; this one is over the bytes. */
static void walk_answer(struct exchange *exchange, struct seat_walk *walk)
{
    json_object_close(&walk->json);
    struct text body = {.data = walk->json.data, .size = walk->json.used};
    struct etag etag = etag_of(body.data, body.size);
    if (walk->json.failed)
        answer_problem(exchange, PROBLEM_INTERNAL, NULL);
    else
        answer_bytes(exchange, 200, "application/json", walk->query.bare ? NULL : etag.line, body);
}

static void seats_found(struct exchange *exchange, const struct dispatch_reply *reply)
{
    struct seat_walk *walk = walk_of(exchange);
    if (walk->query.bare && reply->outcome == OUTCOME_INVALID_FIELD) {
        answer_problem(exchange, PROBLEM_NOT_FOUND, NULL); /* no such seat */
        walk_destroy(walk);
        return;
    }
    if (!answer_expect(exchange, reply, REPLY_SEATS, "cursor")) {
        walk_destroy(walk);
        return;
    }
    bool fits = page_append(walk, &reply->value->seats);
    if (fits && walk->left > 0 && walk->next != 0 && walk->pages_left > 0) {
        seats_ask(exchange_application(exchange), exchange, walk);
        return;
    }
    if (!fits || !walk_close(walk))
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
    else
        walk_answer(exchange, walk);
    walk_destroy(walk);
}

void seat_walk_begin(struct application *application, struct exchange *exchange,
                     const struct seat_query *query)
{
    struct seat_walk *walk = walk_create();
    if (walk == NULL) {
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
        return;
    }
    walk->query = *query;
    walk->next = seat_id(query->schedule, query->first);
    walk->left = query->limit;
    walk->pages_left = PAGES_MAX;
    walk_open(walk);
    seats_ask(application, exchange, walk);
}
