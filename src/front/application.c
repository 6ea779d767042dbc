#include "application.h"

#include "metrics.h"
#include "text.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum status application_init(struct application *application, struct segment *segment,
                             unsigned self)
{
    memset(application, 0, sizeof *application);
    if (sodium_init() < 0)
        return STATUS_IO;
    body_seed();
    application->segment = segment;
    application->config = &segment->header->config;
    application->self = self;
    application->http_stats = segment_http_stats(segment, segment_process(segment, self)->instance);
    application->rooms = segment_waiting_rooms(segment);
    router_init(&application->router);
    cors_init(&application->cors, application->config);
    followers_init(&application->followers, &application->dispatch);
    enum status status = catalogue_view_open(&application->catalogue, segment);
    if (status == STATUS_OK)
        status = dispatch_open(&application->dispatch, segment, self);
    if (status != STATUS_OK)
        catalogue_view_close(&application->catalogue);
    return status;
}

void application_fini(struct application *application)
{
    audit_run_stop(&application->audit_run);
    dispatch_close(&application->dispatch);
    catalogue_view_close(&application->catalogue);
    free(application->scratch.data);
}

static void answer_preflight(struct exchange *exchange, const char *methods)
{
    char headers[320];
    snprintf(headers, sizeof headers,
             "Allow: %s, OPTIONS\r\nAccess-Control-Allow-Methods: %s\r\n"
             "Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, "
             "If-None-Match\r\nAccess-Control-Max-Age: 600\r\n",
             methods, methods);
    answer_empty(exchange, 204, headers);
}

/* A known path with a method that it does not take. */
static void answer_other_method(struct application *application, struct exchange *exchange,
                                const struct route_node *node, enum http_method method)
{
    char methods[64], headers[96], data[ANSWER_SIZE];
    struct json_out json;
    route_node_methods(node, methods, sizeof methods);
    if (method == HTTP_METHOD_OPTIONS && application->cors.count > 0) {
        answer_preflight(exchange, methods);
        return;
    }
    snprintf(headers, sizeof headers, "Allow: %s%s\r\n", methods,
             application->cors.count > 0 ? ", OPTIONS" : "");
    json_out_init(&json, data, sizeof data);
    problem_open(&json, PROBLEM_METHOD_NOT_ALLOWED, NULL);
    answer_problem_close(exchange, PROBLEM_METHOD_NOT_ALLOWED, &json, headers);
}

static bool key_is_valid(struct text key)
{
    if (key.size == 0 || key.size > IDEMPOTENCY_KEY_MAX)
        return false;
    for (size_t i = 0; i < key.size; i++)
        if (key.data[i] < '!' || key.data[i] > '~')
            return false;
    return true;
}

/* What stands in the head: that the fields are unambiguous, and who asks. */
static enum problem head_check(struct application *application, struct call *call,
                               const char **detail)
{
    const struct http_request *request = call->request;
    if (request->repeated != 0) {
        *detail = "Authorization, Idempotency-Key and Content-Type may stand once.";
        return PROBLEM_BAD_REQUEST;
    }
    if ((call->route->flags & ROUTE_BODY) != 0 && !request->has_length)
        return PROBLEM_LENGTH_REQUIRED;
    return auth_check(application->segment->header, &application->tickets, call->route->access,
                      request->authorization, call->id, call->now_ms, &call->ticket);
}

static enum problem key_check(const struct application *application, struct call *call,
                              const char **detail)
{
    if ((call->route->flags & ROUTE_KEY) == 0)
        return PROBLEM_OK;
    struct text key = call->request->idempotency_key;
    bool needed =
        call->route->access == ACCESS_CHARGER && application->segment->header->charge_key_set;
    if (key.data == NULL && !needed)
        return PROBLEM_OK;
    if (key.data == NULL || !key_is_valid(key)) {
        *detail = key.data == NULL ? "The call needs an Idempotency-Key."
                                   : "An Idempotency-Key is 1 to 64 visible ASCII characters.";
        return PROBLEM_BAD_REQUEST;
    }
    call->idempotency_key = key;
    return PROBLEM_OK;
}

/* A call that takes no body takes an object whose fields are all unknown to it, too; a GET or
 * DELETE takes nothing at all. */
