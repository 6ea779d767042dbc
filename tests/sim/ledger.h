#ifndef BOXOFFICE_SIM_LEDGER_H
#define BOXOFFICE_SIM_LEDGER_H

#include "messages.h"
#include "journal.h"
#include "records.h"

/* What must be true, made from the committed events alone, without the code under test: wallets,
 * seats, reservations and idempotency keys. Each event is compared with what was before it, so the
 * invariants are checked at every commit. A moment is a number of events; a reply that was decided
 * between two moments must be true at one of them. */

enum {
    LEDGER_USERS = 6, /* ids 1 … */
    LEDGER_SEATS = 6, /* of each schedule */
    LEDGER_SCHEDULES = 2,
    LEDGER_STATES_MAX = 64,
};

extern const uint64_t ledger_schedules[LEDGER_SCHEDULES];

struct ledger_reservation {
    uint64_t id, user, schedule, amount, expires_at_ms, first_expires_at_ms;
    uint64_t version, attempt;
    uint64_t payment, paid_balance, failed_balance, refund_balance;
    uint64_t refused_attempt; /* by the wallet; 0: none */
    uint64_t room, ticket;    /* that admitted its user; ticket 0: none */
    bool reported;            /* the waiting room has acknowledged the sale */
    unsigned debits, refunds; /* by the wallet */
    unsigned failed, ended;   /* attempts */
    uint32_t seat_count;
    uint64_t seats[RESERVATION_SEATS_MAX];
    uint64_t state; /* enum reservation_state */
    /* the states it was in, each from a moment on */
    unsigned state_count;
    struct {
        uint64_t moment, state, expires_at_ms;
    } states[LEDGER_STATES_MAX];
};

struct ledger_transaction {
    uint64_t id, user, type, amount, balance, reservation, at_ms;
    bool keyed; /* under an idempotency key */
    bool told;  /* to a client, as the effect of its request */
};

/* An idempotency key with what it was used for. */
struct ledger_key {
    uint64_t route, user, schedule, key; /* the text's first 8 bytes */
    uint64_t at_ms, body_hash, reference;
    size_t answer_size; /* of its first 2xx answer that arrived; 0: none yet */
    uint8_t answer[128];
};

void ledger_reset(uint64_t hold_ttl_ms, uint64_t hold_grace_ms);
/* A committed event. Fails the run when it breaks an invariant. */
void ledger_event(const struct journal_event *event);
/* No saga is under way and no obligation is open. */
bool ledger_at_rest(uint64_t now_ms);
/* Until when the last hold lasts; 0: there is none. */
uint64_t ledger_held_until_ms(void);

/* Fails the run when the event is public and not the aggregate's next. */
void ledger_next_version(const struct journal_event *event, uint64_t *version);

/* Notes what an idempotency key was used for: once in its life. */
void ledger_use_key(uint64_t route, uint64_t user, uint64_t schedule, const char *text,
                    uint32_t length, uint64_t body_hash, uint64_t at_ms, uint64_t reference);

uint64_t ledger_moment(void);
uint64_t ledger_balance(uint64_t user);
/* Whether the user had this balance at some time since that moment. */
bool ledger_had_balance(uint64_t user, uint64_t balance, uint64_t since);
struct ledger_reservation *ledger_reservation(uint64_t id); /* NULL: there is none */
/* In order of their making; NULL behind the last. */
struct ledger_reservation *ledger_reservation_at(unsigned index);
bool ledger_was_in_state(const struct ledger_reservation *reservation, uint64_t state,
                         uint64_t since);
/* Whether somebody, or nobody, had the seat at some time since that moment. */
bool ledger_was_taken(uint64_t seat, uint64_t since);
bool ledger_was_free(uint64_t seat, uint64_t since);
struct ledger_transaction *ledger_transaction(uint64_t id);
struct ledger_transaction *ledger_transaction_at(unsigned index); /* NULL behind the last */
unsigned ledger_transaction_count(uint64_t user);
/* The newest use of a key, with this result (0: any); NULL: there is none. */
struct ledger_key *ledger_key(uint64_t route, uint64_t user, uint64_t schedule, uint64_t key,
                              uint64_t reference);
uint64_t ledger_key_number(const char *text, uint32_t length);

#endif
