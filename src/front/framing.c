#include "framing.h"
#include "grammar.h"

#include <string.h>
#include <strings.h>

/* The scan finds the end of a line and refuses control characters as they come; a whole line is
 * then judged at once. So a fault is either in the bytes of the current line or in a line that
 * ended, and is found in the same order however the bytes were cut. */

static enum framing_verdict fault(struct framing *framing, unsigned status, const char *detail)
{
    framing->phase = FRAMING_FAULTED;
    framing->status = status;
    framing->detail = detail;
    return FRAMING_FAULT;
}

/* ---- lines ---- */

enum line { LINE_MORE, LINE_READY, LINE_TOO_LONG, LINE_BAD };

/* Looks for the CRLF of the current line; `limit` is the offset that the line, CRLF included, may
 * not pass. On LINE_READY `end` is where the CR is, and scan is behind the LF. */
static enum line next_line(struct framing *framing, const char *data, size_t size, size_t limit,
                           size_t *end)
{
    size_t to = size < limit ? size : limit;
    size_t at = grammar_find_control(data, framing->scan, to);
    framing->scan = (uint32_t)at;
    if (at < to) {
        if (data[at] != '\r')
            return LINE_BAD;
        if (at + 1 < to) {
            if (data[at + 1] != '\n')
                return LINE_BAD;
            framing->scan = (uint32_t)at + 2;
            *end = at;
            return LINE_READY;
        }
    }
    return size >= limit ? LINE_TOO_LONG : LINE_MORE;
}

static const char bad_byte[] = "a control character, or a line end that is not CRLF";

/* ---- request line ---- */

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {
    {"GET", HTTP_METHOD_GET},         {"POST", HTTP_METHOD_POST},   {"HEAD", HTTP_METHOD_HEAD},
    {"PUT", HTTP_METHOD_PUT},         {"PATCH", HTTP_METHOD_PATCH}, {"DELETE", HTTP_METHOD_DELETE},
    {"OPTIONS", HTTP_METHOD_OPTIONS}, {"TRACE", HTTP_METHOD_OTHER},
};

/* CONNECT is not among them: this is no proxy. */
static bool find_method(const char *data, size_t size, enum http_method *method)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strlen(methods[i].name) == size && memcmp(methods[i].name, data, size) == 0) {
            *method = methods[i].method;
            return true;
        }
    }
    return false;
}

/* Origin form; absolute form (a server must accept it, RFC 9112, 3.2.2), whose authority is checked
 * and otherwise ignored like Host; `*` for OPTIONS alone. Sets where the path begins. */
static bool find_path(struct framing *framing, const char *data)
{
    const char *target = data + framing->target;
    size_t size = framing->target_size, skip;
    framing->path = framing->target;
    if (target[0] == '/')
        return true;
    if (size == 1 && target[0] == '*')
        return framing->method == HTTP_METHOD_OPTIONS;
    if (size > 7 && strncasecmp(target, "http://", 7) == 0)
        skip = 7;
    else if (size > 8 && strncasecmp(target, "https://", 8) == 0)
        skip = 8;
    else
        return false;
    const char *slash = memchr(target + skip, '/', size - skip);
    if (slash == NULL || !grammar_host_valid(target + skip, (size_t)(slash - target) - skip))
        return false;
    framing->path += (uint32_t)(slash - target);
    return true;
}

static enum framing_verdict request_line(struct framing *framing, const char *data, size_t end)
{
    const char *line = data + framing->line;
    size_t size = end - framing->line;
    size_t method = grammar_span(line, size, CLASS_TOKEN);
    if (method == 0 || method == size || line[method] != ' ')
        return fault(framing, 400, "the request line does not begin with a method and a space");
    size_t target = grammar_span(line + method + 1, size - method - 1, CLASS_VISIBLE);
    size_t version = method + 1 + target + 1;
    if (target == 0 || version > size || line[version - 1] != ' ')
        return fault(framing, 400, "the target is not visible ASCII without '#' and a space");
    const char *name = line + version;
    if (size - version != 8 || memcmp(name, "HTTP/", 5) != 0 || name[5] < '0' || name[5] > '9' ||
        name[6] != '.' || name[7] < '0' || name[7] > '9')
        return fault(framing, 400, "the request line does not end in an HTTP version");
    if (name[5] != '1' || name[7] > '1')
        return fault(framing, 505, "HTTP/1.1 and HTTP/1.0 are spoken here");
    framing->minor = (unsigned)(name[7] - '0');
    if (!find_method(line, method, &framing->method))
        return fault(framing, 501, "the method is not implemented");
    framing->method_size = (uint32_t)method;
    framing->target = framing->line + (uint32_t)method + 1;
    framing->target_size = (uint32_t)target;
    if (!find_path(framing, data))
        return fault(framing, 400, "the target has no path");
    return FRAMING_MORE;
}

