#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "framing.h"
#include "framing_feed.h"
#include "parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The framing rules as a table: what is refused and with which status, what is accepted and how
 * long it is. Every entry is fed whole, byte by byte and cut in two at every position. */

struct example {
    const char *name;
    const char *bytes;
    unsigned status;  /* 0: accepted */
    const char *body; /* of an accepted one; NULL: none */
};

#define GET "GET /a?b=c HTTP/1.1\r\n"
#define POST "POST /a HTTP/1.1\r\n"
#define HOST "Host: example.org\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

static const struct example accepted[] = {
    {"the smallest", GET HOST "\r\n", 0, NULL},
    {"one empty line before", "\r\n" GET HOST "\r\n", 0, NULL},
    {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0, NULL},
    {"HTTP/1.0 with Host", "GET / HTTP/1.0\r\n" HOST "\r\n", 0, NULL},
    {"a port", GET "Host: 127.0.0.1:8080\r\n\r\n", 0, NULL},
    {"an IPv6 host and port", GET "Host: [::1]:8080\r\n\r\n", 0, NULL},
    {"percent-encoded host", GET "Host: a%2db\r\n\r\n", 0, NULL},
    {"spaces and tabs around a value", GET "Host: \t example.org \t \r\n\r\n", 0, NULL},
    {"no space before a value", GET "hOsT:example.org\r\n\r\n", 0, NULL},
    {"an empty value", GET HOST "X:\r\nY: \r\n\r\n", 0, NULL},
    {"bytes above 0x7f in a value", GET HOST "X: \xc3\xa9\r\n\r\n", 0, NULL},
    {"odd target bytes", "GET /\"<>[]{}|\\^`%zz HTTP/1.1\r\n" HOST "\r\n", 0, NULL},
    {"absolute form", "GET http://h:80/a?b HTTP/1.1\r\n" HOST "\r\n", 0, NULL},
    {"asterisk form", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0, NULL},
    {"a method that nothing answers", "TRACE / HTTP/1.1\r\n" HOST "\r\n", 0, NULL},
    {"Upgrade is ignored", GET HOST "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n", 0, NULL},
    {"Upgrade with a body",
     POST HOST "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi", 0, "hi"},
    {"a body", POST HOST "Content-Length: 5\r\n\r\nhello", 0, "hello"},
    {"a length with zeros in front", POST HOST "Content-Length: 005\r\n\r\nhello", 0, "hello"},
    {"length zero", POST HOST "Content-Length: 0\r\n\r\n", 0, NULL},
    {"a body of GET", GET HOST "Content-Length: 2\r\n\r\nhi", 0, "hi"},
    {"line ends and zero bytes in a body", POST HOST "Content-Length: 4\r\n\r\n\n\r\n\r", 0,
     "\n\r\n\r"},
    {"an empty chunked body", POST HOST CHUNKED "\r\n0\r\n\r\n", 0, NULL},
    {"chunks", POST HOST CHUNKED "\r\n3\r\nfoo\r\n2\r\nba\r\n0\r\n\r\n", 0, "fooba"},
    {"chunk sizes with zeros in front", POST HOST CHUNKED "\r\n0003\r\nfoo\r\n000\r\n\r\n", 0,
     "foo"},
    {"hexadecimal chunk sizes",
     POST HOST CHUNKED "\r\nA\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", 0,
     "01234567890123456789a"},
    {"CRLF inside a chunk", POST HOST CHUNKED "\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n", 0, "\r\n\r\n"},
    {"chunked in any case", POST HOST "transfer-encoding:ChunKed\r\n\r\n1\r\nx\r\n0\r\n\r\n", 0,
     "x"},
    {"trailers", POST HOST CHUNKED "\r\n1\r\nx\r\n0\r\nAuthorization: a\r\nX-Sum: 1\r\n\r\n", 0,
     "x"},
    {"Upgrade with a chunked body",
     POST HOST CHUNKED "Connection: upgrade\r\nUpgrade: x\r\n\r\n1\r\nx\r\n0\r\n\r\n", 0, "x"},
};

