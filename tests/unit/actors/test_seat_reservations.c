#include "seat_fixture.h"
#include "schedule.h"

static void a_reservation_is_its_owners(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    assert_int_equal(get(domain, reservation, USER), OUTCOME_OK);
    assert_int_equal(domain->reply.reservation.state, RESERVATION_HELD);
    assert_int_equal(domain->reply.reservation.is_new, 0);
    assert_int_equal(get(domain, reservation, OTHER), OUTCOME_NOT_OWNER);
    assert_int_equal(release(domain, reservation, OTHER), OUTCOME_NOT_OWNER);
    assert_int_equal(confirm(domain, reservation, OTHER).outcome, OUTCOME_NOT_OWNER);
    assert_int_equal(cancel(domain, reservation, OTHER).outcome, OUTCOME_NOT_OWNER);
    assert_int_equal(state_of(domain, reservation), RESERVATION_HELD);
}

static void an_unknown_reservation_is_not_found(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(get(domain, SCHEDULE, USER), OUTCOME_NOT_FOUND);
    assert_int_equal(get(domain, 0, USER), OUTCOME_NOT_FOUND);
    assert_int_equal(get(domain, UINT64_MAX, USER), OUTCOME_NOT_FOUND);
    assert_int_equal(release(domain, SCHEDULE, USER), OUTCOME_NOT_FOUND);
    assert_int_equal(confirm(domain, SCHEDULE, 0).outcome, OUTCOME_NOT_FOUND);
}

static void a_release_puts_the_seats_on_sale_once(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    assert_int_equal(release(domain, reservation, USER), OUTCOME_OK);
    assert_int_equal(seat_state(domain, 1), SEAT_AVAILABLE);
    assert_int_equal(state_of(domain, reservation), RESERVATION_RELEASED);
    uint64_t next = held(domain, OTHER, 1);
    assert_int_equal(release(domain, reservation, USER), OUTCOME_OK);
    assert_int_equal(state_of(domain, next), RESERVATION_HELD);
    assert_int_equal(confirm(domain, reservation, USER).outcome, OUTCOME_RESERVATION_STATE);
}

static void what_is_being_paid_or_paid_is_not_released(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    confirm(domain, reservation, USER);
    assert_int_equal(release(domain, reservation, USER), OUTCOME_RESERVATION_STATE);
    pay(domain, 1, 1);
    assert_int_equal(release(domain, reservation, USER), OUTCOME_RESERVATION_STATE);
    cancel(domain, reservation, USER);
    assert_int_equal(release(domain, reservation, USER), OUTCOME_RESERVATION_STATE);
    give_back(domain, 1, 1);
    assert_int_equal(release(domain, reservation, USER), OUTCOME_RESERVATION_STATE);
}

static void a_hold_expires_on_time(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    assert_int_equal(timer_ms(domain), domain->now_ms + TTL_MS);
    domain->now_ms += TTL_MS - 1;
    assert_int_equal(domain_fire(domain), 0);
    assert_int_equal(state_of(domain, reservation), RESERVATION_HELD);
    domain->now_ms += 1;
    assert_int_equal(domain_fire(domain), 1);
    assert_int_equal(state_of(domain, reservation), RESERVATION_EXPIRED);
    assert_int_equal(seat_state(domain, 1), SEAT_AVAILABLE);
    assert_int_equal(timer_ms(domain), 0);
    assert_int_equal(confirm(domain, reservation, USER).outcome, OUTCOME_HOLD_EXPIRED);
    assert_int_equal(release(domain, reservation, USER), OUTCOME_OK);
}

static void a_hold_is_over_at_its_time_although_the_timer_is_late(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    domain->now_ms += TTL_MS;
    assert_int_equal(confirm(domain, reservation, USER).outcome, OUTCOME_HOLD_EXPIRED);
    assert_int_equal(state_of(domain, reservation), RESERVATION_EXPIRED);
    assert_null(domain->obligations);
    /* The next buyer need not wait for the timer either. */
    struct told told = hold(domain, OTHER, 1, 2);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 2);
    assert_int_equal(told.events[0], EVENT_RESERVATION_EXPIRED);
    assert_int_equal(told.events[1], EVENT_RESERVATION_HELD);
    assert_int_equal(domain_fire(domain), 0);
    assert_int_equal(available(domain), SEAT_COUNT - 2);
}

static void the_timer_follows_the_earliest_hold(void **state)
{
    struct domain *domain = *state;
    uint64_t began = domain->now_ms;
    uint64_t first = held(domain, USER, 1);
    domain->now_ms += 10;
    uint64_t second = held(domain, USER, 2);
    domain->now_ms += 10;
    uint64_t third = held(domain, USER, 3);
    assert_int_equal(timer_ms(domain), began + TTL_MS);
    release(domain, second, USER);
    assert_int_equal(timer_ms(domain), began + TTL_MS);
    release(domain, first, USER);
    assert_int_equal(timer_ms(domain), began + 20 + TTL_MS);
    domain_forget(domain);
    confirm(domain, third, USER);
    assert_int_equal(timer_ms(domain), 0);
    refuse(domain, 0);
    assert_int_equal(timer_ms(domain), began + 20 + TTL_MS);
}

