#include "unit.h"

#include "seat_maps.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEATS = 5000, WORDS = (SEATS + SEAT_MAP_WORD_SEATS - 1) / SEAT_MAP_WORD_SEATS };

static struct seat_maps *maps_new(void)
{
    void *base = mmap(NULL, sizeof(struct seat_maps), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(base, MAP_FAILED);
    return base;
}

static void maps_free(struct seat_maps *maps)
{
    munmap(maps, sizeof *maps);
}

static struct seat_map_section section_of(uint32_t seats, uint64_t amount)
{
    struct seat_map_section section = {.seat_count = seats, .amount = amount, .name_length = 4};
    memcpy(section.name, "Hall", 4);
    return section;
}

static enum status add(struct seat_maps *maps, uint32_t at, uint32_t seats)
{
    struct seat_map_section section = section_of(seats, 10);
    return seat_maps_add(maps, at, &section, 1);
}

/* A map whose words are all the same, so that a torn one is noticed. */
static void publish_filled(struct seat_maps *maps, uint32_t at, uint64_t value)
{
    uint64_t words[WORDS];
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = value;
    seat_maps_publish(maps, at, words);
}

static void states_are_packed_and_found(void **state)
{
    uint64_t words[3];
    (void)state;
    seat_map_clear(words, 70);
    assert_int_equal(seat_map_word_count(70), 3);
    for (uint32_t place = 0; place < 96; place++)
        assert_int_equal(seat_map_state(words, place),
                         place < 70 ? (unsigned)SEAT_AVAILABLE : (unsigned)SEAT_MAP_NONE);
    seat_map_set_state(words, 0, SEAT_RESERVED);
    seat_map_set_state(words, 31, SEAT_TEMP_RESERVED);
    seat_map_set_state(words, 69, SEAT_TEMP_RESERVED);
    seat_map_set_state(words, 69, SEAT_RESERVED);
    assert_int_equal(seat_map_state(words, 0), SEAT_RESERVED);
    assert_int_equal(seat_map_state(words, 31), SEAT_TEMP_RESERVED);
    assert_int_equal(seat_map_state(words, 69), SEAT_RESERVED);
    for (uint32_t word = 0; word < 3; word++)
        for (unsigned wanted = 0; wanted <= SEAT_MAP_NONE; wanted++)
            for (uint32_t place = 0; place < 32; place++)
                assert_int_equal(seat_map_match(words[word], wanted) >> 2 * place & 1,
                                 seat_map_state(words, 32 * word + place) == wanted);
    seat_map_clear(words, 64);
    assert_int_equal(words[1], 0);
}

static void a_map_is_found_from_its_first_publication_on(void **state)
{
    struct seat_maps *maps = maps_new();
    struct seat_map_view view;
    uint64_t words[4];
    (void)state;
    assert_false(seat_maps_find(maps, 0, &view));
    assert_int_equal(add(maps, 0, 100), STATUS_OK);
    assert_false(seat_maps_find(maps, 0, &view));
    seat_map_clear(words, 100);
    seat_map_set_state(words, 99, SEAT_RESERVED);
    seat_maps_publish(maps, 0, words);
    assert_true(seat_maps_find(maps, 0, &view));
    assert_int_equal(view.seat_count, 100);
    assert_int_equal(view.section_count, 1);
    assert_int_equal(view.sections[0].amount, 10);
    memset(words, 0, sizeof words);
    assert_true(seat_maps_read(maps, 0, 3, 1, words) != 0);
    assert_int_equal(seat_map_state(words, 99 - 96), SEAT_RESERVED);
    assert_false(seat_maps_find(maps, CATALOGUE_SCHEDULES_MAX, &view));
    maps_free(maps);
}

static void a_version_is_new_only_when_something_changed(void **state)
{
    struct seat_maps *maps = maps_new();
    (void)state;
    assert_int_equal(add(maps, 0, SEATS), STATUS_OK);
    publish_filled(maps, 0, 1);
    uint64_t version = seat_maps_version(maps, 0);
    publish_filled(maps, 0, 1);
    assert_int_equal(seat_maps_version(maps, 0), version);
    publish_filled(maps, 0, 2);
    assert_int_equal(seat_maps_version(maps, 0), version + 1);
    publish_filled(maps, 0, 1);
    assert_int_equal(seat_maps_version(maps, 0), version + 2);
    maps_free(maps);
}

/* Reads for ever; ends with 1 at a torn map or one that can't be read. */
static _Noreturn void read_until_killed(const struct seat_maps *maps)
{
    uint64_t words[WORDS], before = 0;
    for (;;) {
        struct seat_map_view view;
        if (!seat_maps_find(maps, 1, &view) || view.seat_count != SEATS)
            _exit(1);
        uint64_t version = seat_maps_read(maps, 1, 0, WORDS, words);
        if (version == 0)
            continue; /* written three times meanwhile */
        for (unsigned i = 1; i < WORDS; i++)
            if (words[i] != words[0])
                _exit(2);
        if (words[0] < before)
            _exit(3); /* older than what was there before */
        before = words[0];
    }
}

static void a_reader_never_sees_a_torn_map(void **state)
{
    struct seat_maps *maps = maps_new();
    int status;
    (void)state;
    assert_int_equal(add(maps, 0, 50), STATUS_OK);
    assert_int_equal(add(maps, 1, SEATS), STATUS_OK);
    publish_filled(maps, 1, 1);
    pid_t pid = fork();
    if (pid == 0)
        read_until_killed(maps);
    for (uint64_t value = 2; value < 200000; value++)
        publish_filled(maps, 1, value);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    maps_free(maps);
}

/* The owner dies anywhere; its last version stays, and the successor goes on from it. */
static void a_dead_owners_last_version_stays_readable(void **state)
{
    enum { OWNERS = 150 };
    struct seat_maps *maps = maps_new();
    uint64_t words[WORDS], value = 1, seed = 7;
    int status;
    (void)state;
    assert_int_equal(add(maps, 0, 50), STATUS_OK);
    assert_int_equal(add(maps, 1, SEATS), STATUS_OK);
    publish_filled(maps, 1, value);
    pid_t reader = fork();
    if (reader == 0)
        read_until_killed(maps);
    for (unsigned owner = 0; owner < OWNERS; owner++) {
        pid_t pid = fork();
        if (pid == 0) {
            seat_maps_reset(maps);
            if (add(maps, 0, 50) != STATUS_OK || add(maps, 1, SEATS) != STATUS_OK)
                _exit(1);
            for (;;)
                publish_filled(maps, 1, ++value);
        }
        usleep((useconds_t)(unit_random(&seed) % 3000)); /* the moment of death is any */
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_true(seat_maps_read(maps, 1, 0, WORDS, words) != 0);
        for (unsigned i = 0; i < WORDS; i++)
            assert_int_equal(words[i], words[0]);
        assert_true(words[0] >= value);
        value = words[0];
    }
    assert_true(value > OWNERS);
    assert_int_equal(waitpid(reader, &status, WNOHANG), 0);
    kill(reader, SIGKILL);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    maps_free(maps);
}

/* What an owner had half written is never shown, and is overwritten by its successor. */
static void a_half_written_copy_is_repaired_in_place(void **state)
{
    struct seat_maps *maps = maps_new();
    uint64_t words[WORDS];
    (void)state;
    assert_int_equal(add(maps, 0, SEATS), STATUS_OK);
    publish_filled(maps, 0, 5);
    uint64_t version = seat_maps_version(maps, 0);
    for (unsigned i = 0; i < WORDS / 2; i++)
        atomic_store(&maps->words[(version + 1) & 1][i], 77);
    assert_int_equal(seat_maps_read(maps, 0, 0, WORDS, words), version);
    assert_int_equal(words[0], 5);
    seat_maps_reset(maps);
    assert_int_equal(add(maps, 0, SEATS), STATUS_OK);
    assert_int_equal(seat_maps_version(maps, 0), version);
    publish_filled(maps, 0, 6);
    assert_int_equal(seat_maps_read(maps, 0, 0, WORDS, words), version + 1);
    for (unsigned i = 0; i < WORDS; i++)
        assert_int_equal(words[i], 6);
    maps_free(maps);
}

static void a_map_that_differs_is_out_of_sight_until_it_is_published(void **state)
{
    struct seat_maps *maps = maps_new();
    struct seat_map_view view;
    uint64_t words[WORDS];
    (void)state;
    assert_int_equal(add(maps, 0, SEATS), STATUS_OK);
    publish_filled(maps, 0, 5);
    uint64_t version = seat_maps_version(maps, 0);
    seat_maps_reset(maps);
    struct seat_map_section section = section_of(SEATS, 11);
    assert_int_equal(seat_maps_add(maps, 0, &section, 1), STATUS_OK);
    assert_false(seat_maps_find(maps, 0, &view));
    publish_filled(maps, 0, 5);
    assert_true(seat_maps_find(maps, 0, &view));
    assert_int_equal(view.sections[0].amount, 11);
    assert_true(seat_maps_read(maps, 0, 0, WORDS, words) > version);
    maps_free(maps);
}

static void a_full_area_says_so(void **state)
{
    struct seat_maps *maps = maps_new();
    uint32_t at = 0;
    (void)state;
    while (add(maps, at, SCHEDULE_SEATS_MAX) == STATUS_OK)
        at++;
    assert_true((uint64_t)at * SCHEDULE_SEATS_MAX >= CATALOGUE_SEATS_MAX);
    atomic_store(&maps->words_added, 0);
    atomic_store(&maps->sections_added, CATALOGUE_SECTIONS_MAX);
    assert_int_equal(add(maps, at, 1), STATUS_FULL);
    atomic_store(&maps->sections_added, 0);
    atomic_store(&maps->maps_added, CATALOGUE_SCHEDULES_MAX);
    assert_int_equal(add(maps, CATALOGUE_SCHEDULES_MAX, 1), STATUS_FULL);
    maps_free(maps);
}

/* Two million seats fit, however small the schedules are. */
static void every_schedule_finds_room(void **state)
{
    struct seat_maps *maps = maps_new();
    (void)state;
    for (uint32_t at = 0; at < CATALOGUE_SCHEDULES_MAX; at++)
        assert_int_equal(add(maps, at, CATALOGUE_SEATS_MAX / CATALOGUE_SCHEDULES_MAX), STATUS_OK);
    maps_free(maps);
}

static void garbage_in_shared_memory_leads_nowhere(void **state)
{
    struct seat_maps *maps = maps_new();
    struct seat_map_view view;
    uint64_t words[1];
    (void)state;
    assert_int_equal(add(maps, 0, 10), STATUS_OK);
    publish_filled(maps, 0, 1);
    struct seat_map good = maps->maps[0];
    maps->maps[0].section_count = SECTIONS_MAX + 1;
    assert_false(seat_maps_find(maps, 0, &view));
    maps->maps[0].section_count = good.section_count;
    maps->maps[0].section_first = UINT32_MAX;
    assert_false(seat_maps_find(maps, 0, &view));
    maps->maps[0].section_first = CATALOGUE_SECTIONS_MAX;
    assert_false(seat_maps_find(maps, 0, &view));
    maps->maps[0].section_first = 0;
    atomic_store(&maps->maps[0].seat_count, UINT32_MAX);
    assert_false(seat_maps_find(maps, 0, &view));
    maps->maps[0].word_first = UINT32_MAX;
    assert_int_equal(seat_maps_read(maps, 0, 0, 1, words), 0);
    maps->maps[0].word_first = SEAT_MAPS_WORDS_MAX;
    assert_int_equal(seat_maps_read(maps, 0, 0, 1, words), 0);
    maps_free(maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_packed_and_found),
        cmocka_unit_test(a_map_is_found_from_its_first_publication_on),
        cmocka_unit_test(a_version_is_new_only_when_something_changed),
        cmocka_unit_test(a_reader_never_sees_a_torn_map),
        cmocka_unit_test(a_dead_owners_last_version_stays_readable),
        cmocka_unit_test(a_half_written_copy_is_repaired_in_place),
        cmocka_unit_test(a_map_that_differs_is_out_of_sight_until_it_is_published),
        cmocka_unit_test(a_full_area_says_so),
        cmocka_unit_test(every_schedule_finds_room),
        cmocka_unit_test(garbage_in_shared_memory_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
