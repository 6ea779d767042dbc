#ifndef BOXOFFICE_SIM_CLIENTS_H
#define BOXOFFICE_SIM_CLIENTS_H

#include "ledger_rooms.h"
#include "messages.h"

/* A request of a user, while its answer is awaited. */
struct ask {
    bool waits;
    uint16_t kind;
    union request request;
    uint64_t moment, submitted_ms; /* when it was sent */
    uint64_t known_count;          /* of what it asks for a list of, then */
    uint64_t deadline_ms;
};

/* 5xx: nothing can be said of the effect. */
bool answer_is_unknown(enum outcome outcome);
/* Compares an answer with what happened (answers.c). */
void answer_check(const struct ask *ask, enum outcome outcome, uint16_t reply_kind,
                  const union reply *reply);
/* The same for what is asked about waiting rooms (answers_rooms.c). */
void answer_check_room(const struct ask *ask, enum outcome outcome, uint16_t reply_kind,
                       const union reply *reply);
/* Whether the front would let this ticket hold seats now. */
bool clients_ticket_admits(const struct ledger_ticket *ticket);
/* Draws a request (requests.c). */
void request_draw(uint16_t *kind, union request *request);
/* One that concerns this reservation. */
void request_draw_about(const struct ledger_reservation *reservation, uint16_t *kind,
                        union request *request);
void request_draw_about_ticket(const struct ledger_ticket *ticket, uint16_t *kind,
                               union request *request);
bool request_is_invalid(uint16_t kind, const union request *request);

#endif
