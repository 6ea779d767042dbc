#include "audit_state.h"
#include "row_io.h"
#include <stdlib.h>

struct queue_walk {
    struct audit *audit;
    bool open;
    uint64_t room;
    struct room_row row;
    uint8_t *seen; /* a bit for each number that was issued */
};

static void finish_room(struct queue_walk *walk)
{
    free(walk->seen);
    walk->seen = NULL;
    walk->audit->rooms += walk->open;
}

static void check_ticket(struct queue_walk *walk, uint64_t user, const struct ticket_row *ticket)
{
    unsigned long long room = walk->room, number = ticket->number;
    walk->audit->tickets++;
    if (number == 0 || number > walk->row.issued) {
        audit_violation(walk->audit, "room %llu: user %llu has ticket %llu, which was not issued",
                        room, (unsigned long long)user, number);
        return;
    }
    uint8_t bit = (uint8_t)(1u << (number % 8));
    if (walk->seen[number / 8] & bit)
        audit_violation(walk->audit, "room %llu: ticket %llu was issued twice", room, number);
    walk->seen[number / 8] |= bit;
}

static void visit_room_row(void *context, const struct row_key *key, struct row_bytes value)
{
    struct queue_walk *walk = context;
    uint64_t room = audit_id(key);
    char tag = audit_tag(key);
    if (tag == 0) {
        finish_room(walk);
        *walk = (struct queue_walk){.audit = walk->audit, .open = true, .room = room};
        check(room_row_decode(&walk->row, value.data, value.size));
        walk->seen = calloc(walk->row.issued / 8 + 1, 1);
        check(walk->seen != NULL);
    } else if (!walk->open || room != walk->room) {
        audit_violation(walk->audit, "room %llu: rows without a room", (unsigned long long)room);
    } else if (tag == 'k') {
        struct ticket_row row;
        check(ticket_row_decode(&row, value.data, value.size));
        check_ticket(walk, row_key_u64(key, 10), &row);
    }
}

void audit_queue(struct audit *audit, const struct row_view *rows)
{
    struct queue_walk walk = {.audit = audit};
    struct row_key table = audit_table('q');
    audit_walk(rows, &table, visit_room_row, &walk);
    finish_room(&walk);
}
