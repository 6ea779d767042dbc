#ifndef BOXOFFICE_TEST_FIXTURE_H
#define BOXOFFICE_TEST_FIXTURE_H

#include "unit.h"

#include "application.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A front's application over a real segment, with the engine's part of exchanges replaced by one
 * that remembers the answer or the stream, and with this process playing the workers. */

struct worker {
    struct channel_consumer channel;
    struct slot *slot; /* of the request received last */
    uint64_t request_id;
    union request request;
};

struct fixture {
    struct segment segment;
    struct application application;
    struct worker queue, seat, wallet, relay;
};

static struct {
    unsigned count, status;
    char content_type[64], headers[2048];
    char body[4 * 1024 * 1024];
    size_t size;
} answer;

void exchange_respond(struct exchange *exchange, const struct response *response)
{
    assert_false(exchange->answered);
    exchange->answered = true;
    answer.count++;
    answer.status = response->status;
    snprintf(answer.content_type, sizeof answer.content_type, "%s",
             response->content_type != NULL ? response->content_type : "");
    snprintf(answer.headers, sizeof answer.headers, "%.*s", (int)response->headers.size,
             response->headers.size > 0 ? response->headers.data : "");
    assert_true(response->body.size < sizeof answer.body);
    if (response->body.size > 0)
        memcpy(answer.body, response->body.data, response->body.size);
    answer.size = response->body.size;
    answer.body[answer.size] = '\0';
}

/* The stream of the exchange that was opened last. */
static struct {
    enum stream_open next; /* what open says */
    unsigned opened, closed, broken;
    bool full; /* write refuses */
    size_t unsent, size;
    char headers[512], data[256 * 1024];
} stream;

void exchange_make_last(struct exchange *exchange)
{
    exchange->close_after = true;
}

enum stream_open exchange_stream_open(struct exchange *exchange, const char *content_type,
                                      struct text headers)
{
    assert_true(exchange->close_after && !exchange->answered);
    assert_string_equal(content_type, "text/event-stream");
    snprintf(stream.headers, sizeof stream.headers, "%.*s", (int)headers.size, headers.data);
    stream.opened += stream.next == STREAM_OPEN;
    return stream.next;
}

bool exchange_stream_write(struct exchange *exchange, struct text data)
{
    (void)exchange;
    if (stream.full)
        return false;
    assert_true(stream.size + data.size < sizeof stream.data);
    memcpy(stream.data + stream.size, data.data, data.size);
    stream.size += data.size;
    stream.data[stream.size] = '\0';
    return true;
}

size_t exchange_stream_unsent(const struct exchange *exchange)
{
    (void)exchange;
    return stream.unsent;
}

void exchange_stream_close(struct exchange *exchange)
{
    exchange->answered = true;
    stream.closed++;
}

void exchange_stream_break(struct exchange *exchange)
{
    stream.broken++;
    exchange->on_abandon(exchange); /* as the engine does when the connection goes */
}

static inline void worker_open(struct worker *worker, struct fixture *fixture, enum role role)
{
    unsigned front = segment_process_of(&fixture->segment, ROLE_FRONT, 0);
    unsigned self = segment_process_of(&fixture->segment, role, 0);
    memset(worker, 0, sizeof *worker);
    assert_int_equal(channel_consumer_open(&worker->channel, &fixture->segment, front, self),
                     STATUS_OK);
}

/* What the queue worker publishes of a room in which `limit` are admitted at a time. */
static inline struct waiting_room *room_open(struct fixture *fixture, uint64_t id, uint64_t limit)
{
    struct waiting_rooms *rooms = segment_waiting_rooms(&fixture->segment);
    struct waiting_room *room = waiting_room_add(rooms, id);
    assert_non_null(room);
    room->active_limit = limit;
    room->session_ttl_s = 600;
    room->claim_ttl_s = 30;
    waiting_rooms_set_ready(rooms);
    return room;
}

static inline const uint64_t *nobody_left(const void *context, uint64_t block)
{
    (void)context;
    (void)block;
    return NULL;
}

/* The next of the line gets a session of an hour. */
static inline void room_admit(struct fixture *fixture, uint64_t id, bool claimed)
{
    struct waiting_rooms *rooms = segment_waiting_rooms(&fixture->segment);
    struct waiting_room *room = waiting_room_find(rooms, id);
    uint64_t number = room->serving + 1, until_ms = clock_now_ms() + 3600 * 1000;
    assert_true(waiting_session_admit(rooms, id, number, until_ms, claimed) < SESSION_ENTRIES);
    waiting_room_serve(room, number, nobody_left, NULL);
}