static const struct example refused[] = {
    /* http-parser 2.9.4 takes these (RELIABILITY.md, pitfalls). */
    {"space before the colon of Content-Length", POST HOST "Content-Length : 1\r\n\r\nx", 400,
     NULL},
    {"tab before a colon", GET HOST "X\t: 1\r\n\r\n", 400, NULL},
    {"space in a field name", GET HOST "X Y: 1\r\n\r\n", 400, NULL},
    {"first field after a space", GET " X: 1\r\n" HOST "\r\n", 400, NULL},
    {"first field after a tab", GET "\tX: 1\r\n" HOST "\r\n", 400, NULL},
    {"any byte after CR at the end of the head", GET HOST "\rx", 400, NULL},
    {"two CRs at the end of the head", GET HOST "\r\r\n", 400, NULL},
    {"any two bytes after chunk data", POST HOST CHUNKED "\r\n1\r\nxab0\r\n\r\n", 400, NULL},
    {"CR and any byte after chunk data", POST HOST CHUNKED "\r\n1\r\nx\rb0\r\n\r\n", 400, NULL},
    {"LF after chunk data", POST HOST CHUNKED "\r\n1\r\nx\n0\r\n\r\n", 400, NULL},
    {"LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n", 400, NULL},
    {"LF after a field", GET "Host: a\n\r\n", 400, NULL},
    {"LF at the end of the head", GET HOST "\n", 400, NULL},
    {"LF after a chunk size", POST HOST CHUNKED "\r\n1\nx\r\n0\r\n\r\n", 400, NULL},
    {"LF after the last chunk", POST HOST CHUNKED "\r\n0\n\r\n", 400, NULL},
    {"LF after a trailer", POST HOST CHUNKED "\r\n0\r\nX: 1\n\r\n", 400, NULL},
    {"LF after the trailers", POST HOST CHUNKED "\r\n0\r\n\n", 400, NULL},
    {"CR alone in a value", GET HOST "X: a\rb\r\n\r\n", 400, NULL},
    {"obs-fold", GET HOST "X: a\r\n b\r\n\r\n", 400, NULL},
    {"obs-fold with a tab", GET HOST "X: a\r\n\tb\r\n\r\n", 400, NULL},
    {"obs-fold on Content-Length", POST HOST "Content-Length:\r\n 1\r\n\r\nx", 400, NULL},
    {"obs-fold on Transfer-Encoding", POST HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
     400, NULL},
    {"chunk extension", POST HOST CHUNKED "\r\n1;a=b\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"chunk extension on the last chunk", POST HOST CHUNKED "\r\n1\r\nx\r\n0;a\r\n\r\n", 400, NULL},
    {"space after a chunk size", POST HOST CHUNKED "\r\n1 \r\nx\r\n0\r\n\r\n", 400, NULL},
    {"space before a chunk size", POST HOST CHUNKED "\r\n 1\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"empty chunk size", POST HOST CHUNKED "\r\n\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"an empty line as last chunk", POST HOST CHUNKED "\r\n\r\n\r\n", 400, NULL},
    {"any byte and LF after chunk data", POST HOST CHUNKED "\r\n1\r\nxa\n0\r\n\r\n", 400, NULL},
    {"chunk size with 0x", POST HOST CHUNKED "\r\n0x1\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"negative chunk size", POST HOST CHUNKED "\r\n-1\r\nx\r\n0\r\n\r\n", 400, NULL},
    {"chunk size near 2^64", POST HOST CHUNKED "\r\nffffffffffffffff\r\nx\r\n0\r\n\r\n", 413, NULL},
    {"chunk size above 2^64", POST HOST CHUNKED "\r\n10000000000000001\r\nx\r\n0\r\n\r\n", 413,
     NULL},
    {"identity, chunked", POST HOST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400,
     NULL},
    {"gzip, chunked", POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400, NULL},
    {"identity", POST HOST "Transfer-Encoding: identity\r\n\r\n", 400, NULL},
    {"chunked, chunked", POST HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400,
     NULL},
    {"quoted chunked", POST HOST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400, NULL},
    {"chunked with a parameter", POST HOST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400,
     NULL},
    {"vertical tab before chunked", POST HOST "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 400,
     NULL},
    {"empty Transfer-Encoding", POST HOST "Transfer-Encoding:\r\n\r\n", 400, NULL},
    {"Transfer-Encoding twice", POST HOST CHUNKED CHUNKED "\r\n0\r\n\r\n", 400, NULL},
    {"chunked on HTTP/1.0", "POST / HTTP/1.0\r\n" HOST CHUNKED "\r\n0\r\n\r\n", 400, NULL},
    {"chunked and Content-Length", POST HOST CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n", 400,
     NULL},
    {"Content-Length and chunked", POST HOST "Content-Length: 5\r\n" CHUNKED "\r\n0\r\n\r\n", 400,
     NULL},
    {"no Host", GET "\r\n", 400, NULL},
    {"two Hosts", GET HOST HOST "\r\n", 400, NULL},
    {"two Hosts on HTTP/1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", 400, NULL},
    {"HTTP/0.9 by its number", "GET / HTTP/0.9\r\n" HOST "\r\n", 505, NULL},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", 505, NULL},
    {"HTTP/9.9", "GET / HTTP/9.9\r\n" HOST "\r\n", 505, NULL},
    {"HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505, NULL},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, NULL},
    {"Content-Length near 2^64", POST HOST "Content-Length: 18446744073709551615\r\n\r\n", 413,
     NULL},
    {"Content-Length 2^64 + 1", POST HOST "Content-Length: 18446744073709551617\r\n\r\nx", 413,
     NULL},
    {"Content-Length in the trailers", POST HOST CHUNKED "\r\n0\r\nContent-Length: 1\r\n\r\n", 400,
     NULL},
    {"Transfer-Encoding in the trailers", POST HOST CHUNKED "\r\n0\r\n" CHUNKED "\r\n", 400, NULL},
    {"Host in the trailers", POST HOST CHUNKED "\r\n0\r\n" HOST "\r\n", 400, NULL},
    {"a trailer that is no field", POST HOST CHUNKED "\r\n0\r\nGET / HTTP/1.1\r\n\r\n", 400, NULL},
    {"a folded trailer", POST HOST CHUNKED "\r\n0\r\nX: 1\r\n 2\r\n\r\n", 400, NULL},
    {"CONNECT", "CONNECT example.org:443 HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    /* Request lines. */
    {"an unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"a method in small letters", "get / HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"a method of WebDAV", "PROPFIND / HTTP/1.1\r\n" HOST "\r\n", 501, NULL},
    {"a method that is no token", "G(T / HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"no method", " / HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"two empty lines before", "\r\n\r\n" GET HOST "\r\n", 400, NULL},
    {"LF before", "\n" GET HOST "\r\n", 400, NULL},
    {"CR before", "\r" GET HOST "\r\n", 400, NULL},
    {"a space before", " " GET HOST "\r\n", 400, NULL},
    {"two spaces before the target", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"two spaces after the target", "GET /  HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a tab after the method", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a space after the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400, NULL},
    {"no target", "GET HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"no version", "GET /\r\n" HOST "\r\n", 400, NULL},
    {"a method alone", "GET\r\n" HOST "\r\n", 400, NULL},
    {"a space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a fragment", "GET /a#b HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a fragment after a query", "GET /a?b#c HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a byte above 0x7f in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a control character in the target", "GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"DEL in the target", "GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a target without slash", "GET a HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"a query alone", "GET ?a HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"asterisk form of GET", "GET * HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"another scheme", "GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"absolute form without host", "GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"absolute form with a user", "GET http://u@h/a HTTP/1.1\r\n" HOST "\r\n", 400, NULL},
    {"HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", 400, NULL},
    {"HTTP/1-1", "GET / HTTP/1-1\r\n" HOST "\r\n", 400, NULL},
    {"HTTP/11", "GET / HTTP/11\r\n" HOST "\r\n", 400, NULL},
    {"http/1.1", "GET / http/1.1\r\n" HOST "\r\n", 400, NULL},
    {"HTTP/1.x", "GET / HTTP/1.x\r\n" HOST "\r\n", 400, NULL},
    {"the start of TLS", "\x16\x03\x01\x02", 400, NULL},
    /* Fields. */
    {"a field without colon", GET HOST "X\r\n\r\n", 400, NULL},
    {"a field without name", GET HOST ": 1\r\n\r\n", 400, NULL},
    {"a name that is no token", GET HOST "X(y): 1\r\n\r\n", 400, NULL},
    {"a byte above 0x7f in a name", GET HOST "X\xc3\xa9: 1\r\n\r\n", 400, NULL},
    {"a control character in a value", GET HOST "X: \x08\r\n\r\n", 400, NULL},
    {"DEL in a value", GET HOST "X: aaaaaaaaaaaaaaa\x7f\r\n\r\n", 400, NULL},
    {"an empty Host", GET "Host:\r\n\r\n", 400, NULL},
    {"a space in Host", GET "Host: a b\r\n\r\n", 400, NULL},
    {"a list in Host", GET "Host: a, b\r\n\r\n", 400, NULL},
    {"a path in Host", GET "Host: a/b\r\n\r\n", 400, NULL},
    {"a user in Host", GET "Host: u@a\r\n\r\n", 400, NULL},
    {"a port that is no number", GET "Host: a:8x\r\n\r\n", 400, NULL},
    {"an empty port", GET "Host: a:\r\n\r\n", 400, NULL},
    {"a port above 65535", GET "Host: a:65536\r\n\r\n", 400, NULL},
    {"a port alone", GET "Host: :80\r\n\r\n", 400, NULL},
    {"a bracket that is not closed", GET "Host: [::1\r\n\r\n", 400, NULL},
    {"another byte than the bracket", GET "Host: [::1x\r\n\r\n", 400, NULL},
    {"nothing in brackets", GET "Host: []\r\n\r\n", 400, NULL},
    {"bytes behind the bracket", GET "Host: [::1]a\r\n\r\n", 400, NULL},
    {"a broken percent in Host", GET "Host: a%2\r\n\r\n", 400, NULL},
    {"a bad Host on HTTP/1.0", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n", 400, NULL},
    {"Content-Length twice, equal", POST HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
     400, NULL},
    {"Content-Length twice, different", POST HOST "Content-Length: 1\r\ncontent-length: 2\r\n\r\nx",
     400, NULL},
    {"Content-Length as a list", POST HOST "Content-Length: 1, 1\r\n\r\nx", 400, NULL},
    {"Content-Length with a plus", POST HOST "Content-Length: +1\r\n\r\nx", 400, NULL},
    {"Content-Length with a minus", POST HOST "Content-Length: -1\r\n\r\nx", 400, NULL},
    {"Content-Length in hexadecimal", POST HOST "Content-Length: 0x1\r\n\r\nx", 400, NULL},
    {"Content-Length with a space inside", POST HOST "Content-Length: 1 1\r\n\r\nx", 400, NULL},
    {"an empty Content-Length", POST HOST "Content-Length:\r\n\r\n", 400, NULL},
    {"Content-Length above the limit", POST HOST "Content-Length: 16385\r\n\r\n", 413, NULL},
    {"a chunk above the limit", POST HOST CHUNKED "\r\n4001\r\n", 413, NULL},
    {"chunks together above the limit", POST HOST CHUNKED "\r\n1\r\nx\r\n4000\r\n", 413, NULL},
};

static void test_accepted_messages_are_framed_the_same_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        const struct example *example = &accepted[i];
        struct framing framing;
        print_message("%s\n", example->name);
        size_t size = strlen(example->bytes);
        assert_int_equal(feed_every_way(&framing, example->bytes, size), FRAMING_COMPLETE);
        assert_int_equal(framing.total_size, size);
        assert_int_equal(framing.body_size, example->body != NULL ? strlen(example->body) : 0);
    }
}

static void test_http_parser_agrees_on_accepted_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        const char *body = accepted[i].body != NULL ? accepted[i].body : "";
        char *copy = strdup(accepted[i].bytes), *again = strdup(accepted[i].bytes);
        struct framing framing;
        struct http_request request;
        const char *why;
        print_message("%s\n", accepted[i].name);
        assert_int_equal(feed_whole(&framing, copy, strlen(copy)), FRAMING_COMPLETE);
        assert_true(parser_read(&framing, copy, &request, &why));
        assert_int_equal(request.body.size, strlen(body));
        if (request.body.size > 0)
            assert_memory_equal(request.body.data, body, request.body.size);
        assert_memory_equal(copy, again, framing.head_size);
        free(copy);
        free(again);
    }
}

static void test_a_message_ends_where_the_next_begins(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        const struct example *example = &accepted[i];
        size_t size = strlen(example->bytes);
        char *both = malloc(size + 40);
        assert_non_null(both);
        memcpy(both, example->bytes, size);
        memset(both + size, i % 2 == 0 ? '0' : '\r', 40);
        struct framing framing;
        assert_int_equal(feed_every_way(&framing, both, size + 40), FRAMING_COMPLETE);
        assert_int_equal(framing.total_size, size);
        free(both);
    }
}

static void test_refused_messages_are_refused_the_same_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const struct example *example = &refused[i];
        struct framing framing;
        print_message("%s\n", example->name);
        assert_int_equal(feed_every_way(&framing, example->bytes, strlen(example->bytes)),
                         FRAMING_FAULT);
        assert_int_equal(framing.status, example->status);
        assert_non_null(framing.detail);
    }
}

