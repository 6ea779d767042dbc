#include "audit.h"
#include "demo.h"
#include "directory.h"
#include "domain.h"
#include "seat.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>

static int set_up(void **state)
{
    *state = domain_create(&seat_behaviour);
    return 0;
}

static int tear_down(void **state)
{
    domain_destroy(*state);
    return 0;
}

static union request *creation(uint64_t worker, uint32_t schedules, uint64_t rows,
                               uint64_t seats_per_row)
{
    static union request request;
    struct concert_create *to = &request.concert_create;
    memset(&request, 0, sizeof request);
    to->directory = DIRECTORY_BASE + worker;
    text_set(&to->title, "Night Bus", 9);
    to->schedules.count = to->sections.count = schedules;
    for (uint32_t i = 0; i < schedules; i++) {
        struct new_schedule *schedule = &to->schedules.items[i];
        text_set(&schedule->open_date, "2027-01-31", 10);
        text_set(&schedule->start_time, "19:00", 5);
        text_set(&schedule->end_time, "22:00", 5);
        schedule->section_count = 1;
        struct new_section *section = &to->sections.items[i];
        text_set(&section->name, "Floor", 5);
        section->rows = rows;
        section->seats_per_row = seats_per_row;
        section->amount = 100 + i;
    }
    return &request;
}

static union request *with_key(union request *request, const char *key, uint64_t hash)
{
    text_set(&request->concert_create.idempotency_key, key, strlen(key));
    request->concert_create.body_hash = hash;
    return request;
}

static struct told create(struct domain *domain, union request *request)
{
    return domain_request(domain, REQUEST_CONCERT_CREATE, request);
}

static uint64_t audit(struct domain *domain)
{
    FILE *nowhere = fopen("/dev/null", "w");
    assert_non_null(nowhere);
    struct audit *audit = audit_create(nowhere);
    audit_seats(audit, &domain->view);
    uint64_t violations = audit_finish(audit);
    fclose(nowhere);
    return violations;
}

static const struct schedule_row *schedule_of(struct domain *domain, uint64_t id)
{
    const struct schedule *schedule = domain_object(domain, &schedule_kind, id);
    return &schedule->row;
}

static void one_call_makes_a_concert_with_its_schedules_in_order(void **state)
{
    struct domain *domain = *state;
    struct told told = create(domain, creation(0, 3, 10, 8));
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 5);
    struct concert_made made = domain->reply.concert_made;
    assert_int_equal(made.schedules.count, 3);
    const struct concert *concert = domain_object(domain, &concert_kind, made.concert);
    assert_int_equal(concert->row.title.length, 9);
    for (uint32_t i = 0; i < 3; i++) {
        const struct schedule *schedule =
            domain_object(domain, &schedule_kind, made.schedules.items[i]);
        assert_int_equal(schedule->row.concert, made.concert);
        assert_int_equal(schedule->row.seat_count, 80);
        assert_int_equal(schedule->row.available, 80);
        assert_int_equal(schedule->sections[0].amount, 100 + i);
        assert_memory_equal(schedule->row.open_date.data, "2027-01-31", 10);
    }
    assert_int_equal(audit(domain), 0);
    assert_true(domain_replays(domain));
}

static void sections_are_given_to_their_schedules(void **state)
{
    struct domain *domain = *state;
    union request *request = creation(0, 3, 1, 1);
    request->concert_create.schedules.count = 2;
    request->concert_create.schedules.items[0].section_count = 1;
    request->concert_create.schedules.items[1].section_count = 2;
    request->concert_create.sections.items[2].rows = 7;
    assert_int_equal(create(domain, request).outcome, OUTCOME_OK);
    struct concert_made made = domain->reply.concert_made;
    assert_int_equal(schedule_of(domain, made.schedules.items[0])->seat_count, 1);
    assert_int_equal(schedule_of(domain, made.schedules.items[1])->seat_count, 8);
    request->concert_create.schedules.items[1].section_count = 1;
    assert_int_equal(create(domain, request).outcome, OUTCOME_INVALID_FIELD);
    request->concert_create.schedules.items[1].section_count = 3;
    assert_int_equal(create(domain, request).outcome, OUTCOME_INVALID_FIELD);
}

static void ids_rise_in_partitions_of_the_worker_above_the_demo(void **state)
{
    static const uint64_t counts[] = {1, 2, 3, 5, 16};
    (void)state;
    assert_true(demo_schedule_count(1000000) < DIRECTORY_FIRST_ID);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint64_t workers = counts[i];
        for (uint64_t worker = 0; worker < workers; worker++) {
            uint64_t before = DIRECTORY_FIRST_ID - 1, partitions = 0;
            for (uint64_t number = 0; number < 200; number++) {
                uint64_t id = directory_id(worker, workers, number);
                assert_true(id > before);
                assert_int_equal(id % PARTITION_COUNT % workers, worker);
                partitions |= UINT64_C(1) << id % PARTITION_COUNT;
                before = id;
            }
            for (uint64_t p = 0; p < PARTITION_COUNT; p++)
                assert_int_equal(partitions >> p & 1, p % workers == worker);
        }
    }
    assert_true(seat_id(directory_id(15, 16, CATALOGUE_SCHEDULES_MAX), SCHEDULE_SEATS_MAX) <=
                ID_MAX);
}

