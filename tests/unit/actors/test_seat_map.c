#include "seat_fixture.h"

static void a_map_says_where_every_seat_is(void **state)
{
    struct domain *domain = *state;
    struct told told = seat_map(domain, SCHEDULE, 0, 0);
    const struct seats *map = &domain->reply.seats;
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.reply_kind, REPLY_SEATS);
    assert_int_equal(map->sections.count, 2);
    assert_memory_equal(map->sections.items[1].name.data, "B", 1);
    assert_int_equal(map->items.count, SEAT_COUNT);
    assert_int_equal(map->next, 0);
    static const struct {
        uint64_t index, section, row, number, amount;
    } expected[] = {{1, 0, 1, 1, 100}, {3, 0, 1, 3, 100}, {4, 0, 2, 1, 100},
                    {6, 0, 2, 3, 100}, {7, 1, 1, 1, 70},  {10, 1, 1, 4, 70}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct seat *seat = &map->items.items[expected[i].index - 1];
        assert_int_equal(seat->seat, seat_id(SCHEDULE, expected[i].index));
        assert_int_equal(seat->section, expected[i].section);
        assert_int_equal(seat->row, expected[i].row);
        assert_int_equal(seat->number, expected[i].number);
        assert_int_equal(seat->amount, expected[i].amount);
        assert_int_equal(seat->state, SEAT_AVAILABLE);
    }
}

static void a_map_comes_in_pages(void **state)
{
    struct domain *domain = *state;
    const struct seats *map = &domain->reply.seats;
    seat_map(domain, SCHEDULE, 0, 4);
    assert_int_equal(map->items.count, 4);
    assert_int_equal(map->next, seat_id(SCHEDULE, 5));
    seat_map(domain, SCHEDULE, map->next, 6);
    assert_int_equal(map->items.count, 6);
    assert_int_equal(map->items.items[0].seat, seat_id(SCHEDULE, 5));
    assert_int_equal(map->next, 0);
    seat_map(domain, SCHEDULE, 0, SEAT_COUNT - 1);
    assert_int_equal(map->next, seat_id(SCHEDULE, SEAT_COUNT));
}

static void a_page_is_never_longer_than_the_list_limit(void **state)
{
    struct domain *domain = *state;
    const uint64_t large = SCHEDULE + 64;
    union event body;
    body.schedule_created = (struct schedule_created){.schedule = large, .concert = 1};
    body.schedule_created.sections.count = 1;
    body.schedule_created.sections.items[0] = (struct section){{1, "L"}, 101, 10, 1};
    domain_event(domain, &schedule_kind, large, EVENT_SCHEDULE_CREATED, large, 1, &body);
    seat_map(domain, large, 0, UINT64_MAX);
    assert_int_equal(domain->reply.seats.items.count, LIST_MAX);
    assert_int_equal(domain->reply.seats.next, seat_id(large, LIST_MAX + 1));
}

static void a_place_that_is_not_this_schedules_is_invalid(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(seat_map(domain, SCHEDULE, seat_id(SCHEDULE + 1, 1), 1).outcome,
                     OUTCOME_INVALID_FIELD);
    assert_int_equal(seat_map(domain, SCHEDULE, seat_id(SCHEDULE, SEAT_COUNT + 1), 1).outcome,
                     OUTCOME_INVALID_FIELD);
    assert_int_equal(seat_map(domain, SCHEDULE, seat_id(SCHEDULE, 0), 1).outcome,
                     OUTCOME_INVALID_FIELD);
    assert_int_equal(seat_map(domain, SCHEDULE + 1, 0, 1).outcome, OUTCOME_NOT_FOUND);
}

static void a_map_shows_held_and_sold_seats_also_after_a_restart(void **state)
{
    struct domain *domain = *state;
    held(domain, USER, 2);
    sold(domain, USER, 9);
    domain_forget(domain);
    assert_int_equal(seat_state(domain, 1), SEAT_AVAILABLE);
    assert_int_equal(seat_state(domain, 2), SEAT_TEMP_RESERVED);
    assert_int_equal(seat_state(domain, 9), SEAT_RESERVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_map_says_where_every_seat_is),
        TEST(a_map_comes_in_pages),
        TEST(a_page_is_never_longer_than_the_list_limit),
        TEST(a_place_that_is_not_this_schedules_is_invalid),
        TEST(a_map_shows_held_and_sold_seats_also_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
