#include "application.h"
#include "handlers.h"
#include "input.h"

/* Queue tokens. Every genuine token is admitted; its ticket alone says so, without a hop. */

enum { NEXT_POLL_MS = 5000, ROOM_DEFAULT = 0 };

static void status_members(struct json_out *json, const struct config *config)
{
    json_member_text(json, "status", config->admitted_word);
    json_member_u64(json, "queuePosition", 0);
    json_member_u64(json, "etaSeconds", 0);
    json_member_u64(json, "nextPollMs", NEXT_POLL_MS);
}

static void token_issued(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_TICKET, "userId"))
        return;
    const struct segment_header *header = exchange_application(exchange)->segment->header;
    const struct queue_ticket ticket = {
        .room = reply->value->ticket.room,
        .user = reply->value->ticket.user,
        .number = reply->value->ticket.number,
        .issued_at_ms = reply->value->ticket.issued_at_ms,
    };
    char token[TICKET_TEXT_SIZE], data[ANSWER_SIZE];
    struct json_out json;
    ticket_sign(&ticket, header->ticket_key, token);
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_text(&json, "queueToken", token);
    status_members(&json, &header->config);
    json_member_time(&json, "expiresAt", ticket.issued_at_ms + TICKET_TTL_MS);
    json_object_close(&json);
    bool created = exchange->route == ROUTE_TOKEN_ISSUE && reply->value->ticket.is_new != 0;
    answer_close(exchange, created ? 201 : 200, &json);
}

void handle_token_issue(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    union request request = {.token_issue = {.room = ROOM_DEFAULT}};
    uint64_t concert; /* no concert has a room of its own: each uses the default one */
    if (!input_id(exchange, call, "userId", &request.token_issue.user) ||
        !input_optional_id(exchange, call, "concertId", &concert))
        return;
    enum problem problem = auth_identity(application->segment->header, call->request->authorization,
                                         request.token_issue.user, call->now_ms);
    if (problem != PROBLEM_OK) {
        answer_problem(exchange, problem, NULL);
        return;
    }
    dispatch_ask(&application->dispatch, exchange, REQUEST_TOKEN_ISSUE, &request, token_issued);
}

void handle_token_status(struct application *application, struct exchange *exchange,
                         const struct call *call)
{
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    status_members(&json, application->config);
    json_member_time(&json, "admittedUntil", call->ticket.issued_at_ms + TICKET_TTL_MS);
    json_object_close(&json);
    answer_close(exchange, 200, &json);
}

void handle_token_leave(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    (void)application;
    (void)call;
    answer_empty(exchange, 204, NULL);
}
