#ifndef BOXOFFICE_SIM_COVERAGE_INTERNAL_H
#define BOXOFFICE_SIM_COVERAGE_INTERNAL_H

#include "coverage.h"

/* Shared by the coverage's files. */

/* What happens to a reservation, to a ticket, or in a wallet. */
enum input {
    GET,
    CONFIRM,
    CONFIRM_RESUMED, /* it waited for an attempt when its worker died */
    RELEASE,
    CANCEL,
    CANCEL_RESUMED,
    HOLD_AGAIN, /* its user asks for a seat of it */
    HOLD_OTHER, /* somebody else does */
    TIMER,
    DEBIT_ACCEPTED,
    DEBIT_REFUSED,
    REFUNDED,
    NO_VERDICT, /* the wallet could not be asked */
    REPORTED,   /* the waiting room knows of the sale */
    ISSUE,
    TICKET_ASKED,
    CLAIM,
    LEAVE,
    PURCHASED,
    CLOCK, /* the room's timer */
    DEBIT,
    REFUND,
    INPUT_COUNT
};

/* States of a reservation (its own numbers), then of a ticket. LAPSED: held, but its time is over
 * and nobody has noticed; likewise OLD (waiting), OVER (the session), CLAIM_OVER (not claimed). */
enum {
    NONE = 0,
    LAPSED = RESERVATION_CANCELLED + 1,
    TICKETS = LAPSED, /* WAITING is the first behind it */
    WAITING = TICKETS + TICKET_WAITING,
    ADMITTED = TICKETS + TICKET_ADMITTED,
    CLAIMED = TICKETS + TICKET_CLAIMED,
    EXPIRED = TICKETS + TICKET_EXPIRED,
    DONE = TICKETS + TICKET_DONE,
    OLD,
    OVER,
    CLAIM_OVER,
    NO_VERDICT_YET,   /* a wallet's on a reservation */
    VERDICT_BEFORE,   /* on an attempt before */
    VERDICT_ACCEPTED, /* on this attempt */
    VERDICT_REFUSED,
    VERDICT_LATER,
    STATE_COUNT
};

/* How it ends: an event of the reservation or ticket (0: none), and an answer or a wait. */
enum {
    WAITS = OUTCOME_COUNT,
    NO_ANSWER,
};

void coverage_take(unsigned state, enum input input, uint16_t event, unsigned answer);
/* The decision's first event of an aggregate; 0: none. */
uint16_t coverage_event(const struct decision *decision, uint64_t aggregate);
unsigned coverage_answer(const struct decision *decision);

/* coverage_seats.c, coverage_rooms.c, coverage_wallets.c: decide, as the actor kinds have it */
void seat_decide_covered(struct decision *decision, const void *object,
                         const struct message *message);
void wallet_decide_covered(struct decision *decision, const void *object,
                           const struct message *message);
void room_decide_covered(struct decision *decision, const void *object,
                         const struct message *message);

#endif
