#include "audit_state.h"
#include <stdarg.h>
#include <stdlib.h>

enum { VIOLATIONS_PRINTED_MAX = 100, WALK_ROWS = 256 };

struct audit *audit_create(FILE *to)
{
    struct audit *audit = calloc(1, sizeof *audit);
    check(audit != NULL);
    audit->to = to;
    return audit;
}

void audit_violation(struct audit *audit, const char *format, ...)
{
    if (audit->violations++ >= VIOLATIONS_PRINTED_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    fputs("violation: ", audit->to);
    vfprintf(audit->to, format, arguments);
    fputc('\n', audit->to);
    va_end(arguments);
}

void *audit_grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity == 0 ? 1024 : *capacity * 2;
    items = reallocarray(items, *capacity, item_size);
    check(items != NULL);
    return items;
}

/* ---- walking ---- */

struct chunk {
    struct row_key keys[WALK_ROWS];
    size_t offsets[WALK_ROWS], sizes[WALK_ROWS];
    unsigned count;
    uint8_t *bytes;
    size_t used, capacity;
};

static bool copy_row(void *context, const struct row_key *key, struct row_bytes value)
{
    struct chunk *chunk = context;
    while (chunk->used + value.size > chunk->capacity)
        chunk->bytes = audit_grow(chunk->bytes, chunk->capacity, &chunk->capacity, 1);
    memcpy(chunk->bytes + chunk->used, value.data, value.size);
    chunk->keys[chunk->count] = *key;
    chunk->offsets[chunk->count] = chunk->used;
    chunk->sizes[chunk->count] = value.size;
    chunk->used += value.size;
    return ++chunk->count < WALK_ROWS;
}

void audit_walk(const struct row_view *rows, const struct row_key *prefix,
                void (*visit)(void *context, const struct row_key *key, struct row_bytes value),
                void *context)
{
    struct chunk *chunk = calloc(1, sizeof *chunk);
    check(chunk != NULL);
    struct row_key from = *prefix;
    do {
        chunk->count = 0;
        chunk->used = 0;
        rows->scan(rows->context, prefix, &from, false, copy_row, chunk);
        for (unsigned i = 0; i < chunk->count; i++)
            visit(context, &chunk->keys[i],
                  (struct row_bytes){chunk->bytes + chunk->offsets[i], chunk->sizes[i]});
        if (chunk->count > 0) {
            from = chunk->keys[chunk->count - 1];
            row_key_add_tag(&from, 0); /* the next possible key */
        }
    } while (chunk->count == WALK_ROWS);
    free(chunk->bytes);
    free(chunk);
}

/* ---- money ---- */

static int movement_order(const void *left, const void *right)
{
    const struct movement *a = left, *b = right;
    if (a->reservation != b->reservation)
        return a->reservation < b->reservation ? -1 : 1;
    return (int)a->type - (int)b->type;
}

static int verdict_order(const void *left, const void *right)
{
    const struct verdict *a = left, *b = right;
    return (a->reservation > b->reservation) - (a->reservation < b->reservation);
}

static void sort_wallets(struct audit *audit)
{
    if (audit->sorted)
        return;
    audit->sorted = true;
    if (audit->movement_count > 0)
        qsort(audit->movements, audit->movement_count, sizeof *audit->movements, movement_order);
    if (audit->verdict_count > 0)
        qsort(audit->verdicts, audit->verdict_count, sizeof *audit->verdicts, verdict_order);
}

struct movement *audit_movements(struct audit *audit, uint64_t reservation, size_t *count)
{
    sort_wallets(audit);
    size_t low = 0, high = audit->movement_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (audit->movements[middle].reservation < reservation)
            low = middle + 1;
        else
            high = middle;
    }
    *count = 0;
    while (low + *count < audit->movement_count &&
           audit->movements[low + *count].reservation == reservation)
        ++*count;
    return audit->movements + low;
}