static void no_id_is_given_twice(void **state)
{
    struct domain *domain = *state;
    uint64_t concert = 0, schedule = 0;
    for (unsigned round = 0; round < 100; round++) {
        if (round % 10 == 0)
            domain_forget(domain);
        assert_int_equal(create(domain, creation(0, 2, 1, 1)).outcome, OUTCOME_OK);
        const struct concert_made *made = &domain->reply.concert_made;
        assert_true(made->concert > concert);
        assert_true(made->schedules.items[0] > schedule);
        assert_true(made->schedules.items[1] > made->schedules.items[0]);
        concert = made->concert;
        schedule = made->schedules.items[1];
    }
}

static void a_key_gives_the_first_answer_for_a_day(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(create(domain, with_key(creation(0, 2, 1, 1), "one", 11)).outcome, OUTCOME_OK);
    struct concert_made first = domain->reply.concert_made;
    assert_int_equal(create(domain, creation(0, 1, 1, 1)).outcome, OUTCOME_OK);
    domain_forget(domain);
    struct told told = create(domain, with_key(creation(0, 2, 1, 1), "one", 11));
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.concert_made.concert, first.concert);
    assert_memory_equal(domain->reply.concert_made.schedules.items, first.schedules.items, 16);
    told = create(domain, with_key(creation(0, 2, 1, 1), "one", 12));
    assert_int_equal(told.outcome, OUTCOME_IDEMPOTENCY_KEY_REUSED);
    domain->now_ms += IDEMPOTENCY_TTL_MS;
    told = create(domain, with_key(creation(0, 2, 1, 1), "one", 12));
    assert_int_equal(told.event_count, 4);
    assert_true(domain->reply.concert_made.concert > first.concert);
    assert_int_equal(audit(domain), 0);
    assert_true(domain_replays(domain));
}

static void a_refused_creation_leaves_its_key_free(void **state)
{
    struct domain *domain = *state;
    union request *request = with_key(creation(0, 16, 1, SCHEDULE_SEATS_MAX), "big", 1);
    assert_int_equal(create(domain, request).outcome, OUTCOME_STORAGE_FULL);
    assert_int_equal(create(domain, with_key(creation(0, 1, 1, 1), "big", 2)).outcome, OUTCOME_OK);
}

static void keys_are_limited_and_go_with_time(void **state)
{
    struct domain *domain = *state;
    char key[16];
    for (unsigned i = 0; i < IDEMPOTENCY_KEYS_PER_USER_MAX; i++) {
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(create(domain, with_key(creation(0, 1, 1, 1), key, 1)).outcome,
                         OUTCOME_OK);
        domain_forget(domain);
    }
    assert_int_equal(create(domain, with_key(creation(0, 1, 1, 1), "more", 1)).outcome,
                     OUTCOME_RATE_LIMITED);
    assert_int_equal(create(domain, creation(0, 1, 1, 1)).outcome, OUTCOME_OK);
    domain->now_ms += IDEMPOTENCY_TTL_MS;
    for (unsigned i = 0; i < 3; i++) /* each event drops two that are too old */
        assert_int_equal(create(domain, creation(0, 1, 1, 1)).outcome, OUTCOME_OK);
    assert_int_equal(create(domain, with_key(creation(0, 1, 1, 1), "more", 1)).outcome, OUTCOME_OK);
    assert_int_equal(audit(domain), 0);
}

static void two_million_seats_are_the_end(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(create(domain, creation(0, 25, 1, 80000)).outcome, OUTCOME_OK);
    assert_int_equal(create(domain, creation(0, 1, 1, 1)).outcome, OUTCOME_STORAGE_FULL);
    assert_int_equal(audit(domain), 0);
}

static bool refuse_all;

static bool take(void *context, uint64_t schedules, uint64_t seats)
{
    uint64_t *taken = context;
    taken[0] = schedules;
    taken[1] = seats;
    return !refuse_all;
}

static void what_all_workers_have_together_counts(void **state)
{
    struct domain *domain = *state;
    uint64_t taken[2] = {0};
    struct capacity_gate gate = {taken, take};
    domain->capacity_gate = &gate;
    refuse_all = false;
    assert_int_equal(create(domain, creation(0, 3, 1, 10)).outcome, OUTCOME_OK);
    assert_true(taken[0] == 3 && taken[1] == 30);
    assert_int_equal(create(domain, creation(0, 2, 1, 10)).outcome, OUTCOME_OK);
    assert_true(taken[0] == 5 && taken[1] == 50);
    refuse_all = true;
    assert_int_equal(create(domain, creation(0, 1, 1, 10)).outcome, OUTCOME_STORAGE_FULL);
    assert_true(taken[0] == 6 && taken[1] == 60);
}

