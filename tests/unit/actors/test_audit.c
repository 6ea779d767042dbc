#include "unit.h"
#include "audit_state.h"
#include "domain.h"
#include "obligations.h"
#include "row_io.h"
#include "schedule.h"
#include "seat.h"
#include "wallet.h"
#include "wallet_state.h"
#include <stdlib.h>

/* A small sale in every state, without a fault; then each test puts one fault into the rows. */
struct sale {
    struct domain *wallets, *seats;
    char *text;
    uint64_t violations;
    size_t movements_max; /* 0: as it is */
};

enum { SCHEDULE = 5, OWNER = 100 };

static uint64_t reservation_of(uint64_t index)
{
    return index * PARTITION_COUNT + SCHEDULE;
}

static void charge(struct sale *sale, uint64_t user, uint64_t amount)
{
    union request request;
    request.charge = (struct charge){.user = user, .amount = amount};
    text_set(&request.charge.idempotency_key, "key", 3);
    assert_int_equal(domain_request(sale->wallets, REQUEST_CHARGE, &request).outcome, OUTCOME_OK);
}

static void hold(struct sale *sale, uint64_t index)
{
    uint64_t id = reservation_of(index);
    union event body;
    body.reservation_held = (struct reservation_held){.reservation = id,
                                                      .schedule = SCHEDULE,
                                                      .user = OWNER + index,
                                                      .amount = 100,
                                                      .expires_at_ms = index == 1 ? 5000000 : 0,
                                                      .seats = {1, {seat_id(SCHEDULE, index)}}};
    domain_event(sale->seats, &schedule_kind, SCHEDULE, EVENT_RESERVATION_HELD, id, 1, &body);
}

/* Carries the oldest obligation of a kind to the wallet and, unless the answer is to be lost, back.
 */
static void carry(struct sale *sale, uint16_t kind, bool back)
{
    const struct domain_obligation *at = sale->seats->obligations;
    while (at != NULL && at->kind != kind)
        at = at->next;
    assert_non_null(at);
    struct told told = domain_request(sale->wallets, kind, &at->request);
    if (back)
        domain_answer(sale->seats, at, told.outcome, told.reply_kind, &sale->wallets->reply);
}

static void confirm(struct sale *sale, uint64_t index)
{
    union request request = {.confirm = {reservation_of(index), 0}};
    assert_true(domain_request(sale->seats, REQUEST_CONFIRM, &request).deferred);
}

static void cancel(struct sale *sale, uint64_t index)
{
    union request request = {.cancel = {reservation_of(index), 0}};
    assert_true(domain_request(sale->seats, REQUEST_CANCEL, &request).deferred);
}

static int set_up(void **state)
{
    struct sale *sale = calloc(1, sizeof *sale);
    *state = sale;
    sale->wallets = domain_create(&wallet_behaviour);
    sale->seats = domain_create(&seat_behaviour);
    union event body;
    body.schedule_created = (struct schedule_created){.schedule = SCHEDULE, .concert = 1};
    body.schedule_created.sections.count = 1;
    body.schedule_created.sections.items[0] = (struct section){{1, "A"}, 1, 10, 100};
    domain_event(sale->seats, &schedule_kind, SCHEDULE, EVENT_SCHEDULE_CREATED, SCHEDULE, 1, &body);
    for (uint64_t index = 1; index <= 7; index++) {
        hold(sale, index);
        if (index != 6)
            charge(sale, OWNER + index, 150);
    }
    /* 1 stays held; 2 and 3 are confirmed; 4 confirming, and paid; 5 cancelled; 6 failed;
     * 7 cancelling, and refunded. */
    confirm(sale, 2);
    carry(sale, REQUEST_DEBIT, true);
    confirm(sale, 5);
    carry(sale, REQUEST_DEBIT, true);
    cancel(sale, 5);
    carry(sale, REQUEST_REFUND, true);
    confirm(sale, 7);
    carry(sale, REQUEST_DEBIT, true);
    cancel(sale, 7);
    carry(sale, REQUEST_REFUND, false);
    confirm(sale, 6);
    carry(sale, REQUEST_DEBIT, true);
    confirm(sale, 3);
    carry(sale, REQUEST_DEBIT, true);
    confirm(sale, 4);
    carry(sale, REQUEST_DEBIT, false);
    return 0;
}

static int tear_down(void **state)
{
    struct sale *sale = *state;
    domain_destroy(sale->wallets);
    domain_destroy(sale->seats);
    free(sale->text);
    free(sale);
    return 0;
}

