#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "toy_server.h"

/* Answers whose body grows until one side ends it. */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct toy *toy;

static int setup(void **state)
{
    (void)state;
    toy = toy_create();
    toy_start(toy);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    toy_finish(toy);
    return 0;
}

static void a_stream_has_no_length_and_ends_with_the_connection(void **state)
{
    (void)state;
    int fd = client_open(toy);
    client_say(fd, GET("/stream"));
    char *head = client_read_until(fd, "\r\n\r\n", 1);
    assert_non_null(strstr(head, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(head, "Connection: close\r\nX-A: b\r\n\r\n"));
    assert_null(strstr(head, "Content-Length"));
    free(head);
    toy->grow = 3;
    wait_until(toy->written > 0);
    toy->end_stream = true;
    char *body = client_read_all(fd, NULL);
    assert_true(strlen(body) >= 3 && strspn(body, "x") == strlen(body));
    free(body);
    close(fd);
}

static void a_stream_waits_for_the_answers_before_it(void **state)
{
    (void)state;
    int fd = client_open(toy);
    client_say(fd, GET("/later?a") GET("/stream"));
    toy->grow = 1;
    wait_until(toy->requests == 2);
    assert_int_equal(toy->written, 0);
    toy_release(toy);
    wait_until(toy->written > 0);
    toy->end_stream = true;
    char *all = client_read_all(fd, NULL);
    char *first = strstr(all, "\r\n\r\na"), *second = strstr(all, "\r\n\r\nx");
    assert_true(first != NULL && second != NULL && first < second);
    free(all);
    close(fd);
}

static void nothing_behind_a_stream_is_read(void **state)
{
    (void)state;
    int fd = client_open(toy);
    client_say(fd, GET("/stream") GET("/echo"));
    free(client_read_until(fd, "\r\n\r\n", 1));
    toy->end_stream = true;
    char *rest = client_read_all(fd, NULL);
    assert_string_equal(rest, "");
    assert_int_equal(toy->requests, 1);
    free(rest);
    close(fd);
}

static void a_client_that_reads_nothing_stops_the_writes(void **state)
{
    (void)state;
    int fd = client_open(toy);
    client_say(fd, GET("/stream"));
    toy->grow = 50000;
    wait_until(toy->refused > 0);
    unsigned written = toy->written;
    wait_until(toy->refused > 3);
    assert_int_equal(toy->written, written);
    toy->grow = 0;
    toy->end_stream = true;
    size_t size;
    char *all = client_read_all(fd, &size);
    const char *body = strstr(all, "\r\n\r\n") + 4;
    assert_int_equal((size_t)(all + size - body), (size_t)toy->written * 50000);
    free(all);
    close(fd);
}

static void a_broken_stream_ends_at_once(void **state)
{
    (void)state;
    int fd = client_open(toy);
    client_say(fd, GET("/stream"));
    toy->grow = 50000;
    wait_until(toy->refused > 0);
    toy->break_stream = true;
    wait_until(toy->stats.http_connections == 0);
    close(fd);
}

static void a_client_that_goes_is_noticed_by_a_write(void **state)
{
    (void)state;
    int fd = client_open(toy);
    client_say(fd, GET("/stream"));
    free(client_read_until(fd, "\r\n\r\n", 1));
    close(fd);
    toy->grow = 100;
    wait_until(toy->stats.http_connections == 0);
}

static void head_of_a_stream_is_answered_without_it(void **state)
{
    (void)state;
    int fd = client_open(toy);
    client_say(fd, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    toy->grow = 5;
    char *all = client_read_all(fd, NULL);
    assert_non_null(strstr(all, "Content-Type: text/plain\r\n"));
    assert_string_equal(strstr(all, "\r\n\r\n"), "\r\n\r\n");
    free(all);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, finish)
        TEST(a_stream_has_no_length_and_ends_with_the_connection),
        TEST(a_stream_waits_for_the_answers_before_it),
        TEST(nothing_behind_a_stream_is_read),
        TEST(a_client_that_reads_nothing_stops_the_writes),
        TEST(a_broken_stream_ends_at_once),
        TEST(a_client_that_goes_is_noticed_by_a_write),
        TEST(head_of_a_stream_is_answered_without_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
