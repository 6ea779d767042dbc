#include "audit_state.h"
#include "idempotency.h"
#include "pack.h"
#include "queue.h"
#include "schedule.h"
#include "seat.h"
#include "state.h"
#include "wallet_state.h"
#include <stdlib.h>

/* What is stored, record by record: damage, gaps, order; then that the rows agree with the events.
 */

/* ---- rows ---- */

bool audit_state(struct audit *audit, const struct audit_source *source)
{
    struct state_cursor *cursor;
    struct row_key key = {0};
    struct row_bytes value;
    uint64_t before = audit->violations;
    enum status status = state_cursor_open(&cursor, source->reader);
    if (status == STATUS_OK)
        status = state_cursor_seek(cursor, &key, false, &key, &value);
    for (; status == STATUS_OK || status == STATUS_CORRUPT;
         status = state_cursor_next(cursor, false, &key, &value)) {
        char text[AUDIT_KEY_TEXT_SIZE];
        audit->rows++;
        if (status == STATUS_CORRUPT)
            audit_violation(audit, "%s: row %s is damaged", source->name,
                            audit_key_text(&key, text));
    }
    state_cursor_close(cursor);
    if (status != STATUS_NOT_FOUND)
        audit_violation(audit, "%s: its rows: %s", source->name, status_text(status));
    return audit->violations == before;
}

/* ---- records ---- */

struct record_walk {
    struct audit *audit;
    const char *name;
    uint64_t first, last, last_ms; /* sequences: 0: none yet */
    struct journal_trailer trailer;
    bool ended; /* by a trailer */
};

static uint64_t mark_of(const struct journal_trailer *trailer, uint64_t producer)
{
    for (uint32_t i = 0; i < trailer->mark_count; i++)
        if (trailer->marks[i].producer == producer)
            return trailer->marks[i].position;
    return 0;
}

/* What a producer's ring was decided up to never goes back within one segment. */
static void check_trailer(struct record_walk *walk, uint64_t sequence,
                          const struct journal_trailer *trailer)
{
    bool same = walk->trailer.segment_id == trailer->segment_id;
    for (uint32_t i = 0; i < walk->trailer.mark_count && same; i++)
        if (mark_of(trailer, walk->trailer.marks[i].producer) < walk->trailer.marks[i].position)
            audit_violation(walk->audit, "%s: the marks of record %llu go back", walk->name,
                            (unsigned long long)sequence);
    walk->trailer = *trailer;
}

static bool visit_record(void *context, const struct journal_record *record)
{
    struct record_walk *walk = context;
    unsigned long long sequence = record->event.sequence;
    static union event body;
    walk->audit->records++;
    if (walk->first == 0)
        walk->first = record->event.sequence;
    else if (record->event.sequence != walk->last + 1)
        audit_violation(walk->audit, "%s: records %llu to %llu are missing", walk->name,
                        (unsigned long long)walk->last + 1, sequence - 1);
    walk->last = record->event.sequence;
    walk->ended = record->status == STATUS_OK && record->event.kind == EVENT_TRAILER;
    if (record->status != STATUS_OK) {
        audit_violation(walk->audit, "%s: record %llu is damaged", walk->name, sequence);
        return true;
    }
    if (record->event.at_ms < walk->last_ms)
        audit_violation(walk->audit, "%s: record %llu is older than the one before it", walk->name,
                        sequence);
    walk->last_ms = record->event.at_ms;
    if (walk->ended)
        check_trailer(walk, record->event.sequence, &record->trailer);
    else if (!event_decode(record->event.kind, &body, record->event.payload,
                           record->event.payload_size))
        audit_violation(walk->audit, "%s: record %llu is of an unknown kind", walk->name, sequence);
    return true;
}

static void check_ends(struct record_walk *walk, const struct audit_source *source)
{
    uint64_t covered = 0;
    enum status status = state_reader_covered(source->reader, &covered);
    if (status != STATUS_OK)
        audit_violation(walk->audit, "%s: what its rows cover: %s", walk->name,
                        status_text(status));
    else if (walk->first > covered + 1 || (walk->first == 0 && covered > 0))
        audit_violation(walk->audit, "%s: records %llu to %llu are neither in rows nor there",
                        walk->name, (unsigned long long)covered + 1,
                        (unsigned long long)walk->first - 1);
    else if (covered > walk->last)
        audit_violation(walk->audit, "%s: its rows cover %llu, the journal ends at %llu",
                        walk->name, (unsigned long long)covered, (unsigned long long)walk->last);
    if (walk->last != 0 && !walk->ended)
        audit_violation(walk->audit, "%s: the journal does not end with a trailer", walk->name);
}