static void a_shorter_hold_moves_the_timer_forward(void **state)
{
    struct domain *domain = *state;
    held(domain, USER, 1);
    domain->config.hold_ttl_s = 10;
    uint64_t second = held(domain, USER, 2);
    assert_int_equal(timer_ms(domain), domain->now_ms + 10 * 1000);
    domain->now_ms += 10 * 1000;
    domain_fire(domain);
    assert_int_equal(state_of(domain, second), RESERVATION_EXPIRED);
    assert_int_equal(timer_ms(domain), domain->now_ms - 10 * 1000 + TTL_MS);
}

static void make_large_schedule(struct domain *domain, uint64_t id)
{
    union event body;
    body.schedule_created = (struct schedule_created){.schedule = id, .concert = 1};
    body.schedule_created.sections.count = 1;
    body.schedule_created.sections.items[0] = (struct section){{1, "L"}, 10, 10, 1};
    domain_event(domain, &schedule_kind, id, EVENT_SCHEDULE_CREATED, id, 1, &body);
}

/* More holds than a decision has room for, all due in the same millisecond. */
static void many_holds_expire_in_several_turns(void **state)
{
    struct domain *domain = *state;
    const uint64_t large = SCHEDULE + 64;
    make_large_schedule(domain, large);
    for (uint64_t index = 1; index <= 100; index++) {
        union request request;
        request.hold =
            (struct hold){.schedule = large, .user = USER, .seats = {1, {seat_id(large, index)}}};
        assert_int_equal(domain_request(domain, REQUEST_HOLD, &request).outcome, OUTCOME_OK);
    }
    domain->now_ms += TTL_MS;
    domain_forget(domain);
    assert_int_equal(domain_fire(domain), 100 / EXPIRIES_PER_TIMER_MAX + 1);
    assert_int_equal(seat_map(domain, large, 0, 0).outcome, OUTCOME_OK);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(domain->reply.seats.items.items[i].state, SEAT_AVAILABLE);
    assert_int_equal(domain_fire(domain), 0);
}

static void holds_of_several_seats_expire_once(void **state)
{
    struct domain *domain = *state;
    hold(domain, USER, 1, 3, 5, 7);
    hold(domain, USER, 2, 4, 6, 8);
    domain->now_ms += TTL_MS;
    domain_forget(domain);
    assert_int_equal(domain_fire(domain), 1);
    assert_int_equal(domain->told.event_count, 2);
    assert_int_equal(available(domain), SEAT_COUNT);
}

static void a_hold_without_an_expiry_stays(void **state)
{
    struct domain *domain = *state;
    union event body;
    body.reservation_held = (struct reservation_held){.reservation = SCHEDULE,
                                                      .schedule = SCHEDULE,
                                                      .user = USER,
                                                      .amount = 100,
                                                      .seats = {1, {seat_id(SCHEDULE, 1)}}};
    domain_event(domain, &schedule_kind, SCHEDULE, EVENT_RESERVATION_HELD, SCHEDULE, 1, &body);
    assert_int_equal(timer_ms(domain), 0);
    domain->now_ms += UINT64_C(1) << 40;
    assert_int_equal(hold(domain, OTHER, 1).outcome, OUTCOME_SEAT_TAKEN);
    assert_true(confirm(domain, SCHEDULE, USER).deferred);
    refuse(domain, 3);
    assert_int_equal(domain->reply.shortage.hold_expires_at_ms, 0);
    assert_int_equal(timer_ms(domain), 0);
    assert_int_equal(state_of(domain, SCHEDULE), RESERVATION_HELD);
}

static void public_events_of_a_reservation_are_numbered_without_gaps(void **state)
{
    struct domain *domain = *state;
    static const uint16_t published[] = {EVENT_RESERVATION_HELD, EVENT_PAYMENT_FAILED,
                                         EVENT_RESERVATION_CONFIRMED, EVENT_RESERVATION_CANCELLED};
    uint64_t reservation = held(domain, USER, 1), version = 0;
    hold_with_key(domain, USER, 1, "k", 1);
    confirm(domain, reservation, USER);
    refuse(domain, 0);
    confirm(domain, reservation, USER);
    pay(domain, 1, 1);
    cancel(domain, reservation, USER);
    give_back(domain, 2, 2);
    for (const struct domain_event *event = domain->journal; event != NULL; event = event->next)
        if (event->aggregate == reservation && event->aggregate_version != VERSION_INTERNAL) {
            assert_int_equal(event->event_kind, published[version]);
            assert_int_equal(event->aggregate_version, ++version);
        }
    assert_int_equal(version, 4);
    assert_null(domain->obligations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_reservation_is_its_owners),
        TEST(an_unknown_reservation_is_not_found),
        TEST(a_release_puts_the_seats_on_sale_once),
        TEST(what_is_being_paid_or_paid_is_not_released),
        TEST(a_hold_expires_on_time),
        TEST(a_hold_is_over_at_its_time_although_the_timer_is_late),
        TEST(the_timer_follows_the_earliest_hold),
        TEST(a_shorter_hold_moves_the_timer_forward),
        TEST(many_holds_expire_in_several_turns),
        TEST(holds_of_several_seats_expire_once),
        TEST(a_hold_without_an_expiry_stays),
        TEST(public_events_of_a_reservation_are_numbered_without_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