static inline struct fixture *fixture_create(const struct config *config)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(segment_create(&fixture->segment, config), STATUS_OK);
    memset(fixture->segment.header->ticket_key, 7, SECRET_SIZE);
    auth_key_hash(text_of("admin-key"), fixture->segment.header->admin_key_hash);
    unsigned front = segment_process_of(&fixture->segment, ROLE_FRONT, 0);
    assert_int_equal(application_init(&fixture->application, &fixture->segment, front), STATUS_OK);
    worker_open(&fixture->queue, fixture, ROLE_QUEUE);
    worker_open(&fixture->seat, fixture, ROLE_SEAT);
    worker_open(&fixture->wallet, fixture, ROLE_WALLET);
    worker_open(&fixture->relay, fixture, ROLE_RELAY);
    room_open(fixture, ROOM_DEFAULT, 1000);
    room_admit(fixture, ROOM_DEFAULT, true); /* ticket 1, that of token_of */
    memset(&answer, 0, sizeof answer.count + sizeof answer.status);
    memset(&stream, 0, sizeof stream);
    return fixture;
}

static inline struct fixture *fixture_default(void)
{
    struct config *config = malloc(sizeof *config);
    assert_non_null(config);
    config_init(config);
    struct fixture *fixture = fixture_create(config);
    free(config);
    return fixture;
}

static inline void fixture_destroy(struct fixture *fixture)
{
    application_fini(&fixture->application);
    segment_close(&fixture->segment);
    free(fixture);
}

/* ---- requests ---- */

static inline const char *token_of(const struct fixture *fixture, uint64_t user)
{
    static char token[TICKET_TEXT_SIZE];
    const struct queue_ticket ticket = {.user = user, .number = 1, .issued_at_ms = clock_now_ms()};
    ticket_sign(&ticket, fixture->segment.header->ticket_key, token);
    return token;
}

static inline struct http_request request_of(enum http_method method, const char *target)
{
    const char *question = strchr(target, '?');
    struct http_request request = {.method = method, .path = text_of(target)};
    if (question != NULL) {
        request.path.size = (size_t)(question - target);
        request.query = text_of(question + 1);
    }
    return request;
}

static inline struct http_request authorized(struct http_request request, const char *token)
{
    request.authorization = text_of(token);
    return request;
}

static inline struct http_request with_body(struct http_request request, const char *body)
{
    request.content_type = text_of("application/json");
    request.body = text_of(body);
    request.has_length = true;
    request.has_body = request.body.size > 0;
    return request;
}

/* Every exchange of a test is its own; the caller keeps it until it is answered. */
static inline void send_request(struct fixture *fixture, struct exchange *exchange,
                                struct http_request request)
{
    memset(exchange, 0, sizeof *exchange);
    exchange->started_ns = clock_monotonic_ns();
    application_request(&fixture->application, exchange, &request);
}

/* For what is answered without a worker. */
static inline unsigned ask(struct fixture *fixture, struct http_request request)
{
    struct exchange exchange;
    unsigned before = answer.count;
    send_request(fixture, &exchange, request);
    assert_int_equal(answer.count, before + 1);
    return answer.status;
}

/* ---- workers ---- */

static inline union request *receive(struct worker *worker, uint16_t kind)
{
    uint64_t position;
    const uint8_t *data;
    size_t size;
    worker->slot = channel_receive(&worker->channel, &worker->request_id, &position);
    assert_non_null(worker->slot);
    assert_int_equal(worker->slot->kind, kind);
    assert_true(slot_request_view(worker->slot, &data, &size));
    assert_true(request_decode(kind, &worker->request, data, size));
    return &worker->request;
}

static inline bool is_idle(struct worker *worker)
{
    uint64_t id, position;
    return channel_receive(&worker->channel, &id, &position) == NULL;
}

static inline void publish(struct fixture *fixture, struct worker *worker)
{
    assert_true(channel_publish(&worker->channel, worker->slot, worker->request_id));
    channel_consumed(&worker->channel);
    assert_int_equal(dispatch_poll(&fixture->application.dispatch), 1);
}

static inline void reply_with(struct fixture *fixture, struct worker *worker, enum outcome outcome,
                              uint16_t kind, const union reply *reply)
{
    worker->slot->outcome = (uint16_t)outcome;
    worker->slot->reply_kind = kind;
    worker->slot->reply_size = 0;
    if (kind != REPLY_NONE)
        worker->slot->reply_size = (uint32_t)reply_encode(kind, reply, slot_reply(worker->slot),
                                                          slot_reply_capacity(worker->slot));
    publish(fixture, worker);
}

static inline void refuse_with(struct fixture *fixture, struct worker *worker, enum outcome outcome)
{
    reply_with(fixture, worker, outcome, REPLY_NONE, NULL);
}

/* ---- answers ---- */

static inline void assert_problem(unsigned status, const char *code)
{
    char member[80];
    snprintf(member, sizeof member, "\"code\":\"%s\"", code);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.content_type, "application/problem+json");
    if (strstr(answer.body, member) == NULL)
        fail_msg("no %s in %s", member, answer.body);
}

static inline void assert_has(const char *part)
{
    if (strstr(answer.body, part) == NULL)
        fail_msg("no %s in %s", part, answer.body);
}

#endif
