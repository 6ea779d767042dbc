#include "seat_fixture.h"

#include "directory.h"

/* A user's own reservations. */

static uint64_t held_several(struct domain *domain, uint64_t user, unsigned count,
                             const uint64_t *indexes)
{
    assert_int_equal(hold_seats(domain, user, count, indexes).outcome, OUTCOME_OK);
    return domain->reply.reservation.reservation;
}

static const struct reservations *listed(struct domain *domain, uint64_t user, uint64_t schedule,
                                         uint64_t before_ms, uint64_t before, uint64_t limit)
{
    union request request = {
        .reservations_get = {DIRECTORY_BASE, user, schedule, before_ms, before, limit}};
    assert_int_equal(domain_request(domain, REQUEST_RESERVATIONS_GET, &request).outcome,
                     OUTCOME_OK);
    return &domain->reply.reservations;
}

static void the_newest_comes_first_and_only_ones_own(void **state)
{
    struct domain *domain = *state;
    uint64_t first = held(domain, USER, 1), second = held(domain, USER, 2);
    held(domain, USER + 1, 3);
    domain->now_ms += 5;
    uint64_t third = held_several(domain, USER, 2, (uint64_t[]){4, 5});
    const struct reservations *list = listed(domain, USER, 0, 0, 0, 0);
    assert_int_equal(list->items.count, 3);
    assert_int_equal(list->items.items[0].reservation, third);
    assert_int_equal(list->items.items[0].held_at_ms, domain->now_ms);
    assert_int_equal(list->items.items[0].seat_count, 2);
    assert_int_equal(list->items.items[1].reservation, second);
    assert_int_equal(list->items.items[2].reservation, first);
    assert_int_equal(list->seats.count, 4);
    assert_int_equal(list->seats.items[1], seat_id(SCHEDULE, 5));
    assert_int_equal(list->seats.items[3], seat_id(SCHEDULE, 1));
    assert_int_equal(list->next, 0);
    assert_int_equal(listed(domain, USER + 7, 0, 0, 0, 0)->items.count, 0);
}

static void a_line_says_what_became_of_the_reservation(void **state)
{
    struct domain *domain = *state;
    uint64_t released = held(domain, USER, 1);
    release(domain, released, USER);
    sold(domain, USER, 2);
    held(domain, USER, 3);
    const struct reservations *list = listed(domain, USER, 0, 0, 0, 0);
    assert_int_equal(list->items.items[2].state, RESERVATION_RELEASED);
    assert_int_equal(list->items.items[1].state, RESERVATION_CONFIRMED);
    assert_int_equal(list->items.items[1].expires_at_ms, 0);
    assert_int_equal(list->items.items[0].state, RESERVATION_HELD);
    domain->now_ms = list->items.items[0].expires_at_ms;
    list = listed(domain, USER, 0, 0, 0, 0);
    assert_int_equal(list->items.items[0].state, RESERVATION_EXPIRED);
}

static void pages_give_each_once(void **state)
{
    struct domain *domain = *state;
    uint64_t reservations[10], found = 0, before_ms = 0, before = 0;
    for (unsigned i = 0; i < 10; i++) {
        reservations[i] = held(domain, USER, i + 1);
        domain->now_ms += i % 2;
    }
    do {
        const struct reservations *list = listed(domain, USER, 0, before_ms, before, 3);
        assert_in_range(list->items.count, 1, 3);
        for (uint32_t i = 0; i < list->items.count; i++)
            assert_int_equal(list->items.items[i].reservation, reservations[9 - found++]);
        before_ms = list->next_ms;
        before = list->next;
    } while (before != 0);
    assert_int_equal(found, 10);
}

static void a_page_that_ends_the_list_has_no_next(void **state)
{
    struct domain *domain = *state;
    held(domain, USER, 1);
    held(domain, USER, 2);
    assert_int_equal(listed(domain, USER, 0, 0, 0, 2)->next, 0);
    assert_int_not_equal(listed(domain, USER, 0, 0, 0, 1)->next, 0);
}

static void a_schedule_chooses(void **state)
{
    struct domain *domain = *state;
    make_schedule(domain, SCHEDULE + 64);
    held(domain, USER, 1);
    union request request;
    request.hold = (struct hold){.schedule = SCHEDULE + 64, .user = USER};
    request.hold.seats.count = 1;
    request.hold.seats.items[0] = seat_id(SCHEDULE + 64, 1);
    assert_int_equal(domain_request(domain, REQUEST_HOLD, &request).outcome, OUTCOME_OK);
    held(domain, USER, 2);
    assert_int_equal(listed(domain, USER, 0, 0, 0, 0)->items.count, 3);
    const struct reservations *list = listed(domain, USER, SCHEDULE + 64, 0, 0, 0);
    assert_int_equal(list->items.count, 1);
    assert_int_equal(list->items.items[0].schedule, SCHEDULE + 64);
    assert_int_equal(list->next, 0);
    assert_int_equal(listed(domain, USER, SCHEDULE, 0, 0, 0)->items.count, 2);
    assert_int_equal(listed(domain, USER, 12345, 0, 0, 0)->items.count, 0);
}

/* A filter that finds nothing does not hold the worker up: it stops with the way on. */
static void a_page_looks_at_a_bounded_number_of_reservations(void **state)
{
    struct domain *domain = *state;
    uint64_t before_ms = 0, before = 0, pages = 0;
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t reservation = held(domain, USER, 1);
        assert_int_equal(release(domain, reservation, USER), OUTCOME_OK);
    }
    do {
        const struct reservations *list = listed(domain, USER, 999, before_ms, before, 1);
        assert_int_equal(list->items.count, 0);
        before_ms = list->next_ms;
        before = list->next;
        pages++;
    } while (before != 0);
    assert_int_equal(pages, 2);
}

static void seats_beyond_a_lists_room_are_on_the_next_page(void **state)
{
    struct domain *domain = *state;
    domain->config.seat_limit = 10;
    uint64_t all[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, before_ms = 0, before = 0, found = 0;
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(release(domain, held_several(domain, USER, 10, all), USER), OUTCOME_OK);
    do {
        const struct reservations *list = listed(domain, USER, 0, before_ms, before, 0);
        assert_int_equal(list->seats.count, list->items.count * 10);
        found += list->items.count;
        before_ms = list->next_ms;
        before = list->next;
    } while (before != 0);
    assert_int_equal(found, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(the_newest_comes_first_and_only_ones_own),
        TEST(a_line_says_what_became_of_the_reservation),
        TEST(pages_give_each_once),
        TEST(a_page_that_ends_the_list_has_no_next),
        TEST(a_schedule_chooses),
        TEST(a_page_looks_at_a_bounded_number_of_reservations),
        TEST(seats_beyond_a_lists_room_are_on_the_next_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
