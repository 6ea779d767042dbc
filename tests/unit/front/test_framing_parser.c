#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "parser.h"

#include <string.h>

/* What the application gets of a message, and that http-parser has to agree with the framing. */

static struct framing framing;
static struct http_request request;

static bool read_request(char *bytes)
{
    const char *why;
    framing_init(&framing);
    assert_int_equal(framing_check(&framing, bytes, strlen(bytes)), FRAMING_COMPLETE);
    return parser_read(&framing, bytes, &request, &why);
}

static void assert_text(struct text text, const char *expected)
{
    if (expected == NULL) {
        assert_null(text.data);
        return;
    }
    assert_non_null(text.data);
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.data, expected, text.size);
}

static void test_fields_reach_the_application(void **state)
{
    (void)state;
    char bytes[] = "PATCH /a/b?c=d&e HTTP/1.1\r\nHost: h\r\nAUTHORIZATION:\tBearer x y \r\n"
                   "Idempotency-Key: k\r\nContent-Type: application/json\r\nAccept: */*\r\n"
                   "If-None-Match: \"e\"\r\nOrigin: http://o\r\nLast-Event-ID: 7\r\n"
                   "Access-Control-Request-Method: POST\r\nX-Other: 1\r\n"
                   "Access-Control-Request-Headers: a, b\r\nContent-Length: 2\r\n\r\nhi";
    assert_true(read_request(bytes));
    assert_int_equal(request.method, HTTP_METHOD_PATCH);
    assert_text(request.path, "/a/b");
    assert_text(request.query, "c=d&e");
    assert_text(request.authorization, "Bearer x y");
    assert_text(request.idempotency_key, "k");
    assert_text(request.content_type, "application/json");
    assert_text(request.accept, "*/*");
    assert_text(request.if_none_match, "\"e\"");
    assert_text(request.origin, "http://o");
    assert_text(request.last_event_id, "7");
    assert_text(request.access_control_request_method, "POST");
    assert_text(request.access_control_request_headers, "a, b");
    assert_text(request.body, "hi");
    assert_true(request.has_body);
    assert_true(request.has_length);
    assert_int_equal(request.repeated, 0);
}

static void test_what_was_not_sent_is_absent(void **state)
{
    (void)state;
    char bytes[] = "\r\nGET / HTTP/1.1\r\nHost: h\r\nAuthorization:\r\n\r\n";
    assert_true(read_request(bytes));
    assert_text(request.path, "/");
    assert_text(request.query, NULL);
    assert_text(request.authorization, "");
    assert_text(request.content_type, NULL);
    assert_text(request.body, NULL);
    assert_false(request.has_body);
    assert_false(request.has_length);
}

static void test_an_empty_query_is_there(void **state)
{
    (void)state;
    char bytes[] = "GET /a? HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_true(read_request(bytes));
    assert_text(request.path, "/a");
    assert_text(request.query, "");
}

static void test_absolute_form_gives_its_path(void **state)
{
    (void)state;
    char bytes[] = "GET HTTP://other:80/a/b?c HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_true(read_request(bytes));
    assert_text(request.path, "/a/b");
    assert_text(request.query, "c");
}

static void test_repeated_fields_are_marked_and_the_first_counts(void **state)
{
    (void)state;
    char bytes[] = "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nauthorization: b\r\n"
                   "Content-Type: c\r\nContent-Type: c\r\nIdempotency-Key: 1\r\n"
                   "Idempotency-Key:\r\n\r\n";
    assert_true(read_request(bytes));
    assert_text(request.authorization, "a");
    assert_int_equal(request.repeated,
                     REPEATED_AUTHORIZATION | REPEATED_CONTENT_TYPE | REPEATED_IDEMPOTENCY_KEY);
}

static void test_chunks_are_put_together_and_trailers_dropped(void **state)
{
    (void)state;
    char bytes[] = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "1\r\na\r\n003\r\nb\r\n\r\nA\r\n0123456789\r\n0\r\nAuthorization: x\r\n\r\n";
    assert_true(read_request(bytes));
    assert_text(request.body, "ab\r\n0123456789");
    assert_text(request.authorization, NULL);
    assert_true(request.has_length);
}

static void test_upgrade_and_other_methods_are_ordinary_requests(void **state)
{
    (void)state;
    char upgrade[] = "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                     "Content-Length: 2\r\n\r\nhi";
    assert_true(read_request(upgrade));
    assert_text(request.path, "/ws");
    assert_text(request.body, "hi");
    char trace[] = "TRACE / HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_true(read_request(trace));
    assert_int_equal(request.method, HTTP_METHOD_OTHER);
    char options[] = "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_true(read_request(options));
    assert_int_equal(request.method, HTTP_METHOD_OPTIONS);
    assert_text(request.path, "*");
}

/* Each line is what a framing error of ours would look like. */
static void test_a_framing_that_http_parser_does_not_share_is_refused(void **state)
{
    (void)state;
    const char *why;
    char bytes[] = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
    assert_true(read_request(bytes));
    struct framing wrong = framing;
    wrong.body_size = 1;
    wrong.total_size--;
    assert_false(parser_read(&wrong, bytes, &request, &why));
    wrong = framing;
    wrong.method_size = 3;
    assert_false(parser_read(&wrong, bytes, &request, &why));
    wrong = framing;
    wrong.minor = 0;
    assert_false(parser_read(&wrong, bytes, &request, &why));
    wrong = framing;
    wrong.target_size = 1;
    assert_false(parser_read(&wrong, bytes, &request, &why));
    wrong = framing;
    wrong.field_count++;
    assert_false(parser_read(&wrong, bytes, &request, &why));
    wrong = framing;
    wrong.chunked = true;
    assert_false(parser_read(&wrong, bytes, &request, &why));
    wrong = framing;
    wrong.has_length = false;
    assert_false(parser_read(&wrong, bytes, &request, &why));
    assert_non_null(why);
    assert_true(parser_read(&framing, bytes, &request, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_reach_the_application),
        cmocka_unit_test(test_what_was_not_sent_is_absent),
        cmocka_unit_test(test_an_empty_query_is_there),
        cmocka_unit_test(test_absolute_form_gives_its_path),
        cmocka_unit_test(test_repeated_fields_are_marked_and_the_first_counts),
        cmocka_unit_test(test_chunks_are_put_together_and_trailers_dropped),
        cmocka_unit_test(test_upgrade_and_other_methods_are_ordinary_requests),
        cmocka_unit_test(test_a_framing_that_http_parser_does_not_share_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
