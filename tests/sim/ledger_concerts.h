#ifndef BOXOFFICE_SIM_LEDGER_CONCERTS_H
#define BOXOFFICE_SIM_LEDGER_CONCERTS_H

#include "ledger.h"

/* The catalogue's part of the ledger: a concert is made with all of its schedules, or not at all.
 */

struct ledger_concert {
    uint64_t id, directory;
    bool keyed; /* under an idempotency key */
    bool told;  /* to a client, as the effect of its request */
    uint64_t schedule_count, wanted;
    uint64_t schedules[CONCERT_SCHEDULES_MAX];
};

void ledger_concerts_reset(void);
void ledger_concert_event(const struct journal_event *event, const union event *body);
/* True while a concert lacks schedules: only between the events of one transaction. */
bool ledger_concert_is_partial(void);
struct ledger_concert *ledger_concert(uint64_t id); /* NULL: there is none */

#endif
