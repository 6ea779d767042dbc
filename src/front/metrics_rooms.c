#include "metrics_internal.h"
#include "waiting_room.h"
#include <inttypes.h>
#include <stddef.h>

static void room_print(FILE *out, const struct waiting_rooms *rooms, const char *name,
                       const char *type, const char *help, size_t offset)
{
    family_open(out, name, type, help);
    for (uint32_t i = 0; i < waiting_rooms_count(rooms); i++) {
        const struct waiting_room *room = &rooms->rooms[i];
        const _Atomic uint64_t *value =
            (const _Atomic uint64_t *)(const void *)((const char *)room + offset);
        fprintf(out, "%s{room=\"%" PRIu64 "\"} %" PRIu64 "\n", name, stat_get(&room->room),
                stat_get(value));
    }
}

void metrics_rooms_print(FILE *out, const struct segment *segment)
{
    const struct waiting_rooms *rooms = segment_waiting_rooms(segment);
    room_print(out, rooms, "boxoffice_room_waiting", "gauge", "tickets in the line",
               offsetof(struct waiting_room, waiting));
    room_print(out, rooms, "boxoffice_room_admitted", "gauge", "tickets in a session",
               offsetof(struct waiting_room, admitted));
    room_print(out, rooms, "boxoffice_room_issued_total", "counter", "tickets issued",
               offsetof(struct waiting_room, issued));
    room_print(out, rooms, "boxoffice_room_done_total", "counter",
               "sessions that ended with a purchase", offsetof(struct waiting_room, done));
    room_print(out, rooms, "boxoffice_room_expired_total", "counter",
               "sessions that ran out, or were never claimed",
               offsetof(struct waiting_room, expired));
}
