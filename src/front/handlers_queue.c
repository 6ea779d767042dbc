#include "application.h"
#include "handlers.h"
#include "input.h"

/* Queue tokens. A ticket that waits or is admitted is answered from shared memory; how one ended is
 * its room's to say. */

enum {
    ADMITTED_ETA_S = 20,   /* stands for how often who is admitted looks in */
    ENDED_POLL_MS = 60000, /* nothing more will happen */
};

/* What is told of a ticket. */
struct ticket_status {
    const char *word;
    uint64_t position, eta_s, next_poll_ms;
    uint64_t admitted_until_ms; /* 0: not admitted */
};

static struct ticket_status status_ended(const char *word)
{
    return (struct ticket_status){.word = word, .next_poll_ms = ENDED_POLL_MS};
}

static struct ticket_status status_admitted(const struct application *application,
                                            const struct waiting_room *room, uint64_t until_ms)
{
    return (struct ticket_status){
        .word = application->config->admitted_word,
        .next_poll_ms = waiting_room_next_poll_ms(room, ADMITTED_ETA_S),
        .admitted_until_ms = until_ms,
    };
}

static struct ticket_status status_waiting(const struct waiting_room *room, uint64_t ahead,
                                           uint64_t now_ms)
{
    uint64_t eta_s = waiting_room_eta_s(room, ahead, now_ms);
    return (struct ticket_status){
        .word = "WAITING",
        .position = ahead + 1,
        .eta_s = eta_s,
        .next_poll_ms = waiting_room_next_poll_ms(room, eta_s),
    };
}

/* True when shared memory says it. */
static bool status_of_standing(const struct application *application,
                               const struct standing *standing, uint64_t now_ms,
                               struct ticket_status *status)
{
    if (standing->state == STANDING_WAITING)
        *status = status_waiting(standing->room, standing->ahead, now_ms);
    else if (standing->state == STANDING_ADMITTED)
        *status = status_admitted(application, standing->room, standing->session.until_ms);
    else
        return false;
    return true;
}

/* What the owner has answered. Who waits is told the place that shared memory says now, or when
 * even that is being mended the most it can be. */
static struct ticket_status status_of_reply(const struct application *application,
                                            const struct ticket *ticket)
{
    uint64_t now_ms = clock_now_ms();
    const struct queue_ticket looked_for = {.room = ticket->room, .number = ticket->number};
    struct standing standing = standing_of(application->rooms, &looked_for, now_ms);
    struct ticket_status status;
    bool in_session = ticket->state == TICKET_ADMITTED || ticket->state == TICKET_CLAIMED;
    if (ticket->state == TICKET_DONE)
        return status_ended("DONE");
    if (in_session && now_ms < ticket->until_ms && standing.room != NULL)
        return status_admitted(application, standing.room, ticket->until_ms);
    if (ticket->state != TICKET_WAITING || standing.room == NULL)
        return status_ended("EXPIRED");
    if (status_of_standing(application, &standing, now_ms, &status))
        return status;
    uint64_t serving = atomic_load_explicit(&standing.room->serving, memory_order_relaxed);
    return status_waiting(standing.room,
                          ticket->number > serving ? ticket->number - serving - 1 : 0, now_ms);
}

static void status_members(struct json_out *json, const struct ticket_status *status)
{
    json_member_text(json, "status", status->word);
    json_member_u64(json, "queuePosition", status->position);
    json_member_u64(json, "etaSeconds", status->eta_s);
    json_member_u64(json, "nextPollMs", status->next_poll_ms);
}

/* ---- issue ---- */

static void token_issued(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_TICKET, "userId"))
        return;
    const struct application *application = exchange_application(exchange);
    const struct ticket *issued = &reply->value->ticket;
    const struct queue_ticket ticket = {
        .room = issued->room,
        .user = issued->user,
        .number = issued->number,
        .issued_at_ms = issued->issued_at_ms,
    };
    struct ticket_status status = status_of_reply(application, issued);
    char token[TICKET_TEXT_SIZE], data[ANSWER_SIZE];
    struct json_out json;
    ticket_sign(&ticket, application->segment->header->ticket_key, token);
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_text(&json, "queueToken", token);
    status_members(&json, &status);
    json_member_time(&json, "expiresAt", ticket.issued_at_ms + TICKET_TTL_MS);
    json_object_close(&json);
    bool created = exchange->route == ROUTE_TOKEN_ISSUE && issued->is_new != 0;
    answer_close(exchange, created ? 201 : 200, &json);
}

void handle_token_issue(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    union request request = {.token_issue = {.room = ROOM_DEFAULT}};
    uint64_t concert;
    if (!input_id(exchange, call, "userId", &request.token_issue.user) ||
        !input_optional_id(exchange, call, "concertId", &concert))
        return;
    enum problem problem = auth_identity(application->segment->header, call->request->authorization,
                                         request.token_issue.user, call->now_ms);
    if (problem == PROBLEM_OK && concert != 0 && !waiting_rooms_ready(application->rooms))
        problem = PROBLEM_UNAVAILABLE; /* nobody knows yet whether it has a room of its own */
    if (problem != PROBLEM_OK) {
        answer_problem(exchange, problem, NULL);
        return;
    }
    if (concert != 0 && waiting_room_find(application->rooms, concert) != NULL)
        request.token_issue.room = concert;
    dispatch_ask(&application->dispatch, exchange, REQUEST_TOKEN_ISSUE, &request, token_issued);
}

/* ---- status ---- */

static void status_answer(struct exchange *exchange, const struct ticket_status *status)
{
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    status_members(&json, status);
    json_member_time(&json, "admittedUntil", status->admitted_until_ms);
    json_object_close(&json);
    answer_close(exchange, 200, &json);
}

static void status_found(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_TICKET, NULL))
        return;
    struct ticket_status status =
        status_of_reply(exchange_application(exchange), &reply->value->ticket);
    status_answer(exchange, &status);
}

void handle_token_status(struct application *application, struct exchange *exchange,
                         const struct call *call)
{
    struct ticket_status status;
    if (status_of_standing(application, &call->standing, call->now_ms, &status)) {
        status_answer(exchange, &status);
        return;
    }
    union request request;
    request.ticket_get =
        (struct ticket_get){call->ticket.room, call->ticket.user, call->ticket.number};
    dispatch_ask(&application->dispatch, exchange, REQUEST_TICKET_GET, &request, status_found);
}

static void token_left(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (reply->outcome == OUTCOME_OK || reply->outcome == OUTCOME_NOT_FOUND)
        answer_empty(exchange, 204, NULL);
    else
        answer_expect(exchange, reply, REPLY_NONE, NULL);
}

void handle_token_leave(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    union request request;
    request.ticket_leave =
        (struct ticket_leave){call->ticket.room, call->ticket.user, call->ticket.number};
    dispatch_ask(&application->dispatch, exchange, REQUEST_TICKET_LEAVE, &request, token_left);
}
