#include "unit.h"

#include "catalogue.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct catalogue *catalogue_new(void)
{
    void *base = mmap(NULL, sizeof(struct catalogue), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(base, MAP_FAILED);
    return base;
}

static void catalogue_free(struct catalogue *catalogue)
{
    munmap(catalogue, sizeof *catalogue);
}

/* A schedule whose fields all follow from its number, so that a torn one is noticed. */
static void schedule_of(struct catalogue_schedule *entry, uint64_t number)
{
    memset((void *)entry, 0, sizeof *entry);
    entry->schedule = number;
    entry->concert = number / 4 + 1;
    entry->concert_at = (uint32_t)(number / 4);
    entry->seat_count = (uint32_t)(number * 7 % 100000);
    snprintf(entry->open_date, sizeof entry->open_date, "%010u", (unsigned)number);
    snprintf(entry->start_time, sizeof entry->start_time, "%05u", (unsigned)(number % 100000));
    snprintf(entry->end_time, sizeof entry->end_time, "%05u", (unsigned)(99999 - number % 100000));
    atomic_store(&entry->free, (uint64_t)entry->seat_count << 32 | 1);
}

static void add(struct catalogue *catalogue, uint64_t number)
{
    struct catalogue_schedule entry;
    char title[TEXT_TITLE_MAX];
    uint32_t at;

    if (number % 4 == 0) {
        memset(title, (int)('a' + number / 4 % 26), sizeof title);
        assert_int_equal(catalogue_add_concert(catalogue, number / 4 + 1, title,
                                               1 + number % TEXT_TITLE_MAX, &at),
                         STATUS_OK);
        assert_int_equal(at, number / 4);
    }
    schedule_of(&entry, number);
    assert_int_equal(catalogue_add_schedule(catalogue, &entry, &at), STATUS_OK);
    assert_int_equal(at, number);
}

/* False when anything that a reader may look at is torn or does not belong together. */
static bool intact(const struct catalogue *catalogue, uint32_t from, uint32_t *count)
{
    *count = catalogue_schedule_count(catalogue);
    for (uint32_t i = from; i < *count; i++) {
        const struct catalogue_schedule *entry = &catalogue->schedules[i];
        const struct catalogue_concert *concert;
        struct catalogue_schedule expected;
        uint64_t available = atomic_load(&entry->free);

        schedule_of(&expected, i);
        if (memcmp(entry, &expected, offsetof(struct catalogue_schedule, free)) != 0 ||
            entry->concert_at >= catalogue_concert_count(catalogue) ||
            available >> 32 > entry->seat_count ||
            (available >> 32) + (available & 0xffffffff) != (uint64_t)entry->seat_count + 1)
            return false;
        concert = &catalogue->concerts[entry->concert_at];
        if (concert->concert != entry->concert || concert->title_length == 0 ||
            concert->title_length > TEXT_TITLE_MAX ||
            concert->title[0] != concert->title[concert->title_length - 1])
            return false;
    }
    return true;
}

static void a_reader_sees_whole_entries_while_they_are_added_and_sold(void **state)
{
    enum { COUNT = 20000 };
    struct catalogue *catalogue = catalogue_new();
    int status;
    pid_t pid = fork();
    (void)state;

    if (pid == 0) {
        uint32_t count = 0;

        while (count < COUNT)
            if (!intact(catalogue, count, &count)) /* at once: the new ones only */
                _exit(1);
        _exit(intact(catalogue, 0, &count) ? 0 : 2);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        add(catalogue, i);
        for (uint32_t back = 0; back < 8 && back <= i; back++) { /* the sale goes on meanwhile */
            uint32_t seats = catalogue->schedules[i - back].seat_count;
            uint32_t sold = seats < back ? seats : back;

            catalogue_set_free(catalogue, i - back, seats - sold, sold + 1);
        }
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    catalogue_free(catalogue);
}

static void readers_miss_nothing_while_a_successor_adds_everything_again(void **state)
{
    enum { COUNT = 4000, SUCCESSORS = 20 };
    struct catalogue *catalogue = catalogue_new();
    int status;
    pid_t pid;
    (void)state;

    for (uint32_t i = 0; i < COUNT; i++)
        add(catalogue, i);
    pid = fork();
    if (pid == 0) {
        uint32_t count = 0;

        for (;;)
            if (!intact(catalogue, 0, &count) || count < COUNT)
                _exit(1);
    }
    for (unsigned successor = 1; successor <= SUCCESSORS; successor++) {
        catalogue_reset(catalogue);
        for (uint32_t i = 0; i < COUNT + 10 * successor; i++)
            add(catalogue, i);
    }
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(catalogue_schedule_count(catalogue), COUNT + 10 * SUCCESSORS);
    catalogue_free(catalogue);
}

static void an_entry_that_differs_takes_what_follows_out_of_sight(void **state)
{
    struct catalogue *catalogue = catalogue_new();
    struct catalogue_schedule entry;
    uint32_t at;
    (void)state;

    for (uint32_t i = 0; i < 12; i++)
        add(catalogue, i);
    catalogue_reset(catalogue);
    assert_int_equal(catalogue_schedule_count(catalogue), 12);
    schedule_of(&entry, 0);
    entry.seat_count++;
    assert_int_equal(catalogue_add_schedule(catalogue, &entry, &at), STATUS_OK);
    assert_int_equal(at, 0);
    assert_int_equal(catalogue_schedule_count(catalogue), 1);
    assert_int_equal(catalogue_add_concert(catalogue, 999, "other", 5, &at), STATUS_OK);
    assert_int_equal(at, 0);
    assert_int_equal(catalogue_concert_count(catalogue), 1);
    assert_int_equal(catalogue_schedule_count(catalogue), 0); /* they named concerts that went */
    catalogue_free(catalogue);
}

static void a_full_table_says_so_and_a_long_title_is_cut(void **state)
{
    struct catalogue *catalogue = catalogue_new();
    struct catalogue_schedule entry;
    char title[TEXT_TITLE_MAX + 50];
    uint32_t at;
    (void)state;

    memset(title, 't', sizeof title);
    assert_int_equal(catalogue_add_concert(catalogue, 1, title, sizeof title, &at), STATUS_OK);
    assert_int_equal(catalogue->concerts[0].title_length, TEXT_TITLE_MAX);
    atomic_store(&catalogue->concerts_added, CATALOGUE_CONCERTS_MAX);
    atomic_store(&catalogue->schedules_added, CATALOGUE_SCHEDULES_MAX);
    schedule_of(&entry, 1);
    assert_int_equal(catalogue_add_concert(catalogue, 2, title, 3, &at), STATUS_FULL);
    assert_int_equal(catalogue_add_schedule(catalogue, &entry, &at), STATUS_FULL);
    catalogue_set_free(catalogue, UINT32_MAX, 1, 1);
    catalogue_free(catalogue);
}

static void garbage_counts_are_bounded(void **state)
{
    struct catalogue *catalogue = catalogue_new();
    (void)state;

    atomic_store(&catalogue->schedule_count, UINT32_MAX);
    atomic_store(&catalogue->concert_count, UINT32_MAX);
    assert_int_equal(catalogue_schedule_count(catalogue), CATALOGUE_SCHEDULES_MAX);
    assert_int_equal(catalogue_concert_count(catalogue), CATALOGUE_CONCERTS_MAX);
    catalogue_free(catalogue);
}

static void claims_of_all_owners_stay_within_the_limits(void **state)
{
    struct catalogue *catalogues[3] = {catalogue_new(), catalogue_new(), catalogue_new()};
    struct catalogue *others[] = {catalogues[1], catalogues[2]};
    (void)state;

    catalogue_claim_set(catalogues[1], 20000, 500000);
    catalogue_claim_set(catalogues[2], 29990, 1000000);
    assert_true(catalogue_claim(catalogues[0], others, 2, 10, 500000));
    assert_false(catalogue_claim(catalogues[0], others, 2, 11, 1));
    assert_false(catalogue_claim(catalogues[0], others, 2, 1, 500001));
    assert_int_equal(atomic_load(&catalogues[0]->claimed_schedules), 10);
    assert_int_equal(atomic_load(&catalogues[0]->claimed_seats), 500000);
    others[0] = catalogues[0];
    assert_false(catalogue_claim(catalogues[1], others, 2, 20001, 500000));
    assert_true(catalogue_claim(catalogues[1], others, 2, 20000, 500000));
    for (unsigned i = 0; i < 3; i++)
        catalogue_free(catalogues[i]);
}

/* Two owners that claim all the time never have more than the limit together. */
static void two_owners_never_take_the_same_room(void **state)
{
    enum { ROUNDS = 3000000, LOOKS = 20, STEP = CATALOGUE_SEATS_MAX / 2 + 1 };
    struct catalogue *catalogues[2] = {catalogue_new(), catalogue_new()};
    struct catalogue *shared = catalogue_new();
    int status;
    (void)state;

    pid_t pid = fork();
    unsigned self = pid == 0;
    _Atomic uint64_t *holders = &shared->claimed_seats; /* how many believe to have the room */
    atomic_fetch_add(&shared->claimed_schedules, 1);
    while (atomic_load(&shared->claimed_schedules) < 2) /* both are there */
        sched_yield();
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (!catalogue_claim(catalogues[self], &catalogues[1 - self], 1, 1, STEP))
            continue;
        bool alone = atomic_fetch_add(holders, 1) == 0;
        for (unsigned look = 0; look < LOOKS; look++)
            alone &= atomic_load(holders) == 1;
        atomic_fetch_sub(holders, 1);
        catalogue_claim_set(catalogues[self], 0, 0);
        if (!alone && pid == 0)
            _exit(1);
        assert_true(alone);
    }
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    catalogue_free(catalogues[0]);
    catalogue_free(catalogues[1]);
    catalogue_free(shared);
}

static void a_seats_id_says_its_schedule(void **state)
{
    (void)state;
    assert_int_equal(seat_id_schedule(seat_id(12345, 131071)), 12345);
    assert_int_equal(seat_id_index(seat_id(12345, 131071)), 131071);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_sees_whole_entries_while_they_are_added_and_sold),
        cmocka_unit_test(readers_miss_nothing_while_a_successor_adds_everything_again),
        cmocka_unit_test(an_entry_that_differs_takes_what_follows_out_of_sight),
        cmocka_unit_test(a_full_table_says_so_and_a_long_title_is_cut),
        cmocka_unit_test(garbage_counts_are_bounded),
        cmocka_unit_test(claims_of_all_owners_stay_within_the_limits),
        cmocka_unit_test(two_owners_never_take_the_same_room),
        cmocka_unit_test(a_seats_id_says_its_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
