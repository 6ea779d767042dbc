#include "server.h"
#include "check.h"
#include "clock.h"
#include "connection.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One turn of the loop: the sockets that are ready are handled (requests go to the application),
 * then in the prepare phase the application has its turn and all answers are sent, each
 * connection's with one call, and only when neither has anything left to do the loop blocks. */

enum {
    TICK_MS = 100,
    ACCEPTS_PER_TURN = 64,
    ROUNDS_PER_TURN = 8, /* of application and answers before sockets are looked at again */
};

void server_take_time(struct server *server)
{
    if (server->now_known)
        return;
    server->now_known = true;
    server->now_ns = clock_monotonic_ns();
    uint64_t now_ms = clock_now_ms();
    if (now_ms / 1000 != server->date_second) {
        server->date_second = now_ms / 1000;
        http_date_line(server->date, now_ms);
    }
}

void server_woken(struct server *server)
{
    if (!server->asleep)
        return;
    server->asleep = false;
    server->options->on_wake(server->options->application);
}

/* ---- accepting ---- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void accepting(struct server *server, bool on)
{
    if (server->accepting == on)
        return;
    server->accepting = on;
    if (!on)
        uv_poll_stop(&server->listener);
    else if (uv_poll_start(&server->listener, UV_READABLE, on_acceptable) != 0)
        server->accepting = false;
}

static void gauge_connections(struct server *server)
{
    if (server->stats != NULL)
        stat_set(&server->stats->http_connections, server->connection_count);
}

static int accept_one(struct server *server)
{
    return accept4(server->options->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Descriptors are out. Left in the queue, the next client would keep the listener readable and the
 * loop spinning: with the descriptor that is kept in reserve it is taken and turned away. */
static void turn_one_away(struct server *server)
{
    if (server->reserve_fd >= 0) {
        close(server->reserve_fd);
        int fd = accept_one(server);
        if (fd >= 0)
            close(fd);
        server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (server->reserve_fd < 0) { /* somebody else took it: try again at the next tick */
        server->starved = true;
        accepting(server, false);
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct server *server = poll->data;
    (void)status;
    (void)events;
    server_woken(server);
    for (unsigned i = 0; i < ACCEPTS_PER_TURN && server->accepting; i++) {
        int fd = accept_one(server);
        if (fd >= 0) {
            if (connection_open(server, fd) && server->stats != NULL)
                stat_add(&server->stats->http_connections_total, 1);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            turn_one_away(server);
        } else if (errno == EAGAIN) {
            break;
        }
        if (server->connection_count >= server->options->connections_max)
            accepting(server, false);
    }
    gauge_connections(server);
}

void server_connection_gone(struct server *server)
{
    server->connection_count--;
    gauge_connections(server);
    if (!server->stopping && server->connection_count < server->options->connections_max) {
        if (server->reserve_fd < 0)
            server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        accepting(server, true);
    }
}

/* ---- the turn ---- */

static void on_doorbell(uv_poll_t *poll, int status, int events)
{
    struct server *server = poll->data;
    uint64_t rings;
    (void)events;
    server_woken(server);
    if (status == 0 && read(server->options->doorbell_fd, &rings, sizeof rings) < 0 &&
        errno != EAGAIN && errno != EINTR)
        log_error("doorbell", "errno=%d", errno);
}

static void flush_all(struct server *server)
{
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&server->dirty)) != NULL) {
        TAILQ_REMOVE(&server->dirty, connection, dirty_link);
        connection->dirty = false;
        connection_flush(connection);
    }
}

static void on_busy(uv_idle_t *idle)
{
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct server *server = prepare->data;
    const struct server_options *options = server->options;
    bool more = true;
    for (unsigned round = 0; more && round < ROUNDS_PER_TURN; round++) {
        server->dispatched = false;
        more = options->on_turn(options->application);
        flush_all(server);
        more |= server->dispatched;
    }
    server->now_known = false;
    if (!more)
        server->asleep = options->on_sleep(options->application);
    if (server->asleep)
        uv_idle_stop(&server->busy);
    else
        uv_idle_start(&server->busy, on_busy);
}

static void on_check(uv_check_t *handle)
{
    server_woken(handle->data);
}

/* ---- time and the end ---- */

