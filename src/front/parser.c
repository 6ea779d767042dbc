#include "parser.h"
#include "grammar.h"

/* http.h and http_parser.h both have an `enum http_method`. */
#define http_method http_parser_method
#include <http_parser.h>
#undef http_method

#include <string.h>

struct reading {
    const struct framing *framing;
    struct http_request *request;
    struct text target;
    struct text *field;  /* where the next value goes; NULL when nobody asks for it */
    unsigned repeat_bit; /* of that field, 0 when it has none */
    uint32_t field_count, body_count;
    bool head_ended, ended, mismatch;
};

static struct reading *reading_of(http_parser *parser)
{
    return parser->data;
}

static int on_url(http_parser *parser, const char *at, size_t size)
{
    struct reading *reading = reading_of(parser);
    reading->mismatch |= reading->target.data != NULL;
    reading->target = (struct text){at, size};
    return 0;
}

/* The fields that the application reads, found by the length of their names first. */
static const struct wanted {
    const char *name;
    size_t offset;
    unsigned repeat_bit;
} wanted[] = {
    {"accept", offsetof(struct http_request, accept), 0},
    {"origin", offsetof(struct http_request, origin), 0},
    {"content-type", offsetof(struct http_request, content_type), REPEATED_CONTENT_TYPE},
    {"authorization", offsetof(struct http_request, authorization), REPEATED_AUTHORIZATION},
    {"if-none-match", offsetof(struct http_request, if_none_match), 0},
    {"last-event-id", offsetof(struct http_request, last_event_id), 0},
    {"idempotency-key", offsetof(struct http_request, idempotency_key), REPEATED_IDEMPOTENCY_KEY},
    {"access-control-request-method", offsetof(struct http_request, access_control_request_method),
     0},
    {"access-control-request-headers",
     offsetof(struct http_request, access_control_request_headers), 0},
};

static const struct wanted *find_wanted(const char *name, size_t size, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (grammar_equals(name, size, wanted[i].name))
            return &wanted[i];
    }
    return NULL;
}

static int on_field(http_parser *parser, const char *at, size_t size)
{
    struct reading *reading = reading_of(parser);
    const struct wanted *found = NULL;
    reading->field = NULL;
    if (reading->head_ended)
        return 0;
    switch (size) {
    case 6:
        found = find_wanted(at, size, 0, 2);
        break;
    case 12:
        found = find_wanted(at, size, 2, 1);
        break;
    case 13:
        found = find_wanted(at, size, 3, 3);
        break;
    case 15:
        found = find_wanted(at, size, 6, 1);
        break;
    case 29:
    case 30:
        found = find_wanted(at, size, 7, 2);
        break;
    default:
        break;
    }
    if (found != NULL) {
        reading->field = (struct text *)((char *)reading->request + found->offset);
        reading->repeat_bit = found->repeat_bit;
    }
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t size)
{
    struct reading *reading = reading_of(parser);
    reading->field_count++;
    if (reading->field == NULL)
        return 0;
    if (reading->field->data != NULL) {
        reading->request->repeated |= reading->repeat_bit;
        return 0;
    }
    while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t'))
        size--;
    *reading->field = (struct text){at, size};
    return 0;
}

static int on_head_end(http_parser *parser)
{
    struct reading *reading = reading_of(parser);
    const struct framing *framing = reading->framing;
    bool chunked = (parser->flags & F_CHUNKED) != 0;
    bool has_length = (parser->flags & F_CONTENTLENGTH) != 0;
    reading->head_ended = true;
    reading->mismatch |= chunked != framing->chunked || has_length != framing->has_length ||
                         (has_length && parser->content_length != framing->body_size);
    return 0;
}

/* Chunks move down behind the first one; all that they cover has been parsed. */
static int on_body(http_parser *parser, const char *at, size_t size)
{
    struct reading *reading = reading_of(parser);
    struct text *body = &reading->request->body;
    if (body->data == NULL)
        body->data = at;
    else
        memmove((char *)(uintptr_t)body->data + body->size, at, size);
    body->size += size;
    return 0;
}

static int on_end(http_parser *parser)
{
    struct reading *reading = reading_of(parser);
    reading->mismatch |= reading->ended;
    reading->ended = true;
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head_end,
    .on_body = on_body,
    .on_message_complete = on_end,
};

static const char *disagreement(const struct reading *reading, const http_parser *parser,
                                const char *data)
{
    const struct framing *framing = reading->framing;
    const char *method = http_method_str((enum http_parser_method)parser->method);
    if (HTTP_PARSER_ERRNO(parser) != HPE_OK)
        return "the request cannot be parsed";
    if (reading->mismatch || !reading->ended || reading->request->body.size != framing->body_size)
        return "the length of the request is understood in two ways";
    if (parser->http_major != 1 || parser->http_minor != framing->minor ||
        strlen(method) != framing->method_size ||
        memcmp(method, data + framing->start, framing->method_size) != 0 ||
        reading->target.data != data + framing->target ||
        reading->target.size != framing->target_size)
        return "the request line is understood in two ways";
    if (reading->field_count != framing->field_count + framing->trailer_count)
        return "the fields are understood in two ways";
    return NULL;
}

bool parser_read(const struct framing *framing, char *data, struct http_request *request,
                 const char **why)
{
    memset(request, 0, sizeof *request);
    struct reading reading = {.framing = framing, .request = request};
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &reading;
    size_t used = http_parser_execute(&parser, &settings, data + framing->start,
                                      framing->total_size - framing->start);
    *why = disagreement(&reading, &parser, data);
    if (*why == NULL && used != framing->total_size - framing->start)
        *why = "the length of the request is understood in two ways";
    if (*why != NULL)
        return false;

    const char *path = data + framing->path;
    size_t size = framing->target + framing->target_size - framing->path;
    const char *mark = memchr(path, '?', size);
    request->method = framing->method;
    request->path = (struct text){path, mark != NULL ? (size_t)(mark - path) : size};
    if (mark != NULL)
        request->query = (struct text){mark + 1, size - request->path.size - 1};
    request->has_length = framing->has_length || framing->chunked;
    request->has_body = framing->body_size > 0;
    return true;
}