/* ---- heads: the last version of an aggregate, the last sequence of an actor ---- */

enum { SPACE_AGGREGATES = 0 }; /* else the actor kind */

struct head {
    uint64_t id, value; /* value 0: free */
    uint8_t space;
};

struct head_walk {
    struct audit *audit;
    const struct audit_source *source;
    bool complete;             /* from the first record that ever was */
    bool compares_rows;        /* otherwise the records with each other */
    uint64_t pass, pass_count; /* more ids than fit in memory are looked at in several */
    size_t head_count, slot_count;
    struct head *heads;
};

static uint64_t mix(uint8_t space, uint64_t id)
{
    uint64_t mixed = (id + ((uint64_t)space << 56)) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ (mixed >> 29);
}

/* NULL: it is another pass's. */
static struct head *head_find(struct head_walk *walk, uint8_t space, uint64_t id)
{
    uint64_t hash = mix(space, id);
    if ((hash >> 40) % walk->pass_count != walk->pass)
        return NULL;
    size_t slot = hash % walk->slot_count;
    while (walk->heads[slot].value != 0 &&
           (walk->heads[slot].id != id || walk->heads[slot].space != space))
        slot = (slot + 1) % walk->slot_count;
    struct head *head = &walk->heads[slot];
    if (head->value == 0) {
        check(++walk->head_count < walk->slot_count);
        head->id = id;
        head->space = space;
    }
    return head;
}

static void visit_version(struct head_walk *walk, const struct journal_event *event)
{
    if (event->aggregate_version == VERSION_INTERNAL)
        return;
    struct head *head = head_find(walk, SPACE_AGGREGATES, event->aggregate);
    if (head == NULL)
        return;
    bool is_first = head->value == 0;
    if (!walk->compares_rows && event->aggregate_version != head->value + 1 &&
        (!is_first || walk->complete))
        audit_violation(walk->audit, "%s: version %llu of %llu follows version %llu",
                        walk->source->name, (unsigned long long)event->aggregate_version,
                        (unsigned long long)event->aggregate, (unsigned long long)head->value);
    head->value = event->aggregate_version;
    walk->audit->aggregates += is_first && !walk->compares_rows;
}

/* ---- what an event must have left in the rows ---- */

static void check_transaction(struct head_walk *walk, const struct journal_event *event,
                              uint64_t user, uint64_t transaction,
                              const struct transaction_row *expected)
{
    struct transaction_row row = {0};
    struct row_key key = transaction_key(user, transaction);
    if (!transaction_row_read(walk->source->rows, &key, &row) || row.type != expected->type ||
        row.amount != expected->amount || row.balance != expected->balance ||
        row.reservation != expected->reservation)
        audit_violation(walk->audit, "user %llu: transaction %llu is not what record %llu says",
                        (unsigned long long)user, (unsigned long long)transaction,
                        (unsigned long long)event->sequence);
}

static void check_key(struct head_walk *walk, const struct journal_event *event, uint16_t route,
                      uint64_t user, uint64_t transaction, const char *text, uint32_t length)
{
    struct idempotency_row row = {0};
    if (length == 0)
        return;
    struct idempotency_name name = idempotency_name(route, text, length);
    struct row_key key = idempotency_key('w', user, &name);
    bool found = idempotency_row_read(walk->source->rows, &key, &row);
    bool may_be_gone =
        event->at_ms + IDEMPOTENCY_TTL_MS <= journal_last_trailer(walk->source->journal)->clock_ms;
    if (!may_be_gone && (!found || row.reference != transaction))
        audit_violation(walk->audit, "user %llu: the key of transaction %llu is lost",
                        (unsigned long long)user, (unsigned long long)transaction);
}

static void check_reservation(struct head_walk *walk, const struct journal_event *event,
                              uint64_t reservation, uint64_t user, uint64_t amount,
                              uint64_t payment)
{
    struct reservation_row row = {0};
    struct row_key key = reservation_key(reservation);
    if (!reservation_row_read(walk->source->rows, &key, &row) || row.user != user ||
        row.amount != amount || (payment != 0 && row.payment != payment))
        audit_violation(walk->audit, "reservation %llu is not what record %llu says",
                        (unsigned long long)reservation, (unsigned long long)event->sequence);
}