static void expire_connections(struct server *server)
{
    struct timeout *timeout;
    while ((timeout = timeouts_expired(&server->timeouts, uv_now(&server->loop))) != NULL)
        connection_expire(
            (struct connection *)((char *)timeout - offsetof(struct connection, timeout)));
}

static void for_each_connection(struct server *server, void (*act)(struct connection *))
{
    struct connection *connection = TAILQ_FIRST(&server->connections);
    while (connection != NULL) {
        struct connection *next = TAILQ_NEXT(connection, link);
        act(connection);
        connection = next;
    }
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Only the server's own are left. */
static void close_handles(struct server *server)
{
    uv_walk(&server->loop, close_handle, NULL);
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    const struct server_options *options = server->options;
    if (server->starved) {
        server->starved = false;
        if (server->reserve_fd < 0)
            server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        accepting(server, !server->stopping);
    }
    expire_connections(server);
    bool go_on = options->on_tick(options->application);
    if (!go_on && !server->stopping) {
        server->stopping = true;
        server->drain_deadline_ms += uv_now(&server->loop);
        accepting(server, false);
        for_each_connection(server, connection_drain);
    }
    if (!server->stopping)
        return;
    if (uv_now(&server->loop) >= server->drain_deadline_ms)
        for_each_connection(server, connection_close);
    if (TAILQ_EMPTY(&server->connections))
        close_handles(server);
}

/* ---- start ---- */

static int start_handles(struct server *server)
{
    const struct server_options *options = server->options;
    int nodelay = 1;
    /* Accepted sockets inherit it. It fails on sockets that are not TCP, which don't need it. */
    (void)setsockopt(options->listen_fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay);
    uv_prepare_init(&server->loop, &server->prepare);
    uv_check_init(&server->loop, &server->check);
    uv_idle_init(&server->loop, &server->busy);
    uv_timer_init(&server->loop, &server->tick);
    int error = uv_poll_init(&server->loop, &server->listener, options->listen_fd);
    if (error != 0)
        return error;
    error = uv_poll_init(&server->loop, &server->doorbell, options->doorbell_fd);
    if (error != 0)
        return error;
    server->listener.data = server->doorbell.data = server;
    server->prepare.data = server->check.data = server->tick.data = server;
    uv_prepare_start(&server->prepare, on_prepare);
    uv_check_start(&server->check, on_check);
    uv_timer_start(&server->tick, on_tick, TICK_MS, TICK_MS);
    error = uv_poll_start(&server->doorbell, UV_READABLE, on_doorbell);
    accepting(server, true);
    if (error == 0 && !server->accepting)
        error = UV_EBADF;
    return error;
}

static void server_init(struct server *server, const struct server_options *options)
{
    server->options = options;
    server->stats = options->stats;
    TAILQ_INIT(&server->connections);
    TAILQ_INIT(&server->dirty);
    buffers_init(&server->buffers);
    timeouts_init(&server->timeouts);
    unsigned *duration_ms = server->timeouts.duration_ms;
    duration_ms[TIMEOUT_IDLE] = options->idle_ms != 0 ? options->idle_ms : 60000;
    duration_ms[TIMEOUT_HEAD] = options->head_ms != 0 ? options->head_ms : 5000;
    duration_ms[TIMEOUT_BODY] = options->body_ms != 0 ? options->body_ms : 10000;
    duration_ms[TIMEOUT_STALL] = STALL_MS;
    duration_ms[TIMEOUT_LINGER] = LINGER_MS;
    server->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int server_run(const struct server_options *options, unsigned drain_ms)
{
    int error = UV_ENOMEM;
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return error;
    server_init(server, options);
    server->drain_deadline_ms = drain_ms; /* made absolute when the drain begins */
    server->read_buffer = malloc(READ_SIZE);
    if (server->read_buffer == NULL)
        goto out;
    error = uv_loop_init(&server->loop);
    if (error != 0)
        goto out;
    error = start_handles(server);
    if (error != 0)
        close_handles(server);
    uv_run(&server->loop, UV_RUN_DEFAULT); /* until every handle is closed */
    check(uv_loop_close(&server->loop) == 0);
out:
    if (error != 0)
        log_error("server", "error=%s", uv_err_name(error));
    connections_fini(server);
    buffers_fini(&server->buffers);
    if (server->reserve_fd >= 0)
        close(server->reserve_fd);
    free(server->read_buffer);
    free(server);
    return error;
}
