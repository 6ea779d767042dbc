#include "latency.h"
#include "token.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* An open model: confirms reservation n (of user n) at n / rate seconds from the start, whether or
 * not the earlier ones are answered. A latency counts from when the request was due, so that a
 * server that stalls cannot slow its own measurement down ("coordinated omission"). Answers other
 * than 200 are counted; a broken connection ends the run with exit code 1. */

enum { CONNECTIONS_MAX = 4096, REQUEST_MAX = 512, ANSWER_MAX = 8192 };
#define NS_PER_S UINT64_C(1000000000)

struct connection {
    int fd;
    bool busy;
    uint64_t due_ns; /* of the request under way */
    size_t in_size;
    char in[ANSWER_MAX];
};

struct generator {
    uint16_t port;
    unsigned connection_count;
    uint64_t rate, seconds, first;
    uint8_t key[TICKET_KEY_SIZE];
    int epoll_fd;
    struct connection *connections;
    unsigned *idle, idle_count;
    uint64_t sent, answered, refused;
    struct latency latency;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static _Noreturn void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "rate_load: %s: %s\n", what, detail);
    exit(1);
}

static void connection_open(struct generator *generator, unsigned number)
{
    struct connection *connection = &generator->connections[number];
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(generator->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(generator->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        give_up("connect", strerror(errno));
    generator->idle[generator->idle_count++] = number;
}

static void request_send(struct generator *generator, uint64_t due_ns)
{
    char token[TICKET_TEXT_SIZE], request[REQUEST_MAX];
    uint64_t id = generator->first + generator->sent++;
    struct connection *connection =
        &generator->connections[generator->idle[--generator->idle_count]];
    token_make(id, generator->key, token);
    int size = snprintf(request, sizeof request,
                        "POST /api/v1/reservations/%" PRIu64 "/confirm HTTP/1.1\r\n"
                        "Host: 127.0.0.1\r\nAuthorization: %s\r\n\r\n",
                        id, token);
    connection->busy = true;
    connection->due_ns = due_ns;
    /* One short request on a connection without any other: it fits. */
    if (send(connection->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        give_up("send", strerror(errno));
}

/* The answer's status when it is whole, 0 before. */
static int answer_parse(const struct connection *connection)
{
    static const char field[] = "Content-Length: ";
    const char *end = memmem(connection->in, connection->in_size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head_size = (size_t)(end - connection->in) + 4;
    const char *length = memmem(connection->in, head_size, field, sizeof field - 1);
    if (head_size < 13 || length == NULL)
        give_up("not an answer", connection->in);
    size_t size = head_size + strtoul(length + sizeof field - 1, NULL, 10);
    if (size > connection->in_size)
        return 0;
    if (size < connection->in_size)
        give_up("answer", "nobody asked for");
    return atoi(connection->in + 9);
}

static void connection_read(struct generator *generator, unsigned number)
{
    struct connection *connection = &generator->connections[number];
    ssize_t got = recv(connection->fd, connection->in + connection->in_size,
                       ANSWER_MAX - 1 - connection->in_size, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || !connection->busy)
        give_up("connection", got == 0 ? "closed by the server" : strerror(errno));
    connection->in_size += (size_t)got;
    connection->in[connection->in_size] = '\0';
    int status = answer_parse(connection);
    if (status == 0)
        return;
    latency_observe(&generator->latency, (now_ns() - connection->due_ns) / 1000);
    generator->answered++;
    generator->refused += status != 200;
    connection->in_size = 0;
    connection->busy = false;
    generator->idle[generator->idle_count++] = number;
}

static void generator_run(struct generator *generator)
{
    struct epoll_event events[256];
    uint64_t started_ns = now_ns(), count = generator->rate * generator->seconds;
    while (generator->answered < count) {
        uint64_t now = now_ns();
        int wait_ms = generator->sent < count && generator->idle_count > 0 ? 0 : 100;
        while (generator->sent < count && generator->idle_count > 0) {
            uint64_t due_ns = started_ns + generator->sent * NS_PER_S / generator->rate;
            if (due_ns > now)
                break;
            request_send(generator, due_ns);
        }
        int ready = epoll_wait(generator->epoll_fd, events, 256, wait_ms);
        for (int i = 0; i < ready; i++)
            connection_read(generator, events[i].data.u32);
    }
}

static _Noreturn void usage(void)
{
    fputs("usage: rate_load --port N --key FILE --rate N --seconds N [--first N] "
          "[--connections N]\n",
          stderr);
    exit(64);
}

static void options_read(struct generator *generator, int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"key", required_argument, NULL, 'k'},
        {"rate", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"first", required_argument, NULL, 'f'},
        {0},
    };
    const char *key = NULL;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == '?')
            usage();
        uint64_t number = strtoull(optarg, NULL, 10);
        switch (option) {
        case 'p':
            generator->port = (uint16_t)number;
            break;
        case 'k':
            key = optarg;
            break;
        case 'r':
            generator->rate = number;
            break;
        case 's':
            generator->seconds = number;
            break;
        case 'c':
            generator->connection_count = (unsigned)number;
            break;
        default:
            generator->first = number;
            break;
        }
    }
    if (key == NULL || generator->port == 0 || generator->rate == 0 || generator->seconds == 0 ||
        generator->connection_count == 0 || generator->connection_count > CONNECTIONS_MAX)
        usage();
    if (!token_key_read(key, generator->key))
        exit(66);
}

int main(int argc, char **argv)
{
    static struct generator generator = {.connection_count = 150, .first = 1};
    options_read(&generator, argc, argv);
    generator.epoll_fd = epoll_create1(0);
    generator.connections = calloc(generator.connection_count, sizeof *generator.connections);
    generator.idle = calloc(generator.connection_count, sizeof *generator.idle);
    if (generator.epoll_fd < 0 || generator.connections == NULL || generator.idle == NULL)
        give_up("start", strerror(errno));
    for (unsigned i = 0; i < generator.connection_count; i++)
        connection_open(&generator, i);
    generator_run(&generator);
    printf("{\"requests\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"p50_us\": %" PRIu64
           ", \"p99_us\": %" PRIu64 ", \"max_us\": %" PRIu64 "}\n",
           generator.answered, generator.refused, latency_quantile(&generator.latency, 500),
           latency_quantile(&generator.latency, 990), generator.latency.max_us);
    free(generator.idle);
    free(generator.connections);
    return 0;
}
