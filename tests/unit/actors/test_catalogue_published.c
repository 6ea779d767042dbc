#include "seat_fixture.h"
#include "demo.h"
#include <stdlib.h>
#include <time.h>

static struct catalogue *catalogue_create(void)
{
    struct catalogue *catalogue = aligned_alloc(64, (sizeof *catalogue + 63) / 64 * 64);
    assert_non_null(catalogue);
    memset(catalogue, 0, sizeof *catalogue);
    return catalogue;
}

static uint64_t free_word(uint64_t available, uint64_t first_free)
{
    return available << 32 | first_free;
}

static void publish(struct domain *domain, struct seat_catalogue *to)
{
    schedule_kind.publish(domain_object(domain, &schedule_kind, SCHEDULE), to);
}

static void an_entry_says_how_many_seats_are_free_and_which_is_the_first(void **state)
{
    struct domain *domain = *state;
    struct catalogue *catalogue = catalogue_create();
    struct seat_catalogue *to = seat_catalogue_create(catalogue);
    const struct catalogue_schedule *entry = &catalogue->schedules[0];
    publish(domain, to);
    assert_int_equal(catalogue_schedule_count(catalogue), 1);
    assert_int_equal(catalogue_concert_count(catalogue), 1);
    assert_int_equal(entry->schedule, SCHEDULE);
    assert_int_equal(entry->concert, 1);
    assert_int_equal(entry->seat_count, SEAT_COUNT);
    assert_string_equal(entry->open_date, "2026-12-24");
    assert_string_equal(entry->start_time, "19:00");
    assert_string_equal(entry->end_time, "21:00");
    assert_int_equal(entry->free, free_word(10, 1));
    uint64_t second = held(domain, USER, 2), first = held(domain, USER, 1);
    publish(domain, to);
    assert_int_equal(entry->free, free_word(8, 3));
    release(domain, second, USER);
    publish(domain, to);
    assert_int_equal(entry->free, free_word(9, 2));
    release(domain, first, USER);
    publish(domain, to);
    assert_int_equal(entry->free, free_word(10, 1));
    for (uint64_t index = SEAT_COUNT; index >= 1; index--)
        held(domain, USER, index);
    publish(domain, to);
    assert_int_equal(entry->free, free_word(0, 0));
    assert_int_equal(catalogue_schedule_count(catalogue), 1);
    seat_catalogue_destroy(to);
    free(catalogue);
}

static void a_start_makes_the_same_entries_from_rows(void **state)
{
    struct domain *domain = *state;
    struct catalogue *catalogue = catalogue_create();
    struct seat_catalogue *to = seat_catalogue_create(catalogue);
    domain->config.demo_holds = 0;
    make_schedule(domain, 2);
    make_schedule(domain, 300);
    held(domain, USER, 1);
    seat_behaviour.start(&domain->view, to);
    assert_int_equal(catalogue_schedule_count(catalogue), 3);
    assert_int_equal(catalogue->schedules[0].schedule, 2);
    assert_int_equal(catalogue->schedules[1].schedule, SCHEDULE);
    assert_int_equal(catalogue->schedules[1].free, free_word(9, 2));
    assert_int_equal(catalogue->schedules[2].schedule, 300);
    assert_int_equal(catalogue_concert_count(catalogue), 1);
    /* A successor, with an index of its own, makes them in place. */
    struct seat_catalogue *successor = seat_catalogue_create(catalogue);
    held(domain, USER, 2);
    seat_behaviour.start(&domain->view, successor);
    assert_int_equal(catalogue_schedule_count(catalogue), 3);
    assert_int_equal(catalogue->schedules[1].free, free_word(8, 3));
    seat_catalogue_destroy(successor);
    seat_catalogue_destroy(to);
    free(catalogue);
}

static void fifty_thousand_schedules_are_published_in_well_under_a_second(void **state)
{
    struct domain *domain = *state;
    struct catalogue *catalogue = catalogue_create();
    struct seat_catalogue *to = seat_catalogue_create(catalogue);
    static struct schedule_created created;
    union event body;
    for (uint64_t id = SCHEDULE + 1; id < SCHEDULE + CATALOGUE_SCHEDULES_MAX; id++) {
        demo_schedule(id, domain->now_ms, &created);
        body.schedule_created = created;
        domain_event(domain, &schedule_kind, id, EVENT_SCHEDULE_CREATED, id, 1, &body);
        domain_forget(domain);
    }
    struct timespec began, ended;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
    seat_behaviour.start(&domain->view, to);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    assert_int_equal(catalogue_schedule_count(catalogue), CATALOGUE_SCHEDULES_MAX);
    int64_t took_ms =
        (ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000;
    assert_in_range(took_ms, 0, 1000);
    seat_catalogue_destroy(to);
    free(catalogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(an_entry_says_how_many_seats_are_free_and_which_is_the_first),
        TEST(a_start_makes_the_same_entries_from_rows),
        TEST(fifty_thousand_schedules_are_published_in_well_under_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