static void test_a_zero_byte_is_refused_wherever_it_is_in_the_head(void **state)
{
    (void)state;
    const char *whole = GET HOST "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n";
    size_t size = strlen(whole);
    for (size_t at = 0; at < size; at++) {
        char bytes[128];
        memcpy(bytes, whole, size);
        bytes[at] = '\0';
        struct framing framing;
        assert_int_equal(feed_every_way(&framing, bytes, size), FRAMING_FAULT);
        assert_int_equal(framing.status, 400);
    }
}

static void test_half_a_message_is_never_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        size_t size = strlen(accepted[i].bytes);
        for (size_t cut = 0; cut < size; cut++) {
            struct framing framing;
            assert_int_equal(feed_whole(&framing, accepted[i].bytes, cut), FRAMING_MORE);
        }
    }
}

/* ---- limits, at the last size that passes and the first that doesn't ---- */

static void assert_limit(const char *bytes, size_t size, unsigned status)
{
    struct framing framing;
    enum framing_verdict verdict = feed_cut(&framing, bytes, size, 997);
    assert_int_equal(verdict, status == 0 ? FRAMING_COMPLETE : FRAMING_FAULT);
    assert_int_equal(framing.status, status);
    struct framing whole;
    assert_int_equal(feed_whole(&whole, bytes, size), verdict);
    assert_same_framing(&whole, &framing);
    assert_int_equal(feed_cut(&whole, bytes, size, 1), verdict);
    assert_same_framing(&whole, &framing);
}

