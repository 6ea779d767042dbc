#include "audit_state.h"
#include "directory.h"
#include "obligations.h"
#include "pack.h"
#include "seat.h"

/* What a worker has in all. */
struct listed {
    uint64_t schedules, seats, sections, reservations;
    uint64_t numbered; /* of the schedules: those with ids from the directory */
};

struct seat_walk {
    struct audit *audit;
    const struct row_view *rows;
    struct listed *listed;
    /* the schedule at hand */
    uint64_t schedule; /* 0: none yet */
    struct schedule_row row;
    uint64_t sections, laid_out, places, first_gap, first_expiry_ms;
    uint64_t buyers_seats, buyers_keys, keys, indexed_keys;
};

/* A worker's directory, and what it must agree with. */
struct directory_walk {
    struct audit *audit;
    struct directory_row row;
    uint64_t id, keys, indexed_keys;
};

static bool is_live(uint64_t state)
{
    return state == RESERVATION_HELD || state == RESERVATION_CONFIRMING ||
           state == RESERVATION_CONFIRMED || state == RESERVATION_CANCELLING;
}

static enum seat_state place_state(uint64_t state)
{
    return state == RESERVATION_HELD || state == RESERVATION_CONFIRMING ? SEAT_TEMP_RESERVED
                                                                        : SEAT_RESERVED;
}

static uint64_t place_expiry_ms(const struct reservation_row *row)
{
    return row->state == RESERVATION_HELD ? row->expires_at_ms : 0;
}

/* ---- schedules and their seats ---- */

static void check_timer(struct seat_walk *walk)
{
    struct row_key key = row_key_of('t', walk->schedule);
    row_key_add_tag(&key, SCHEDULE_KIND);
    struct row_bytes value;
    uint64_t at_ms = 0;
    if (row_get(walk->rows, &key, &value) == STATUS_OK) {
        struct pack_reader reader;
        pack_reader_init(&reader, value.data, value.size);
        at_ms = unpack_u64(&reader);
    }
    if (at_ms != walk->first_expiry_ms)
        audit_violation(walk->audit,
                        "schedule %llu: its timer is at %llu, its first hold expires at %llu",
                        (unsigned long long)walk->schedule, (unsigned long long)at_ms,
                        (unsigned long long)walk->first_expiry_ms);
}

static void finish_schedule(struct seat_walk *walk)
{
    struct audit *audit = walk->audit;
    unsigned long long id = walk->schedule;
    uint64_t count = walk->row.seat_count;
    if (walk->schedule == 0)
        return;
    uint64_t first_free = walk->first_gap <= count ? walk->first_gap : 0;
    if (walk->laid_out != count)
        audit_violation(audit, "schedule %llu: its sections have %llu seats, it has %llu", id,
                        (unsigned long long)walk->laid_out, (unsigned long long)count);
    if (walk->row.available + walk->places != count)
        audit_violation(audit, "schedule %llu: %llu available and %llu not, of %llu", id,
                        (unsigned long long)walk->row.available, (unsigned long long)walk->places,
                        (unsigned long long)count);
    if (walk->row.first_free != first_free)
        audit_violation(audit, "schedule %llu: first free seat %llu, it is %llu", id,
                        (unsigned long long)walk->row.first_free, (unsigned long long)first_free);
    if (walk->buyers_seats != walk->places)
        audit_violation(audit, "schedule %llu: its users have %llu seats, it has given %llu", id,
                        (unsigned long long)walk->buyers_seats, (unsigned long long)walk->places);
    if (walk->keys != walk->indexed_keys || walk->keys != walk->buyers_keys)
        audit_violation(audit, "schedule %llu: %llu idempotency keys, %llu indexed, %llu counted",
                        id, (unsigned long long)walk->keys, (unsigned long long)walk->indexed_keys,
                        (unsigned long long)walk->buyers_keys);
    check_timer(walk);
    audit->schedules++;
    audit->seats += count;
    walk->listed->schedules++;
    walk->listed->numbered += walk->schedule >= DIRECTORY_FIRST_ID;
    walk->listed->seats += count;
    walk->listed->sections += walk->sections;
}

