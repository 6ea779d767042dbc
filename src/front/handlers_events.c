#include "application.h"
#include "handlers.h"
#include "text.h"

/* GET /api/v1/admin/events: a page of events, or all of them from now on as a stream. */

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

/* Whether an Accept field names a media type; parameters are of no interest. */
static bool accepts(struct text accept, const char *type)
{
    struct text range, name;
    while (text_next(&accept, ',', &range)) {
        struct text rest = range;
        if (text_next(&rest, ';', &name) && text_is_ignoring_case(text_trim(name), type))
            return true;
    }
    return false;
}

static void page_render(struct json_out *json, const void *context)
{
    const struct event_page *page = context;
    json_object_open(json);
    json_key(json, "events");
    json_array_open(json);
    if (page->text.length > 0)
        json_raw(json, page->text.data, page->text.length);
    json_array_close(json);
    json_key(json, "next");
    json_text(json, page->next.data, page->next.length);
    json_key(json, "more");
    json_bool(json, page->more != 0);
    json_key(json, "truncated");
    json_bool(json, page->truncated != 0);
    json_object_close(json);
}

static void events_replied(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (answer_expect(exchange, reply, REPLY_EVENT_PAGE, "after"))
        answer_rendered(exchange, 200, page_render, &reply->value->event_page);
}

void handle_events_list(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    struct text value, after = text_of("");
    union request request;
    request.events_get = (struct events_get){.format = EVENTS_JSON, .limit = LIMIT_DEFAULT};
    if (query_find(call->request->query, "limit", &value) &&
        (!text_number(value, LIMIT_MAX, &request.events_get.limit) ||
         request.events_get.limit == 0)) {
        answer_invalid_field(exchange, "limit", "limit is a number from 1 to 1000.");
        return;
    }
    /* A browser that connects again repeats the address, with the last id beside it. */
    if (call->request->last_event_id.size > 0)
        after = call->request->last_event_id;
    else if (query_find(call->request->query, "after", &value))
        after = value;
    if (after.size > EVENT_CURSOR_MAX) {
        answer_invalid_field(exchange, "after", "after is the cursor of an event, or latest.");
        return;
    }
    if (accepts(call->request->accept, "text/event-stream")) {
        if (!followers_add(&application->followers, exchange, after, call->now_ms))
            answer_problem(exchange, PROBLEM_OVERLOADED,
                           "As many follow the events as can at a time.");
        return;
    }
    text_set(&request.events_get.after, after.data, after.size);
    dispatch_ask(&application->dispatch, exchange, REQUEST_EVENTS_GET, &request, events_replied);
}
