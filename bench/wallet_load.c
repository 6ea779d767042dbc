#include "latency.h"
#include "load.h"
#include "token.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Charges wallets over keep-alive connections, and makes each user's token on the way.
 *
 *   fill:   one charge for each of the users 1…N, every one acknowledged
 *   random: charges of random users among them, for some seconds
 *
 * A 503 (the server throttles) pauses its connection for a moment and is asked again; these are
 * counted. Any other answer than 201, and a broken connection, ends the run with exit code 1. */

enum {
    CONNECTIONS_MAX = 1024,
    PIPELINE_MAX = 16,
    REQUEST_MAX = 512,
    ANSWERS_MAX = 16 * 1024,
    PAUSE_MS = 10,
    PROGRESS_S = 5,
};

struct pending {
    uint64_t user, started_ns;
};
struct connection {
    int fd;
    uint64_t paused_until_ns;             /* 0: not paused */
    struct pending pending[PIPELINE_MAX]; /* a ring: unanswered requests, oldest at pending_first */
    unsigned pending_first, pending_count;
    size_t out_size, out_sent, in_size;
    char out[PIPELINE_MAX * REQUEST_MAX];
    char in[ANSWERS_MAX];
};

struct generator {
    uint16_t port;
    unsigned connection_count, pipeline;
    uint64_t users, seconds, random;
    bool fill;
    uint8_t key[TICKET_KEY_SIZE];
    int epoll_fd;
    struct connection *connections;
    uint64_t next_user;
    uint64_t again[CONNECTIONS_MAX * PIPELINE_MAX]; /* users whose charge was put off by a 503 */
    unsigned again_count, in_flight, paused_count;
    uint64_t started_ns, deadline_ns, done, throttled;
    struct latency latency;
};

static uint64_t random_next(struct generator *generator)
{
    /* splitmix64 (Steele, Lea, Flood 2014) */
    uint64_t z = generator->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The user to charge next; 0 when there is nothing left to send. */
static uint64_t user_next(struct generator *generator, uint64_t now)
{
    if (generator->again_count > 0)
        return generator->again[--generator->again_count];
    if (generator->fill)
        return generator->next_user < generator->users ? ++generator->next_user : 0;
    return now < generator->deadline_ns ? 1 + random_next(generator) % generator->users : 0;
}

static void request_add(struct generator *generator, struct connection *connection, uint64_t user,
                        uint64_t now)
{
    char token[TICKET_TEXT_SIZE], body[32];
    token_make(user, generator->key, token);
    unsigned amount = 1 + (unsigned)(random_next(generator) % 1000);
    int body_size = snprintf(body, sizeof body, "{\"amount\":%u}", amount);
    int size = snprintf(connection->out + connection->out_size, REQUEST_MAX,
                        "POST /api/v1/users/%" PRIu64 "/points/charges HTTP/1.1\r\n"
                        "Host: 127.0.0.1\r\nAuthorization: %s\r\n"
                        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                        user, token, body_size, body);
    connection->out_size += (size_t)size;
    unsigned last = (connection->pending_first + connection->pending_count++) % PIPELINE_MAX;
    connection->pending[last] = (struct pending){.user = user, .started_ns = now};
    generator->in_flight++;
}

static void connection_flush(struct connection *connection)
{
    while (connection->out_sent < connection->out_size) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
                            connection->out_size - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return; /* EPOLLOUT (edge-triggered) comes back here */
        if (sent < 0)
            give_up("send", strerror(errno));
        connection->out_sent += (size_t)sent;
    }
    connection->out_sent = connection->out_size = 0;
}

/* Sends as much as the pipeline takes, in one write. */
static void connection_fill(struct generator *generator, struct connection *connection)
{
    uint64_t now = now_ns();
    if (connection->paused_until_ns != 0 || connection->out_size > 0)
        return;
    while (connection->pending_count < generator->pipeline) {
        uint64_t user = user_next(generator, now);
        if (user == 0)
            break;
        request_add(generator, connection, user, now);
    }
    connection_flush(connection);
}

static void answer_take(struct generator *generator, struct connection *connection, int status,
                        uint64_t now)
{
    if (connection->pending_count == 0)
        give_up("answer", "without a request");
    struct pending pending = connection->pending[connection->pending_first];
    connection->pending_first = (connection->pending_first + 1) % PIPELINE_MAX;
    connection->pending_count--;
    generator->in_flight--;
    if (status == 201) {
        generator->done++;
        latency_observe(&generator->latency, (now - pending.started_ns) / 1000);
        return;
    }
    generator->throttled++;
    generator->again[generator->again_count++] = pending.user;
    if (connection->paused_until_ns == 0)
        generator->paused_count++;
    connection->paused_until_ns = now + PAUSE_MS * NS_PER_S / 1000;
}

