#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "toy_server.h"

#include <sys/resource.h>
#include <sys/wait.h>

/* Time-outs, the bound on connections and descriptors, and the end of the server. */

#define HOST "Host: h\r\n"
#define GET "GET /a HTTP/1.1\r\n" HOST "\r\n"

static struct toy *toy;

static int setup(void **state)
{
    (void)state;
    toy = toy_create();
    toy->options.idle_ms = 10000;
    toy->options.head_ms = 10000;
    toy->options.body_ms = 10000;
    return 0;
}

static int finish(void **state)
{
    (void)state;
    toy_finish(toy);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    toy_destroy(toy);
    return 0;
}

/* How long until the server has closed, and what it has said. */
static uint64_t time_to_close(int fd, char **answer)
{
    uint64_t before = test_now_ms();
    *answer = client_read_all(fd, NULL);
    close(fd);
    return test_now_ms() - before;
}

static void assert_closes(int fd, unsigned after_ms, const char *status)
{
    char *answer;
    uint64_t took = time_to_close(fd, &answer);
    if (status == NULL)
        assert_string_equal(answer, "");
    else
        assert_non_null(strstr(answer, status));
    assert_in_range(took, after_ms - 20, after_ms + 1500);
    free(answer);
}

static void test_an_idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    toy->options.idle_ms = 300;
    toy_start(toy);
    assert_closes(client_open(toy), 300, NULL);
    int fd = client_open(toy);
    client_say(fd, GET);
    free(client_read_until(fd, "/a|", 1));
    assert_closes(fd, 300, NULL);
}

static void test_every_request_begins_the_idle_time_anew(void **state)
{
    (void)state;
    toy->options.idle_ms = 400;
    toy_start(toy);
    int fd = client_open(toy);
    for (unsigned i = 0; i < 6; i++) {
        char byte;
        client_say(fd, GET);
        free(client_read_until(fd, "/a|", 1));
        assert_int_equal(client_read(fd, &byte, 1, 150), -2);
    }
    assert_closes(fd, 250, NULL);
}

static void test_a_request_under_way_is_not_idle(void **state)
{
    (void)state;
    toy->options.idle_ms = 200;
    toy_start(toy);
    int fd = client_open(toy);
    char byte;
    client_say(fd, "GET /later?x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_read(fd, &byte, 1, 700), -2);
    toy_release(toy);
    free(client_read_until(fd, "\r\n\r\nx", 1));
    assert_closes(fd, 200, NULL);
}

static void test_a_head_has_its_time_however_it_trickles(void **state)
{
    (void)state;
    toy->options.head_ms = 400;
    toy_start(toy);
    int fd = client_open(toy);
    uint64_t before = test_now_ms();
    char byte;
    ssize_t got = -2;
    client_say(fd, "GET ");
    while (got == -2 && test_now_ms() < before + 5000) {
        send(fd, "/", 1, MSG_NOSIGNAL);
        got = client_read(fd, &byte, 1, 50);
    }
    assert_int_equal(got, 1);
    assert_in_range(test_now_ms() - before, 380, 1500);
    assert_closes(fd, 20, "TTP/1.1 408 Request Timeout");
    assert_int_equal(stat_get(&toy->stats.http_timeouts_total), 1);
}

static void test_a_body_has_its_time_from_the_end_of_the_head(void **state)
{
    (void)state;
    toy->options.head_ms = 500;
    toy->options.body_ms = 700;
    toy_start(toy);
    int fd = client_open(toy);
    char byte;
    client_say(fd, "POST /a HTTP/1.1\r\n");
    assert_int_equal(client_read(fd, &byte, 1, 300), -2);
    client_say(fd, HOST "Content-Length: 10\r\n\r\n12345");
    assert_closes(fd, 700, "HTTP/1.1 408 Request Timeout");
}

static void test_a_chunked_body_has_the_same_time(void **state)
{
    (void)state;
    toy->options.body_ms = 300;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    assert_closes(fd, 300, "HTTP/1.1 408 Request Timeout");
}

static void test_the_next_head_in_the_same_read_has_its_own_time(void **state)
{
    (void)state;
    toy->options.head_ms = 300;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, GET "GET /b");
    assert_closes(fd, 300, "HTTP/1.1 408 Request Timeout");
}