static void check_trace(struct head_walk *walk, const struct journal_event *event)
{
    static union event body;
    check(event_decode(event->kind, &body, event->payload, event->payload_size));
    const struct wallet_charged *charged = &body.wallet_charged;
    const struct wallet_used *used = &body.wallet_used;
    const struct wallet_debited *debited = &body.wallet_debited;
    const struct wallet_refunded *refunded = &body.wallet_refunded;
    struct transaction_row row = {0};
    switch (event->kind) {
    case EVENT_WALLET_CHARGED:
        row = (struct transaction_row){TRANSACTION_CHARGE, charged->amount, charged->balance, 0, 0};
        check_transaction(walk, event, charged->user, charged->transaction, &row);
        check_key(walk, event, REQUEST_CHARGE, charged->user, charged->transaction,
                  charged->idempotency_key.data, charged->idempotency_key.length);
        break;
    case EVENT_WALLET_USED:
        row = (struct transaction_row){TRANSACTION_USE, used->amount, used->balance, 0, 0};
        check_transaction(walk, event, used->user, used->transaction, &row);
        check_key(walk, event, REQUEST_USE, used->user, used->transaction,
                  used->idempotency_key.data, used->idempotency_key.length);
        break;
    case EVENT_WALLET_DEBITED:
        row = (struct transaction_row){TRANSACTION_USE, debited->amount, debited->balance,
                                       debited->reservation, 0};
        check_transaction(walk, event, debited->user, debited->transaction, &row);
        break;
    case EVENT_WALLET_REFUNDED:
        row = (struct transaction_row){TRANSACTION_REFUND, refunded->amount, refunded->balance,
                                       refunded->reservation, 0};
        check_transaction(walk, event, refunded->user, refunded->transaction, &row);
        break;
    case EVENT_RESERVATION_HELD:
        check_reservation(walk, event, body.reservation_held.reservation,
                          body.reservation_held.user, body.reservation_held.amount, 0);
        break;
    case EVENT_RESERVATION_CONFIRMED:
        check_reservation(walk, event, body.reservation_confirmed.reservation,
                          body.reservation_confirmed.user, body.reservation_confirmed.amount,
                          body.reservation_confirmed.payment);
        break;
    default: /* its reservation's version and the rebuilt rows tell */
        break;
    }
}

static bool visit_event(void *context, const struct journal_event *event)
{
    struct head_walk *walk = context;
    visit_version(walk, event);
    if (!walk->compares_rows)
        return true;
    struct head *head = head_find(walk, event->actor_kind, event->actor);
    if (head != NULL)
        head->value = event->sequence;
    if (walk->pass == 0)
        check_trace(walk, event);
    return true;
}

/* ---- heads against their rows ---- */

static uint64_t version_in_rows(const struct audit_source *source, uint64_t aggregate)
{
    struct wallet_row wallet = {0};
    struct reservation_row reservation = {0};
    struct row_key key;
    if (source->role == ROLE_WALLET) {
        key = wallet_key(aggregate);
        (void)wallet_row_read(source->rows, &key, &wallet);
        return wallet.version;
    }
    key = reservation_key(aggregate);
    (void)reservation_row_read(source->rows, &key, &reservation);
    return reservation.version;
}

static char head_table(enum role role, uint8_t kind)
{
    if (role != ROLE_SEAT)
        return role == ROLE_WALLET ? 'w' : 'q';
    return kind == CONCERT_KIND ? 'c' : kind == SCHEDULE_KIND ? 's' : 'd';
}

/* A head row's first field is last_sequence (records.def). */
static uint64_t sequence_in_rows(const struct audit_source *source, uint8_t kind, uint64_t id)
{
    struct row_key key = row_key_of(head_table(source->role, kind), id);
    struct row_bytes value;
    struct pack_reader reader;
    if (row_get(source->rows, &key, &value) != STATUS_OK)
        return 0;
    pack_reader_init(&reader, value.data, value.size);
    (void)unpack_array(&reader, UINT8_MAX);
    return unpack_u64(&reader);
}