static bool has_seat(const struct reservation_row *row, uint64_t seat)
{
    for (uint32_t i = 0; i < row->seats.count; i++)
        if (row->seats.items[i] == seat)
            return true;
    return false;
}

static void check_place(struct seat_walk *walk, uint64_t index, const struct place_row *place)
{
    struct reservation_row row;
    struct row_key key = reservation_key(place->reservation);
    unsigned long long schedule = walk->schedule, reservation = place->reservation;
    if (index == 0 || index > walk->row.seat_count)
        audit_violation(walk->audit, "schedule %llu: there is no seat %llu", schedule,
                        (unsigned long long)index);
    if (!reservation_row_read(walk->rows, &key, &row) || !is_live(row.state) ||
        !has_seat(&row, seat_id(walk->schedule, index)))
        audit_violation(walk->audit,
                        "schedule %llu: seat %llu is reservation %llu's, which does not have it",
                        schedule, (unsigned long long)index, reservation);
    else if (place->state != place_state(row.state) ||
             place->expires_at_ms != place_expiry_ms(&row))
        audit_violation(walk->audit, "schedule %llu: seat %llu differs from reservation %llu",
                        schedule, (unsigned long long)index, reservation);
    if (place->expires_at_ms != 0 &&
        (walk->first_expiry_ms == 0 || place->expires_at_ms < walk->first_expiry_ms))
        walk->first_expiry_ms = place->expires_at_ms;
    walk->places++;
    if (index == walk->first_gap)
        walk->first_gap++;
}

static void visit_schedule_row(void *context, const struct row_key *key, struct row_bytes value)
{
    struct seat_walk *walk = context;
    uint64_t id = audit_id(key);
    char tag = audit_tag(key);
    if (id != walk->schedule) {
        finish_schedule(walk);
        *walk = (struct seat_walk){walk->audit, walk->rows, walk->listed, .schedule = id,
                                   .first_gap = 1};
        if (tag != 0)
            audit_violation(walk->audit, "schedule %llu: rows without a schedule",
                            (unsigned long long)id);
    }
    if (tag == 0) {
        check(schedule_row_decode(&walk->row, value.data, value.size));
    } else if (tag == 'l') {
        struct layout_row row;
        check(layout_row_decode(&row, value.data, value.size));
        walk->sections = row.sections.count;
        walk->laid_out = sections_seat_count(row.sections.items, row.sections.count);
    } else if (tag == 'p') {
        struct place_row row;
        check(place_row_decode(&row, value.data, value.size));
        check_place(walk, row_key_u64(key, 10), &row);
    } else if (tag == 'u') {
        struct buyer_row row;
        check(buyer_row_decode(&row, value.data, value.size));
        walk->buyers_seats += row.live_seats;
        walk->buyers_keys += row.live_keys;
    } else if (tag == 'i') {
        walk->keys++;
    } else if (tag == 'e') {
        walk->indexed_keys++;
    } else {
        audit_violation(walk->audit, "schedule %llu: a row of an unknown kind",
                        (unsigned long long)id);
    }
}

/* ---- directories ---- */

static void visit_directory_row(void *context, const struct row_key *key, struct row_bytes value)
{
    struct directory_walk *walk = context;
    char tag = audit_tag(key);
    if (tag == 0) {
        walk->id = audit_id(key);
        check(directory_row_decode(&walk->row, value.data, value.size));
    } else if (tag == 'i') {
        walk->keys++;
    } else if (tag == 'e') {
        walk->indexed_keys++;
    } else {
        audit_violation(walk->audit, "directory %llu: a row of an unknown kind",
                        (unsigned long long)audit_id(key));
    }
}

static void visit_concert_row(void *context, const struct row_key *key, struct row_bytes value)
{
    uint64_t *numbered = context;
    (void)value;
    *numbered += audit_id(key) >= DIRECTORY_FIRST_ID;
}