static void test_request_line_of_8000_bytes(void **state)
{
    (void)state;
    static char bytes[12000];
    for (unsigned over = 0; over < 2; over++) {
        size_t target = 8000 - strlen("GET  HTTP/1.1") - 1 + over;
        int size =
            snprintf(bytes, sizeof bytes, "GET /%0*d HTTP/1.1\r\n" HOST "\r\n", (int)target, 0);
        assert_limit(bytes, (size_t)size, over ? 414 : 0);
        /* An empty line before it does not count. */
        memmove(bytes + 2, bytes, (size_t)size);
        memcpy(bytes, "\r\n", 2);
        assert_limit(bytes, (size_t)size + 2, over ? 414 : 0);
    }
}

static void test_request_line_without_end_is_refused_at_its_limit(void **state)
{
    (void)state;
    static char bytes[REQUEST_LINE_SIZE_MAX + 2];
    memset(bytes, 'A', sizeof bytes);
    assert_limit(bytes, sizeof bytes, 414);
}

static void test_head_of_16_kib(void **state)
{
    (void)state;
    static char bytes[20000];
    for (unsigned over = 0; over < 2; over++) {
        int size = snprintf(bytes, sizeof bytes, GET HOST "X: %0*d\r\n\r\n",
                            (int)(16384 - strlen(GET HOST "X: \r\n\r\n") + over), 0);
        assert_limit(bytes, (size_t)size, over ? 431 : 0);
    }
}