/* ---- field lines ---- */

struct field {
    const char *name, *value;
    size_t name_size, value_size;
};

static enum framing_verdict field_line(struct framing *framing, const char *line, size_t size,
                                       struct field *field)
{
    if (framing->field_count + framing->trailer_count == FIELD_COUNT_MAX)
        return fault(framing, 431, "more than 64 fields");
    if (line[0] == ' ' || line[0] == '\t')
        return fault(framing, 400, "a field line begins with a space");
    size_t name = grammar_span(line, size, CLASS_TOKEN);
    if (name == 0 || name == size || line[name] != ':')
        return fault(framing, 400, "a field name is not a token directly before a colon");
    size_t from = name + 1, to = size;
    while (from < to && (line[from] == ' ' || line[from] == '\t'))
        from++;
    while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t'))
        to--;
    *field = (struct field){line, line + from, name, to - from};
    return FRAMING_MORE;
}

static enum framing_verdict field_host(struct framing *framing, const struct field *field)
{
    if (framing->has_host)
        return fault(framing, 400, "more than one Host");
    if (!grammar_host_valid(field->value, field->value_size))
        return fault(framing, 400, "Host is not host[:port]");
    framing->has_host = true;
    return FRAMING_MORE;
}

static enum framing_verdict field_content_length(struct framing *framing, const struct field *field)
{
    if (framing->has_length)
        return fault(framing, 400, "more than one Content-Length");
    if (field->value_size == 0)
        return fault(framing, 400, "Content-Length is empty");
    uint64_t length = 0;
    for (size_t i = 0; i < field->value_size; i++) {
        char digit = field->value[i];
        if (digit < '0' || digit > '9')
            return fault(framing, 400, "Content-Length is not a number");
        if (length <= BODY_SIZE_MAX) /* beyond it stays beyond it, without overflow */
            length = length * 10 + (uint64_t)(digit - '0');
    }
    framing->has_length = true;
    framing->chunk_size = length;
    return FRAMING_MORE;
}

static enum framing_verdict field_transfer_encoding(struct framing *framing,
                                                    const struct field *field)
{
    if (framing->chunked)
        return fault(framing, 400, "more than one Transfer-Encoding");
    if (framing->minor == 0)
        return fault(framing, 400, "Transfer-Encoding on HTTP/1.0");
    if (!grammar_equals(field->value, field->value_size, "chunked"))
        return fault(framing, 400, "Transfer-Encoding is not chunked");
    framing->chunked = true;
    return FRAMING_MORE;
}

static void field_connection(struct framing *framing, const struct field *field)
{
    const char *at = field->value, *end = at + field->value_size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *next = comma != NULL ? comma : end, *last = next;
        while (at < last && (*at == ' ' || *at == '\t'))
            at++;
        while (last > at && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if (grammar_equals(at, (size_t)(last - at), "close"))
            framing->close = true;
        else if (grammar_equals(at, (size_t)(last - at), "keep-alive"))
            framing->keep_alive = true;
        at = next + 1;
    }
}

