#include "followers.h"
#include "application.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

void followers_init(struct followers *followers, struct dispatch *dispatch)
{
    *followers = (struct followers){.dispatch = dispatch};
}

static struct follower *follower_of(const struct exchange *exchange)
{
    return (struct follower *)exchange->values[FOLLOWER_VALUE];
}

static struct followers *followers_of(const struct exchange *exchange)
{
    return (struct followers *)exchange->values[FOLLOWERS_VALUE];
}

static void forget(struct exchange *exchange)
{
    follower_of(exchange)->exchange = NULL;
    followers_of(exchange)->count--;
}

static void on_abandon(struct exchange *exchange)
{
    if (follower_of(exchange)->asked)
        dispatch_abandon(exchange);
    forget(exchange);
}

bool followers_add(struct followers *followers, struct exchange *exchange, struct text after,
                   uint64_t now_ms)
{
    struct follower *follower = followers->items;
    while (follower < followers->items + FOLLOWERS_MAX && follower->exchange != NULL)
        follower++;
    if (follower == followers->items + FOLLOWERS_MAX || after.size > sizeof follower->after)
        return false;
    *follower = (struct follower){
        .exchange = exchange, .written_ms = now_ms, .taken_ms = now_ms, .ask_at_ms = now_ms};
    follower->after_size = (uint32_t)after.size;
    if (after.size > 0)
        memcpy(follower->after, after.data, after.size);
    exchange->values[FOLLOWER_VALUE] = (uintptr_t)follower;
    exchange->values[FOLLOWERS_VALUE] = (uintptr_t)followers;
    exchange->on_abandon = on_abandon;
    exchange_make_last(exchange);
    followers->count++;
    return true;
}

/* True when the head is sent, now or before. */
static bool open_stream(struct follower *follower)
{
    struct exchange *exchange = follower->exchange;
    char headers[CORS_HEADERS_SIZE + 64];
    if (follower->streaming)
        return true;
    struct followers *followers = followers_of(exchange);
    struct text cors = cors_headers(&exchange_application(exchange)->cors,
                                    (uint32_t)exchange->values[ANSWER_VALUE_ORIGIN]);
    snprintf(headers, sizeof headers, "%.*sCache-Control: no-store\r\n", (int)cors.size, cors.data);
    enum stream_open opened = exchange_stream_open(exchange, "text/event-stream", text_of(headers));
    follower->streaming = opened == STREAM_OPEN;
    if (opened == STREAM_OVER) {
        follower->exchange = NULL;
        followers->count--;
    }
    return follower->streaming;
}

/* What is not written is asked for again: the position has not moved. */
static void take_page(struct follower *follower, const struct event_page *page, uint64_t now_ms)
{
    static const char truncated[] = ": some events in between were not kept\n\n";
    follower->ask_at_ms = now_ms + (page->more ? 0 : FOLLOWER_POLL_MS);
    if (!open_stream(follower))
        return;
    struct exchange *exchange = follower->exchange;
    if (page->truncated && !exchange_stream_write(exchange, text_of(truncated)))
        return;
    if (page->text.length > 0) {
        if (!exchange_stream_write(exchange, (struct text){page->text.data, page->text.length}))
            return;
        follower->written_ms = now_ms;
    }
    follower->after_size = page->next.length;
    memcpy(follower->after, page->next.data, page->next.length);
}

static void on_page(struct exchange *exchange, const struct dispatch_reply *reply)
{
    struct follower *follower = follower_of(exchange);
    uint64_t now_ms = clock_now_ms();
    follower->asked = false;
    if (reply->outcome == OUTCOME_OK && reply->kind == REPLY_EVENT_PAGE) {
        take_page(follower, &reply->value->event_page, now_ms);
        return;
    }
    if (follower->streaming) { /* the relay is being replaced, say */
        follower->ask_at_ms = now_ms + FOLLOWER_POLL_MS;
        return;
    }
    forget(exchange);
    exchange->on_abandon = NULL;
    answer_expect(exchange, reply, REPLY_EVENT_PAGE, "after");
}

static void ask(struct followers *followers, struct follower *follower)
{
    union request request;
    request.events_get =
        (struct events_get){.format = EVENTS_STREAM, .limit = FOLLOWER_PAGE_EVENTS};
    text_set(&request.events_get.after, follower->after, follower->after_size);
    follower->asked = true;
    dispatch_ask(followers->dispatch, follower->exchange, REQUEST_EVENTS_GET, &request, on_page);
}

static void look_after(struct followers *followers, struct follower *follower, uint64_t now_ms)
{
    struct exchange *exchange = follower->exchange;
    if (follower->streaming && exchange_stream_unsent(exchange) > 0) {
        if (now_ms - follower->taken_ms > FOLLOWER_STALL_MS)
            exchange_stream_break(exchange);
        return;
    }
    follower->taken_ms = now_ms;
    if (follower->streaming && now_ms - follower->written_ms > FOLLOWER_HEARTBEAT_MS &&
        exchange_stream_write(exchange, text_of(": still here\n\n")))
        follower->written_ms = now_ms;
    if (!follower->asked && now_ms >= follower->ask_at_ms)
        ask(followers, follower);
}

void followers_turn(struct followers *followers, uint64_t now_ms)
{
    for (unsigned i = 0; followers->count > 0 && i < FOLLOWERS_MAX; i++)
        if (followers->items[i].exchange != NULL)
            look_after(followers, &followers->items[i], now_ms);
}

void followers_close(struct followers *followers)
{
    for (unsigned i = 0; i < FOLLOWERS_MAX; i++) {
        struct follower *follower = &followers->items[i];
        struct exchange *exchange = follower->exchange;
        if (exchange == NULL || !follower->streaming)
            continue; /* one without a head gets its answer */
        if (follower->asked)
            dispatch_abandon(exchange);
        forget(exchange);
        exchange->on_abandon = NULL;
        exchange_stream_close(exchange);
    }
}
