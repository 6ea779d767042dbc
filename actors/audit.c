#include "audit_state.h"
#include "json_out.h"
#include <stdarg.h>
#include <stdlib.h>

enum { WALK_ROWS = 256 };

struct audit *audit_create(FILE *to)
{
    struct audit *audit = calloc(1, sizeof *audit);
    check(audit != NULL);
    audit->to = to;
    audit->part_count = 1;
    audit->movements_max = AUDIT_MOVEMENTS_MAX;
    audit->heads_max = AUDIT_HEADS_MAX;
    return audit;
}

void audit_as_json(struct audit *audit)
{
    audit->as_json = true;
}

void audit_violation(struct audit *audit, const char *format, ...)
{
    if (audit->violations++ >= AUDIT_FINDINGS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(audit->findings[audit->violations - 1], AUDIT_FINDING_SIZE, format, arguments);
    va_end(arguments);
}

const char *audit_key_text(const struct row_key *key, char text[AUDIT_KEY_TEXT_SIZE])
{
    int used = snprintf(text, AUDIT_KEY_TEXT_SIZE, "%c %llu", key->size > 0 ? key->data[0] : '?',
                        (unsigned long long)audit_id(key));
    for (size_t i = 9; i < key->size; i++)
        used += snprintf(text + used, AUDIT_KEY_TEXT_SIZE - (size_t)used, "%s%02x",
                         i == 9 ? " " : "", key->data[i]);
    return text;
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

bool audit_in_part(const struct audit *audit, uint64_t reservation)
{
    uint64_t mixed = reservation * UINT64_C(0x9e3779b97f4a7c15);
    return ((mixed >> 32) & (audit->part_count - 1)) == audit->part;
}

/* Too many: the second half is left to a pass of its own. Only in the first pass, since later ones
 * must find the parts as they are. */
static void halve_part(struct audit *audit)
{
    size_t kept = 0;
    audit->part_count *= 2;
    for (size_t i = 0; i < audit->movement_count; i++)
        if (audit_in_part(audit, audit->movements[i].reservation))
            audit->movements[kept++] = audit->movements[i];
    audit->movement_count = kept;
    kept = 0;
    for (size_t i = 0; i < audit->verdict_count; i++)
        if (audit_in_part(audit, audit->verdicts[i].reservation))
            audit->verdicts[kept++] = audit->verdicts[i];
    audit->verdict_count = kept;
}

static bool takes_up(struct audit *audit, uint64_t reservation)
{
    while (audit->part == 0 && (audit->movement_count >= audit->movements_max ||
                                audit->verdict_count >= audit->movements_max))
        halve_part(audit);
    return audit_in_part(audit, reservation);
}

void audit_note_movement(struct audit *audit, const struct movement *movement)
{
    if (!takes_up(audit, movement->reservation))
        return;
    audit->movements = audit_grow(audit->movements, audit->movement_count,
                                  &audit->movement_capacity, sizeof *audit->movements);
    audit->movements[audit->movement_count++] = *movement;
}

void audit_note_verdict(struct audit *audit, const struct verdict *verdict)
{
    if (!takes_up(audit, verdict->reservation))
        return;
    audit->verdicts = audit_grow(audit->verdicts, audit->verdict_count, &audit->verdict_capacity,
                                 sizeof *audit->verdicts);
    audit->verdicts[audit->verdict_count++] = *verdict;
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

bool audit_again(struct audit *audit)
{
    if (audit->part + 1 >= audit->part_count)
        return false;
    check_movements(audit);
    check_verdicts(audit);
    audit->part++;
    audit->movement_count = audit->verdict_count = 0;
    audit->sorted = false;
    return true;
}

static const struct {
    enum reservation_state state;
    const char *text;
} states[] = {
    {RESERVATION_HELD, "held"},           {RESERVATION_CONFIRMING, "confirming"},
    {RESERVATION_CONFIRMED, "confirmed"}, {RESERVATION_RELEASED, "released"},
    {RESERVATION_EXPIRED, "expired"},     {RESERVATION_CANCELLING, "cancelling"},
    {RESERVATION_CANCELLED, "cancelled"},
};
enum { STATE_COUNT = sizeof states / sizeof states[0] };

struct sums {
    char granted[POINTS_TEXT_SIZE], balances[POINTS_TEXT_SIZE], paid[POINTS_TEXT_SIZE],
        in_flight[POINTS_TEXT_SIZE];
    const char *granted_text, *balances_text, *paid_text, *in_flight_text;
};

static void sums_write(const struct audit *audit, struct sums *sums)
{
    sums->granted_text = points_text(audit->charged - audit->used, sums->granted);
    sums->balances_text = points_text(audit->balances, sums->balances);
    sums->paid_text = points_text(audit->paid, sums->paid);
    sums->in_flight_text = points_text(audit->in_flight, sums->in_flight);
}

static unsigned finding_count(const struct audit *audit)
{
    return audit->violations < AUDIT_FINDINGS_MAX ? (unsigned)audit->violations
                                                  : AUDIT_FINDINGS_MAX;
}

#define LLU(value) ((unsigned long long)(value))

static void print_text(const struct audit *audit, const struct sums *sums)
{
    FILE *to = audit->to;
    for (unsigned i = 0; i < finding_count(audit); i++)
        fprintf(to, "violation: %s\n", audit->findings[i]);
    fprintf(to, "stored rows %llu, journal records %llu of %llu ids, rebuilt workers %llu\n",
            LLU(audit->rows), LLU(audit->records), LLU(audit->aggregates), LLU(audit->rebuilt));
    fprintf(to, "wallets %llu, transactions %llu\n", LLU(audit->wallets), LLU(audit->transactions));
    fprintf(to, "schedules %llu, seats %llu, open obligations %llu\nreservations:",
            LLU(audit->schedules), LLU(audit->seats), LLU(audit->obligations));
    for (size_t i = 0; i < STATE_COUNT; i++)
        fprintf(to, " %s %llu", states[i].text, LLU(audit->reservations[states[i].state]));
    fprintf(to, "\nrooms %llu, tickets %llu, admitted %llu\n", LLU(audit->rooms),
            LLU(audit->tickets), LLU(audit->sessions));
    fprintf(to, "points: granted %s = balances %s + paid %s + in flight %s\n", sums->granted_text,
            sums->balances_text, sums->paid_text, sums->in_flight_text);
    if (audit->violations > AUDIT_FINDINGS_MAX)
        fprintf(to, "… and %llu violations more\n", LLU(audit->violations - AUDIT_FINDINGS_MAX));
    fprintf(to, "violations %llu\n", LLU(audit->violations));
}

static void print_json(const struct audit *audit, const struct sums *sums)
{
    FILE *to = audit->to;
    fprintf(to, "{\"violations\":%llu,\"findings\":[", LLU(audit->violations));
    for (unsigned i = 0; i < finding_count(audit); i++) {
        char text[AUDIT_FINDING_SIZE * 6 + 2];
        struct json_out json;
        json_out_init(&json, text, sizeof text);
        json_text(&json, audit->findings[i], strlen(audit->findings[i]));
        fprintf(to, "%s%.*s", i > 0 ? "," : "", (int)json.used, json.data);
    }
    fprintf(to, "],\"rows\":%llu,\"records\":%llu,\"aggregates\":%llu,\"rebuiltWorkers\":%llu",
            LLU(audit->rows), LLU(audit->records), LLU(audit->aggregates), LLU(audit->rebuilt));
    fprintf(to, ",\"wallets\":%llu,\"transactions\":%llu,\"schedules\":%llu,\"seats\":%llu",
            LLU(audit->wallets), LLU(audit->transactions), LLU(audit->schedules),
            LLU(audit->seats));
    fprintf(to, ",\"obligations\":%llu,\"rooms\":%llu,\"tickets\":%llu,\"admitted\":%llu",
            LLU(audit->obligations), LLU(audit->rooms), LLU(audit->tickets), LLU(audit->sessions));
    fprintf(to, ",\"reservations\":{");
    for (size_t i = 0; i < STATE_COUNT; i++)
        fprintf(to, "%s\"%s\":%llu", i > 0 ? "," : "", states[i].text,
                LLU(audit->reservations[states[i].state]));
    fprintf(to, "},\"points\":{\"granted\":%s,\"balances\":%s,\"paid\":%s,\"inFlight\":%s}}\n",
            sums->granted_text, sums->balances_text, sums->paid_text, sums->in_flight_text);
}

uint64_t audit_finish(struct audit *audit)
{
    struct sums sums;
    check_movements(audit);
    check_verdicts(audit);
    if (audit->charged - audit->used != audit->balances + audit->paid + audit->in_flight)
        audit_violation(audit, "points are not conserved");
    sums_write(audit, &sums);
    (audit->as_json ? print_json : print_text)(audit, &sums);
    uint64_t violations = audit->violations;
    free(audit->movements);
    free(audit->verdicts);
    free(audit);
    return violations;
}
