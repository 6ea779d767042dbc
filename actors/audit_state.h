#ifndef BOXOFFICE_AUDIT_STATE_H
#define BOXOFFICE_AUDIT_STATE_H

#include "audit.h"
#include "check.h"
#include "messages.h"
#include "records.h"

/* Inside the audit. */

/* Sums of points over all wallets don't fit 64 bits in the worst case. */
typedef unsigned __int128 points;

/* A transaction that belongs to a reservation. */
struct movement {
    uint64_t reservation, user, transaction, amount, balance;
    uint8_t type;   /* enum transaction_type */
    bool explained; /* its reservation is there */
};

/* A wallet's verdict on the last attempt of a reservation that it has seen. */
struct verdict {
    uint64_t reservation, user, attempt;
    bool explained; /* its reservation is there */
};

/* More violations than these are counted only. */
enum { AUDIT_FINDINGS_MAX = 100, AUDIT_FINDING_SIZE = 256 };
/* Movements, and verdicts, in memory at a time. */
enum { AUDIT_MOVEMENTS_MAX = 1 << 20 };
/* Ids of a journal likewise. */
enum { AUDIT_HEADS_MAX = 1 << 19 };

struct audit {
    FILE *to;
    bool as_json;
    uint64_t violations;
    char findings[AUDIT_FINDINGS_MAX][AUDIT_FINDING_SIZE];
    /* storage */
    uint64_t rows, records, aggregates, rebuilt;
    size_t heads_max;
    /* wallets */
    uint64_t wallets, transactions;
    points charged, used, balances; /* used: without a reservation */
    struct movement *movements;     /* by reservation and type once `sorted` */
    size_t movement_count, movement_capacity, movements_max;
    struct verdict *verdicts; /* by reservation once `sorted` */
    size_t verdict_count, verdict_capacity;
    bool sorted;               /* the wallets are through */
    uint64_t part, part_count; /* reservations are taken in parts; the count is a power of two */
    /* seats */
    uint64_t schedules, seats, reservations[RESERVATION_CANCELLED + 1], obligations;
    points paid, in_flight;
    /* queue */
    uint64_t rooms, tickets, sessions;
};

/* Whether the reservation is one of those that are looked at in this pass. */
bool audit_in_part(const struct audit *audit, uint64_t reservation);
void audit_note_movement(struct audit *audit, const struct movement *movement);
void audit_note_verdict(struct audit *audit, const struct verdict *verdict);
/* A row's key for people: its table, its id, the rest in hexadecimal. */
enum { AUDIT_KEY_TEXT_SIZE = 128 };
const char *audit_key_text(const struct row_key *key, char text[AUDIT_KEY_TEXT_SIZE]);
void *audit_grow(void *items, size_t count, size_t *capacity, size_t item_size);
/* The movements of one reservation, and its verdict (NULL: there is none). */
struct movement *audit_movements(struct audit *audit, uint64_t reservation, size_t *count);
struct verdict *audit_verdict(struct audit *audit, uint64_t reservation);

/* Visits all rows with this prefix in key order; other row calls are allowed inside. */
void audit_walk(const struct row_view *rows, const struct row_key *prefix,
                void (*visit)(void *context, const struct row_key *key, struct row_bytes value),
                void *context);
static inline struct row_key audit_table(char table)
{
    return (struct row_key){.size = 1, .data = {(uint8_t)table}};
}
static inline uint64_t audit_id(const struct row_key *key)
{
    return row_key_u64(key, 1);
}
/* 0 for a head row. */
static inline char audit_tag(const struct row_key *key)
{
    return key->size > 9 ? (char)key->data[9] : 0;
}

#endif