static void test_head_without_end_is_refused_at_its_limit(void **state)
{
    (void)state;
    static char bytes[HEAD_SIZE_MAX];
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, GET HOST "X: ", strlen(GET HOST "X: "));
    assert_limit(bytes, sizeof bytes, 431);
}

static void test_64_fields(void **state)
{
    (void)state;
    char bytes[1024];
    for (unsigned over = 0; over < 2; over++) {
        size_t used = (size_t)sprintf(bytes, GET HOST);
        for (unsigned i = 1; i < 64 + over; i++)
            used += (size_t)sprintf(bytes + used, "X%u: 1\r\n", i);
        used += (size_t)sprintf(bytes + used, "\r\n");
        assert_limit(bytes, used, over ? 431 : 0);
    }
}

static void test_64_fields_with_trailers(void **state)
{
    (void)state;
    char bytes[1024];
    for (unsigned over = 0; over < 2; over++) {
        size_t used = (size_t)sprintf(bytes, POST HOST CHUNKED "\r\n0\r\n");
        for (unsigned i = 2; i < 64 + over; i++)
            used += (size_t)sprintf(bytes + used, "X%u: 1\r\n", i);
        used += (size_t)sprintf(bytes + used, "\r\n");
        assert_limit(bytes, used, over ? 431 : 0);
    }
}

