#include "room.h"
#include <stdlib.h>

/* Carries out what an event says on the room and its rows. */

enum { FORGOTTEN_AT_ONCE = 2, NEWS_MIN = 64 };

static void tell(struct room *room, const struct event_view *event, enum room_news_kind kind,
                 uint64_t number, uint64_t until_ms)
{
    if (room->news == NULL) {
        room->news = calloc(1, sizeof *room->news);
        check(room->news != NULL);
    }
    struct room_news_list *news = room->news;
    if (news->count == news->capacity) {
        news->capacity = news->capacity == 0 ? NEWS_MIN : news->capacity * 2;
        news->items = reallocarray(news->items, news->capacity, sizeof *news->items);
        check(news->items != NULL);
    }
    news->items[news->count++] =
        (struct room_news){kind, event->sequence, number, until_ms, event->at_ms};
}

/* ---- deadlines: one row for each session, in the order of time ---- */

static bool due_before(uint64_t due_ms, uint64_t number, const struct room *room)
{
    return due_ms != room->due_ms ? due_ms < room->due_ms : number < room->due_number;
}

static void add_deadline(struct room *room, struct row_sink *sink, uint64_t number,
                         const struct ticket_row *ticket)
{
    struct row_key key = deadline_key(room->base.id, ticket->due_ms, number);
    struct deadline_row row = {ticket->state == TICKET_CLAIMED, ticket->until_ms};
    deadline_row_write(sink, &key, &row);
    bool none = room->due_known && room->due_ms == 0;
    if (none || due_before(ticket->due_ms, number, room)) {
        room->due_ms = ticket->due_ms;
        room->due_number = number;
        room->due_known |= none;
    }
}

static void remove_deadline(struct room *room, struct row_sink *sink, uint64_t number,
                            const struct ticket_row *ticket)
{
    struct row_key key = deadline_key(room->base.id, ticket->due_ms, number);
    row_delete(sink, &key);
    if (room->due_ms == ticket->due_ms && room->due_number == number)
        room->due_known = false;
}

static bool note_first(void *context, const struct row_key *key, struct row_bytes value)
{
    struct room *room = context;
    (void)value;
    room->due_ms = deadline_key_due_ms(key);
    room->due_number = deadline_key_number(key);
    return false;
}

/* What is before the first deadline that was known has been deleted: looking from there on skips
 * it. */
static uint64_t first_due_ms(struct room *room, const struct row_view *rows)
{
    if (!room->due_known) {
        struct row_key prefix = room_prefix(room->base.id, 'd');
        struct row_key from = deadline_key(room->base.id, room->due_ms, room->due_number);
        room->due_ms = 0;
        rows->scan(rows->context, &prefix, &from, false, note_first, room);
        room->due_known = true;
    }
    return room->due_ms;
}

/* ---- the line ---- */

/* Moves `serving` over a number, and over those behind it who have left. */
static void serve(struct room *room, struct row_sink *sink, uint64_t number)
{
    uint64_t block;
    check(number == line_next(&room->line, room->row.serving) && number <= room->row.issued);
    room->row.serving = line_next(&room->line, number) - 1;
    while (line_pass(&room->line, room->row.serving, &block)) {
        struct row_key key = leavers_key(room->base.id, block);
        row_delete(sink, &key);
    }
}

static void leave_line(struct room *room, const struct event_view *event, struct row_sink *sink,
                       uint64_t number)
{
    if (number == line_next(&room->line, room->row.serving)) {
        serve(room, sink, number);
        return;
    }
    const struct leavers *leavers = line_leave(&room->line, number);
    struct leavers_row row = {.words.count = LEAVERS_WORDS};
    memcpy(row.words.items, leavers->words, sizeof row.words.items);
    struct row_key key = leavers_key(room->base.id, leavers->block);
    leavers_row_write(sink, &key, &row);
    tell(room, event, NEWS_LEFT, number, 0);
}

/* ---- events ---- */

/* Tickets that ended and whose tokens are too old to be asked about. */
static void forget_oldest(struct room *room, uint64_t now_ms, struct row_sink *sink)
{
    for (unsigned i = 0; i < FORGOTTEN_AT_ONCE && room->row.oldest <= room->row.issued; i++) {
        if (now_ms < room->oldest_kept_ms)
            return;
        struct row_key key = ticket_key(room->base.id, room->row.oldest);
        struct ticket_row ticket;
        check(ticket_row_read(&sink->view, &key, &ticket));
        room->oldest_kept_ms = ticket.issued_at_ms + TICKET_TTL_MS;
        if (now_ms < room->oldest_kept_ms || ticket_is_live(&ticket))
            return;
        row_delete(sink, &key);
        room->row.oldest++;
        room->oldest_kept_ms = 0;
    }
}

static void apply_issued(struct room *room, const struct event_view *event, struct row_sink *sink)
{
    const struct ticket_issued *body = &event->body->ticket_issued;
    if (room->row.oldest == 0)
        room->row.oldest = 1;
    forget_oldest(room, event->at_ms, sink);
    room_row_issued(&room->row);
    check(body->number == room->row.issued);
    struct row_key key = ticket_key(room->base.id, body->number);
    struct ticket_row ticket = {.id = event->aggregate,
                                .user = body->user,
                                .version = event_version(event, 0),
                                .state = TICKET_WAITING,
                                .issued_at_ms = event->at_ms};
    ticket_row_write(sink, &key, &ticket);
    key = holder_key(room->base.id, body->user);
    struct holder_row holder = {body->number};
    holder_row_write(sink, &key, &holder);
}

