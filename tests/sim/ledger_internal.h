#ifndef BOXOFFICE_SIM_LEDGER_INTERNAL_H
#define BOXOFFICE_SIM_LEDGER_INTERNAL_H

#include "catalogue.h"
#include "check.h"
#include "ledger.h"
#include "trace.h"
#include <string.h>

/* Shared by the ledger's files: what it knows. */

enum { BALANCES_MAX = 2048, TABLE_MAX = 2048 };

struct ledger {
    uint64_t hold_ttl_ms, hold_grace_ms, moment;
    uint64_t granted, balances, elsewhere; /* points: paid, or in a saga under way */
    struct {
        uint64_t version, last_transaction;
        unsigned count, transactions;
        struct {
            uint64_t moment, balance;
        } history[BALANCES_MAX];
    } users[LEDGER_USERS + 1];
    struct {
        uint64_t owner, taken_moment, freed_moment; /* owner: a reservation, 0: free */
    } seats[LEDGER_SCHEDULES][LEDGER_SEATS + 1];
    unsigned reservation_count, transaction_count, key_count;
    struct ledger_reservation reservations[TABLE_MAX];
    struct ledger_transaction transactions[TABLE_MAX];
    struct ledger_key keys[TABLE_MAX];
};
extern struct ledger ledger;

/* Position in ledger_schedules; fails the run when there is no such schedule. */
unsigned ledger_schedule_at(uint64_t schedule);
/* Fails the run when the wallet has not moved the money of a reservation as its state says. */
void ledger_check_money(const struct ledger_reservation *reservation);
void ledger_wallet_event(const struct journal_event *event, const union event *body);
/* Returns how many points more its reservation has, modulo 2^64. */
uint64_t ledger_seat_event(const struct journal_event *event, const union event *body);
bool ledger_was_sold(const struct ledger_reservation *reservation);

#endif