static void test_trailers_of_16_kib(void **state)
{
    (void)state;
    static char bytes[20000];
    for (unsigned over = 0; over < 2; over++) {
        int size = snprintf(bytes, sizeof bytes, POST HOST CHUNKED "\r\n0\r\nX: %0*d\r\n\r\n",
                            (int)(16384 - strlen("X: \r\n\r\n") + over), 0);
        assert_limit(bytes, (size_t)size, over ? 431 : 0);
    }
}

static void test_body_of_16_kib(void **state)
{
    (void)state;
    static char bytes[20000];
    int head = snprintf(bytes, sizeof bytes, POST HOST "Content-Length: 16384\r\n\r\n");
    memset(bytes + head, 'x', 16384);
    assert_limit(bytes, (size_t)head + 16384, 0);
    head = snprintf(bytes, sizeof bytes, POST HOST CHUNKED "\r\n4000\r\n");
    memset(bytes + head, 'x', 16384);
    memcpy(bytes + head + 16384, "\r\n0\r\n\r\n", 7);
    assert_limit(bytes, (size_t)head + 16384 + 7, 0);
}

static void test_body_of_16_kib_in_chunks_of_one_byte(void **state)
{
    (void)state;
    static char bytes[200000];
    for (unsigned over = 0; over < 2; over++) {
        size_t used = (size_t)sprintf(bytes, POST HOST CHUNKED "\r\n");
        for (unsigned i = 0; i < 16384 + over; i++)
            used += (size_t)sprintf(bytes + used, "1\r\nx\r\n");
        used += (size_t)sprintf(bytes + used, "0\r\n\r\n");
        assert_limit(bytes, used, over ? 413 : 0);
    }
}