/* Every id that the directory gave has its row, so none was given twice. */
static void check_numbers(struct audit *audit, const struct row_view *rows,
                          const struct directory_walk *walk, uint64_t schedules)
{
    uint64_t concerts = 0;
    struct row_key table = audit_table('c');
    audit_walk(rows, &table, visit_concert_row, &concerts);
    if (walk->row.concerts_numbered != concerts || walk->row.schedules_numbered != schedules)
        audit_violation(
            audit, "directory %llu: made %llu concerts, %llu schedules; there are %llu, %llu",
            (unsigned long long)walk->id, (unsigned long long)walk->row.concerts_numbered,
            (unsigned long long)walk->row.schedules_numbered, (unsigned long long)concerts,
            (unsigned long long)schedules);
}

static void audit_directory(struct audit *audit, const struct row_view *rows,
                            const struct listed *listed)
{
    struct directory_walk walk = {.audit = audit};
    struct row_key table = audit_table('d');
    audit_walk(rows, &table, visit_directory_row, &walk);
    if (walk.id == 0)
        return;
    const struct directory_row *row = &walk.row;
    if (row->schedules != listed->schedules || row->seats != listed->seats ||
        row->sections != listed->sections)
        audit_violation(audit,
                        "directory %llu: %llu schedules, %llu seats, %llu sections; there "
                        "are %llu, %llu, %llu",
                        (unsigned long long)walk.id, (unsigned long long)row->schedules,
                        (unsigned long long)row->seats, (unsigned long long)row->sections,
                        (unsigned long long)listed->schedules, (unsigned long long)listed->seats,
                        (unsigned long long)listed->sections);
    check_numbers(audit, rows, &walk, listed->numbered);
    if (row->live_keys != walk.keys || row->live_keys != walk.indexed_keys)
        audit_violation(audit, "directory %llu: %llu idempotency keys, %llu indexed, %llu counted",
                        (unsigned long long)walk.id, (unsigned long long)walk.keys,
                        (unsigned long long)walk.indexed_keys, (unsigned long long)row->live_keys);
}

/* ---- reservations ---- */

static uint64_t price_of(const struct layout_row *layout, uint64_t index)
{
    for (uint32_t i = 0; i < layout->sections.count; i++) {
        uint64_t seats = sections_seat_count(&layout->sections.items[i], 1);
        if (index <= seats)
            return layout->sections.items[i].amount;
        index -= seats;
    }
    return 0;
}

static void check_seats(struct seat_walk *walk, uint64_t id, const struct reservation_row *row)
{
    struct layout_row layout = {0};
    struct row_key key = layout_key(row->schedule);
    uint64_t price = 0;
    (void)layout_row_read(walk->rows, &key, &layout);
    for (uint32_t i = 0; i < row->seats.count; i++) {
        uint64_t index = seat_id_index(row->seats.items[i]);
        struct place_row place = {0};
        key = place_key(row->schedule, index);
        price += price_of(&layout, index);
        if (seat_id_schedule(row->seats.items[i]) != row->schedule ||
            (is_live(row->state) &&
             (!place_row_read(walk->rows, &key, &place) || place.reservation != id)))
            audit_violation(walk->audit, "reservation %llu: does not have its seat %llu",
                            (unsigned long long)id, (unsigned long long)row->seats.items[i]);
    }
    if (row->seats.count == 0 || price != row->amount ||
        id % PARTITION_COUNT != row->schedule % PARTITION_COUNT)
        audit_violation(walk->audit, "reservation %llu: seats, price or partition are wrong",
                        (unsigned long long)id);
}

/* What the wallets must have done for a reservation in this state. */
static const struct {
    unsigned uses_min, uses_max, refunds_min, refunds_max;
} expected[] = {
    [RESERVATION_HELD] = {0, 0, 0, 0},      [RESERVATION_CONFIRMING] = {0, 1, 0, 0},
    [RESERVATION_CONFIRMED] = {1, 1, 0, 0}, [RESERVATION_RELEASED] = {0, 0, 0, 0},
    [RESERVATION_EXPIRED] = {0, 0, 0, 0},   [RESERVATION_CANCELLING] = {1, 1, 0, 1},
    [RESERVATION_CANCELLED] = {1, 1, 1, 1},
};

