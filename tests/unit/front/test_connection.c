#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "toy_server.h"

/* What a client sees of the engine: answers and their order, keep-alive, faults, pipelining, slow
 * readers and writers. */

#define HOST "Host: h\r\n"

static struct toy *toy;

static int setup(void **state)
{
    (void)state;
    toy = toy_create();
    return 0;
}

static int finish(void **state)
{
    (void)state;
    toy_finish(toy);
    return 0;
}

/* Says all, reads until the server closes. */
static char *talk(const char *text)
{
    int fd = client_open(toy);
    client_say(fd, text);
    char *answer = client_read_all(fd, NULL);
    close(fd);
    return answer;
}

static unsigned count(const char *text, const char *what)
{
    unsigned found = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        found++;
    return found;
}

static void test_an_answer_has_its_head_and_body(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
    char *answer = client_read_until(fd, "/echo|hi", 1);
    int day = 0, year = 0, hour = 0, minute = 0, second = 0, end = 0;
    char weekday[4], month[4];
    sscanf(answer, "HTTP/1.1 200 OK\r\nDate: %3s, %2d %3s %4d %2d:%2d:%2d GMT\r\n%n", weekday, &day,
           month, &year, &hour, &minute, &second, &end);
    assert_true(end > 0);
    assert_string_equal(answer + end,
                        "Content-Type: text/plain\r\nContent-Length: 8\r\n\r\n/echo|hi");
    free(answer);
    /* And the connection is still open. */
    client_say(fd, "GET /again HTTP/1.1\r\n" HOST "\r\n");
    free(client_read_until(fd, "/again|", 1));
    close(fd);
}