/* The fields that say how the message is framed, and whether the connection lives on. */
static enum framing_verdict head_field(struct framing *framing, const char *line, size_t size)
{
    struct field field;
    if (field_line(framing, line, size, &field) != FRAMING_MORE)
        return FRAMING_FAULT;
    framing->field_count++;
    switch (field.name_size) {
    case 4:
        if (grammar_equals(field.name, 4, "host"))
            return field_host(framing, &field);
        break;
    case 6:
        if (grammar_equals(field.name, 6, "expect") &&
            grammar_equals(field.value, field.value_size, "100-continue"))
            framing->expect_continue = true;
        break;
    case 10:
        if (grammar_equals(field.name, 10, "connection"))
            field_connection(framing, &field);
        break;
    case 14:
        if (grammar_equals(field.name, 14, "content-length"))
            return field_content_length(framing, &field);
        break;
    case 17:
        if (grammar_equals(field.name, 17, "transfer-encoding"))
            return field_transfer_encoding(framing, &field);
        break;
    default:
        break;
    }
    return FRAMING_MORE;
}

static enum framing_verdict head_end(struct framing *framing)
{
    framing->head_size = framing->scan;
    if (!framing->has_host && framing->minor == 1)
        return fault(framing, 400, "HTTP/1.1 without Host");
    if (framing->minor == 0)
        framing->expect_continue = false;
    if (framing->chunked && framing->has_length)
        return fault(framing, 400, "both Content-Length and Transfer-Encoding");
    if (framing->chunked) {
        framing->phase = FRAMING_CHUNK_SIZE;
        framing->line = framing->scan;
        return FRAMING_MORE;
    }
    if (framing->chunk_size > BODY_SIZE_MAX)
        return fault(framing, 413, "the body is larger than 16 KiB");
    framing->body_size = (uint32_t)framing->chunk_size;
    framing->total_size = framing->head_size + framing->body_size;
    framing->phase = FRAMING_BODY;
    return FRAMING_MORE;
}

/* ---- chunks ---- */

