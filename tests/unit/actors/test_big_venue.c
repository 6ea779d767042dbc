#include "seat_fixture.h"

#include "schedule.h"
#include <stdlib.h>
#include <sys/mman.h>

/* A schedule of 80,000 seats: what a start publishes, and that neither a hold's expiry nor the
 * first free seat costs more than in a small one. */

enum { SEATS = 80000 };
static const uint64_t BIG = 77;

static struct catalogue *catalogue_create(void)
{
    void *memory = mmap(NULL, sizeof(struct catalogue), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static int set_up_big(void **state)
{
    set_up(state);
    union event body;
    body.schedule_created = (struct schedule_created){.schedule = BIG, .concert = 1};
    struct schedule_created *created = &body.schedule_created;
    text_set(&created->title, "Show", 4);
    text_set(&created->open_date, "2026-12-24", 10);
    text_set(&created->start_time, "19:00", 5);
    text_set(&created->end_time, "21:00", 5);
    created->sections.count = 2;
    created->sections.items[0] = (struct section){{1, "A"}, 100, 400, 100};
    created->sections.items[1] = (struct section){{1, "B"}, 100, 400, 70};
    domain_event(*state, &schedule_kind, BIG, EVENT_SCHEDULE_CREATED, BIG, VERSION_INTERNAL, &body);
    return 0;
}

static const struct schedule *big(struct domain *domain)
{
    return domain_object(domain, &schedule_kind, BIG);
}

static uint64_t held_big(struct domain *domain, uint64_t index)
{
    union request request;
    request.hold = (struct hold){.schedule = BIG, .user = USER};
    request.hold.seats.count = 1;
    request.hold.seats.items[0] = seat_id(BIG, index);
    assert_int_equal(domain_request(domain, REQUEST_HOLD, &request).outcome, OUTCOME_OK);
    return domain->reply.reservation.reservation;
}

static void the_first_free_seat_is_right_whatever_is_taken(void **state)
{
    struct domain *domain = *state;
    uint64_t first = held_big(domain, 1), reservations[200];
    for (uint64_t index = 2; index <= 200; index++)
        reservations[index - 1] = held_big(domain, index);
    assert_int_equal(big(domain)->row.first_free, 201);
    held_big(domain, 201);
    assert_int_equal(big(domain)->row.first_free, 202);
    assert_int_equal(release(domain, reservations[99], USER), OUTCOME_OK);
    assert_int_equal(release(domain, reservations[63], USER), OUTCOME_OK);
    assert_int_equal(big(domain)->row.first_free, 64);
    held_big(domain, 64);
    assert_int_equal(big(domain)->row.first_free, 100);
    held_big(domain, 100);
    assert_int_equal(big(domain)->row.first_free, 202);
    assert_int_equal(release(domain, first, USER), OUTCOME_OK);
    assert_int_equal(big(domain)->row.first_free, 1);
}

/* The heap of expiries has room for about twice the holds there are; the seats do not matter. */
static void holds_that_come_and_go_leave_no_expiries_behind(void **state)
{
    struct domain *domain = *state;
    for (unsigned i = 0; i < 1000; i++) {
        domain->now_ms++;
        uint64_t reservation = held_big(domain, 1 + i % 3);
        assert_int_equal(release(domain, reservation, USER), OUTCOME_OK);
        assert_true(big(domain)->heap_capacity <= 16);
    }
    for (uint64_t index = 1; index <= 100; index++)
        held_big(domain, index);
    assert_true(big(domain)->heap_count >= 100 && big(domain)->heap_capacity <= 256);
    assert_int_equal(timer_ms(domain), expiry_ms(big(domain)->heap[0]));
}

static void payments_that_fail_again_and_again_keep_one_expiry(void **state)
{
    struct domain *domain = *state;
    domain->config.hold_grace_s = 0;
    uint64_t reservation = held_big(domain, 5);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(confirm(domain, reservation, USER).deferred);
        assert_int_equal(refuse(domain, 0).outcome, OUTCOME_INSUFFICIENT_POINTS);
        assert_true(big(domain)->heap_capacity <= 16);
    }
    domain->now_ms = domain->reply.shortage.hold_expires_at_ms;
    domain->now_ms += TTL_MS;
    domain_fire(domain);
    assert_int_equal(state_of(domain, reservation), RESERVATION_EXPIRED);
}

static uint64_t words[SEAT_MAP_WORDS_MAX];

static void assert_published(const struct catalogue *catalogue, uint32_t at,
                             const struct schedule *schedule)
{
    uint32_t count = seat_map_word_count((uint32_t)schedule->row.seat_count);
    struct seat_map_view view;
    assert_true(seat_maps_find(&catalogue->maps, at, &view));
    assert_int_equal(view.seat_count, schedule->row.seat_count);
    assert_true(seat_maps_read(&catalogue->maps, at, 0, count, words) != 0);
    assert_memory_equal(words, schedule->words, count * sizeof *words);
}

static void a_start_publishes_every_seat_and_a_successor_repairs(void **state)
{
    struct domain *domain = *state;
    struct catalogue *catalogue = catalogue_create();
    struct seat_catalogue *to = seat_catalogue_create(catalogue);
    for (uint64_t index = 1; index < SEATS; index += 331)
        held_big(domain, index);
    sold(domain, USER, 3);
    seat_behaviour.start(&domain->view, to);
    assert_published(catalogue, 0, domain_object(domain, &schedule_kind, SCHEDULE));
    assert_published(catalogue, 1, big(domain));
    assert_int_equal(seat_map_state(words, 0), SEAT_TEMP_RESERVED);
    uint64_t untouched = seat_maps_version(&catalogue->maps, 0);
    uint64_t changed = seat_maps_version(&catalogue->maps, 1);
    held_big(domain, SEATS); /* journalled, and its owner died before it was published */
    struct seat_catalogue *successor = seat_catalogue_create(catalogue);
    seat_behaviour.start(&domain->view, successor);
    assert_published(catalogue, 1, big(domain));
    assert_int_equal(seat_map_state(words, SEATS - 1), SEAT_TEMP_RESERVED);
    assert_int_equal(seat_maps_version(&catalogue->maps, 0), untouched);
    assert_int_equal(seat_maps_version(&catalogue->maps, 1), changed + 1);
    held_big(domain, 2);
    schedule_kind.publish(big(domain), successor);
    assert_published(catalogue, 1, big(domain));
    seat_catalogue_destroy(successor);
    seat_catalogue_destroy(to);
    munmap(catalogue, sizeof *catalogue);
}

/* A restart must not take as long as the sale is large: the mark put into the map in use shows that
 * the successor did not write it, and that it does once the schedule has gone on. */
static void a_successor_leaves_alone_what_was_shown_already(void **state)
{
    struct domain *domain = *state;
    struct catalogue *catalogue = catalogue_create();
    struct seat_catalogue *to = seat_catalogue_create(catalogue);
    held_big(domain, 1);
    seat_behaviour.start(&domain->view, to);
    uint64_t version = seat_maps_version(&catalogue->maps, 1);
    uint32_t word = catalogue->maps.maps[1].word_first + 7;
    atomic_store(&catalogue->maps.words[version & 1][word], UINT64_MAX);
    seat_behaviour.start(&domain->view, to);
    assert_int_equal(seat_maps_version(&catalogue->maps, 1), version);
    assert_true(seat_maps_read(&catalogue->maps, 1, 7, 1, words) != 0);
    assert_true(words[0] == UINT64_MAX);
    held_big(domain, 2); /* its owner died between the commit and the publication */
    seat_behaviour.start(&domain->view, to);
    assert_published(catalogue, 1, big(domain));
    seat_catalogue_destroy(to);
    munmap(catalogue, sizeof *catalogue);
}

static void a_passivated_venue_comes_back_as_it_was(void **state)
{
    struct domain *domain = *state;
    for (uint64_t index = 1; index <= 64; index++)
        held_big(domain, index);
    uint64_t armed_ms = big(domain)->armed_ms;
    domain_forget(domain);
    assert_int_equal(big(domain)->armed_ms, armed_ms);
    held_big(domain, 65);
    assert_int_equal(big(domain)->row.first_free, 66);
    assert_int_equal(schedule_state(big(domain), 63), SEAT_TEMP_RESERVED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_big, tear_down)
        TEST(the_first_free_seat_is_right_whatever_is_taken),
        TEST(holds_that_come_and_go_leave_no_expiries_behind),
        TEST(payments_that_fail_again_and_again_keep_one_expiry),
        TEST(a_start_publishes_every_seat_and_a_successor_repairs),
        TEST(a_successor_leaves_alone_what_was_shown_already),
        TEST(a_passivated_venue_comes_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
