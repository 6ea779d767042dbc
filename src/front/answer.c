#include "answer.h"

#include "application.h"
#include "text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char json_type[] = "application/json";
static const char problem_type[] = "application/problem+json";

void answer_bytes(struct exchange *exchange, unsigned status, const char *content_type,
                  const char *headers, struct text body)
{
    char lines[CORS_HEADERS_SIZE + 512];
    const struct application *application = exchange_application(exchange);
    struct response response = {
        .status = status,
        .content_type = content_type,
        .headers =
            cors_headers(&application->cors, (uint32_t)exchange->values[ANSWER_VALUE_ORIGIN]),
        .body = body,
    };
    if (headers != NULL && response.headers.size > 0) {
        int size = snprintf(lines, sizeof lines, "%.*s%s", (int)response.headers.size,
                            response.headers.data, headers);
        response.headers = (struct text){.data = lines, .size = (size_t)size};
    } else if (headers != NULL) {
        response.headers = text_of(headers);
    }
    exchange_respond(exchange, &response);
}

void answer_empty(struct exchange *exchange, unsigned status, const char *headers)
{
    answer_bytes(exchange, status, NULL, headers, (struct text){.data = NULL, .size = 0});
}

void answer_open(struct json_out *json, char *data, size_t size)
{
    json_out_init(json, data, size);
    json_object_open(json);
    json_key(json, "data");
}

void answer_close(struct exchange *exchange, unsigned status, struct json_out *json)
{
    json_object_close(json);
    if (json->failed)
        answer_problem(exchange, PROBLEM_INTERNAL, NULL);
    else
        answer_bytes(exchange, status, json_type, NULL,
                     (struct text){.data = json->data, .size = json->used});
}

void json_member_state(struct json_out *json, enum process_state state)
{
    char capitals[32];
    size_t size = 0;
    for (const char *at = process_state_text(state); *at != '\0' && size < sizeof capitals; at++)
        capitals[size++] = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    json_key(json, "state");
    json_text(json, capitals, size);
}

static bool scratch_grow(struct scratch *scratch)
{
    size_t size = scratch->size == 0 ? SCRATCH_FIRST : scratch->size * 2;
    char *data = size <= SCRATCH_MAX ? realloc(scratch->data, size) : NULL;
    if (data == NULL)
        return false;
    scratch->data = data;
    scratch->size = size;
    return true;
}

bool scratch_reserve(struct scratch *scratch, size_t size)
{
    while (scratch->size < size)
        if (!scratch_grow(scratch))
            return false;
    return true;
}

struct text scratch_render(struct scratch *scratch, answer_render_cb render, const void *context)
{
    while (scratch->size > 0 || scratch_grow(scratch)) {
        struct json_out json;
        answer_open(&json, scratch->data, scratch->size);
        render(&json, context);
        json_object_close(&json);
        if (!json.failed)
            return (struct text){.data = json.data, .size = json.used};
        if (!scratch_grow(scratch))
            break;
    }
    return (struct text){.data = NULL, .size = 0};
}

void answer_rendered(struct exchange *exchange, unsigned status, answer_render_cb render,
                     const void *context)
{
    struct application *application = exchange_application(exchange);
    struct text body = scratch_render(&application->scratch, render, context);
    if (body.data == NULL)
        answer_problem(exchange, PROBLEM_INTERNAL, NULL);
    else
        answer_bytes(exchange, status, json_type, NULL, body);
}

static const char *problem_headers(enum problem problem)
{
    switch (problem_status(problem)) {
    case 401:
        return "WWW-Authenticate: Bearer\r\n";
    case 429:
    case 503:
        return "Retry-After: 1\r\n";
    default:
        return NULL;
    }
}

void answer_problem_close(struct exchange *exchange, enum problem problem, struct json_out *json,
                          const char *headers)
{
    json_object_close(json);
    answer_bytes(exchange, problem_status(problem), problem_type,
                 headers != NULL ? headers : problem_headers(problem),
                 (struct text){.data = json->data, .size = json->failed ? 0 : json->used});
}

void answer_problem(struct exchange *exchange, enum problem problem, const char *detail)
{
    char data[ANSWER_SIZE];
    struct json_out json;
    json_out_init(&json, data, sizeof data);
    problem_open(&json, problem, detail);
    answer_problem_close(exchange, problem, &json, NULL);
}

void answer_invalid_field(struct exchange *exchange, const char *field, const char *detail)
{
    char data[ANSWER_SIZE];
    struct json_out json;
    json_out_init(&json, data, sizeof data);
    problem_open(&json, PROBLEM_INVALID_FIELD, detail);
    json_member_text(&json, "field", field);
    answer_problem_close(exchange, PROBLEM_INVALID_FIELD, &json, NULL);
}

/* holdExpiresAt stands where the shortage keeps a hold waiting: in the answer to a confirm. */
static void shortage_members(struct json_out *json, const struct exchange *exchange,
                             const struct shortage *shortage)
{
    uint64_t required = shortage->required, balance = shortage->balance;
    json_member_u64(json, "required", required);
    json_member_u64(json, "balance", balance);
    json_member_u64(json, "shortBy", required > balance ? required - balance : 0);
    if (exchange->route != ROUTE_USE)
        json_member_time(json, "holdExpiresAt", shortage->hold_expires_at_ms);
}

static void taken_members(struct json_out *json, const struct taken *taken)
{
    json_key(json, "seatIds");
    json_array_open(json);
    for (uint32_t i = 0; i < taken->seats.count; i++)
        json_u64(json, taken->seats.items[i]);
    json_array_close(json);
}

static void answer_outcome(struct exchange *exchange, const struct dispatch_reply *reply)
{
    char data[ANSWER_SIZE + RESERVATION_SEATS_MAX * 21], headers[48];
    struct json_out json;
    enum problem problem = problem_of_outcome(reply->outcome);
    snprintf(headers, sizeof headers, "Retry-After: %u\r\n", reply->retry_s);
    json_out_init(&json, data, sizeof data);
    problem_open(&json, problem, reply->detail);
    if (reply->kind == REPLY_SHORTAGE)
        shortage_members(&json, exchange, &reply->value->shortage);
    else if (reply->kind == REPLY_TAKEN)
        taken_members(&json, &reply->value->taken);
    answer_problem_close(exchange, problem, &json, reply->retry_s > 0 ? headers : NULL);
}

bool answer_expect(struct exchange *exchange, const struct dispatch_reply *reply,
                   enum reply_kind kind, const char *field)
{
    if (reply->outcome == OUTCOME_OK && reply->kind == kind)
        return true;
    if (reply->outcome == OUTCOME_OK)
        answer_problem(exchange, PROBLEM_INTERNAL, NULL);
    else if (reply->outcome == OUTCOME_INVALID_FIELD && field != NULL)
        answer_invalid_field(exchange, field, NULL);
    else
        answer_outcome(exchange, reply);
    return false;
}
