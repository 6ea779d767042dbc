/* An open model of load: request n is due at n / RATE seconds from the start, whether or not
 * earlier ones have been answered, and its latency counts from then. A server that cannot keep up
 * meets ever more of them and cannot slow the measurement down.
 *
 *   open_load PORT RATE SECONDS CONNECTIONS REQUESTS
 *
 * REQUESTS is a file of whole HTTP requests, each ended by a NUL, which are sent one after the
 * other, round and round. Each connection has one request under way; what is due when none is idle
 * waits its turn. It goes on until everything that was sent is answered, and prints one line of
 * JSON: answers with 2xx, with 503, and others, and percentiles of the first two in microseconds;
 * these without what was due in the first WARM_UP_MS, when both sides meet new connections and cold
 * memory. A broken connection or an answer that makes no sense ends it with exit code 1. */

#include "latency.h"
#include "load.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP_MS = 500 };
enum { CONNECTIONS_MAX = 8192, REQUESTS_MAX = 1 << 20, ANSWER_MAX = 8192, EVENTS_MAX = 256 };

struct connection {
    int fd;
    bool is_busy;
    uint64_t due_ns;
    size_t in_size;
    char in[ANSWER_MAX];
};

struct generator {
    uint64_t rate, count;
    int epoll_fd;
    struct connection *connections;
    unsigned connection_count, *idle, idle_count;
    const char *requests[REQUESTS_MAX];
    unsigned request_count;
    uint64_t sent, answered, good, busy, other, started_ns, last_good_ns;
    struct latency good_latency, busy_latency;
};

static void requests_read(struct generator *generator, const char *path)
{
    struct stat file;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &file) != 0 || file.st_size == 0)
        give_up(path, strerror(errno));
    const char *at = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED || at[file.st_size - 1] != '\0')
        give_up(path, "not requests that end with a NUL");
    const char *end = at + file.st_size;
    for (; at < end && generator->request_count < REQUESTS_MAX; at += strlen(at) + 1)
        generator->requests[generator->request_count++] = at;
    close(fd);
}

static void connection_open(struct generator *generator, unsigned number, uint16_t port)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    generator->connections[number].fd = dial(port, generator->epoll_fd, &event);
    generator->idle[generator->idle_count++] = number;
}

static void request_send(struct generator *generator, uint64_t due_ns)
{
    const char *request = generator->requests[generator->sent++ % generator->request_count];
    struct connection *connection =
        &generator->connections[generator->idle[--generator->idle_count]];
    size_t size = strlen(request);
    connection->is_busy = true;
    connection->due_ns = due_ns;
    /* One short request on a connection without any other: it fits. */
    if (send(connection->fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
        give_up("send", strerror(errno));
}

static void answer_note(struct generator *generator, const struct connection *connection,
                        int status)
{
    uint64_t now = now_ns(), took_us = (now - connection->due_ns) / 1000;
    bool counts = connection->due_ns - generator->started_ns >= WARM_UP_MS * UINT64_C(1000000);
    generator->answered++;
    if (status / 100 == 2) {
        generator->good++;
        generator->last_good_ns = now;
        if (counts)
            latency_observe(&generator->good_latency, took_us);
    } else if (status == 503) {
        generator->busy++;
        if (counts)
            latency_observe(&generator->busy_latency, took_us);
    } else {
        generator->other++;
        if (generator->other == 1)
            fprintf(stderr, "open_load: %.*s\n", (int)connection->in_size, connection->in);
    }
}

static void connection_read(struct generator *generator, unsigned number)
{
    struct connection *connection = &generator->connections[number];
    ssize_t got = recv(connection->fd, connection->in + connection->in_size,
                       ANSWER_MAX - 1 - connection->in_size, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || !connection->is_busy)
        give_up("connection", got == 0 ? "closed by the server" : strerror(errno));
    connection->in_size += (size_t)got;
    connection->in[connection->in_size] = '\0';
    int status;
    size_t size = answer_parse(connection->in, connection->in_size, &status);
    if (size == 0)
        return;
    if (size < connection->in_size)
        give_up("answer", "nobody asked for");
    answer_note(generator, connection, status);
    connection->in_size = 0;
    connection->is_busy = false;
    generator->idle[generator->idle_count++] = number;
}

/* Sends what is due. How long until the next one is, or until anything is to be looked at. */
static uint64_t send_due(struct generator *generator)
{
    while (generator->sent < generator->count && generator->idle_count > 0) {
        uint64_t now = now_ns();
        uint64_t due_ns = generator->started_ns + generator->sent * NS_PER_S / generator->rate;
        if (due_ns > now)
            return due_ns - now;
        request_send(generator, due_ns);
    }
    return NS_PER_S / 10;
}

/* It sleeps until something is due: the core that it would spin on also serves the disk's
 * interrupts, and the server waits for those. */
static void run(struct generator *generator)
{
    struct epoll_event events[EVENTS_MAX];
    generator->started_ns = now_ns();
    while (generator->answered < generator->count) {
        struct timespec wait = {.tv_nsec = (long)send_due(generator)};
        int ready = epoll_pwait2(generator->epoll_fd, events, EVENTS_MAX, &wait, NULL);
        for (int i = 0; i < ready; i++)
            connection_read(generator, events[i].data.u32);
    }
}

static void print(const struct generator *generator)
{
    double good_s = (double)(generator->last_good_ns - generator->started_ns) / 1e9;
    printf("{\"sent\": %" PRIu64 ", \"good\": %" PRIu64 ", \"busy\": %" PRIu64
           ", \"other\": %" PRIu64 ", \"goodPerSecond\": %.0f"
           ", \"goodP50\": %" PRIu64 ", \"goodP99\": %" PRIu64 ", \"busyP50\": %" PRIu64
           ", \"busyP99\": %" PRIu64 "}\n",
           generator->sent, generator->good, generator->busy, generator->other,
           generator->good == 0 ? 0.0 : (double)generator->good / good_s,
           latency_quantile(&generator->good_latency, 500),
           latency_quantile(&generator->good_latency, 990),
           latency_quantile(&generator->busy_latency, 500),
           latency_quantile(&generator->busy_latency, 990));
}

int main(int argc, char **argv)
{
    static struct generator generator;
    uint64_t numbers[4] = {0};
    for (int i = 0; i < 4 && i + 1 < argc; i++)
        numbers[i] = strtoull(argv[i + 1], NULL, 10);
    if (argc != 6 || numbers[0] == 0 || numbers[0] > 65535 || numbers[1] == 0 || numbers[2] == 0 ||
        numbers[3] == 0 || numbers[3] > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: %s PORT RATE SECONDS CONNECTIONS REQUESTS\n", argv[0]);
        return 64;
    }
    generator.rate = numbers[1];
    generator.count = numbers[1] * numbers[2];
    generator.connection_count = (unsigned)numbers[3];
    generator.epoll_fd = epoll_create1(0);
    generator.connections = calloc(generator.connection_count, sizeof *generator.connections);
    generator.idle = calloc(generator.connection_count, sizeof *generator.idle);
    if (generator.epoll_fd < 0 || generator.connections == NULL || generator.idle == NULL)
        give_up("memory", strerror(errno));
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* ns: a sleep ends when it is to end */
    requests_read(&generator, argv[5]);
    for (unsigned i = 0; i < generator.connection_count; i++)
        connection_open(&generator, i, (uint16_t)numbers[0]);
    run(&generator);
    print(&generator);
    return 0;
}