static void check_money(struct seat_walk *walk, uint64_t id, const struct reservation_row *row)
{
    struct audit *audit = walk->audit;
    size_t count;
    struct movement *movements = audit_movements(audit, id, &count);
    unsigned uses = 0, refunds = 0;
    bool wrong = false;
    for (size_t i = 0; i < count; i++) {
        struct movement *movement = &movements[i];
        movement->explained = true;
        bool is_use = movement->type == TRANSACTION_USE;
        uses += is_use;
        refunds += !is_use;
        wrong |= movement->user != row->user || movement->amount != row->amount;
        if (is_use && row->payment != 0)
            wrong |= movement->transaction != row->payment || movement->balance != row->balance;
        if (!is_use && row->state == RESERVATION_CANCELLED)
            wrong |= movement->balance != row->refund_balance;
    }
    if (wrong || uses < expected[row->state].uses_min || uses > expected[row->state].uses_max ||
        refunds < expected[row->state].refunds_min || refunds > expected[row->state].refunds_max)
        audit_violation(
            audit, "reservation %llu: state %llu, amount %llu, but %u debits and %u refunds%s",
            (unsigned long long)id, (unsigned long long)row->state, (unsigned long long)row->amount,
            uses, refunds, wrong ? " that differ from it" : "");
    /* Where the state says the money is; conservation compares it with the wallets. */
    if (row->state == RESERVATION_CONFIRMED ||
        (row->state == RESERVATION_CANCELLING && refunds == 0))
        audit->paid += row->amount;
    else if (row->state == RESERVATION_CONFIRMING && uses > 0)
        audit->in_flight += row->amount;
}

/* The wallet has judged every attempt that is over, and none that was never made. */
static void check_verdict(struct seat_walk *walk, uint64_t id, const struct reservation_row *row)
{
    struct verdict *verdict = audit_verdict(walk->audit, id);
    uint64_t judged = verdict != NULL ? verdict->attempt : 0;
    uint64_t judged_min = row->obligation != 0 ? row->attempt - 1 : row->attempt;
    if (verdict != NULL)
        verdict->explained = true;
    if (judged < judged_min || judged > row->attempt ||
        (verdict != NULL && verdict->user != row->user))
        audit_violation(walk->audit,
                        "reservation %llu: attempt %llu%s, and the last verdict is on %llu",
                        (unsigned long long)id, (unsigned long long)row->attempt,
                        row->obligation != 0 ? " under way" : "", (unsigned long long)judged);
}

static void check_saga(struct seat_walk *walk, uint64_t id, const struct reservation_row *row)
{
    bool waits = row->state == RESERVATION_CONFIRMING || row->state == RESERVATION_CANCELLING;
    struct row_key key = obligation_key(SCHEDULE_KIND, row->schedule, row->obligation);
    struct row_bytes value;
    struct row_key report = obligation_key(SCHEDULE_KIND, row->schedule, row->report);
    if (row->report != 0 && row_get(walk->rows, &report, &value) != STATUS_OK)
        audit_violation(walk->audit, "reservation %llu: nobody tells its waiting room of the sale",
                        (unsigned long long)id);
    if (waits != (row->obligation != 0) ||
        (waits && row_get(walk->rows, &key, &value) != STATUS_OK))
        audit_violation(walk->audit, "reservation %llu: state %llu with %s open obligation",
                        (unsigned long long)id, (unsigned long long)row->state,
                        waits ? "no" : "an");
}

static void check_listed(struct seat_walk *walk, uint64_t id, const struct reservation_row *row)
{
    struct row_key key = user_reservation_key(row->user, row->held_at_ms, id);
    struct user_reservation_row entry;
    if (!user_reservation_row_read(walk->rows, &key, &entry) || entry.schedule != row->schedule)
        audit_violation(walk->audit, "reservation %llu: not in the list of user %llu",
                        (unsigned long long)id, (unsigned long long)row->user);
    walk->listed->reservations++;
}

