#include "catalogue.h"
#include "clients.h"
#include "ledger_rooms.h"
#include "world.h"
#include <stdio.h>
#include <string.h>

/* What users ask for: mostly what makes sense, and now and then what does not. */

enum { KEYS = 6 };

static uint64_t draw_user(void)
{
    return 1 + draw(world.users);
}

static uint32_t draw_key(char text[8])
{
    if (once_in(2))
        return 0;
    snprintf(text, 8, "key-%u", (unsigned)draw(KEYS));
    return 5;
}

static void draw_points(uint16_t *kind, union request *request)
{
    char key[8];
    uint32_t length = draw_key(key);
    uint64_t user = draw_user(), amount = 10 + draw(length > 0 ? 3 : 90);
    if (once_in(40))
        amount = once_in(2) ? 0 : AMOUNT_MAX + 1;
    *kind = once_in(4) ? REQUEST_USE : REQUEST_CHARGE;
    if (*kind == REQUEST_CHARGE) {
        request->charge = (struct charge){.user = user, .amount = amount, .body_hash = amount};
        text_set(&request->charge.idempotency_key, key, length);
    } else {
        request->use = (struct use){.user = user, .amount = amount, .body_hash = amount};
        text_set(&request->use.idempotency_key, key, length);
    }
}

/* A ticket of the user that admits now; NULL: there is none. */
static const struct ledger_ticket *admitted_ticket(uint64_t user)
{
    const struct ledger_ticket *ticket, *found = NULL;
    for (unsigned i = 0; (ticket = ledger_ticket_at(i)) != NULL; i++)
        if (ticket->user == user && clients_ticket_admits(ticket))
            found = ticket;
    return found;
}

static void draw_hold(union request *request)
{
    struct hold *hold = &request->hold;
    char key[8];
    uint64_t schedule = ledger_schedules[draw(LEDGER_SCHEDULES)], first = draw(LEDGER_SEATS);
    *hold = (struct hold){.schedule = schedule, .user = draw_user()};
    const struct ledger_ticket *ticket = admitted_ticket(hold->user);
    if (ticket != NULL) {
        hold->room = ticket->room;
        hold->ticket = ticket->number;
    }
    hold->seats.count = once_in(30) ? 5 : 1 + (uint32_t)draw(3);
    for (uint32_t i = 0; i < hold->seats.count; i++)
        hold->seats.items[i] = seat_id(schedule, 1 + (first + i) % LEDGER_SEATS);
    if (once_in(40))
        hold->seats.items[0] = seat_id(schedule, once_in(2) ? 0 : LEDGER_SEATS + 1);
    if (once_in(60))
        hold->schedule = 99; /* there is no such schedule */
    hold->body_hash = schedule;
    for (uint32_t i = 0; i < hold->seats.count; i++)
        hold->body_hash = hold->body_hash * 1000003 + hold->seats.items[i];
    text_set(&hold->idempotency_key, key, draw_key(key));
}

/* Mostly one of the last few, which are those that something can happen to. */
static const struct ledger_reservation *draw_reservation(void)
{
    unsigned count = 0;
    while (ledger_reservation_at(count) != NULL)
        count++;
    if (count == 0)
        return NULL;
    unsigned recent = count < 10 ? count : 10;
    return ledger_reservation_at(count - 1 - (unsigned)draw(once_in(8) ? count : recent));
}

static void draw_about_reservation(uint16_t kind, union request *request)
{
    const struct ledger_reservation *reservation = draw_reservation();
    uint64_t id = reservation != NULL && !once_in(60) ? reservation->id : 64 + draw(8);
    uint64_t user = reservation != NULL && !once_in(30) ? reservation->user : draw_user();
    /* the four of this kind are alike */
    request->confirm = (struct confirm){id, kind == REQUEST_CONFIRM && once_in(20) ? 0 : user};
}

static const struct ledger_ticket *draw_ticket(void)
{
    unsigned count = 0;
    while (ledger_ticket_at(count) != NULL)
        count++;
    if (count == 0)
        return NULL;
    unsigned recent = count < 8 ? count : 8;
    return ledger_ticket_at(count - 1 - (unsigned)draw(once_in(8) ? count : recent));
}

static void draw_change(struct room_change *change)
{
    *change = (struct room_change){
        .room = ledger_room_ids[draw(LEDGER_ROOMS)],
        .own = draw(ROOM_CLAIM_TTL * 2),
        .active_limit = once_in(30) ? 0 : 1 + draw(3), /* 0 is refused */
        .admit_per_second = once_in(2) ? 0 : 1 + draw(20),
        .paused = once_in(6),
        .session_ttl_s = 10 + draw(40),
        .claim_ttl_s = 2 + draw(10),
    };
}

void request_draw_about_ticket(const struct ledger_ticket *ticket, uint16_t *kind,
                               union request *request)
{
    static const uint16_t about[] = {REQUEST_TICKET_CLAIM, REQUEST_TICKET_CLAIM, REQUEST_TICKET_GET,
                                     REQUEST_TICKET_LEAVE, REQUEST_TOKEN_ISSUE};
    *kind = about[draw(sizeof about / sizeof about[0])];
    if (*kind == REQUEST_TOKEN_ISSUE)
        request->token_issue = (struct token_issue){ticket->room, ticket->user};
    else /* these are alike */
        request->ticket_get = (struct ticket_get){ticket->room, ticket->user, ticket->number};
}

