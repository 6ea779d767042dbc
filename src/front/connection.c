#include "connection.h"
#include "exchange.h"
#include "parser.h"
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what a connection waits for ---- */

static bool paused(const struct connection *connection)
{
    return connection->exchange_count >= PIPELINED_MAX ||
           connection->output_size > OUTPUT_SIZE_PAUSE || connection->blocked;
}

static size_t input_size(const struct connection *connection)
{
    const struct buffer *input = connection->input;
    return input != NULL ? input->end - input->start : 0;
}

static void on_event(uv_poll_t *poll, int status, int events);

/* Changing the set costs system calls, so it stays READABLE from request to request. */
static void watch(struct connection *connection, int events)
{
    if (connection->watched == events)
        return;
    connection->watched = events;
    if (events == 0)
        uv_poll_stop(&connection->poll);
    else if (uv_poll_start(&connection->poll, events, on_event) != 0)
        connection->broken = true;
}

static void arm(struct connection *connection, enum timeout_class class)
{
    struct server *server = connection->server;
    if (connection->timeout.class != class)
        timeout_arm(&server->timeouts, &connection->timeout, class, uv_now(&server->loop));
}

/* Brings watched events and time-out in line with the state. A head's or body's time-out runs on
 * from its first arming, however many bytes come. */
static void settle(struct connection *connection)
{
    if (connection->lingering) {
        watch(connection, UV_READABLE);
        arm(connection, TIMEOUT_LINGER);
    } else if (connection->blocked) {
        watch(connection, UV_WRITABLE);
        arm(connection, TIMEOUT_STALL);
    } else if (connection->last_taken || connection->eof || paused(connection)) {
        watch(connection, 0);
        arm(connection, TIMEOUT_NONE);
    } else {
        watch(connection, UV_READABLE);
        if (!framing_idle(&connection->framing, input_size(connection)))
            arm(connection, framing_in_body(&connection->framing) ? TIMEOUT_BODY : TIMEOUT_HEAD);
        else
            arm(connection, connection->exchange_count > 0 ? TIMEOUT_NONE : TIMEOUT_IDLE);
    }
}

/* ---- requests ---- */

static void take_fault(struct connection *connection, unsigned status, const char *detail)
{
    struct process_stats *stats = connection->server->stats;
    struct exchange *exchange = exchange_begin(connection);
    if (stats != NULL)
        stat_add(status == 408   ? &stats->http_timeouts_total
                 : status == 503 ? &stats->overloads_total
                                 : &stats->http_framing_errors_total,
                 1);
    connection->last_taken = true;
    connection->continue_due = false;
    if (exchange == NULL)
        return;
    exchange->head_only = connection->framing.method == HTTP_METHOD_HEAD;
    exchange->close_after = true;
    exchange_fault(exchange, status, detail);
}

static void take_request(struct connection *connection, char *data)
{
    struct server *server = connection->server;
    const struct framing *framing = &connection->framing;
    struct http_request request;
    const char *why;
    if (!parser_read(framing, data, &request, &why)) {
        take_fault(connection, 400, why);
        return;
    }
    struct exchange *exchange = exchange_begin(connection);
    if (exchange == NULL)
        return;
    exchange->head_only = framing->method == HTTP_METHOD_HEAD;
    exchange->close_after = !framing_keeps_alive(framing) || server->stopping;
    exchange->announce_keep_alive = framing->minor == 0;
    connection->last_taken = exchange->close_after;
    connection->continue_due = false;
    server->dispatched = true;
    server->options->on_request(server->options->application, exchange, &request);
}

/* Takes all complete requests out of `data`, as far as the limits of the connection go. Returns how
 * many bytes are done with; all of them once nothing more shall be read. */
static size_t take(struct connection *connection, char *data, size_t size)
{
    struct framing *framing = &connection->framing;
    size_t used = 0;
    while (used < size && !connection->last_taken && !paused(connection)) {
        enum framing_verdict verdict = framing_check(framing, data + used, size - used);
        if (verdict == FRAMING_MORE)
            break;
        arm(connection, TIMEOUT_NONE);
        if (verdict == FRAMING_FAULT) {
            take_fault(connection, framing->status, framing->detail);
            break;
        }
        take_request(connection, data + used);
        used += framing->total_size;
        framing_init(framing);
    }
    if (framing->expect_continue && framing_in_body(framing) && !connection->last_taken) {
        framing->expect_continue = false;
        connection->continue_due = true;
        exchange_continue(connection);
    }
    return connection->last_taken ? size : used;
}

/* ---- input ---- */

static void input_drop(struct connection *connection)
{
    if (connection->input != NULL)
        buffers_give(&connection->server->buffers, connection->input);
    connection->input = NULL;
}

