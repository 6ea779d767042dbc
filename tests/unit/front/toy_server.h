#ifndef BOXOFFICE_TOY_SERVER_H
#define BOXOFFICE_TOY_SERVER_H

#include "http.h"
#include "stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The connection engine in a thread of the test, with an application that answers by path:
 *   /stream   with a body that grows by toy.grow bytes a turn, until toy_end
 *   /later    when toy_release is called, in the reverse order of asking
 *   /big      with `toy.big_size` bytes
 *   others    at once, with path and body */

enum { TOY_WAITING_MAX = 64 };

struct toy {
    struct server_options options;
    struct process_stats stats;
    pthread_t thread;
    unsigned drain_ms;
    uint16_t port;
    size_t big_size;
    char *big;
    struct exchange *waiting[TOY_WAITING_MAX];
    unsigned waiting_count, seen; /* the server's thread only */
    _Atomic unsigned requests, held, abandoned, done, wakes, overslept;
    struct exchange *streaming; /* the server's thread only */
    bool stream_open;
    _Atomic size_t grow;
    _Atomic unsigned written, refused;
    _Atomic bool end_stream, break_stream;
    _Atomic bool stop, release, sleepless;
    _Atomic int result;
};

static inline void toy_answer(struct exchange *exchange, const char *data, size_t size)
{
    struct response response = {.status = 200, .content_type = "text/plain", .body = {data, size}};
    exchange_respond(exchange, &response);
}

static inline void toy_abandoned(struct exchange *exchange)
{
    struct toy *toy = exchange->application;
    for (unsigned i = 0; i < toy->waiting_count; i++) {
        if (toy->waiting[i] == exchange)
            toy->waiting[i] = toy->waiting[--toy->waiting_count];
    }
    toy->abandoned++;
    toy->held--;
}

static inline void toy_stream_abandoned(struct exchange *exchange)
{
    struct toy *toy = exchange->application;
    toy->streaming = NULL;
    if (!toy->stream_open)
        toy->abandoned++;
}

static inline void toy_stream(struct toy *toy)
{
    static char bytes[65536];
    struct exchange *exchange = toy->streaming;
    if (!toy->stream_open) {
        enum stream_open opened =
            exchange_stream_open(exchange, "text/plain", (struct text){"X-A: b\r\n", 8});
        toy->stream_open = opened == STREAM_OPEN;
        if (opened == STREAM_OVER)
            toy->streaming = NULL;
        return;
    }
    size_t size = toy->grow;
    memset(bytes, 'x', sizeof bytes);
    if (size > 0 && exchange_stream_write(exchange, (struct text){bytes, size}))
        toy->written++;
    else if (size > 0)
        toy->refused++;
    if (toy->break_stream) {
        exchange_stream_break(exchange);
    } else if (toy->end_stream) {
        toy->streaming = NULL;
        exchange_stream_close(exchange);
    }
}

static inline bool toy_path(const struct http_request *request, const char *path)
{
    return request->path.size == strlen(path) &&
           memcmp(request->path.data, path, request->path.size) == 0;
}

static inline void toy_request(void *application, struct exchange *exchange,
                               const struct http_request *request)
{
    struct toy *toy = application;
    char text[20000];
    toy->requests++;
    if (toy_path(request, "/later")) {
        exchange->application = toy;
        exchange->on_abandon = toy_abandoned;
        exchange->values[0] = request->query.size > 0 ? (uint64_t)request->query.data[0] : '-';
        toy->waiting[toy->waiting_count++] = exchange;
        toy->held++;
    } else if (toy_path(request, "/big")) {
        toy_answer(exchange, toy->big, toy->big_size);
    } else if (toy_path(request, "/stream")) {
        exchange->application = toy;
        exchange->on_abandon = toy_stream_abandoned;
        exchange_make_last(exchange);
        toy->streaming = exchange;
        toy->stream_open = false;
    } else if (toy_path(request, "/nothing")) {
        struct response response = {.status = 204};
        exchange_respond(exchange, &response);
    } else {
        int size =
            snprintf(text, sizeof text, "%.*s|%.*s", (int)request->path.size, request->path.data,
                     (int)request->body.size, request->body.data != NULL ? request->body.data : "");
        toy_answer(exchange, text, (size_t)size);
    }
}

static inline void toy_fault(void *application, unsigned status, const char *detail, char *body,
                             size_t body_size, size_t *body_used)
{
    (void)application;
    *body_used = (size_t)snprintf(body, body_size, "fault %u: %s", status, detail);
}

static inline void toy_done(void *application, const struct exchange *exchange, unsigned status)
{
    struct toy *toy = application;
    (void)exchange;
    (void)status;
    toy->done++;
}

