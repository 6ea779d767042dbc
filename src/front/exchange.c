#include "exchange.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

struct exchange *exchange_begin(struct connection *connection)
{
    struct server *server = connection->server;
    struct exchange *exchange = server->spare_exchanges;
    if (exchange != NULL)
        server->spare_exchanges = exchange->next;
    else
        exchange = malloc(sizeof *exchange);
    if (exchange == NULL) {
        connection->broken = true;
        return NULL;
    }
    memset(exchange, 0, sizeof *exchange);
    server_take_time(server);
    exchange->connection = connection;
    exchange->started_ns = server->now_ns;
    if (connection->last != NULL)
        connection->last->next = exchange;
    else
        connection->first = exchange;
    connection->last = exchange;
    connection->exchange_count++;
    return exchange;
}

/* Takes the first one out. */
static void exchange_end(struct connection *connection)
{
    struct exchange *exchange = connection->first;
    connection->first = exchange->next;
    if (connection->first == NULL)
        connection->last = NULL;
    connection->exchange_count--;
    connection->last_put |= exchange->close_after;
    exchange->next = connection->server->spare_exchanges;
    connection->server->spare_exchanges = exchange;
}

static void output_append(struct connection *connection, struct buffer *buffer)
{
    if (connection->output_last != NULL)
        connection->output_last->next = buffer;
    else
        connection->output = buffer;
    connection->output_last = buffer;
    connection->output_size += buffer->end - buffer->start;
}

/* Room for `size` bytes at the end of the output: in its last buffer, or in a new one that is not
 * yet appended. */
static struct buffer *output_room(struct connection *connection, size_t size)
{
    struct buffer *last = connection->output_last;
    if (last != NULL && last->capacity - last->end >= size)
        return last;
    return buffers_take(&connection->server->buffers, size);
}

static void output_written(struct connection *connection, struct buffer *buffer, size_t size)
{
    buffer->end += (uint32_t)size;
    if (buffer == connection->output_last)
        connection->output_size += size;
    else
        output_append(connection, buffer);
    connection_mark(connection);
}

/* Answers that were waiting for the one before them. */
static void release_held(struct connection *connection)
{
    while (connection->first != NULL && connection->first->held != NULL) {
        struct buffer *held = connection->first->held;
        exchange_end(connection);
        output_append(connection, held);
        connection_mark(connection);
    }
}

/* `request`: there was one, and the application wants to know how it ended. */
static void answer(struct exchange *exchange, const struct response *response, bool request)
{
    struct connection *connection = exchange->connection;
    struct server *server = connection->server;
    const struct server_options *options = server->options;
    bool in_turn = exchange == connection->first;
    size_t size = http_answer_size(response);
    struct buffer *buffer =
        in_turn ? output_room(connection, size) : buffers_take(&server->buffers, size);
    if (buffer == NULL && size > BUFFER_SMALL_SIZE) {
        /* Too much is waiting for slow readers to start a large answer. */
        options->on_done(options->application, exchange, 503);
        exchange_fault(exchange, 503, "too many bytes are waiting to be sent");
        return;
    }
    if (request)
        options->on_done(options->application, exchange, response->status);
    if (buffer == NULL) {
        connection->broken = true;
        connection_mark(connection);
        return;
    }
    server_take_time(server);
    size_t written =
        http_answer_write(buffer->data + buffer->end, exchange, response, server->date);
    if (!in_turn) {
        buffer->end = (uint32_t)written;
        exchange->held = buffer;
        return;
    }
    output_written(connection, buffer, written);
    exchange_end(connection);
    release_held(connection);
    exchange_continue(connection);
}

void exchange_respond(struct exchange *exchange, const struct response *response)
{
    check(!exchange->answered);
    exchange->answered = true;
    answer(exchange, response, true);
}

/* ---- streams ---- */

void exchange_make_last(struct exchange *exchange)
{
    exchange->connection->last_taken = true;
    exchange->close_after = true;
}

enum stream_open exchange_stream_open(struct exchange *exchange, const char *content_type,
                                      struct text headers)
{
    struct connection *connection = exchange->connection;
    struct server *server = connection->server;
    struct response head = {
        .status = 200, .content_type = content_type, .headers = headers, .streamed = true};
    check(!exchange->answered && exchange->close_after);
    if (exchange != connection->first)
        return STREAM_NOT_YET;
    if (exchange->head_only) {
        exchange_respond(exchange, &head);
        return STREAM_OVER;
    }
    struct buffer *buffer = output_room(connection, http_answer_size(&head));
    if (buffer == NULL)
        return STREAM_NOT_YET;
    server_take_time(server);
    output_written(connection, buffer,
                   http_answer_write(buffer->data + buffer->end, exchange, &head, server->date));
    server->options->on_done(server->options->application, exchange, head.status);
    return STREAM_OPEN;
}

size_t exchange_stream_unsent(const struct exchange *exchange)
{
    return exchange->connection->output_size;
}

bool exchange_stream_write(struct exchange *exchange, struct text data)
{
    struct connection *connection = exchange->connection;
    if (connection->output_size > OUTPUT_SIZE_PAUSE)
        return false;
    struct buffer *buffer = output_room(connection, data.size);
    if (buffer == NULL)
        return false;
    memcpy(buffer->data + buffer->end, data.data, data.size);
    output_written(connection, buffer, data.size);
    return true;
}

void exchange_stream_close(struct exchange *exchange)
{
    struct connection *connection = exchange->connection;
    check(exchange == connection->first);
    exchange->answered = true;
    exchange_end(connection);
    connection_mark(connection);
}

void exchange_stream_break(struct exchange *exchange)
{
    exchange->connection->broken = true;
    connection_mark(exchange->connection);
}

void exchange_fault(struct exchange *exchange, unsigned status, const char *detail)
{
    static const char retry_after[] = "Retry-After: 1\r\n";
    const struct server_options *options = exchange->connection->server->options;
    char body[1024];
    size_t used = 0;
    options->on_fault(options->application, status, detail, body, sizeof body, &used);
    struct response response = {
        .status = status,
        .content_type = "application/problem+json",
        .body = {body, used},
    };
    if (status == 503)
        response.headers = (struct text){retry_after, sizeof retry_after - 1};
    exchange->answered = true;
    answer(exchange, &response, false);
}

void exchange_continue(struct connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!connection->continue_due || connection->exchange_count > 0)
        return;
    connection->continue_due = false;
    struct buffer *buffer = output_room(connection, sizeof line - 1);
    if (buffer == NULL) {
        connection->broken = true;
        connection_mark(connection);
        return;
    }
    memcpy(buffer->data + buffer->end, line, sizeof line - 1);
    output_written(connection, buffer, sizeof line - 1);
}

void exchanges_abandon(struct connection *connection)
{
    struct server *server = connection->server;
    while (connection->first != NULL) {
        struct exchange *exchange = connection->first;
        if (!exchange->answered && exchange->on_abandon != NULL)
            exchange->on_abandon(exchange);
        if (exchange->held != NULL)
            buffers_give(&server->buffers, exchange->held);
        exchange_end(connection);
    }
}

void exchanges_fini(struct server *server)
{
    while (server->spare_exchanges != NULL) {
        struct exchange *exchange = server->spare_exchanges;
        server->spare_exchanges = exchange->next;
        free(exchange);
    }
}