static enum problem body_check(struct call *call, const char **detail)
{
    const struct http_request *request = call->request;
    bool wanted = (call->route->flags & ROUTE_BODY) != 0;
    if (!wanted && request->body.size == 0)
        return PROBLEM_OK;
    if (!wanted && call->route->method != HTTP_METHOD_POST) {
        *detail = "The call takes no body.";
        return PROBLEM_BAD_REQUEST;
    }
    if (!body_type_is_json(request->content_type))
        return PROBLEM_UNSUPPORTED_MEDIA_TYPE;
    return body_parse(&call->body, request->body);
}

/* Any call that carries a ticket of somebody who has been admitted claims the place. */
static void ticket_stands(struct application *application, struct call *call)
{
    const struct queue_ticket *ticket = &call->ticket;
    if (ticket->number == 0)
        return;
    call->standing = standing_of(application->rooms, ticket, call->now_ms);
    if (!standing_claim(application->rooms, ticket, &call->standing))
        return;
    union request request;
    request.ticket_claim = (struct ticket_claim){ticket->room, ticket->user, ticket->number};
    dispatch_tell(&application->dispatch, REQUEST_TICKET_CLAIM, &request);
}

/* Which room admits to the schedule that the call names. What is no schedule is the handler's to
 * refuse; room 0 will do until then. */
static uint64_t room_of_call(struct application *application, const struct call *call)
{
    uint64_t schedule = call->id;
    const struct catalogue *catalogue;
    uint32_t at;
    if (waiting_rooms_count(application->rooms) <= 1)
        return ROOM_DEFAULT; /* no concert has a room of its own */
    if (schedule == 0 &&
        body_integer(&call->body, "scheduleId", 1, ID_MAX, &schedule) != BODY_FIELD_OK)
        return ROOM_DEFAULT;
    if (!catalogue_view_schedule(&application->catalogue, schedule, &catalogue, &at))
        return ROOM_DEFAULT;
    uint64_t concert = catalogue->schedules[at].concert;
    return waiting_room_find(application->rooms, concert) != NULL ? concert : ROOM_DEFAULT;
}

static enum problem admission_check(struct application *application, const struct call *call)
{
    if (call->route->access != ACCESS_ADMITTED)
        return PROBLEM_OK;
    if (!waiting_rooms_ready(application->rooms))
        return PROBLEM_UNAVAILABLE;
    if (call->standing.state != STANDING_ADMITTED ||
        call->ticket.room != room_of_call(application, call))
        return PROBLEM_NOT_ADMITTED;
    return PROBLEM_OK;
}

static void call_run(struct application *application, struct exchange *exchange, struct call *call)
{
    const char *detail = NULL;
    enum problem problem = head_check(application, call, &detail);
    if (problem == PROBLEM_OK)
        ticket_stands(application, call);
    if (problem == PROBLEM_OK)
        problem = key_check(application, call, &detail);
    if (problem == PROBLEM_OK)
        problem = body_check(call, &detail);
    if (problem == PROBLEM_OK)
        problem = admission_check(application, call);
    if (problem == PROBLEM_OK)
        call->route->handler(application, exchange, call);
    else
        answer_problem(exchange, problem, detail);
    body_fini(&call->body);
}

void application_request(void *context, struct exchange *exchange,
                         const struct http_request *request)
{
    struct application *application = context;
    exchange->application = application;
    exchange->route = ROUTE_UNMATCHED;
    if (application->cors.count > 0)
        exchange->values[ANSWER_VALUE_ORIGIN] = cors_find(&application->cors, request->origin);
    struct call call = {.request = request, .idempotency_key = text_of("")};
    const struct route_node *node =
        router_find(&application->router, request->path, &call.id, &call.name);
    if (node == NULL) {
        answer_problem(exchange, PROBLEM_NOT_FOUND, NULL);
        return;
    }
    enum route_number number = route_node_choose(node, request->method);
    if (number == ROUTE_UNMATCHED) {
        answer_other_method(application, exchange, node, request->method);
        return;
    }
    exchange->route = number;
    call.route = route_at(number);
    call.now_ms = clock_now_ms();
    call_run(application, exchange, &call);
}

void application_done(void *context, const struct exchange *exchange, unsigned status)
{
    struct application *application = context;
    metrics_observe(application->http_stats, exchange->route, status,
                    clock_monotonic_ns() - exchange->started_ns);
}

void application_fault(void *context, unsigned status, const char *detail, char *body,
                       size_t body_size, size_t *body_used)
{
    (void)context;
    struct json_out json;
    json_out_init(&json, body, body_size);
    problem_open(&json, problem_of_status(status), detail);
    json_object_close(&json);
    *body_used = json.failed ? 0 : json.used;
}
