#include "audit_state.h"
#include "room.h"

/* Waiting rooms: every number was issued once and is still known from the oldest that is kept on;
 * who was admitted was so in the order of numbers and within the limit; the counts are those of the
 * rows; a live ticket is its user's only one. */

struct queue_walk {
    struct audit *audit;
    const struct row_view *rows;
    bool open;
    uint64_t room;
    struct room_row row;
    uint64_t tickets, deadlines, holders, states[TICKET_DONE + 1];
    uint64_t next_number, admitted_at_ms; /* of the ticket before */
    uint64_t block;                       /* whose bits are in `leavers` */
    struct leavers_row leavers;
};

static void complain(const struct queue_walk *walk, uint64_t number, const char *what)
{
    audit_violation(walk->audit, "room %llu: ticket %llu %s", (unsigned long long)walk->room,
                    (unsigned long long)number, what);
}

static void expect(const struct queue_walk *walk, const char *what, uint64_t counted,
                   uint64_t stated)
{
    if (counted != stated)
        audit_violation(walk->audit, "room %llu: %llu %s, %llu counted",
                        (unsigned long long)walk->room, (unsigned long long)counted, what,
                        (unsigned long long)stated);
}

static void finish_room(const struct queue_walk *walk)
{
    const struct room_row *row = &walk->row;
    if (!walk->open)
        return;
    uint64_t sessions = walk->states[TICKET_ADMITTED] + walk->states[TICKET_CLAIMED];
    expect(walk, "tickets", walk->tickets, row->issued == 0 ? 0 : row->issued + 1 - row->oldest);
    expect(walk, "waiting", walk->states[TICKET_WAITING], row->waiting);
    expect(walk, "admitted", sessions, row->admitted);
    expect(walk, "deadlines", walk->deadlines, sessions);
    expect(walk, "users with a live ticket", walk->holders, sessions + row->waiting);
    expect(walk, "issued", row->waiting + row->admitted + row->done + row->expired, row->issued);
    if (row->admitted > row->active_limit + row->overhang)
        audit_violation(walk->audit, "room %llu: %llu admitted beyond the limit %llu",
                        (unsigned long long)walk->room, (unsigned long long)row->admitted,
                        (unsigned long long)row->active_limit);
    walk->audit->rooms++;
    walk->audit->tickets += walk->tickets;
    walk->audit->sessions += sessions;
}

static bool has_left(struct queue_walk *walk, uint64_t number)
{
    uint64_t block = number / LEAVERS_BLOCK;
    if (block != walk->block || walk->leavers.words.count == 0) {
        struct row_key key = leavers_key(walk->room, block);
        if (!leavers_row_read(walk->rows, &key, &walk->leavers))
            memset(&walk->leavers, 0, sizeof walk->leavers);
        walk->leavers.words.count = LEAVERS_WORDS;
        walk->block = block;
    }
    return walk->leavers.words.items[number % LEAVERS_BLOCK / 64] >> (number % 64) & 1;
}

/* Up to `serving` nobody waits; beyond, all do but those noted as having left. */
static void check_order(struct queue_walk *walk, uint64_t number, const struct ticket_row *ticket)
{
    bool waits = ticket->state == TICKET_WAITING;
    if (number != walk->next_number)
        complain(walk, number, "does not follow the one before");
    walk->next_number = number + 1;
    if (number <= walk->row.serving ? waits : waits == has_left(walk, number))
        complain(walk, number, "is not where the line says");
    if (number > walk->row.serving && ticket->admitted_at_ms != 0)
        complain(walk, number, "was admitted before its turn");
    if (ticket->admitted_at_ms == 0)
        return;
    if (ticket->admitted_at_ms < walk->admitted_at_ms)
        complain(walk, number, "was admitted before one that is ahead of it");
    walk->admitted_at_ms = ticket->admitted_at_ms;
}

static void check_ticket(struct queue_walk *walk, uint64_t number, const struct ticket_row *ticket)
{
    walk->tickets++;
    if (ticket->state < TICKET_WAITING || ticket->state > TICKET_DONE) {
        complain(walk, number, "is in no state");
        return;
    }
    walk->states[ticket->state]++;
    check_order(walk, number, ticket);
    struct holder_row holder;
    struct row_key key = holder_key(walk->room, ticket->user);
    bool held = holder_row_read(walk->rows, &key, &holder) && holder.number == number;
    if (held != ticket_is_live(ticket))
        complain(walk, number, held ? "has ended and is its user's" : "is not its user's");
    struct deadline_row deadline;
    key = deadline_key(walk->room, ticket->due_ms, number);
    if (ticket_in_session(ticket) && !deadline_row_read(walk->rows, &key, &deadline))
        complain(walk, number, "has no deadline");
}

static void visit_room_row(void *context, const struct row_key *key, struct row_bytes value)
{
    struct queue_walk *walk = context;
    uint64_t room = audit_id(key);
    char tag = audit_tag(key);
    if (tag == 0) {
        finish_room(walk);
        *walk = (struct queue_walk){
            .audit = walk->audit, .rows = walk->rows, .open = true, .room = room};
        check(room_row_decode(&walk->row, value.data, value.size));
        walk->next_number = walk->row.oldest;
    } else if (!walk->open || room != walk->room) {
        audit_violation(walk->audit, "room %llu: rows without a room", (unsigned long long)room);
    } else if (tag == 'n') {
        struct ticket_row row;
        check(ticket_row_decode(&row, value.data, value.size));
        check_ticket(walk, row_key_u64(key, 10), &row);
    } else {
        walk->deadlines += tag == 'd';
        walk->holders += tag == 'k';
    }
}

void audit_queue(struct audit *audit, const struct row_view *rows)
{
    struct queue_walk walk = {.audit = audit, .rows = rows};
    struct row_key table = audit_table('q');
    audit_walk(rows, &table, visit_room_row, &walk);
    finish_room(&walk);
}