static void test_an_empty_line_begins_no_request(void **state)
{
    (void)state;
    toy->options.head_ms = 200;
    toy->options.idle_ms = 800;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, GET);
    free(client_read_until(fd, "/a|", 1));
    client_say(fd, "\r\n");
    assert_closes(fd, 800, NULL);
}

static void test_a_client_that_never_closes_is_left_after_a_while(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /a HTTP/1.0\r\n\r\n");
    free(client_read_all(fd, NULL));
    assert_int_equal(stat_get(&toy->stats.http_connections), 1);
    uint64_t before = test_now_ms();
    wait_until(stat_get(&toy->stats.http_connections) == 0);
    assert_in_range(test_now_ms() - before, 1500, 4000);
    close(fd);
}

static void test_beyond_the_limit_connections_wait_for_one_to_close(void **state)
{
    (void)state;
    toy->options.connections_max = 3;
    toy_start(toy);
    int fds[4];
    char byte;
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = client_open(toy);
        client_say(fds[i], GET);
        if (i < 3)
            free(client_read_until(fds[i], "/a|", 1));
    }
    assert_int_equal(client_read(fds[3], &byte, 1, 300), -2);
    assert_int_equal(stat_get(&toy->stats.http_connections), 3);
    close(fds[1]);
    free(client_read_until(fds[3], "/a|", 1));
    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
}

static uint64_t cpu_ms(const struct rusage *usage)
{
    return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000 +
           (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1000;
}

static bool stop_on_eof(void *application)
{
    char byte;
    (void)application;
    return recv(STDIN_FILENO, &byte, 1, MSG_DONTWAIT) != 0;
}

/* A process of its own with few descriptors; clients are many. */
static void test_no_descriptors_left_neither_spins_nor_ends_the_service(void **state)
{
    (void)state;
    enum { CLIENTS = 60 };
    int ends[2], fds[CLIENTS];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit few = {.rlim_cur = 32, .rlim_max = 32};
        dup2(ends[1], STDIN_FILENO);
        close(ends[0]);
        close(ends[1]);
        setrlimit(RLIMIT_NOFILE, &few);
        toy->options.on_tick = stop_on_eof;
        _exit(server_run(&toy->options, 1000));
    }
    close(ends[1]);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = client_open(toy);
        (void)!send(fds[i], GET, strlen(GET), MSG_NOSIGNAL);
    }
    unsigned served = 0, refused = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        char text[1000];
        ssize_t got = client_read(fds[i], text, sizeof text, 5000);
        served += got > 0;
        refused += got == 0 || got == -1;
    }
    assert_in_range(served, 10, 31);
    assert_int_equal(served + refused, CLIENTS);
    poll(NULL, 0, 500); /* time in which a loop could spin */
    for (unsigned i = 0; i < CLIENTS; i++)
        close(fds[i]);
    uint64_t until = test_now_ms() + 5000;
    bool again = false;
    while (!again && test_now_ms() < until) {
        char text[1000];
        int fd = client_open(toy);
        (void)!send(fd, GET, strlen(GET), MSG_NOSIGNAL);
        again = client_read(fd, text, sizeof text, 1000) > 0;
        close(fd);
    }
    assert_true(again);
    close(ends[0]);
    int status;
    struct rusage usage;
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    assert_int_equal(status, 0);
    assert_in_range(cpu_ms(&usage), 0, 400);
}

