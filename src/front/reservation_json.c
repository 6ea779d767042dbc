#include "reservation_json.h"

#include "answer.h"

static const char *state_text(uint64_t state)
{
    static const char *const names[] = {
        [RESERVATION_HELD] = "HELD",           [RESERVATION_CONFIRMING] = "CONFIRMING",
        [RESERVATION_CONFIRMED] = "CONFIRMED", [RESERVATION_RELEASED] = "RELEASED",
        [RESERVATION_EXPIRED] = "EXPIRED",     [RESERVATION_CANCELLING] = "CANCELLING",
        [RESERVATION_CANCELLED] = "CANCELLED",
    };
    return state < sizeof names / sizeof names[0] && names[state] != NULL ? names[state]
                                                                          : "UNKNOWN";
}

void reservation_render(struct json_out *json, const struct reservation_line *line,
                        const uint64_t *seats)
{
    json_object_open(json);
    json_member_u64(json, "reservationId", line->reservation);
    json_member_text(json, "status", state_text(line->state));
    json_member_u64(json, "scheduleId", line->schedule);
    json_key(json, "seatIds");
    json_array_open(json);
    for (uint64_t i = 0; i < line->seat_count; i++)
        json_u64(json, seats[i]);
    json_array_close(json);
    json_member_u64(json, "amount", line->amount);
    json_member_time(json, "expiresAt", line->expires_at_ms);
    json_object_close(json);
}