static void fifty_thousand_schedules_are_the_end(void **state)
{
    struct domain *domain = *state;
    union event body;
    body.catalogue_grown = (struct catalogue_grown){
        .directory = DIRECTORY_BASE, .schedules = CATALOGUE_SCHEDULES_MAX - 100, .seats = 1};
    domain_event(domain, &directory_kind, DIRECTORY_BASE, EVENT_CATALOGUE_GROWN, DIRECTORY_BASE,
                 VERSION_INTERNAL, &body);
    assert_int_equal(create(domain, creation(0, 101, 1, 1)).outcome, OUTCOME_STORAGE_FULL);
    assert_int_equal(create(domain, creation(0, 100, 1, 1)).outcome, OUTCOME_OK);
    assert_int_equal(create(domain, creation(0, 1, 1, 1)).outcome, OUTCOME_STORAGE_FULL);
}

static void sections_are_limited_too(void **state)
{
    struct domain *domain = *state;
    union event body;
    body.catalogue_grown = (struct catalogue_grown){.directory = DIRECTORY_BASE,
                                                    .sections = CATALOGUE_SECTIONS_MAX - 2};
    domain_event(domain, &directory_kind, DIRECTORY_BASE, EVENT_CATALOGUE_GROWN, DIRECTORY_BASE,
                 VERSION_INTERNAL, &body);
    assert_int_equal(create(domain, creation(0, 3, 1, 1)).outcome, OUTCOME_STORAGE_FULL);
    assert_int_equal(create(domain, creation(0, 2, 1, 1)).outcome, OUTCOME_OK);
}

static void what_no_schedule_can_hold_is_refused(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(create(domain, creation(0, 1, 2, 65536)).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(create(domain, creation(0, 1, 0, 5)).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(create(domain, creation(0, 1, UINT64_MAX, 5)).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(create(domain, creation(0, 0, 1, 1)).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(create(domain, creation(0, 1, 1, SCHEDULE_SEATS_MAX)).outcome, OUTCOME_OK);
}

static void demo_data_is_counted_for_each_worker(void **state)
{
    struct domain *domain = *state;
    domain->config.demo_holds = 4000;
    domain_seed(domain);
    const struct directory *directory = domain_object(domain, &directory_kind, DIRECTORY_BASE);
    assert_int_equal(directory->row.schedules, demo_schedule_count(4000));
    assert_int_equal(directory->row.seats, demo_schedule_count(4000) * DEMO_SEATS);
    assert_int_equal(audit(domain), 0);
    uint64_t sum = 0;
    for (uint64_t worker = 0; worker < 5; worker++)
        sum += demo_schedules_of(4000, worker, 5);
    assert_int_equal(sum, demo_schedule_count(4000));
    assert_int_equal(create(domain, creation(0, 1, 1, 1)).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.concert_made.schedules.items[0], DIRECTORY_FIRST_ID);
    assert_int_equal(audit(domain), 0);
}

static void the_audit_finds_a_wrong_count(void **state)
{
    struct domain *domain = *state;
    struct directory_row row;
    uint8_t bytes[256];
    struct row_key key = directory_key(DIRECTORY_BASE);
    assert_int_equal(create(domain, creation(0, 2, 3, 4)).outcome, OUTCOME_OK);
    uint64_t *const counts[] = {&row.schedules,         &row.seats,
                                &row.sections,          &row.live_keys,
                                &row.concerts_numbered, &row.schedules_numbered};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        assert_true(directory_row_read(&domain->view, &key, &row));
        ++*counts[i];
        memory_rows_put(&domain->rows, &key, bytes,
                        directory_row_encode(&row, bytes, sizeof bytes));
        assert_int_equal(audit(domain), 1);
        --*counts[i];
        memory_rows_put(&domain->rows, &key, bytes,
                        directory_row_encode(&row, bytes, sizeof bytes));
        assert_int_equal(audit(domain), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(one_call_makes_a_concert_with_its_schedules_in_order),
        TEST(sections_are_given_to_their_schedules),
        TEST(ids_rise_in_partitions_of_the_worker_above_the_demo),
        TEST(no_id_is_given_twice),
        TEST(a_key_gives_the_first_answer_for_a_day),
        TEST(a_refused_creation_leaves_its_key_free),
        TEST(keys_are_limited_and_go_with_time),
        TEST(two_million_seats_are_the_end),
        TEST(what_all_workers_have_together_counts),
        TEST(fifty_thousand_schedules_are_the_end),
        TEST(sections_are_limited_too),
        TEST(what_no_schedule_can_hold_is_refused),
        TEST(demo_data_is_counted_for_each_worker),
        TEST(the_audit_finds_a_wrong_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