/* Each reservation has its entry; so there are too many only if there are more than those. */
static void visit_user_row(void *context, const struct row_key *key, struct row_bytes value)
{
    uint64_t *entries = context;
    (void)key;
    (void)value;
    ++*entries;
}

static void audit_lists(struct audit *audit, const struct row_view *rows,
                        const struct listed *listed)
{
    uint64_t entries = 0;
    struct row_key table = audit_table('u');
    audit_walk(rows, &table, visit_user_row, &entries);
    if (entries != listed->reservations)
        audit_violation(audit, "users' lists: %llu entries for %llu reservations",
                        (unsigned long long)entries, (unsigned long long)listed->reservations);
}

static void visit_reservation(void *context, const struct row_key *key, struct row_bytes value)
{
    struct seat_walk *walk = context;
    uint64_t id = audit_id(key);
    struct reservation_row row;
    check(reservation_row_decode(&row, value.data, value.size));
    if (row.state < RESERVATION_HELD || row.state > RESERVATION_CANCELLED) {
        if (walk->audit->part == 0)
            audit_violation(walk->audit, "reservation %llu: no known state",
                            (unsigned long long)id);
        return;
    }
    if (audit_in_part(walk->audit, id)) {
        check_money(walk, id, &row);
        check_verdict(walk, id, &row);
    }
    if (walk->audit->part > 0)
        return; /* the rest was seen in the first pass */
    walk->audit->reservations[row.state]++;
    check_seats(walk, id, &row);
    check_saga(walk, id, &row);
    check_listed(walk, id, &row);
}

/* ---- obligations ---- */

static void check_report(struct seat_walk *walk, uint64_t number, const struct purchased *purchased)
{
    struct reservation_row row;
    struct row_key key = reservation_key(purchased->reservation);
    if (!reservation_row_read(walk->rows, &key, &row) || row.report != number || row.payment == 0 ||
        row.ticket != purchased->number || row.room != purchased->room ||
        row.user != purchased->user)
        audit_violation(walk->audit,
                        "obligation %llu: reservation %llu was not sold to ticket %llu",
                        (unsigned long long)number, (unsigned long long)purchased->reservation,
                        (unsigned long long)purchased->number);
}

static void visit_obligation(void *context, const struct row_key *key, struct row_bytes value)
{
    struct seat_walk *walk = context;
    uint64_t number = row_key_u64(key, 10), reservation = 0, attempt = 0, state = 0;
    uint16_t kind;
    union request request;
    walk->audit->obligations++;
    if (!obligation_decode(value, &kind, &request)) {
        audit_violation(walk->audit, "obligation %llu: unreadable", (unsigned long long)number);
        return;
    }
    if (kind == REQUEST_DEBIT) {
        reservation = request.debit.reservation;
        attempt = request.debit.attempt;
        state = RESERVATION_CONFIRMING;
    } else if (kind == REQUEST_REFUND) {
        reservation = request.refund.reservation;
        attempt = request.refund.attempt;
        state = RESERVATION_CANCELLING;
    } else {
        check_report(walk, number, &request.purchased);
        return;
    }
    struct reservation_row row;
    struct row_key owner = reservation_key(reservation);
    if (!reservation_row_read(walk->rows, &owner, &row) || row.state != state ||
        row.attempt != attempt || row.obligation != number)
        audit_violation(walk->audit, "obligation %llu: reservation %llu is not in need of it",
                        (unsigned long long)number, (unsigned long long)reservation);
}

void audit_seats(struct audit *audit, const struct row_view *rows)
{
    struct listed listed = {0};
    struct seat_walk walk = {.audit = audit, .rows = rows, .listed = &listed};
    struct row_key table = audit_table('r');
    audit_walk(rows, &table, visit_reservation, &walk);
    if (audit->part > 0)
        return;
    audit_lists(audit, rows, &listed);
    table = audit_table('s');
    audit_walk(rows, &table, visit_schedule_row, &walk);
    finish_schedule(&walk);
    audit_directory(audit, rows, &listed);
    table = audit_table('o');
    audit_walk(rows, &table, visit_obligation, &walk);
}