/* Another buffer with room for at least `size` bytes and the same bytes in it. */
static bool input_move(struct connection *connection, size_t size)
{
    struct buffer *to = buffers_take(&connection->server->buffers, size);
    if (to == NULL)
        return false;
    to->end = (uint32_t)input_size(connection);
    memcpy(to->data, connection->input->data + connection->input->start, to->end);
    input_drop(connection);
    connection->input = to;
    return true;
}

/* Makes room behind the incomplete message for more of it: all that is known to come, else double.
 */
static bool input_make_room(struct connection *connection)
{
    struct buffer *input = connection->input;
    size_t used = input_size(connection), want = used + 1;
    if (connection->framing.total_size > want)
        want = connection->framing.total_size;
    if (input->capacity - input->start >= want && input->end < input->capacity)
        return true;
    if (input->capacity >= want) {
        memmove(input->data, input->data + input->start, used);
        input->start = 0;
        input->end = (uint32_t)used;
        return true;
    }
    if (want < 2 * used)
        want = 2 * used;
    if (want > MESSAGE_SIZE_MAX)
        want = used < MESSAGE_SIZE_MAX ? MESSAGE_SIZE_MAX : used + READ_SIZE;
    return input_move(connection, want);
}

/* Keeps the rest of a read until more comes or earlier requests are answered. */
static bool input_keep(struct connection *connection, const char *data, size_t size)
{
    connection->input = buffers_take(&connection->server->buffers, size);
    if (connection->input == NULL)
        return false;
    memcpy(connection->input->data, data, size);
    connection->input->end = (uint32_t)size;
    return true;
}

/* Goes on with bytes that were kept. */
static void input_take(struct connection *connection)
{
    struct buffer *input = connection->input;
    input->start += (uint32_t)take(connection, input->data + input->start, input_size(connection));
    if (input->start == input->end)
        input_drop(connection);
}

static void out_of_memory(struct connection *connection)
{
    input_drop(connection);
    take_fault(connection, 503, "too many bytes are waiting to be understood");
}

static void received(struct connection *connection, char *data, size_t size)
{
    if (connection->input != NULL) {
        connection->input->end += (uint32_t)size;
        input_take(connection);
        return;
    }
    size_t used = take(connection, data, size);
    if (used < size && !input_keep(connection, data + used, size - used))
        out_of_memory(connection);
}

/* The client has sent all: what is under way is still answered, half a request is not. */
static void ended(struct connection *connection)
{
    connection->eof = true;
    input_drop(connection);
    framing_init(&connection->framing);
    if (connection->exchange_count == 0 && connection->output_size == 0)
        connection->broken = true;
}

static void readable(struct connection *connection)
{
    struct server *server = connection->server;
    char *into = server->read_buffer;
    size_t room = READ_SIZE;
    if (connection->input != NULL) {
        if (!input_make_room(connection)) {
            out_of_memory(connection);
            return;
        }
        into = connection->input->data + connection->input->end;
        room = connection->input->capacity - connection->input->end;
    }
    ssize_t size = recv(connection->fd, into, room, 0);
    if (size > 0)
        received(connection, into, (size_t)size);
    else if (size == 0)
        ended(connection);
    else if (errno != EAGAIN && errno != EINTR)
        connection->broken = true;
}

/* ---- the end ---- */

static void linger(struct connection *connection)
{
    input_drop(connection);
    if (connection->eof || shutdown(connection->fd, SHUT_WR) != 0)
        connection->broken = true;
    connection->lingering = true;
}

static void discard(struct connection *connection)
{
    ssize_t size = recv(connection->fd, connection->server->read_buffer, READ_SIZE, 0);
    if (size > 0)
        connection->lingered_size += (size_t)size;
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR) ||
        connection->lingered_size > LINGER_SIZE_MAX)
        connection->broken = true;
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct server *server = connection->server;
    connection->link.tqe_next = server->spare_connections;
    server->spare_connections = connection;
    server_connection_gone(server);
}

void connection_close(struct connection *connection)
{
    struct server *server = connection->server;
    if (connection->closed)
        return;
    connection->closed = true;
    if (connection->dirty)
        TAILQ_REMOVE(&server->dirty, connection, dirty_link);
    TAILQ_REMOVE(&server->connections, connection, link);
    timeout_arm(&server->timeouts, &connection->timeout, TIMEOUT_NONE, 0);
    exchanges_abandon(connection);
    input_drop(connection);
    while (connection->output != NULL) {
        struct buffer *next = connection->output->next;
        buffers_give(&server->buffers, connection->output);
        connection->output = next;
    }
    uv_close((uv_handle_t *)&connection->poll, on_closed);
    close(connection->fd);
}

/* After each thing that happened to the connection. One that has answers to send is settled when
 * they have been sent, still in this turn. */
