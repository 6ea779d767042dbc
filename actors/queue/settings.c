#include "room.h"

/* A room's settings and counts, for administrators. */

static void reply_status(struct decision *decision, uint64_t room, const struct room_row *row,
                         const struct room_changed *settings)
{
    decision->reply->room_status = (struct room_status){
        .room = room,
        .own = settings->own,
        .active_limit = settings->active_limit,
        .admit_per_second = settings->admit_per_second,
        .paused = settings->paused,
        .session_ttl_s = settings->session_ttl_s,
        .claim_ttl_s = settings->claim_ttl_s,
        .waiting = row->waiting,
        .admitted = row->admitted,
        .issued = row->issued,
        .done = row->done,
        .expired = row->expired,
    };
    decision_reply(decision, OUTCOME_OK, REPLY_ROOM_STATUS);
}

void room_decide_status(struct decision *decision, const struct room *room)
{
    struct room_changed settings;
    (void)room_settings(&room->row, room->base.id, decision->config, &settings);
    reply_status(decision, room->base.id, &room->row, &settings);
}

static bool is_between(uint64_t value, uint64_t min, uint64_t max)
{
    return value >= min && value <= max;
}

static bool settings_valid(const struct room_changed *settings)
{
    return is_between(settings->active_limit, 1, ACTIVE_LIMIT_MAX) &&
           settings->admit_per_second <= ADMIT_RATE_MAX && settings->paused <= 1 &&
           is_between(settings->session_ttl_s, 1, ROOM_TTL_MAX_S) &&
           is_between(settings->claim_ttl_s, 1, ROOM_TTL_MAX_S);
}

static bool stop_at_room(void *context, const struct row_key *key, struct row_bytes value)
{
    (void)value;
    *(uint64_t *)context = row_key_u64(key, 1);
    return false;
}

static bool rooms_full(const struct row_view *rows)
{
    struct row_key prefix = {.size = 1, .data = {'q'}};
    unsigned count = 0;
    for (uint64_t from = 1, found;; from = found + 1) {
        struct row_key key = room_key(from);
        found = 0;
        rows->scan(rows->context, &prefix, &key, false, stop_at_room, &found);
        if (found == 0)
            return false;
        if (++count == ROOMS_MAX - 1) /* beside the default one */
            return true;
    }
}

/* The first change of a concert's room makes it, even when it names no setting. */
void room_decide_change(struct decision *decision, const struct room *room,
                        const struct room_change *request)
{
    struct room_changed settings;
    bool makes = room->row.active_limit == 0 && room->base.id != ROOM_DEFAULT;
    if (makes && rooms_full(decision->rows)) {
        decision_reply(decision, OUTCOME_STORAGE_FULL, REPLY_NONE);
        return;
    }
    bool changes = room_settings(&room->row, room->base.id, decision->config, &settings);
    settings.own |= request->own;
    if (request->own & ROOM_ACTIVE_LIMIT)
        settings.active_limit = request->active_limit;
    if (request->own & ROOM_ADMIT_RATE)
        settings.admit_per_second = request->admit_per_second;
    if (request->own & ROOM_PAUSED)
        settings.paused = request->paused;
    if (request->own & ROOM_SESSION_TTL)
        settings.session_ttl_s = request->session_ttl_s;
    if (request->own & ROOM_CLAIM_TTL)
        settings.claim_ttl_s = request->claim_ttl_s;
    if (!settings_valid(&settings)) {
        decision_reply(decision, OUTCOME_INVALID_FIELD, REPLY_NONE);
        return;
    }
    struct plan plan = {decision, room, room->row};
    if (changes || request->own != 0)
        plan_change(&plan, &settings);
    reply_status(decision, room->base.id, &plan.row, &settings);
}