static uint64_t audit(struct sale *sale)
{
    size_t size;
    free(sale->text);
    sale->text = NULL;
    FILE *to = open_memstream(&sale->text, &size);
    assert_non_null(to);
    struct audit *audit = audit_create(to);
    if (sale->movements_max > 0)
        audit->movements_max = sale->movements_max;
    do {
        audit_wallets(audit, &sale->wallets->view);
        audit_seats(audit, &sale->seats->view);
    } while (audit_again(audit));
    uint64_t violations = audit_finish(audit);
    fclose(to);
    return violations;
}

/* ---- changing rows behind the domain's back ---- */

#define CHANGE(domain, tag, at, change)                                                            \
    do {                                                                                           \
        struct row_key key_ = (at);                                                                \
        struct tag row;                                                                            \
        uint8_t bytes_[4096];                                                                      \
        assert_true(tag##_read(&(domain)->view, &key_, &row));                                     \
        change;                                                                                    \
        size_t size_ = tag##_encode(&row, bytes_, sizeof bytes_);                                  \
        memory_rows_put(&(domain)->rows, &key_, bytes_, size_);                                    \
    } while (0)

static void remove_row(struct domain *domain, struct row_key key)
{
    struct row_bytes value;
    assert_int_equal(row_get(&domain->view, &key, &value), STATUS_OK);
    memory_rows_delete(&domain->rows, &key);
}

static struct row_key transaction_of(struct sale *sale, uint64_t index, uint64_t type)
{
    union request request = {.transactions_get = {OWNER + index, 0, LIST_MAX}};
    domain_request(sale->wallets, REQUEST_TRANSACTIONS_GET, &request);
    const struct transactions *list = &sale->wallets->reply.transactions;
    for (uint32_t i = 0; i < list->items.count; i++)
        if (list->items.items[i].type == type)
            return transaction_key(OWNER + index, list->items.items[i].transaction);
    fail();
    return (struct row_key){0};
}

static void assert_found(struct sale *sale, const char *text)
{
    uint64_t violations = audit(sale);
    if (violations == 0 || strstr(sale->text, text) == NULL)
        print_message("%s", sale->text);
    assert_int_not_equal(violations, 0);
    assert_non_null(strstr(sale->text, text));
}

/* ---- tests ---- */

static void a_sound_sale_has_no_violation(void **state)
{
    struct sale *sale = *state;
    uint64_t violations = audit(sale);
    if (violations != 0)
        print_message("%s", sale->text);
    assert_int_equal(violations, 0);
    assert_non_null(strstr(sale->text, "wallets 7, transactions 13\n"));
    assert_non_null(strstr(sale->text, "reservations: held 2 confirming 1 confirmed 2 released 0 "
                                       "expired 0 cancelling 1 cancelled 1\n"));
    assert_non_null(
        strstr(sale->text, "points: granted 900 = balances 600 + paid 200 + in flight 100\n"));
    assert_non_null(strstr(sale->text, "violations 0\n"));
}

static void a_wrong_balance_is_found(void **state)
{
    struct sale *sale = *state;
    CHANGE(sale->wallets, wallet_row, wallet_key(OWNER + 1), row.balance += 1);
    assert_found(sale, "user 101: transactions sum to 150, the balance is 151");
    assert_non_null(strstr(sale->text, "points are not conserved"));
}

static void a_broken_chain_of_balances_is_found(void **state)
{
    struct sale *sale = *state;
    CHANGE(sale->wallets, transaction_row, transaction_of(sale, 1, TRANSACTION_CHARGE),
           row.amount = 1);
    assert_found(sale, "says balance 150, it is 1");
}

static void a_lost_transaction_is_found(void **state)
{
    struct sale *sale = *state;
    remove_row(sale->wallets, transaction_of(sale, 2, TRANSACTION_USE));
    assert_found(sale, "state 3, amount 100, but 0 debits and 0 refunds");
}

static void a_second_debit_is_found(void **state)
{
    struct sale *sale = *state;
    union request request = {.debit = {OWNER + 2, reservation_of(2), 2, 50}};
    assert_int_equal(domain_request(sale->wallets, REQUEST_DEBIT, &request).outcome, OUTCOME_OK);
    assert_found(sale, "state 3, amount 100, but 2 debits and 0 refunds that differ from it");
    assert_non_null(strstr(sale->text, "points are not conserved"));
    assert_non_null(strstr(sale->text, "reservation 133: attempt 1, and the last verdict is on 2"));
}

static void a_debit_for_a_seat_that_is_held_again_is_found(void **state)
{
    struct sale *sale = *state;
    union request request = {.debit = {OWNER + 1, reservation_of(1), 1, 100}};
    assert_int_equal(domain_request(sale->wallets, REQUEST_DEBIT, &request).outcome, OUTCOME_OK);
    assert_found(sale, "state 1, amount 100, but 1 debits and 0 refunds");
}

static void a_debit_for_no_reservation_is_found(void **state)
{
    struct sale *sale = *state;
    union request request = {.debit = {OWNER + 1, reservation_of(50), 1, 100}};
    domain_request(sale->wallets, REQUEST_DEBIT, &request);
    assert_found(sale, "is for reservation 3205, which is not there");
}

static void a_lost_verdict_is_found(void **state)
{
    struct sale *sale = *state;
    remove_row(sale->wallets, verdict_key(OWNER + 2, reservation_of(2)));
    assert_found(sale, "reservation 133: attempt 1, and the last verdict is on 0");
}

static void a_verdict_of_somebody_else_is_found(void **state)
{
    struct sale *sale = *state;
    union request request = {.debit = {OWNER + 3, reservation_of(2), 1, 500}};
    domain_request(sale->wallets, REQUEST_DEBIT, &request);
    assert_found(sale, "a verdict on reservation 133, which is not there or has another one");
}

static void a_lost_refund_is_found(void **state)
{
    struct sale *sale = *state;
    remove_row(sale->wallets, transaction_of(sale, 5, TRANSACTION_REFUND));
    assert_found(sale, "state 7, amount 100, but 1 debits and 0 refunds");
}

static void a_seat_without_its_reservation_is_found(void **state)
{
    struct sale *sale = *state;
    remove_row(sale->seats, reservation_key(reservation_of(1)));
    assert_found(sale, "seat 1 is reservation 69's, which does not have it");
}

static void a_reservation_without_its_seat_is_found(void **state)
{
    struct sale *sale = *state;
    remove_row(sale->seats, place_key(SCHEDULE, 2));
    assert_found(sale, "reservation 133: does not have its seat");
    assert_non_null(strstr(sale->text, "schedule 5: 4 available and 5 not, of 10"));
    assert_non_null(strstr(sale->text, "schedule 5: first free seat 5, it is 2"));
}

static void a_seat_with_two_owners_is_found(void **state)
{
    struct sale *sale = *state;
    CHANGE(sale->seats, reservation_row, reservation_key(reservation_of(2)),
           row.seats.items[0] = seat_id(SCHEDULE, 3));
    assert_found(sale, "reservation 133: does not have its seat");
    assert_non_null(strstr(sale->text, "seat 2 is reservation 133's, which does not have it"));
}

static void a_seat_that_differs_from_its_reservation_is_found(void **state)
{
    struct sale *sale = *state;
    CHANGE(sale->seats, place_row, place_key(SCHEDULE, 2), row.state = SEAT_TEMP_RESERVED);
    assert_found(sale, "seat 2 differs from reservation 133");
}

static void much_money_is_looked_at_in_parts(void **state)
{
    struct sale *sale = *state;
    assert_int_equal(audit(sale), 0);
    char *whole = sale->text;
    sale->text = NULL;
    sale->movements_max = 1;
    assert_int_equal(audit(sale), 0);
    assert_string_equal(sale->text, whole);
    free(whole);
    /* a fault of each part is found once */
    remove_row(sale->wallets, transaction_of(sale, 2, TRANSACTION_USE));
    remove_row(sale->wallets, transaction_of(sale, 5, TRANSACTION_REFUND));
    uint64_t violations = audit(sale);
    assert_non_null(strstr(sale->text, "state 3, amount 100, but 0 debits and 0 refunds"));
    assert_non_null(strstr(sale->text, "state 7, amount 100, but 1 debits and 0 refunds"));
    sale->movements_max = 0;
    assert_int_equal(audit(sale), violations);
}

static void a_lost_obligation_is_found(void **state)
{
    struct sale *sale = *state;
    struct reservation_row row;
    struct row_key key = reservation_key(reservation_of(4));
    assert_true(reservation_row_read(&sale->seats->view, &key, &row));
    remove_row(sale->seats, obligation_key(SCHEDULE_KIND, SCHEDULE, row.obligation));
    assert_found(sale, "reservation 261: state 2 with no open obligation");
}

static void a_needless_obligation_is_found(void **state)
{
    struct sale *sale = *state;
    CHANGE(sale->seats, reservation_row, reservation_key(reservation_of(4)), row.attempt = 9);
    assert_found(sale, "reservation 261 is not in need of it");
}

static void a_lost_timer_is_found(void **state)
{
    struct sale *sale = *state;
    struct row_key key = row_key_of('t', SCHEDULE);
    row_key_add_tag(&key, SCHEDULE_KIND);
    remove_row(sale->seats, key);
    assert_found(sale, "schedule 5: its timer is at 0, its first hold expires at 5000000");
}

static void a_wrong_count_of_a_users_seats_is_found(void **state)
{
    struct sale *sale = *state;
    CHANGE(sale->seats, buyer_row, buyer_key(SCHEDULE, OWNER + 1), row.live_seats = 2);
    assert_found(sale, "schedule 5: its users have 7 seats, it has given 6");
}

static void a_wrong_count_of_keys_is_found(void **state)
{
    struct sale *sale = *state;
    CHANGE(sale->wallets, wallet_row, wallet_key(OWNER + 1), row.live_keys = 0);
    assert_found(sale, "user 101: 1 idempotency keys, 1 indexed, 0 counted");
}

static void a_wallet_without_its_head_is_found(void **state)
{
    struct sale *sale = *state;
    remove_row(sale->wallets, wallet_key(OWNER + 1));
    assert_found(sale, "user 101: rows without a wallet");
}

static void many_violations_are_counted_and_some_printed(void **state)
{
    struct sale *sale = *state;
    for (uint64_t user = 1000; user < 1300; user++) {
        union event body;
        body.wallet_charged = (struct wallet_charged){
            .user = user,
            .transaction = wallet_transaction_id(sale->wallets->sequence + 1, user),
            .amount = 5,
            .balance = 5};
        domain_event(sale->wallets, &wallet_kind, user, EVENT_WALLET_CHARGED, user, 1, &body);
        CHANGE(sale->wallets, wallet_row, wallet_key(user), row.balance = 6);
    }
    assert_int_equal(audit(sale), 301);
    assert_non_null(strstr(sale->text, "… and 201 violations more\n"));
}

ROW_IO(room_row)
ROW_IO(ticket_row)

static void a_reservation_missing_in_its_users_list_is_found(void **state)
{
    struct sale *sale = *state;
    struct row_key key = reservation_key(reservation_of(3));
    struct reservation_row row;
    assert_true(reservation_row_read(&sale->seats->view, &key, &row));
    key = user_reservation_key(row.user, row.held_at_ms, reservation_of(3));
    remove_row(sale->seats, key);
    assert_found(sale, "not in the list of user");
    key = user_reservation_key(row.user, row.held_at_ms + 1, reservation_of(3));
    memory_rows_put(&sale->seats->rows, &key, "\x91\x05", 2);
    assert_found(sale, "not in the list of user");
}

static void an_entry_too_many_in_a_users_list_is_found(void **state)
{
    struct sale *sale = *state;
    struct row_key key = user_reservation_key(OWNER, 1, 77);
    memory_rows_put(&sale->seats->rows, &key, "\x91\x05", 2);
    assert_found(sale, "users' lists: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_sound_sale_has_no_violation),
        TEST(a_wrong_balance_is_found),
        TEST(a_broken_chain_of_balances_is_found),
        TEST(a_lost_transaction_is_found),
        TEST(a_second_debit_is_found),
        TEST(a_debit_for_a_seat_that_is_held_again_is_found),
        TEST(a_debit_for_no_reservation_is_found),
        TEST(a_lost_verdict_is_found),
        TEST(a_verdict_of_somebody_else_is_found),
        TEST(a_lost_refund_is_found),
        TEST(a_seat_without_its_reservation_is_found),
        TEST(a_reservation_without_its_seat_is_found),
        TEST(a_seat_with_two_owners_is_found),
        TEST(a_seat_that_differs_from_its_reservation_is_found),
        TEST(much_money_is_looked_at_in_parts),
        TEST(a_lost_obligation_is_found),
        TEST(a_needless_obligation_is_found),
        TEST(a_lost_timer_is_found),
        TEST(a_wrong_count_of_a_users_seats_is_found),
        TEST(a_wrong_count_of_keys_is_found),
        TEST(a_wallet_without_its_head_is_found),
        TEST(a_reservation_missing_in_its_users_list_is_found),
        TEST(an_entry_too_many_in_a_users_list_is_found),
        TEST(many_violations_are_counted_and_some_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
