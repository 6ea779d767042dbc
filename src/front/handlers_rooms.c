#include "application.h"
#include "handlers.h"
#include "input.h"

/* Waiting rooms, for administrators. Settings and counts are asked of the room's owner, so that an
 * answer shows every change before it. */

static void room_answer(struct exchange *exchange, const struct dispatch_reply *reply)
{
    if (!answer_expect(exchange, reply, REPLY_ROOM_STATUS, NULL))
        return;
    const struct room_status *room = &reply->value->room_status;
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_u64(&json, "concertId", room->room);
    json_member_u64(&json, "activeLimit", room->active_limit);
    json_member_u64(&json, "admitPerSecond", room->admit_per_second);
    json_key(&json, "paused");
    json_bool(&json, room->paused != 0);
    json_member_u64(&json, "sessionTtlSeconds", room->session_ttl_s);
    json_member_u64(&json, "claimTtlSeconds", room->claim_ttl_s);
    json_member_u64(&json, "waiting", room->waiting);
    json_member_u64(&json, "admitted", room->admitted);
    json_member_u64(&json, "issued", room->issued);
    json_member_u64(&json, "done", room->done);
    json_member_u64(&json, "expired", room->expired);
    json_object_close(&json);
    answer_close(exchange, 200, &json);
}

/* True when the path names the default room or a concert; otherwise it has been answered. */
static bool concert_known(struct application *application, struct exchange *exchange,
                          const struct call *call)
{
    uint32_t at;
    if (call->id == ROOM_DEFAULT || (catalogue_view_refresh(&application->catalogue) == STATUS_OK &&
                                     catalogue_view_find(&application->catalogue, call->id, &at)))
        return true;
    answer_problem(exchange, PROBLEM_NOT_FOUND, NULL);
    return false;
}

/* A concert without a room of its own is in the default one; the answer's concertId says so. */
void handle_room_get(struct application *application, struct exchange *exchange,
                     const struct call *call)
{
    union request request;
    if (!concert_known(application, exchange, call))
        return;
    if (!waiting_rooms_ready(application->rooms)) {
        answer_problem(exchange, PROBLEM_UNAVAILABLE, NULL);
        return;
    }
    bool own = waiting_room_find(application->rooms, call->id) != NULL;
    request.room_get = (struct room_get){.room = own ? call->id : ROOM_DEFAULT};
    dispatch_ask(&application->dispatch, exchange, REQUEST_ROOM_GET, &request, room_answer);
}

void handle_room_change(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    union request request;
    struct room_change *change = &request.room_change;
    *change = (struct room_change){.room = call->id};
    if (!input_setting(exchange, call, "activeLimit", 1, ACTIVE_LIMIT_MAX, &change->active_limit,
                       &change->own, ROOM_ACTIVE_LIMIT) ||
        !input_setting(exchange, call, "admitPerSecond", 0, ADMIT_RATE_MAX,
                       &change->admit_per_second, &change->own, ROOM_ADMIT_RATE) ||
        !input_switch(exchange, call, "paused", &change->paused, &change->own, ROOM_PAUSED) ||
        !input_setting(exchange, call, "sessionTtlSeconds", 1, ROOM_TTL_MAX_S,
                       &change->session_ttl_s, &change->own, ROOM_SESSION_TTL) ||
        !input_setting(exchange, call, "claimTtlSeconds", 1, ROOM_TTL_MAX_S, &change->claim_ttl_s,
                       &change->own, ROOM_CLAIM_TTL))
        return;
    if (concert_known(application, exchange, call))
        dispatch_ask(&application->dispatch, exchange, REQUEST_ROOM_CHANGE, &request, room_answer);
}