static void test_head_gets_the_length_without_the_body(void **state)
{
    (void)state;
    toy_start(toy);
    char *answer = talk("HEAD /echo HTTP/1.1\r\n" HOST "\r\n"
                        "GET /nothing HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_non_null(strstr(answer, "Content-Length: 6\r\n\r\nHTTP/1.1 204 No Content\r\n"));
    assert_int_equal(count(answer, "Content-Length"), 1);
    free(answer);
}

static void test_http_1_0_closes_unless_asked(void **state)
{
    (void)state;
    toy_start(toy);
    char *answer = talk("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                        "GET /b HTTP/1.0\r\n\r\nGET /c HTTP/1.0\r\n\r\n");
    assert_int_equal(count(answer, "HTTP/1.1 200 OK"), 2);
    assert_int_equal(count(answer, "Connection: keep-alive\r\n"), 1);
    assert_int_equal(count(answer, "Connection: close\r\n"), 1);
    assert_null(strstr(answer, "/c|"));
    free(answer);
    assert_int_equal(toy->requests, 2);
}

static void test_nothing_is_read_after_connection_close(void **state)
{
    (void)state;
    toy_start(toy);
    char *answer = talk("GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
                        "GET /b HTTP/1.1\r\n" HOST "\r\nrubbish");
    assert_int_equal(count(answer, "HTTP/1.1"), 1);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    free(answer);
    assert_int_equal(toy->requests, 1);
}

static void test_a_fault_is_answered_once_and_ends_the_connection(void **state)
{
    (void)state;
    toy_start(toy);
    char *answer = talk("GET /a HTTP/1.1\r\n" HOST "\r\nGET /b HTTP/1.1\r\n" HOST "X : y\r\n\r\n"
                        "GET /c HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(count(answer, "HTTP/1.1 200 OK"), 1);
    assert_int_equal(count(answer, "HTTP/1.1 400 Bad Request"), 1);
    assert_int_equal(count(answer, "Connection: close"), 1);
    assert_non_null(strstr(answer, "Content-Type: application/problem+json\r\n"));
    assert_non_null(strstr(answer, "fault 400: "));
    assert_null(strstr(answer, "/c|"));
    free(answer);
    assert_int_equal(toy->requests, 1);
    assert_int_equal(stat_get(&toy->stats.http_framing_errors_total), 1);
}

static void test_a_client_that_goes_on_sending_after_a_fault_is_not_reset(void **state)
{
    (void)state;
    static char rest[4000];
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n");
    for (unsigned i = 0; i < 50; i++) {
        client_send(fd, rest, sizeof rest); /* fails once the server has let go */
        poll(NULL, 0, 2);
    }
    char *answer = client_read_all(fd, NULL);
    assert_non_null(strstr(answer, "HTTP/1.1 413 "));
    free(answer);
    close(fd);
}

static void test_a_fault_waits_for_the_answers_before_it(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /later?1 HTTP/1.1\r\n" HOST "\r\nBAD\r\n");
    wait_until(toy->held == 1);
    char byte;
    assert_int_equal(client_read(fd, &byte, 1, 50), -2);
    client_say(fd, "GET /c HTTP/1.1\r\n" HOST "\r\nBAD\r\n");
    assert_int_equal(client_read(fd, &byte, 1, 50), -2);
    toy_release(toy);
    char *answer = client_read_all(fd, NULL);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    assert_true(strstr(answer, "HTTP/1.1 200 OK") < strstr(answer, "HTTP/1.1 400 "));
    assert_int_equal(count(answer, "HTTP/1.1"), 2);
    assert_int_equal(toy->requests, 1);
    free(answer);
    close(fd);
}

static void test_a_message_cut_at_every_byte_is_the_same_message(void **state)
{
    (void)state;
    static const char message[] =
        "\r\nPOST /cut HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    toy_start(toy);
    int fd = client_open(toy);
    for (size_t cut = 1; cut < sizeof message - 1; cut++) {
        client_send(fd, message, cut);
        /* Another connection's round trip: the server has read the first part. */
        free(talk("GET /x HTTP/1.0\r\n\r\n"));
        client_send(fd, message + cut, sizeof message - 1 - cut);
        free(client_read_until(fd, "/cut|abc", 1));
    }
    close(fd);
}

static void test_large_bodies_arrive_in_pieces(void **state)
{
    (void)state;
    static char body[16384];
    toy_start(toy);
    int fd = client_open(toy);
    memset(body, 'x', sizeof body);
    for (unsigned i = 0; i < 3; i++) {
        client_say(fd, "POST /p HTTP/1.1\r\n" HOST "Content-Length: 16384\r\n\r\n");
        for (unsigned part = 0; part < 4; part++) {
            free(talk("GET /x HTTP/1.0\r\n\r\n"));
            client_send(fd, body + part * 4096, 4096);
        }
        char *answer = client_read_until(fd, "|", 1);
        assert_non_null(strstr(answer, "Content-Length: 16387\r\n"));
        free(answer);
        char buffer[16384];
        while (client_read(fd, buffer, sizeof buffer, 50) > 0)
            ;
    }
    close(fd);
}

static void test_16384_chunks_of_one_byte(void **state)
{
    (void)state;
    static char bytes[130000];
    toy_start(toy);
    size_t used = (size_t)sprintf(bytes, "POST /c HTTP/1.1\r\n" HOST
                                         "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    for (unsigned i = 0; i < 16384; i++)
        used += (size_t)sprintf(bytes + used, "1\r\n%c\r\n", 'a' + (char)(i % 26));
    used += (size_t)sprintf(bytes + used, "0\r\n\r\n");
    int fd = client_open(toy);
    client_send(fd, bytes, used);
    char *answer = client_read_all(fd, NULL);
    const char *body = strstr(answer, "/c|");
    assert_non_null(body);
    for (unsigned i = 0; i < 16384; i++)
        assert_int_equal(body[3 + i], 'a' + (char)(i % 26));
    free(answer);
    close(fd);
}

static void test_pipelined_answers_keep_their_order(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    for (char i = 'a'; i < 'f'; i++) {
        char text[100];
        sprintf(text, "GET /later?%c HTTP/1.1\r\n" HOST "\r\nGET /now%c HTTP/1.1\r\n" HOST "\r\n",
                i, i);
        client_say(fd, text);
    }
    wait_until(toy->held == 5 && toy->requests == 10);
    toy_release(toy); /* answers them from the last to the first */
    char *answer = client_read_until(fd, "/nowe|", 1);
    const char *at = answer;
    for (char i = 'a'; i < 'f'; i++) {
        char text[20];
        sprintf(text, "\r\n\r\n%cHTTP", i);
        at = strstr(at, text);
        assert_non_null(at);
        sprintf(text, "/now%c|", i);
        at = strstr(at, text);
        assert_non_null(at);
    }
    free(answer);
    close(fd);
}

static void test_reading_stops_at_16_pipelined_requests(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    for (unsigned i = 0; i < 40; i++)
        client_say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    wait_until(toy->held == 16);
    free(talk("GET /x HTTP/1.0\r\n\r\n"));
    assert_int_equal(toy->held, 16);
    toy_release(toy);
    free(client_read_until(fd, "\r\n\r\n-", 40));
    close(fd);
}

static void test_hundreds_of_pipelined_requests_in_one_read_are_all_answered(void **state)
{
    (void)state;
    static char bytes[65000];
    toy->big_size = 1000;
    toy->big = calloc(1, toy->big_size);
    toy_start(toy);
    size_t used = 0;
    unsigned sent = 0;
    for (; used < sizeof bytes - 100; sent++)
        used += (size_t)sprintf(bytes + used, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    used += (size_t)sprintf(bytes + used, "GET /end HTTP/1.0\r\n\r\n");
    int fd = client_open(toy);
    client_send(fd, bytes, used);
    size_t size;
    char *answer = client_read_all(fd, &size);
    assert_true(size > sent * toy->big_size);
    assert_int_equal(toy->requests, sent + 1);
    assert_memory_equal(answer + size - 5, "/end|", 5);
    free(answer);
    close(fd);
}

static void test_a_slow_reader_gets_everything(void **state)
{
    (void)state;
    toy->big_size = 12000000; /* more than socket buffers grow to */
    toy->big = malloc(toy->big_size);
    assert_non_null(toy->big);
    for (size_t i = 0; i < toy->big_size; i++)
        toy->big[i] = (char)('a' + i % 23);
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /big HTTP/1.1\r\n" HOST "\r\n"
                   "GET /end HTTP/1.0\r\n\r\n");
    wait_until(toy->requests >= 1);
    for (unsigned i = 0; i < 10; i++)
        free(talk("GET /x HTTP/1.0\r\n\r\n"));
    assert_int_equal(toy->requests, 11); /* the second is not begun while the first is stuck */
    size_t size;
    char *answer = client_read_all(fd, &size);
    assert_int_equal(toy->requests, 13);
    char *body = strstr(answer, "\r\n\r\n") + 4;
    assert_memory_equal(body, toy->big, toy->big_size);
    body = strstr(body + toy->big_size, "\r\n\r\n") + 4;
    assert_memory_equal(body, toy->big, toy->big_size);
    assert_memory_equal(answer + size - 5, "/end|", 5);
    free(answer);
    close(fd);
}

static void test_an_answer_that_memory_is_not_lent_for_is_a_503(void **state)
{
    (void)state;
    toy->big_size = 100 << 20;
    toy->big = malloc(toy->big_size);
    assert_non_null(toy->big);
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /a HTTP/1.1\r\n" HOST "\r\n");
    char *answer = client_read_until(fd, "/a|", 1);
    assert_non_null(strstr(answer, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    free(answer);
    close(fd);
}

static void test_expect_continue(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "POST /e HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
    char *answer = client_read_until(fd, "\r\n\r\n", 1);
    assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    free(answer);
    client_say(fd, "hi");
    answer = client_read_until(fd, "/e|hi", 1);
    assert_int_equal(count(answer, "HTTP/1.1"), 1);
    free(answer);
    /* Not when the body is there already, nor before a refusal. */
    client_say(fd,
               "POST /f HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nho");
    answer = client_read_until(fd, "/f|ho", 1);
    assert_null(strstr(answer, "100 Continue"));
    free(answer);
    client_say(fd,
               "POST /f HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 20000\r\n\r\n");
    answer = client_read_all(fd, NULL);
    assert_null(strstr(answer, "100 Continue"));
    assert_non_null(strstr(answer, "HTTP/1.1 413 "));
    free(answer);
    close(fd);
}

static void test_continue_waits_for_the_answers_before_it(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /later?1 HTTP/1.1\r\n" HOST "\r\n"
                   "POST /e HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    wait_until(toy->held == 1);
    char byte;
    assert_int_equal(client_read(fd, &byte, 1, 50), -2);
    toy_release(toy);
    char *answer = client_read_until(fd, "100 Continue\r\n\r\n", 1);
    assert_non_null(strstr(answer, "\r\n\r\n1HTTP/1.1 100 Continue"));
    free(answer);
    client_say(fd, "hi");
    free(client_read_until(fd, "/e|hi", 1));
    close(fd);
}

static void test_half_closed_clients_get_their_answers(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /later?z HTTP/1.1\r\n" HOST "\r\nGET /hal");
    shutdown(fd, SHUT_WR);
    wait_until(toy->held == 1);
    toy_release(toy);
    char *answer = client_read_all(fd, NULL);
    assert_non_null(strstr(answer, "/a|"));
    assert_non_null(strstr(answer, "\r\n\r\nz"));
    assert_int_equal(count(answer, "HTTP/1.1"), 2);
    free(answer);
    close(fd);
}

static void test_the_application_learns_that_a_client_has_gone(void **state)
{
    (void)state;
    toy_start(toy);
    int fd = client_open(toy);
    client_say(fd, "GET /later HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n");
    wait_until(toy->held == 2);
    struct linger reset = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    wait_until(toy->abandoned == 2);
    toy_release(toy);
    free(talk("GET /x HTTP/1.0\r\n\r\n"));
}

static void test_the_application_is_asked_before_sleep_and_told_of_waking(void **state)
{
    (void)state;
    toy->sleepless = true;
    toy_start(toy);
    wait_until(stat_get(&toy->stats.http_connections) == 0);
    free(talk("GET /x HTTP/1.0\r\n\r\n"));
    assert_int_equal(toy->wakes, 0);
    toy->sleepless = false;
    free(talk("GET /x HTTP/1.0\r\n\r\n"));
    wait_until(toy->wakes > 0);
}

#define engine_test(function) cmocka_unit_test_setup_teardown(function, setup, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_an_answer_has_its_head_and_body),
        engine_test(test_head_gets_the_length_without_the_body),
        engine_test(test_http_1_0_closes_unless_asked),
        engine_test(test_nothing_is_read_after_connection_close),
        engine_test(test_a_fault_is_answered_once_and_ends_the_connection),
        engine_test(test_a_client_that_goes_on_sending_after_a_fault_is_not_reset),
        engine_test(test_a_fault_waits_for_the_answers_before_it),
        engine_test(test_a_message_cut_at_every_byte_is_the_same_message),
        engine_test(test_large_bodies_arrive_in_pieces),
        engine_test(test_16384_chunks_of_one_byte),
        engine_test(test_pipelined_answers_keep_their_order),
        engine_test(test_reading_stops_at_16_pipelined_requests),
        engine_test(test_hundreds_of_pipelined_requests_in_one_read_are_all_answered),
        engine_test(test_a_slow_reader_gets_everything),
        engine_test(test_an_answer_that_memory_is_not_lent_for_is_a_503),
        engine_test(test_expect_continue),
        engine_test(test_continue_waits_for_the_answers_before_it),
        engine_test(test_half_closed_clients_get_their_answers),
        engine_test(test_the_application_learns_that_a_client_has_gone),
        engine_test(test_the_application_is_asked_before_sleep_and_told_of_waking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
