#ifndef BOXOFFICE_SIM_LEDGER_ROOMS_H
#define BOXOFFICE_SIM_LEDGER_ROOMS_H

#include "ledger.h"

/* The waiting rooms' part of the ledger: one place in the line for each user, admission in the
 * order of numbers, within the limit and the rate, and never twice. */

enum { LEDGER_ROOMS = 2, TICKET_STATES_MAX = 8 };
extern const uint64_t ledger_room_ids[LEDGER_ROOMS]; /* the default room, and a concert's */

struct ledger_ticket {
    uint64_t id, room, user, number, version;
    uint64_t issued_at_ms, claim_until_ms, until_ms;
    bool told;      /* that it is new */
    bool claimed;   /* by a front */
    uint64_t ahead; /* one more than how many it was last told are before it; 0: never told */
    uint64_t state; /* enum ticket_state */
    unsigned state_count;
    struct {
        uint64_t moment, state;
    } states[TICKET_STATES_MAX];
};

struct ledger_room {
    uint64_t id, issued, sessions, waiting;
    uint64_t made_moment, changed_moment; /* made_moment 0: there is no such room yet */
    struct room_changed settings;
    uint64_t credit, credit_at_ms; /* of its rate, at most; thousandths */
};

void ledger_rooms_reset(void);
void ledger_room_event(const struct journal_event *event, const union event *body);
/* Shared memory is gone, and with it the claims that were not committed yet. */
void ledger_claims_lost(void);
/* Nobody waits who could be admitted, and nobody is admitted whose time is over. */
bool ledger_rooms_at_rest(uint64_t now_ms);
/* When the last session's time is over; 0: there is none. */
uint64_t ledger_sessions_until_ms(void);

struct ledger_room *ledger_room(uint64_t id);
struct ledger_ticket *ledger_ticket(uint64_t room, uint64_t number); /* NULL: never issued */
struct ledger_ticket *ledger_ticket_at(unsigned index);              /* NULL behind the last */
bool ledger_ticket_was(const struct ledger_ticket *ticket, uint64_t state, uint64_t since);
bool ledger_ticket_is_live(const struct ledger_ticket *ticket);

#endif
