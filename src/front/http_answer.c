#include "http_answer.h"
#include "check.h"

#include <string.h>
#include <time.h>

static const struct status_line {
    unsigned status;
    const char *line;
} status_lines[] = {
#define STATUS_LINE(status, reason)                                                                \
    {                                                                                              \
        status, "HTTP/1.1 " #status " " reason "\r\n"                                              \
    }
    STATUS_LINE(200, "OK"),
    STATUS_LINE(201, "Created"),
    STATUS_LINE(204, "No Content"),
    STATUS_LINE(304, "Not Modified"),
    STATUS_LINE(400, "Bad Request"),
    STATUS_LINE(401, "Unauthorized"),
    STATUS_LINE(403, "Forbidden"),
    STATUS_LINE(404, "Not Found"),
    STATUS_LINE(405, "Method Not Allowed"),
    STATUS_LINE(406, "Not Acceptable"),
    STATUS_LINE(408, "Request Timeout"),
    STATUS_LINE(409, "Conflict"),
    STATUS_LINE(410, "Gone"),
    STATUS_LINE(411, "Length Required"),
    STATUS_LINE(413, "Content Too Large"),
    STATUS_LINE(414, "URI Too Long"),
    STATUS_LINE(415, "Unsupported Media Type"),
    STATUS_LINE(422, "Unprocessable Content"),
    STATUS_LINE(429, "Too Many Requests"),
    STATUS_LINE(431, "Request Header Fields Too Large"),
    STATUS_LINE(500, "Internal Server Error"),
    STATUS_LINE(501, "Not Implemented"),
    STATUS_LINE(502, "Bad Gateway"),
    STATUS_LINE(503, "Service Unavailable"),
    STATUS_LINE(504, "Gateway Timeout"),
    STATUS_LINE(505, "HTTP Version Not Supported"),
    STATUS_LINE(507, "Insufficient Storage"),
#undef STATUS_LINE
};

enum { FIXED_SIZE_MAX = 256 }; /* everything but content type, further headers and body */

static void put_digits(char *to, unsigned value, unsigned width)
{
    while (width-- > 0) {
        to[width] = (char)('0' + value % 10);
        value /= 10;
    }
}

void http_date_line(char line[HTTP_DATE_SIZE], uint64_t time_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    check(gmtime_r(&seconds, &tm) != NULL);
    memcpy(line, "Date: Mon, 00 Jan 0000 00:00:00 GMT\r\n", HTTP_DATE_SIZE);
    memcpy(line + 6, days + 3 * tm.tm_wday, 3);
    put_digits(line + 11, (unsigned)tm.tm_mday, 2);
    memcpy(line + 14, months + 3 * tm.tm_mon, 3);
    put_digits(line + 18, (unsigned)tm.tm_year + 1900, 4);
    put_digits(line + 23, (unsigned)tm.tm_hour, 2);
    put_digits(line + 26, (unsigned)tm.tm_min, 2);
    put_digits(line + 29, (unsigned)tm.tm_sec, 2);
}

static const char *status_line(unsigned status)
{
    for (size_t i = 0; i < sizeof status_lines / sizeof status_lines[0]; i++) {
        if (status_lines[i].status == status)
            return status_lines[i].line;
    }
    check_failed(__FILE__, __LINE__, "a status without a reason phrase");
}

size_t http_answer_size(const struct response *response)
{
    size_t type = response->content_type != NULL ? strlen(response->content_type) : 0;
    return FIXED_SIZE_MAX + type + response->headers.size + response->body.size;
}

static char *put(char *to, const char *data, size_t size)
{
    memcpy(to, data, size);
    return to + size;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_number(char *to, size_t value)
{
    char digits[20];
    size_t used = sizeof digits;
    do {
        digits[--used] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return put(to, digits + used, sizeof digits - used);
}

size_t http_answer_write(char *to, const struct exchange *exchange, const struct response *response,
                         const char *date)
{
    const char *line = status_line(response->status);
    bool bodiless = response->status == 204 || response->status == 304;
    char *at = put(to, line, strlen(line));
    at = put(at, date, HTTP_DATE_SIZE);
    if (response->content_type != NULL && !bodiless) {
        at = PUT(at, "Content-Type: ");
        at = put(at, response->content_type, strlen(response->content_type));
        at = PUT(at, "\r\n");
    }
    if (!bodiless && !response->streamed) {
        at = PUT(at, "Content-Length: ");
        at = put_number(at, response->body.size);
        at = PUT(at, "\r\n");
    }
    if (exchange->close_after)
        at = PUT(at, "Connection: close\r\n");
    else if (exchange->announce_keep_alive)
        at = PUT(at, "Connection: keep-alive\r\n");
    if (response->headers.size > 0)
        at = put(at, response->headers.data, response->headers.size);
    at = PUT(at, "\r\n");
    if (!bodiless && !exchange->head_only && response->body.size > 0)
        at = put(at, response->body.data, response->body.size);
    return (size_t)(at - to);
}