static void connection_read(struct generator *generator, struct connection *connection)
{
    for (;;) {
        ssize_t got = recv(connection->fd, connection->in + connection->in_size,
                           ANSWERS_MAX - 1 - connection->in_size, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            give_up("connection", got == 0 ? "closed by the server" : strerror(errno));
        connection->in_size += (size_t)got;
        connection->in[connection->in_size] = '\0';
        uint64_t now = now_ns();
        int status;
        for (size_t size;
             (size = answer_parse(connection->in, connection->in_size, &status)) > 0;) {
            if (status != 201 && status != 503)
                give_up("answer", connection->in);
            answer_take(generator, connection, status, now);
            connection->in_size -= size;
            memmove(connection->in, connection->in + size, connection->in_size + 1);
        }
        if (connection->in_size == ANSWERS_MAX - 1)
            give_up("answer", "too big");
        connection_fill(generator, connection);
    }
}

static void connection_open(struct generator *generator, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
    connection->fd = dial(generator->port, generator->epoll_fd, &event);
}

static void connections_resume(struct generator *generator)
{
    uint64_t now = now_ns();
    for (unsigned i = 0; i < generator->connection_count && generator->paused_count > 0; i++) {
        struct connection *connection = &generator->connections[i];
        if (connection->paused_until_ns == 0 || connection->paused_until_ns > now)
            continue;
        connection->paused_until_ns = 0;
        generator->paused_count--;
        connection_fill(generator, connection);
    }
}

static bool generator_finished(struct generator *generator)
{
    if (generator->in_flight > 0)
        return false;
    if (generator->fill)
        return generator->again_count == 0 && generator->next_user == generator->users;
    return now_ns() >= generator->deadline_ns;
}

static void generator_run(struct generator *generator)
{
    struct epoll_event events[256];
    uint64_t report_ns = now_ns() + PROGRESS_S * NS_PER_S, reported = 0;
    for (unsigned i = 0; i < generator->connection_count; i++)
        connection_fill(generator, &generator->connections[i]);
    while (!generator_finished(generator)) {
        int count =
            epoll_wait(generator->epoll_fd, events, 256, generator->paused_count > 0 ? 1 : 100);
        for (int i = 0; i < count; i++) {
            connection_flush(events[i].data.ptr);
            connection_read(generator, events[i].data.ptr);
        }
        if (generator->paused_count > 0)
            connections_resume(generator);
        uint64_t now = now_ns();
        if (now >= report_ns) {
            fprintf(stderr, "  %" PRIu64 " charges, %" PRIu64 "/s, %" PRIu64 " throttled\n",
                    generator->done, (generator->done - reported) / PROGRESS_S,
                    generator->throttled);
            reported = generator->done;
            report_ns = now + PROGRESS_S * NS_PER_S;
        }
    }
}

static _Noreturn void usage(void)
{
    fputs("usage: wallet_load --port N --key FILE --users N --mode fill|random\n"
          "               [--connections N] [--pipeline N] [--seconds N] [--seed N]\n",
          stderr);
    exit(64);
}

static void options_check(const struct generator *generator, const char *key, const char *mode)
{
    if ((!generator->fill && strcmp(mode, "random") != 0) || generator->users == 0 ||
        generator->connection_count == 0 || generator->connection_count > CONNECTIONS_MAX ||
        generator->pipeline == 0 || generator->pipeline > PIPELINE_MAX || key == NULL)
        usage();
}

static void options_read(struct generator *generator, int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"key", required_argument, NULL, 'k'},
        {"users", required_argument, NULL, 'u'},
        {"mode", required_argument, NULL, 'm'},
        {"connections", required_argument, NULL, 'c'},
        {"pipeline", required_argument, NULL, 'l'},
        {"seconds", required_argument, NULL, 's'},
        {"seed", required_argument, NULL, 'r'},
        {0},
    };
    const char *key = NULL, *mode = "";
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
        case 'u':
            generator->users = number;
            break;
        case 'm':
            mode = optarg;
            break;
        case 'c':
            generator->connection_count = (unsigned)number;
            break;
        case 'l':
            generator->pipeline = (unsigned)number;
            break;
        case 's':
            generator->seconds = number;
            break;
        default:
            generator->random = number;
            break;
        }
    }
    generator->fill = strcmp(mode, "fill") == 0;
    options_check(generator, key, mode);
    if (!token_key_read(key, generator->key))
        exit(66);
}

int main(int argc, char **argv)
{
    static struct generator generator = {
        .connection_count = 150, .pipeline = 1, .seconds = 60, .random = 1};
    options_read(&generator, argc, argv);
    generator.epoll_fd = epoll_create1(0);
    generator.connections = calloc(generator.connection_count, sizeof *generator.connections);
    if (generator.epoll_fd < 0 || generator.connections == NULL)
        give_up("start", strerror(errno));
    for (unsigned i = 0; i < generator.connection_count; i++)
        connection_open(&generator, &generator.connections[i]);
    generator.started_ns = now_ns();
    generator.deadline_ns = generator.started_ns + generator.seconds * NS_PER_S;
    generator_run(&generator);
    double seconds = (double)(now_ns() - generator.started_ns) / (double)NS_PER_S;
    printf("{\"charges\": %" PRIu64 ", \"seconds\": %.3f, \"per_second\": %.0f, "
           "\"throttled\": %" PRIu64 ", \"p50_us\": %" PRIu64 ", \"p99_us\": %" PRIu64
           ", \"max_us\": %" PRIu64 "}\n",
           generator.done, seconds, (double)generator.done / seconds, generator.throttled,
           latency_quantile(&generator.latency, 500), latency_quantile(&generator.latency, 990),
           generator.latency.max_us);
    free(generator.connections);
    return 0;
}
