#include "state.h"
#include "storage_unit.h"
#include <poll.h>
#include <time.h>

/* A writer in a process of its own is killed (SIGKILL) at random moments, over and over on the same
 * directories. It tells through a pipe what it has committed; all of that must be there afterwards.
 */

enum { ROUNDS = 100, KEPT = 2000, ROWS = 40, SIZE_MAX_SMALL = 4 << 20 };

/* Appends and trims; tells the last sequence after each commit. */
static int write_journal(const char *path)
{
    struct journal *journal;
    struct journal_range *range = range_beside(path);
    const struct journal_options options = {
        .size_max = SIZE_MAX_SMALL, .fill_ahead = 1 << 20, .range = range};
    uint64_t seed = (uint64_t)getpid() * 2654435761u + 1;
    if (journal_open(&journal, path, &options) != STATUS_OK)
        return 1;
    for (;;) {
        if (commit_and_trim(journal, (unsigned)(1 + unit_random(&seed) % 30), KEPT) != STATUS_OK)
            return 1;
        send_number(STDOUT_FILENO, journal_last_sequence(journal));
    }
}

/* Every transaction writes all rows with one number, which is also the covered mark. */
static int write_state(const char *path)
{
    struct state *state;
    if (state_open(&state, path, TEST_MAP_SIZE, false) != STATUS_OK)
        return 1;
    for (uint64_t number = state_covered(state) + 1;; number++) {
        if (state_begin(state) != STATUS_OK)
            return 1;
        for (uint64_t i = 0; i < ROWS; i++) {
            struct row_key key = row_key_of('w', i * 1000003);
            state_put(state, &key, &number, sizeof number);
        }
        if (state_commit(state, number) != STATUS_OK)
            return 1;
        send_number(STDOUT_FILENO, number);
    }
}

/* Reads the journal over and over until its stdin closes, trimmed or not meanwhile. */
static int read_journal(const char *path)
{
    struct journal *journal;
    struct pollfd until = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned poll_count = 0;
    struct journal_range *range = range_beside(path);
    const struct journal_options options = {.read_only = true, .range = range};
    if (journal_open(&journal, path, &options) != STATUS_OK)
        return 1;
    while (poll(&until, 1, 1) == 0) {
        struct place place = {.journal = journal};
        uint64_t last = journal_last_sequence(journal);
        uint64_t from = poll_count++ % 2 == 0 || last < 100 ? 0 : last - 100;
        if (journal_read(journal, from, note_place, &place) != STATUS_OK || place.is_wrong)
            return 1;
    }
    journal_close(journal);
    return 0;
}

/* Lets the child go on for a random while after its first number, kills it, and returns the last
 * number that it told. */
static uint64_t kill_at_random(struct test_child *child, uint64_t *seed)
{
    uint64_t number, last = 0;
    assert_true(receive_number(child->from, &last));
    const struct timespec until = {.tv_nsec = (long)(unit_random(seed) % 15000000)};
    nanosleep(&until, NULL);
    assert_int_equal(kill(child->pid, SIGKILL), 0);
    while (receive_number(child->from, &number))
        last = number;
    int how = child_wait(child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    return last;
}

/* Returns the last sequence after this round. */
static uint64_t kill_writer(const char *path, uint64_t before, uint64_t *seed)
{
    struct test_child child = child_start("journal", path);
    uint64_t acknowledged = kill_at_random(&child, seed);
    struct journal *journal = journal_of("worker-0/journal", 0);
    uint64_t first = journal_first_sequence(journal), last = journal_last_sequence(journal);
    assert_true(acknowledged > before && last >= acknowledged);
    assert_true(last <= acknowledged + 31); /* at most the one that was not told any more */
    assert_int_equal(journal_last_trailer(journal)->clock_ms, last);
    assert_int_equal(journal_record_count(journal), last - first + 1); /* no gaps */
    struct test_read read = read_test_events(journal, 0);
    assert_true(read.first <= first + 1);
    assert_int_equal(read.last, last - 1);
    assert_true(first + KEPT + 31 * 2 >= last); /* trimmed */
    journal_close(journal);
    return last;
}

static void every_acknowledged_commit_survives_the_death_of_its_writer(void **state)
{
    (void)state;
    char path[TEST_PATH_MAX + 128];
    uint64_t seed = 20261123, last = 0;
    assert_int_equal(mkdir(scratch_path("worker-0"), 0700), 0);
    memcpy(path, scratch_path("worker-0/journal"), sizeof path);
    for (unsigned round = 0; round < ROUNDS; round++)
        last = kill_writer(path, last, &seed);
}

static void and_so_it_does_beside_a_reader_that_lives_on(void **state)
{
    (void)state;
    char path[TEST_PATH_MAX + 128];
    uint64_t seed = 4, last = 0;
    assert_int_equal(mkdir(scratch_path("worker-0"), 0700), 0);
    memcpy(path, scratch_path("worker-0/journal"), sizeof path);
    last = kill_writer(path, last, &seed); /* makes it */
    struct test_child reader = child_start("reader", path);
    for (unsigned round = 0; round < ROUNDS; round++)
        last = kill_writer(path, last, &seed);
    close(reader.to);
    reader.to = -1;
    assert_int_equal(child_wait(&reader), 0);
}

static void rows_and_their_mark_are_of_one_commit_after_a_death(void **context)
{
    (void)context;
    char path[TEST_PATH_MAX + 128];
    uint64_t seed = 7;
    memcpy(path, scratch_path("worker-0/state"), sizeof path);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct state *state;
        struct state_reader *reader;
        struct test_child child = child_start("state", path);
        uint64_t acknowledged = kill_at_random(&child, &seed);
        assert_int_equal(state_open(&state, path, TEST_MAP_SIZE, false), STATUS_OK);
        uint64_t covered = state_covered(state);
        assert_true(covered == acknowledged || covered == acknowledged + 1);
        assert_int_equal(state_reader_open(&reader, state), STATUS_OK);
        for (uint64_t i = 0; i < ROWS; i++) {
            struct row_key key = row_key_of('w', i * 1000003);
            struct row_bytes value;
            assert_int_equal(state_get(reader, &key, &value), STATUS_OK);
            assert_int_equal(value.size, sizeof covered);
            assert_memory_equal(value.data, &covered, sizeof covered);
        }
        state_reader_close(reader);
        state_close(state);
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "reader") == 0)
        return read_journal(argv[2]);
    if (argc == 3)
        return strcmp(argv[1], "journal") == 0 ? write_journal(argv[2]) : write_state(argv[2]);
    const struct CMUnitTest tests[] = {
        scratch_test(every_acknowledged_commit_survives_the_death_of_its_writer),
        scratch_test(and_so_it_does_beside_a_reader_that_lives_on),
        scratch_test(rows_and_their_mark_are_of_one_commit_after_a_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