static enum framing_verdict chunk_size_line(struct framing *framing, const char *data, size_t end)
{
    const char *line = data + framing->line;
    size_t size = end - framing->line;
    if (size == 0 || grammar_span(line, size, CLASS_HEX) != size)
        return fault(framing, 400, "a chunk size is not a hexadecimal number alone on its line");
    uint64_t value = 0;
    for (size_t i = 0; i < size && value <= BODY_SIZE_MAX; i++) {
        unsigned digit = (uint8_t)line[i];
        value = value << 4 | (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    if (value > BODY_SIZE_MAX - framing->body_size)
        return fault(framing, 413, "the body is larger than 16 KiB");
    if (framing->scan + value > framing->head_size + CHUNKED_SIZE_MAX)
        return fault(framing, 413, "the chunked body is larger than 128 KiB as sent");
    framing->chunk_size = value;
    framing->body_size += (uint32_t)value;
    framing->line = framing->trailers = framing->scan;
    framing->phase = value == 0 ? FRAMING_TRAILERS : FRAMING_CHUNK_DATA;
    return FRAMING_MORE;
}

/* MORE with the phase unchanged means that bytes are missing. */
static enum framing_verdict chunk_data(struct framing *framing, const char *data, size_t size)
{
    size_t end = framing->line + (size_t)framing->chunk_size;
    if (size > end && data[end] != '\r')
        return fault(framing, 400, "chunk data is not followed by CRLF");
    if (size < end + 2)
        return FRAMING_MORE;
    if (data[end + 1] != '\n')
        return fault(framing, 400, "chunk data is not followed by CRLF");
    framing->line = framing->scan = (uint32_t)end + 2;
    framing->phase = FRAMING_CHUNK_SIZE;
    return FRAMING_MORE;
}

/* Trailers are checked like fields and dropped; those that would frame or route are refused. */
static enum framing_verdict trailer_line(struct framing *framing, const char *line, size_t size)
{
    struct field field;
    if (field_line(framing, line, size, &field) != FRAMING_MORE)
        return FRAMING_FAULT;
    framing->trailer_count++;
    if (grammar_equals(field.name, field.name_size, "content-length") ||
        grammar_equals(field.name, field.name_size, "transfer-encoding") ||
        grammar_equals(field.name, field.name_size, "host"))
        return fault(framing, 400, "a field that frames the message is in its trailers");
    return FRAMING_MORE;
}

/* ---- the message ---- */

void framing_init(struct framing *framing)
{
    memset(framing, 0, sizeof *framing);
}

/* FRAMING_START: one empty line before the request is skipped. */
static enum framing_verdict start(struct framing *framing, const char *data, size_t size)
{
    if (size == 0 || (size == 1 && data[0] == '\r'))
        return FRAMING_MORE;
    if (data[0] == '\r' && data[1] == '\n')
        framing->start = framing->line = framing->scan = 2;
    framing->phase = FRAMING_REQUEST_LINE;
    return FRAMING_MORE;
}

static size_t line_limit(const struct framing *framing)
{
    switch (framing->phase) {
    case FRAMING_REQUEST_LINE:
        return framing->start + REQUEST_LINE_SIZE_MAX + 2;
    case FRAMING_FIELDS:
        return framing->start + HEAD_SIZE_MAX;
    case FRAMING_TRAILERS:
        return framing->trailers + HEAD_SIZE_MAX;
    default:
        return framing->head_size + CHUNKED_SIZE_MAX;
    }
}

static enum framing_verdict line_too_long(struct framing *framing)
{
    switch (framing->phase) {
    case FRAMING_REQUEST_LINE:
        return fault(framing, 414, "the request line is longer than 8000 bytes");
    case FRAMING_FIELDS:
        return fault(framing, 431, "the head is larger than 16 KiB");
    case FRAMING_TRAILERS:
        return fault(framing, 431, "the trailers are larger than 16 KiB");
    default:
        return fault(framing, 413, "the chunked body is larger than 128 KiB as sent");
    }
}

static enum framing_verdict line_ended(struct framing *framing, const char *data, size_t end)
{
    const char *line = data + framing->line;
    size_t size = end - framing->line;
    enum framing_verdict verdict;
    switch (framing->phase) {
    case FRAMING_REQUEST_LINE:
        verdict = request_line(framing, data, end);
        if (verdict == FRAMING_MORE)
            framing->phase = FRAMING_FIELDS;
        break;
    case FRAMING_FIELDS:
        verdict = size == 0 ? head_end(framing) : head_field(framing, line, size);
        break;
    case FRAMING_CHUNK_SIZE:
        return chunk_size_line(framing, data, end);
    default:
        if (size == 0) {
            framing->total_size = framing->scan;
            framing->phase = FRAMING_ENDED;
            return FRAMING_COMPLETE;
        }
        verdict = trailer_line(framing, line, size);
        break;
    }
    framing->line = framing->scan;
    return verdict;
}

/* Until a phase lacks bytes or there is a verdict. */
static enum framing_verdict step(struct framing *framing, const char *data, size_t size,
                                 bool *stuck)
{
    enum framing_phase before = framing->phase;
    enum framing_verdict verdict;
    size_t end = 0;
    switch (framing->phase) {
    case FRAMING_START:
        verdict = start(framing, data, size);
        *stuck = framing->phase == before;
        return verdict;
    case FRAMING_BODY:
        *stuck = true;
        if (size < framing->total_size)
            return FRAMING_MORE;
        framing->phase = FRAMING_ENDED;
        return FRAMING_COMPLETE;
    case FRAMING_CHUNK_DATA:
        verdict = chunk_data(framing, data, size);
        *stuck = framing->phase == before;
        return verdict;
    case FRAMING_ENDED:
        return FRAMING_COMPLETE;
    case FRAMING_FAULTED:
        return FRAMING_FAULT;
    default:
        break;
    }
    switch (next_line(framing, data, size, line_limit(framing), &end)) {
    case LINE_READY:
        return line_ended(framing, data, end);
    case LINE_TOO_LONG:
        return line_too_long(framing);
    case LINE_BAD:
        return fault(framing, 400, bad_byte);
    case LINE_MORE:
        break;
    }
    *stuck = true;
    return FRAMING_MORE;
}

enum framing_verdict framing_check(struct framing *framing, const char *data, size_t size)
{
    bool stuck = false;
    enum framing_verdict verdict;
    do
        verdict = step(framing, data, size, &stuck);
    while (verdict == FRAMING_MORE && !stuck);
    return verdict;
}