static void compare_heads(struct head_walk *walk)
{
    for (size_t slot = 0; slot < walk->slot_count; slot++) {
        const struct head *head = &walk->heads[slot];
        bool is_aggregate = head->space == SPACE_AGGREGATES;
        /* tickets stand in rows by their numbers, and for a while only */
        if (head->value == 0 || (is_aggregate && walk->source->role == ROLE_QUEUE))
            continue;
        uint64_t stored = is_aggregate ? version_in_rows(walk->source, head->id)
                                       : sequence_in_rows(walk->source, head->space, head->id);
        if (stored != head->value)
            audit_violation(walk->audit, "%s: the rows of %llu are at %s %llu, the journal at %llu",
                            walk->source->name, (unsigned long long)head->id,
                            is_aggregate ? "version" : "record", (unsigned long long)stored,
                            (unsigned long long)head->value);
    }
}

static void walk_heads(struct audit *audit, const struct audit_source *source, uint64_t from,
                       bool compares_rows)
{
    struct head_walk walk = {
        .audit = audit,
        .source = source,
        .complete = from <= 1 && journal_first_sequence(source->journal) == 1,
        .compares_rows = compares_rows,
        .pass_count = journal_record_count(source->journal) / (audit->heads_max / 2) + 1,
        .slot_count = audit->heads_max * 2,
    };
    walk.heads = malloc(walk.slot_count * sizeof *walk.heads);
    check(walk.heads != NULL);
    for (; walk.pass < walk.pass_count; walk.pass++) {
        memset(walk.heads, 0, walk.slot_count * sizeof *walk.heads);
        walk.head_count = 0;
        enum status status = journal_read(source->journal, from, visit_event, &walk);
        if (status != STATUS_OK)
            audit_violation(audit, "%s: its journal: %s", source->name, status_text(status));
        if (compares_rows)
            compare_heads(&walk);
    }
    free(walk.heads);
}

/* ---- public ---- */

/* The first record to look at. */
static uint64_t begin_of(const struct audit_source *source)
{
    uint64_t first = journal_first_sequence(source->journal);
    uint64_t last = journal_last_sequence(source->journal);
    bool all = source->records_max == 0 || last - first < source->records_max;
    return all ? first : last - source->records_max + 1;
}

bool audit_journal(struct audit *audit, const struct audit_source *source)
{
    struct record_walk walk = {.audit = audit, .name = source->name};
    uint64_t before = audit->violations, from = begin_of(source);
    enum status status = journal_walk(source->journal, from, visit_record, &walk);
    if (status != STATUS_OK)
        audit_violation(audit, "%s: its journal: %s", source->name, status_text(status));
    if (from > journal_first_sequence(source->journal))
        walk.first = journal_first_sequence(source->journal);
    check_ends(&walk, source);
    if (audit->violations == before)
        walk_heads(audit, source, from, false);
    return audit->violations == before;
}

void audit_journal_and_rows(struct audit *audit, const struct audit_source *source)
{
    walk_heads(audit, source, begin_of(source), true);
}

/* ---- rows against those that the events make by themselves ---- */

struct row_comparison {
    struct audit *audit;
    const char *name, *fault;
    const struct row_view *other;
    bool compares_values;
};

static void compare_row(void *context, const struct row_key *key, struct row_bytes value)
{
    const struct row_comparison *comparison = context;
    char text[AUDIT_KEY_TEXT_SIZE];
    struct row_bytes other;
    bool same = row_get(comparison->other, key, &other) == STATUS_OK;
    if (same && comparison->compares_values)
        same = other.size == value.size && memcmp(other.data, value.data, value.size) == 0;
    if (!same)
        audit_violation(comparison->audit, "%s: row %s %s", comparison->name,
                        audit_key_text(key, text), comparison->fault);
}

void audit_rebuilt(struct audit *audit, const struct audit_source *source,
                   const struct row_view *rebuilt)
{
    const struct row_key all = {0};
    struct row_comparison comparison = {
        .audit = audit,
        .name = source->name,
        .fault = "is not what its events make",
        .other = rebuilt,
        .compares_values = true,
    };
    audit_walk(source->rows, &all, compare_row, &comparison);
    comparison.fault = "is lost";
    comparison.other = source->rows;
    comparison.compares_values = false;
    audit_walk(rebuilt, &all, compare_row, &comparison);
    audit->rebuilt++;
}