struct verdict *audit_verdict(struct audit *audit, uint64_t reservation)
{
    struct verdict wanted = {.reservation = reservation};
    sort_wallets(audit);
    if (audit->verdict_count == 0)
        return NULL;
    return bsearch(&wanted, audit->verdicts, audit->verdict_count, sizeof wanted, verdict_order);
}

static void check_verdicts(struct audit *audit)
{
    for (size_t i = 0; i < audit->verdict_count; i++) {
        const struct verdict *verdict = &audit->verdicts[i];
        if (!verdict->explained)
            audit_violation(audit,
                            "user %llu: a verdict on reservation %llu, which is not there or has "
                            "another one",
                            (unsigned long long)verdict->user,
                            (unsigned long long)verdict->reservation);
    }
}

static void check_movements(struct audit *audit)
{
    for (size_t i = 0; i < audit->movement_count; i++) {
        const struct movement *movement = &audit->movements[i];
        if (!movement->explained)
            audit_violation(audit,
                            "user %llu: transaction %llu is for reservation %llu, which is "
                            "not there",
                            (unsigned long long)movement->user,
                            (unsigned long long)movement->transaction,
                            (unsigned long long)movement->reservation);
    }
}

enum { POINTS_TEXT_SIZE = 40 };

static const char *points_text(points value, char text[POINTS_TEXT_SIZE])
{
    char *at = text + POINTS_TEXT_SIZE;
    *--at = '\0';
    do {
        *--at = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value > 0);
    return at;
}

static void check_conservation(struct audit *audit)
{
    char granted[POINTS_TEXT_SIZE], balances[POINTS_TEXT_SIZE], paid[POINTS_TEXT_SIZE],
        in_flight[POINTS_TEXT_SIZE];
    points given = audit->charged - audit->used;
    if (given != audit->balances + audit->paid + audit->in_flight)
        audit_violation(audit, "points are not conserved");
    fprintf(audit->to, "points: granted %s = balances %s + paid %s + in flight %s\n",
            points_text(given, granted), points_text(audit->balances, balances),
            points_text(audit->paid, paid), points_text(audit->in_flight, in_flight));
}

static void print_counts(const struct audit *audit)
{
    static const struct {
        enum reservation_state state;
        const char *text;
    } states[] = {
        {RESERVATION_HELD, "held"},           {RESERVATION_CONFIRMING, "confirming"},
        {RESERVATION_CONFIRMED, "confirmed"}, {RESERVATION_RELEASED, "released"},
        {RESERVATION_EXPIRED, "expired"},     {RESERVATION_CANCELLING, "cancelling"},
        {RESERVATION_CANCELLED, "cancelled"},
    };
    fprintf(audit->to, "wallets %llu, transactions %llu\n", (unsigned long long)audit->wallets,
            (unsigned long long)audit->transactions);
    fprintf(audit->to, "schedules %llu, seats %llu, open obligations %llu\nreservations:",
            (unsigned long long)audit->schedules, (unsigned long long)audit->seats,
            (unsigned long long)audit->obligations);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        fprintf(audit->to, " %s %llu", states[i].text,
                (unsigned long long)audit->reservations[states[i].state]);
    fprintf(audit->to, "\nrooms %llu, tickets %llu, admitted %llu\n",
            (unsigned long long)audit->rooms, (unsigned long long)audit->tickets,
            (unsigned long long)audit->sessions);
}

uint64_t audit_finish(struct audit *audit)
{
    check_movements(audit);
    check_verdicts(audit);
    print_counts(audit);
    check_conservation(audit);
    uint64_t violations = audit->violations;
    if (violations > VIOLATIONS_PRINTED_MAX)
        fprintf(audit->to, "… and %llu violations more\n",
                (unsigned long long)violations - VIOLATIONS_PRINTED_MAX);
    fprintf(audit->to, "violations %llu\n", (unsigned long long)violations);
    free(audit->movements);
    free(audit->verdicts);
    free(audit);
    return violations;
}