static void proceed(struct connection *connection)
{
    if (!connection->broken && !connection->dirty)
        settle(connection);
    if (connection->broken)
        connection_close(connection);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;
    server_woken(connection->server);
    if (status != 0)
        connection->broken = true;
    else if (connection->lingering)
        discard(connection);
    else if ((events & UV_WRITABLE) != 0)
        connection_mark(connection);
    else if (!paused(connection) && !connection->last_taken && !connection->eof)
        readable(connection);
    proceed(connection);
}

/* ---- output ---- */

/* One send of all there is, of at most eight buffers. */
static void send_output(struct connection *connection)
{
    struct iovec parts[8];
    struct msghdr message = {.msg_iov = parts};
    for (struct buffer *at = connection->output; at != NULL && message.msg_iovlen < 8;
         at = at->next)
        parts[message.msg_iovlen++] =
            (struct iovec){.iov_base = at->data + at->start, .iov_len = at->end - at->start};
    ssize_t sent = message.msg_iovlen == 1
                       ? send(connection->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                       : sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
        connection->blocked = errno == EAGAIN || errno == EINTR;
        connection->broken = !connection->blocked;
        return;
    }
    size_t left = (size_t)sent;
    connection->output_size -= left;
    if (connection->blocked && left > 0) /* progress: its time begins anew */
        arm(connection, TIMEOUT_NONE);
    connection->blocked = connection->output_size > 0;
    while (left > 0) {
        struct buffer *first = connection->output;
        check(first != NULL);
        size_t size = first->end - first->start;
        if (left < size) {
            first->start += (uint32_t)left;
            break;
        }
        left -= size;
        connection->output = first->next;
        buffers_give(&connection->server->buffers, first);
    }
    if (connection->output == NULL)
        connection->output_last = NULL;
}

void connection_flush(struct connection *connection)
{
    if (connection->output_size > 0 && !connection->broken)
        send_output(connection);
    if (connection->output_size == 0 && !connection->broken) {
        if (connection->last_put)
            linger(connection);
        else if (connection->eof && connection->exchange_count == 0)
            connection->broken = true;
        else if (connection->input != NULL && !paused(connection))
            input_take(connection);
    }
    proceed(connection);
}

void connection_mark(struct connection *connection)
{
    if (connection->dirty || connection->closed)
        return;
    connection->dirty = true;
    TAILQ_INSERT_TAIL(&connection->server->dirty, connection, dirty_link);
}

/* ---- the server's side ---- */

bool connection_open(struct server *server, int fd)
{
    struct connection *connection = server->spare_connections;
    if (connection != NULL)
        server->spare_connections = connection->link.tqe_next;
    else
        connection = malloc(sizeof *connection);
    if (connection == NULL) {
        close(fd);
        return false;
    }
    memset(connection, 0, sizeof *connection);
    connection->server = server;
    connection->fd = fd;
    if (uv_poll_init(&server->loop, &connection->poll, fd) != 0) {
        close(fd);
        connection->link.tqe_next = server->spare_connections;
        server->spare_connections = connection;
        return false;
    }
    connection->poll.data = connection;
    TAILQ_INSERT_TAIL(&server->connections, connection, link);
    server->connection_count++;
    proceed(connection);
    return true;
}

void connection_expire(struct connection *connection)
{
    enum timeout_class class = connection->timeout.class;
    arm(connection, TIMEOUT_NONE);
    if (class == TIMEOUT_HEAD || class == TIMEOUT_BODY) {
        take_fault(connection, 408,
                   class == TIMEOUT_HEAD ? "the head did not arrive in time"
                                         : "the body did not arrive in time");
        input_drop(connection);
    } else {
        connection->broken = true;
        if (class != TIMEOUT_LINGER && connection->server->stats != NULL)
            stat_add(&connection->server->stats->http_timeouts_total, 1);
    }
    proceed(connection);
}

void connection_drain(struct connection *connection)
{
    if (connection->lingering)
        return;
    if (connection->exchange_count > 0) {
        connection->last->close_after = true;
        connection->last_taken = true;
        input_drop(connection);
    } else if (connection->output_size > 0) {
        connection->last_put = true;
        connection->last_taken = true;
        input_drop(connection);
    } else {
        /* A request that is here already, or in part, is still served. */
        if (!connection->eof && connection->watched == UV_READABLE)
            readable(connection);
        if (connection->exchange_count == 0 && connection->output_size == 0 &&
            framing_idle(&connection->framing, input_size(connection)))
            connection->broken = true;
    }
    proceed(connection);
}

void connections_fini(struct server *server)
{
    while (server->spare_connections != NULL) {
        struct connection *connection = server->spare_connections;
        server->spare_connections = connection->link.tqe_next;
        free(connection);
    }
    exchanges_fini(server);
}