static void test_chunks_may_not_swell_by_their_zeros(void **state)
{
    (void)state;
    static char bytes[200000];
    size_t head = (size_t)sprintf(bytes, POST HOST CHUNKED "\r\n");
    memset(bytes + head, '0', CHUNKED_SIZE_MAX);
    assert_limit(bytes, head + CHUNKED_SIZE_MAX, 413);
    for (size_t used = head, chunk = 0; chunk < 7; chunk++)
        used += (size_t)sprintf(bytes + used, "%020000d\r\nx\r\n", 1);
    assert_limit(bytes, head + CHUNKED_SIZE_MAX + 1000, 413);
}

static void test_what_the_connection_does_afterwards(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool keeps_alive;
    } examples[] = {
        {GET HOST "\r\n", true},
        {GET HOST "Connection: keep-alive\r\n\r\n", true},
        {GET HOST "Connection: close\r\n\r\n", false},
        {GET HOST "Connection: ClOsE\r\n\r\n", false},
        {GET HOST "Connection: x ,\t close \r\n\r\n", false},
        {GET HOST "Connection: closed\r\n\r\n", true},
        {GET HOST "Connection: x\r\nConnection: close\r\n\r\n", false},
        {GET HOST "Connection: keep-alive, close\r\n\r\n", false},
        {GET HOST "Connection:,,\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct framing framing;
        assert_int_equal(feed_every_way(&framing, examples[i].bytes, strlen(examples[i].bytes)),
                         FRAMING_COMPLETE);
        assert_int_equal(framing_keeps_alive(&framing), examples[i].keeps_alive);
    }
}

static void test_an_empty_line_alone_is_no_request_under_way(void **state)
{
    (void)state;
    struct framing framing;
    assert_int_equal(feed_whole(&framing, "\r\n", 2), FRAMING_MORE);
    assert_true(framing_idle(&framing, 2));
    assert_int_equal(feed_whole(&framing, "\r", 1), FRAMING_MORE);
    assert_false(framing_idle(&framing, 1));
    assert_int_equal(feed_whole(&framing, "\r\nG", 3), FRAMING_MORE);
    assert_false(framing_idle(&framing, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_messages_are_framed_the_same_however_they_are_cut),
        cmocka_unit_test(test_http_parser_agrees_on_accepted_messages),
        cmocka_unit_test(test_a_message_ends_where_the_next_begins),
        cmocka_unit_test(test_refused_messages_are_refused_the_same_however_they_are_cut),
        cmocka_unit_test(test_a_zero_byte_is_refused_wherever_it_is_in_the_head),
        cmocka_unit_test(test_half_a_message_is_never_complete),
        cmocka_unit_test(test_request_line_of_8000_bytes),
        cmocka_unit_test(test_request_line_without_end_is_refused_at_its_limit),
        cmocka_unit_test(test_head_of_16_kib),
        cmocka_unit_test(test_head_without_end_is_refused_at_its_limit),
        cmocka_unit_test(test_64_fields),
        cmocka_unit_test(test_64_fields_with_trailers),
        cmocka_unit_test(test_trailers_of_16_kib),
        cmocka_unit_test(test_body_of_16_kib),
        cmocka_unit_test(test_body_of_16_kib_in_chunks_of_one_byte),
        cmocka_unit_test(test_chunks_may_not_swell_by_their_zeros),
        cmocka_unit_test(test_what_the_connection_does_afterwards),
        cmocka_unit_test(test_an_empty_line_alone_is_no_request_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