static void apply_admitted(struct room *room, const struct event_view *event,
                           struct ticket_row *ticket, struct row_sink *sink)
{
    const struct ticket_admitted *body = &event->body->ticket_admitted;
    check(ticket->state == TICKET_WAITING);
    room_row_admitted(&room->row, event->at_ms);
    serve(room, sink, body->number);
    ticket->state = TICKET_ADMITTED;
    ticket->admitted_at_ms = event->at_ms;
    ticket->until_ms = body->until_ms;
    ticket->due_ms = body->claim_until_ms;
    add_deadline(room, sink, body->number, ticket);
    tell(room, event, NEWS_ADMITTED, body->number, body->until_ms);
}

static void move_deadline(struct room *room, struct row_sink *sink, uint64_t number,
                          struct ticket_row *ticket, enum ticket_state state, uint64_t due_ms)
{
    check(ticket->state == TICKET_ADMITTED);
    remove_deadline(room, sink, number, ticket);
    ticket->state = (uint64_t)state;
    ticket->due_ms = due_ms;
    add_deadline(room, sink, number, ticket);
}

static void apply_ended(struct room *room, const struct event_view *event, uint64_t number,
                        struct ticket_row *ticket, enum ticket_state state, struct row_sink *sink)
{
    enum ticket_state was = (enum ticket_state)ticket->state;
    room_row_ended(&room->row, was, state);
    if (was == TICKET_WAITING) {
        leave_line(room, event, sink, number);
    } else if (ticket_in_session(ticket)) {
        remove_deadline(room, sink, number, ticket);
        tell(room, event, NEWS_ENDED, number, 0);
    }
    ticket->state = (uint64_t)state;
    ticket->due_ms = 0;
    struct row_key key = holder_key(room->base.id, ticket->user);
    struct holder_row holder;
    if (holder_row_read(&sink->view, &key, &holder) && holder.number == number)
        row_delete(sink, &key);
}

static uint64_t number_of(const struct event_view *event)
{
    switch (event->kind) {
    case EVENT_TICKET_ADMITTED:
        return event->body->ticket_admitted.number;
    case EVENT_TICKET_CLAIMED:
        return event->body->ticket_claimed.number;
    case EVENT_TICKET_CLAIM_EXTENDED:
        return event->body->ticket_claim_extended.number;
    case EVENT_TICKET_EXPIRED:
        return event->body->ticket_expired.number;
    case EVENT_TICKET_DONE:
        return event->body->ticket_done.number;
    default:
        check_never("an event of another actor kind");
    }
}

static void apply_to_ticket(struct room *room, const struct event_view *event,
                            struct row_sink *sink)
{
    uint64_t number = number_of(event);
    struct row_key key = ticket_key(room->base.id, number);
    struct ticket_row ticket;
    check(ticket_row_read(&sink->view, &key, &ticket) && ticket.id == event->aggregate);
    switch (event->kind) {
    case EVENT_TICKET_ADMITTED:
        apply_admitted(room, event, &ticket, sink);
        break;
    case EVENT_TICKET_CLAIMED:
        move_deadline(room, sink, number, &ticket, TICKET_CLAIMED, ticket.until_ms);
        tell(room, event, NEWS_CLAIMED, number, ticket.until_ms);
        break;
    case EVENT_TICKET_CLAIM_EXTENDED:
        move_deadline(room, sink, number, &ticket, TICKET_ADMITTED,
                      event->body->ticket_claim_extended.claim_until_ms);
        break;
    case EVENT_TICKET_EXPIRED:
        apply_ended(room, event, number, &ticket, TICKET_EXPIRED, sink);
        break;
    default:
        apply_ended(room, event, number, &ticket, TICKET_DONE, sink);
    }
    ticket.version = event_version(event, ticket.version);
    ticket_row_write(sink, &key, &ticket);
}

/* ---- the timer ---- */

/* When the head of the line will be too old; 0: nobody waits. */
static uint64_t head_expires_ms(struct room *room, const struct row_view *rows)
{
    if (room->row.waiting == 0)
        return 0;
    uint64_t head = line_next(&room->line, room->row.serving);
    if (head != room->head_number) {
        struct row_key key = ticket_key(room->base.id, head);
        struct ticket_row ticket;
        check(ticket_row_read(rows, &key, &ticket));
        room->head_number = head;
        room->head_issued_at_ms = ticket.issued_at_ms;
    }
    return room->head_issued_at_ms + TICKET_TTL_MS;
}

static uint64_t earlier(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms == 0 || (b_ms != 0 && b_ms < a_ms) ? b_ms : a_ms;
}

/* Events that a timer may have caused set it anew even to the same time, because it has gone off.
 */
static void arm_timer(struct room *room, const struct event_view *event, struct row_sink *sink)
{
    uint64_t next_ms = earlier(
        first_due_ms(room, &sink->view),
        earlier(room_admits_at_ms(&room->row, event->at_ms), head_expires_ms(room, &sink->view)));
    if (next_ms == room->armed_ms && event->kind == EVENT_TICKET_ISSUED)
        return;
    room->armed_ms = next_ms;
    sink->timer(sink->view.context, next_ms);
}

void room_apply(void *object, const struct event_view *event, struct row_sink *sink)
{
    struct room *room = object;
    if (event->kind == EVENT_ROOM_CHANGED)
        room_row_changed(&room->row, &event->body->room_changed, event->at_ms);
    else if (event->kind == EVENT_TICKET_ISSUED)
        apply_issued(room, event, sink);
    else
        apply_to_ticket(room, event, sink);
    arm_timer(room, event, sink);
    room->row.last_sequence = event->sequence;
    struct row_key key = room_key(room->base.id);
    room_row_write(sink, &key, &room->row);
}
