#include "schedule.h"

void seat_decide_map(struct decision *decision, const struct schedule *schedule,
                     const struct seats_get *request)
{
    struct seats *reply = &decision->reply->seats;
    uint64_t count = schedule->row.seat_count;
    uint64_t index = request->first == 0 ? 1 : seat_id_index(request->first);
    if (count == 0) {
        decision_reply(decision, OUTCOME_NOT_FOUND, REPLY_NONE);
        return;
    }
    if (request->first != 0 &&
        (seat_id_schedule(request->first) != schedule->base.id || index == 0 || index > count)) {
        decision_reply(decision, OUTCOME_INVALID_FIELD, REPLY_NONE);
        return;
    }
    uint64_t limit = request->limit == 0 || request->limit > LIST_MAX ? LIST_MAX : request->limit;
    reply->sections.count = schedule->section_count;
    for (uint32_t i = 0; i < schedule->section_count; i++)
        text_set(&reply->sections.items[i].name, schedule->sections[i].name.data,
                 schedule->sections[i].name.length);
    reply->items.count = 0;
    for (; index <= count && reply->items.count < limit; index++)
        reply->items.items[reply->items.count++] = schedule_seat(schedule, index);
    reply->next = index <= count ? seat_id(schedule->base.id, index) : 0;
    decision_reply(decision, OUTCOME_OK, REPLY_SEATS);
}