static void draw_about_rooms(uint16_t *kind, union request *request)
{
    const struct ledger_ticket *ticket = draw_ticket();
    if (once_in(8)) {
        *kind = REQUEST_ROOM_CHANGE;
        draw_change(&request->room_change);
    } else if (once_in(16)) {
        *kind = REQUEST_ROOM_GET;
        request->room_get = (struct room_get){ledger_room_ids[draw(LEDGER_ROOMS)]};
    } else if (ticket == NULL || once_in(3)) {
        *kind = REQUEST_TOKEN_ISSUE;
        request->token_issue =
            (struct token_issue){ledger_room_ids[draw(LEDGER_ROOMS)], draw_user()};
    } else {
        request_draw_about_ticket(ticket, kind, request);
        if (*kind == REQUEST_TICKET_GET && once_in(20))
            request->ticket_get.number += 1000;
    }
}

void request_draw_about(const struct ledger_reservation *reservation, uint16_t *kind,
                        union request *request)
{
    static const uint16_t about[] = {REQUEST_CONFIRM, REQUEST_CANCEL, REQUEST_RELEASE,
                                     REQUEST_RESERVATION_GET};
    if (!once_in(3)) {
        *kind = about[draw(sizeof about / sizeof about[0])];
        request->confirm = (struct confirm){reservation->id, reservation->user};
        return;
    }
    *kind = REQUEST_HOLD;
    request->hold = (struct hold){
        .schedule = reservation->schedule,
        .user = once_in(2) ? reservation->user : draw_user(),
    };
    request->hold.seats.count = once_in(3) ? 1 : reservation->seat_count;
    memcpy(request->hold.seats.items, reservation->seats,
           request->hold.seats.count * sizeof reservation->seats[0]);
}

static void draw_concert(struct concert_create *create)
{
    static const struct new_schedule day = {{10, "2030-01-01"}, {5, "19:00"}, {5, "21:00"}, 1};
    static const struct new_section section = {{1, "A"}, 1, 2, 10};
    char key[8];
    uint32_t count = 1 + (uint32_t)draw(3);
    create->directory = DIRECTORY_BASE + draw(world.segment->header->config.seat_workers);
    text_set(&create->title, "a concert", 9);
    create->schedules.count = create->sections.count = count;
    for (uint32_t i = 0; i < count; i++) {
        create->schedules.items[i] = day;
        create->sections.items[i] = section;
    }
    if (once_in(20))
        create->schedules.items[0].section_count = 2; /* there are not so many */
    create->body_hash = count * 10 + create->schedules.items[0].section_count;
    text_set(&create->idempotency_key, key, draw_key(key));
}

static void draw_about_catalogue(uint16_t *kind, union request *request)
{
    uint64_t workers = world.segment->header->config.seat_workers;
    if (once_in(3)) {
        *kind = REQUEST_CONCERT_CREATE;
        draw_concert(&request->concert_create);
    } else if (once_in(2)) {
        *kind = REQUEST_RESERVATIONS_GET;
        request->reservations_get = (struct reservations_get){
            .directory = DIRECTORY_BASE + draw(workers), .user = draw_user(), .limit = LIST_MAX};
    } else {
        *kind = REQUEST_SEATS_GET;
        request->seats_get =
            (struct seats_get){ledger_schedules[draw(LEDGER_SCHEDULES)], 0, LEDGER_SEATS};
    }
}

void request_draw(uint16_t *kind, union request *request)
{
    static const uint16_t about[] = {REQUEST_CONFIRM, REQUEST_CONFIRM,        REQUEST_CONFIRM,
                                     REQUEST_CONFIRM, REQUEST_CANCEL,         REQUEST_CANCEL,
                                     REQUEST_RELEASE, REQUEST_RESERVATION_GET};
    unsigned at = (unsigned)draw(28);
    if (at >= 20) {
        draw_about_rooms(kind, request);
    } else if (at < 6) {
        *kind = REQUEST_HOLD;
        draw_hold(request);
    } else if (at < 14) {
        *kind = about[draw(sizeof about / sizeof about[0])];
        draw_about_reservation(*kind, request);
    } else if (at < 18) {
        draw_points(kind, request);
    } else if (once_in(2)) {
        *kind = REQUEST_BALANCE_GET;
        request->balance_get = (struct balance_get){draw_user()};
    } else if (once_in(2)) {
        *kind = REQUEST_TRANSACTIONS_GET;
        request->transactions_get = (struct transactions_get){draw_user(), 0, LIST_MAX};
    } else {
        draw_about_catalogue(kind, request);
    }
}

bool request_is_invalid(uint16_t kind, const union request *request)
{
    if (kind == REQUEST_CONCERT_CREATE)
        return request->concert_create.schedules.items[0].section_count != 1;
    if (kind == REQUEST_ROOM_CHANGE)
        return (request->room_change.own & ROOM_ACTIVE_LIMIT) != 0 &&
               request->room_change.active_limit == 0;
    if (kind != REQUEST_HOLD)
        return false;
    for (uint32_t i = 0; i < request->hold.seats.count; i++) {
        uint64_t index = seat_id_index(request->hold.seats.items[i]);
        if (index == 0 || index > LEDGER_SEATS)
            return true;
    }
    return false;
}