static inline bool toy_turn(void *application)
{
    struct toy *toy = application;
    toy->seen = toy->requests;
    if (toy->streaming != NULL)
        toy_stream(toy);
    if (!toy->release || toy->waiting_count == 0)
        return false;
    while (toy->waiting_count > 0) {
        struct exchange *exchange = toy->waiting[--toy->waiting_count];
        char answer = (char)exchange->values[0];
        toy->held--;
        toy_answer(exchange, &answer, 1);
    }
    return true;
}

static inline bool toy_sleep(void *application)
{
    struct toy *toy = application;
    toy->overslept += toy->seen != toy->requests; /* no turn since the last request */
    return !toy->sleepless;
}

static inline void toy_wake(void *application)
{
    struct toy *toy = application;
    toy->wakes++;
}

static inline bool toy_tick(void *application)
{
    struct toy *toy = application;
    return !toy->stop;
}

static inline void *toy_thread(void *context)
{
    struct toy *toy = context;
    toy->result = server_run(&toy->options, toy->drain_ms);
    return NULL;
}

static inline int toy_listen(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Not started yet, so that a test can change the options. */
static inline struct toy *toy_create(void)
{
    struct toy *toy = calloc(1, sizeof *toy);
    assert_non_null(toy);
    toy->options = (struct server_options){
        .listen_fd = toy_listen(&toy->port),
        .doorbell_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
        .connections_max = 100,
        .application = toy,
        .on_request = toy_request,
        .on_fault = toy_fault,
        .on_done = toy_done,
        .on_turn = toy_turn,
        .on_sleep = toy_sleep,
        .on_wake = toy_wake,
        .on_tick = toy_tick,
        .stats = &toy->stats,
    };
    toy->drain_ms = 5000;
    return toy;
}

static inline void toy_start(struct toy *toy)
{
    assert_int_equal(pthread_create(&toy->thread, NULL, toy_thread, toy), 0);
}

static inline void toy_ring(struct toy *toy)
{
    uint64_t one = 1;
    assert_int_equal(write(toy->options.doorbell_fd, &one, sizeof one), sizeof one);
}

static inline void toy_release(struct toy *toy)
{
    toy->release = true;
    toy_ring(toy);
}

static inline void toy_join(struct toy *toy)
{
    assert_int_equal(pthread_join(toy->thread, NULL), 0);
    assert_int_equal(toy->result, 0);
    assert_int_equal(toy->overslept, 0);
    assert_int_equal(toy->done + toy->abandoned, toy->requests);
}

static inline void toy_destroy(struct toy *toy)
{
    close(toy->options.listen_fd);
    close(toy->options.doorbell_fd);
    free(toy->big);
    free(toy);
}

static inline void toy_finish(struct toy *toy)
{
    toy->stop = true;
    toy_join(toy);
    toy_destroy(toy);
}

/* ---- the client's side ---- */

static inline uint64_t test_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Waits for a condition that another thread brings about; 10 s at most. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        uint64_t until_ = test_now_ms() + 10000;                                                   \
        while (!(condition) && test_now_ms() < until_)                                             \
            poll(NULL, 0, 1);                                                                      \
        assert_true(condition);                                                                    \
    } while (0)

static inline int client_open(const struct toy *toy)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(toy->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), nodelay = 1;
    assert_true(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static inline void client_send(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        assert_true(sent > 0);
        bytes += sent;
        size -= (size_t)sent;
    }
}

static inline void client_say(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* One read: its size, 0 at the end, -1 after a reset, -2 when nothing has come within the time. */
static inline ssize_t client_read(int fd, char *into, size_t room, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, timeout_ms) == 0)
        return -2;
    return recv(fd, into, room, 0);
}

/* All until the server closes (which it must, without a reset), as a string to be freed. */
static inline char *client_read_all(int fd, size_t *size)
{
    size_t used = 0, room = 65536;
    char *text = malloc(room + 1);
    for (;;) {
        assert_non_null(text);
        ssize_t got = client_read(fd, text + used, room - used, 20000);
        assert_true(got >= 0);
        if (got == 0)
            break;
        used += (size_t)got;
        if (used == room)
            text = realloc(text, 2 * room + 1), room *= 2;
    }
    text[used] = '\0';
    if (size != NULL)
        *size = used;
    return text;
}

/* Until `text` has come `count` times; a string to be freed. */
static inline char *client_read_until(int fd, const char *text, unsigned count)
{
    size_t used = 0, room = 1 << 20;
    char *got = malloc(room + 1);
    assert_non_null(got);
    for (unsigned found = 0; found < count;) {
        ssize_t size = client_read(fd, got + used, room - used, 20000);
        assert_true(size > 0);
        used += (size_t)size;
        got[used] = '\0';
        found = 0;
        for (const char *at = got; (at = strstr(at, text)) != NULL; at += strlen(text))
            found++;
    }
    return got;
}

#endif