static void test_an_idle_server_uses_no_processor(void **state)
{
    (void)state;
    struct rusage before, after;
    toy->sleepless = true;
    toy_start(toy);
    int fd = client_open(toy), half = client_open(toy);
    client_say(fd, GET);
    free(client_read_until(fd, "/a|", 1));
    toy->sleepless = false;
    client_say(half, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    wait_until(toy->held == 1);
    shutdown(half, SHUT_WR); /* readable for ever */
    getrusage(RUSAGE_SELF, &before);
    poll(NULL, 0, 500);
    getrusage(RUSAGE_SELF, &after);
    assert_in_range(cpu_ms(&after) - cpu_ms(&before), 0, 100);
    close(fd);
    close(half);
    toy_release(toy);
}

/* ---- the end ---- */

static void test_stopping_answers_what_is_under_way_and_closes_the_rest(void **state)
{
    (void)state;
    toy_start(toy);
    int idle = client_open(toy), busy = client_open(toy);
    client_say(idle, GET);
    free(client_read_until(idle, "/a|", 1));
    client_say(busy, "GET /later?1 HTTP/1.1\r\n" HOST "\r\nGET /later?2 HTTP/1.1\r\n" HOST "\r\n");
    wait_until(toy->held == 2);
    toy->stop = true;
    assert_closes(idle, 20, NULL);
    int late = client_open(toy); /* stays in the listener's queue */
    toy_release(toy);
    char *answer = client_read_all(busy, NULL);
    const char *first = strstr(answer, "\r\n\r\n1"),
               *close_line = strstr(answer, "Connection: close");
    assert_non_null(first);
    assert_non_null(close_line);
    assert_true(close_line > first);
    assert_non_null(strstr(answer, "\r\n\r\n2"));
    free(answer);
    close(busy);
    toy_join(toy);
    assert_int_equal(toy->abandoned, 0);
    assert_int_equal(toy->requests, 3);
    close(late);
}

static void test_stopping_still_takes_a_request_that_has_begun(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy), other = client_open(toy);
    client_say(fd, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n1");
    client_say(other, GET);
    free(client_read_until(other, "/a|", 1));
    toy->stop = true;
    assert_closes(other, 20, NULL);
    client_say(fd, "2");
    char *answer = client_read_all(fd, NULL);
    assert_non_null(strstr(answer, "/a|12"));
    assert_non_null(strstr(answer, "Connection: close"));
    free(answer);
    close(fd);
    toy_join(toy);
}

static int last_moment_fd;

static bool stop_just_after_a_request(void *application)
{
    (void)application;
    if (!toy->stop)
        return true;
    if (last_moment_fd >= 0)
        client_say(last_moment_fd, GET);
    last_moment_fd = -1;
    return false;
}

static void test_stopping_still_takes_a_request_that_has_just_arrived(void **state)
{
    (void)state;
    toy->options.on_tick = stop_just_after_a_request;
    int fd = last_moment_fd = client_open(toy);
    toy_start(toy);
    wait_until(stat_get(&toy->stats.http_connections) == 1);
    toy->stop = true;
    char *answer = client_read_all(fd, NULL);
    assert_non_null(strstr(answer, "/a|"));
    assert_non_null(strstr(answer, "Connection: close"));
    free(answer);
    close(fd);
    toy_join(toy);
}

static void test_stopping_gives_up_at_its_deadline(void **state)
{
    (void)state;
    toy->drain_ms = 400;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    wait_until(toy->held == 1);
    uint64_t before = test_now_ms();
    toy->stop = true;
    toy_join(toy);
    assert_in_range(test_now_ms() - before, 380, 2000);
    assert_int_equal(toy->abandoned, 1);
    close(fd);
}

#define engine_test(function) cmocka_unit_test_setup_teardown(function, setup, finish)
#define ending_test(function) cmocka_unit_test_setup_teardown(function, setup, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_an_idle_connection_is_closed_without_a_word),
        engine_test(test_every_request_begins_the_idle_time_anew),
        engine_test(test_a_request_under_way_is_not_idle),
        engine_test(test_a_head_has_its_time_however_it_trickles),
        engine_test(test_a_body_has_its_time_from_the_end_of_the_head),
        engine_test(test_a_chunked_body_has_the_same_time),
        engine_test(test_the_next_head_in_the_same_read_has_its_own_time),
        engine_test(test_an_empty_line_begins_no_request),
        engine_test(test_a_client_that_never_closes_is_left_after_a_while),
        engine_test(test_beyond_the_limit_connections_wait_for_one_to_close),
        ending_test(test_no_descriptors_left_neither_spins_nor_ends_the_service),
        engine_test(test_an_idle_server_uses_no_processor),
        ending_test(test_stopping_answers_what_is_under_way_and_closes_the_rest),
        ending_test(test_stopping_still_takes_a_request_that_has_begun),
        ending_test(test_stopping_still_takes_a_request_that_has_just_arrived),
        ending_test(test_stopping_gives_up_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
