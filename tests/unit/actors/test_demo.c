#include "unit.h"
#include "audit.h"
#include "demo.h"
#include "domain.h"
#include "seat.h"
#include "wallet.h"
#include <stdlib.h>

static const uint64_t counts[] = {1, 49, 50, 51, 63, 64, 65, 3199, 3200, 3201, 10000};
enum { COUNTS = sizeof counts / sizeof counts[0] };

static void without_holds_there_is_something_on_sale(void **state)
{
    (void)state;
    assert_in_range(demo_schedule_count(0), 12, 100);
    assert_in_range(demo_concert_count(0), 2, 10);
}

static void every_hold_has_a_seat_of_its_own_on_a_schedule_of_its_partition(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTS; i++) {
        uint64_t schedules = demo_schedule_count(counts[i]);
        uint8_t *taken = calloc((schedules + 1) * (DEMO_SEATS + 1), 1);
        assert_non_null(taken);
        for (uint64_t r = 1; r <= counts[i]; r++) {
            uint64_t schedule = demo_hold_schedule(r), seat = demo_hold_seat_index(r);
            assert_in_range(schedule, 1, schedules);
            assert_in_range(seat, 1, DEMO_SEATS);
            assert_int_equal(schedule % PARTITION_COUNT, r % PARTITION_COUNT);
            assert_int_equal(taken[schedule * (DEMO_SEATS + 1) + seat]++, 0);
        }
        free(taken);
    }
}

static void a_million_holds_fit_the_catalogue(void **state)
{
    (void)state;
    assert_in_range(demo_schedule_count(1000000), 1000000 / DEMO_SEATS, CATALOGUE_SCHEDULES_MAX);
    assert_in_range(demo_concert_count(1000000), 1, CATALOGUE_CONCERTS_MAX);
    assert_in_range(demo_hold_schedule(1000000), 1, demo_schedule_count(1000000));
}

static void a_schedule_has_its_seats_and_a_real_date(void **state)
{
    (void)state;
    struct schedule_created created;
    demo_schedule(3, UINT64_C(1795471200000), &created); /* 2026-11-23 */
    uint64_t seats = 0;
    for (uint32_t i = 0; i < created.sections.count; i++)
        seats += created.sections.items[i].rows * created.sections.items[i].seats_per_row;
    assert_int_equal(seats, DEMO_SEATS);
    assert_memory_equal(created.open_date.data, "2026-12-26", 10);
    assert_int_equal(created.start_time.length, 5);
    assert_int_equal(created.concert, 1);
}

/* The seats' prices and the wallets' balances are computed apart; the audit sees both. */
static void every_owner_can_pay_exactly(void **state)
{
    (void)state;
    struct domain *seats = domain_create(&seat_behaviour);
    struct domain *wallets = domain_create(&wallet_behaviour);
    seats->config.demo_holds = wallets->config.demo_holds = 200;
    domain_seed(seats);
    domain_seed(wallets);
    for (uint64_t r = 1; r <= 200; r++) {
        union request request = {.reservation_get = {r, demo_hold_user(r)}};
        assert_int_equal(domain_request(seats, REQUEST_RESERVATION_GET, &request).outcome,
                         OUTCOME_OK);
        assert_int_equal(seats->reply.reservation.state, RESERVATION_HELD);
        assert_int_equal(seats->reply.reservation.expires_at_ms, 0);
        uint64_t amount = seats->reply.reservation.amount;
        request.balance_get.user = demo_hold_user(r);
        domain_request(wallets, REQUEST_BALANCE_GET, &request);
        assert_int_equal(wallets->reply.balance.balance, amount);
    }
    assert_null(seats->timers);
    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    struct audit *audit = audit_create(nowhere);
    audit_wallets(audit, &wallets->view);
    audit_seats(audit, &seats->view);
    assert_int_equal(audit_finish(audit), 0);
    fclose(nowhere);
    assert_true(domain_replays(seats) && domain_replays(wallets));
    domain_destroy(seats);
    domain_destroy(wallets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_holds_there_is_something_on_sale),
        cmocka_unit_test(every_hold_has_a_seat_of_its_own_on_a_schedule_of_its_partition),
        cmocka_unit_test(a_million_holds_fit_the_catalogue),
        cmocka_unit_test(a_schedule_has_its_seats_and_a_real_date),
        cmocka_unit_test(every_owner_can_pay_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
