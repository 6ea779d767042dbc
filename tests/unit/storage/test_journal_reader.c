#include "storage_unit.h"

/* Another process reads while this one writes, begins new files, trims and uses old ones again. */

enum { SMALL_SIZE = 4 << 20, SEGMENT = 64 << 10, KEPT = 3000 };

static char path[TEST_PATH_MAX + 128];

static struct journal *open_beside(struct journal_range *range, bool read_only)
{
    struct journal *journal;
    const struct journal_options options = {
        .size_max = SMALL_SIZE, .fill_ahead = 1 << 20, .read_only = read_only, .range = range};
    return journal_open(&journal, path, &options) == STATUS_OK ? journal : NULL;
}

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    memcpy(path, scratch_path("journal"), sizeof path);
    return 0;
}

/* Told up to which sequence the writer has committed, reads on from where it was; answers with the
 * last sequence of the journal as it sees it, or 0 when something is wrong. */
static int follow(void)
{
    uint64_t committed, next = 1;
    struct journal_range *range = range_beside(path);
    struct journal *journal = NULL;
    while (receive_number(STDIN_FILENO, &committed)) {
        if (journal == NULL)
            journal = open_beside(range, true);
        struct test_read read = {0};
        if (journal == NULL || journal_read(journal, next, note_test_event, &read) != STATUS_OK ||
            read.is_wrong || read.first > next + 1 ||
            (read.count > 0 && read.last < committed - 1)) {
            send_number(STDOUT_FILENO, 0);
            break;
        }
        next = read.count > 0 ? read.last + 1 : next;
        send_number(STDOUT_FILENO, journal_last_sequence(journal));
    }
    journal_close(journal);
    range_unmap(range);
    return 0;
}

/* Reads from any place, over and over, until its stdin says so; answers with the number of reads.
 */
static int wander(void)
{
    uint64_t number, seed = 7, reads = 0;
    struct journal_range *range = range_beside(path);
    struct journal *journal = open_beside(range, true);
    if (journal == NULL)
        return 1;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    while (!receive_number(STDIN_FILENO, &number)) {
        struct place place = {.journal = journal};
        uint64_t last = journal_last_sequence(journal);
        uint64_t back = unit_random(&seed) % (2 * KEPT);
        if (journal_read(journal, last > back ? last - back : 0, note_place, &place) != STATUS_OK ||
            place.is_wrong)
            return 1;
        reads++;
    }
    send_number(STDOUT_FILENO, reads);
    journal_close(journal);
    range_unmap(range);
    return 0;
}

struct pause {
    struct test_read read;
    bool was_held;
};

static bool hold_on(void *context, const struct journal_event *event)
{
    uint64_t number;
    struct pause *pause = context;
    if (!pause->was_held) {
        pause->was_held = true;
        send_number(STDOUT_FILENO, 1);
        (void)receive_number(STDIN_FILENO, &number);
    }
    return note_test_event(&pause->read, event);
}

/* Begins a read, stays in it until told, and goes on. */
static int read_long(void)
{
    struct pause pause = {0};
    struct journal_range *range = range_beside(path);
    struct journal *journal = open_beside(range, true);
    if (journal == NULL || journal_read(journal, 0, hold_on, &pause) != STATUS_OK)
        return 1;
    send_number(STDOUT_FILENO, pause.read.first);
    send_number(STDOUT_FILENO, pause.read.last);
    journal_close(journal);
    range_unmap(range);
    return 0;
}

static void a_reader_in_another_process_sees_each_commit(void **state)
{
    (void)state;
    struct journal_range *range = range_beside(path);
    struct test_child child = child_start("follow", path);
    struct journal *journal = open_beside(range, false);
    for (unsigned i = 0; i < 2000; i++) {
        uint64_t seen;
        assert_int_equal(commit_and_trim(journal, 1 + i % 50, KEPT), STATUS_OK);
        send_number(child.to, journal_last_sequence(journal));
        /* Goes on writing while it reads. */
        uint64_t committed = journal_last_sequence(journal);
        assert_int_equal(commit_and_trim(journal, 1 + i % 7, KEPT), STATUS_OK);
        assert_true(receive_number(child.from, &seen));
        assert_true(seen >= committed);
    }
    close(child.to);
    child.to = -1;
    assert_int_equal(child_wait(&child), 0);
    journal_close(journal);
    range_unmap(range);
}

static void a_reader_goes_anywhere_while_files_come_and_go(void **state)
{
    (void)state;
    uint64_t reads = 0;
    struct journal_range *range = range_beside(path);
    struct journal *journal = open_beside(range, false);
    assert_int_equal(commit_test_events(journal, 10), STATUS_OK);
    struct test_child child = child_start("wander", path);
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(commit_and_trim(journal, 20, KEPT), STATUS_OK);
    send_number(child.to, 1);
    assert_true(receive_number(child.from, &reads));
    assert_true(reads > 0);
    assert_int_equal(child_wait(&child), 0);
    journal_close(journal);
    range_unmap(range);
}

static void reading_does_not_make_a_journal(void **state)
{
    (void)state;
    struct journal *journal;
    const struct journal_options options = {.read_only = true};
    assert_int_equal(journal_open(&journal, scratch_path("none/journal"), &options),
                     STATUS_NOT_FOUND);
    assert_null(journal);
    assert_int_not_equal(access(scratch_path("none"), F_OK), 0);
}

static void a_reader_waits_until_the_writer_has_told_of_something(void **state)
{
    (void)state;
    struct journal_range range = {0};
    struct journal *journal = open_beside(NULL, false);
    assert_int_equal(commit_test_events(journal, 3), STATUS_OK);
    assert_null(open_beside(&range, true));
    journal_close(journal);
    journal = open_beside(&range, false); /* tells what it finds */
    struct journal *reader = open_beside(&range, true);
    assert_non_null(reader);
    assert_int_equal(read_test_events(reader, 0).count, 3);
    journal_close(reader);
    journal_close(journal);
}

/* What is written, but not told of, is not shown. */
static void a_reader_sees_no_more_than_it_is_told(void **state)
{
    (void)state;
    struct journal_range range = {0}, told = {0};
    struct journal *journal = open_beside(&range, false);
    for (unsigned i = 1; i <= 200; i++) {
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
        atomic_store(&told.first, 1);
        atomic_store(&told.last, i * 21 - 21);
        if (i == 1)
            continue;
        struct journal *reader = open_beside(&told, true);
        struct test_read read = read_test_events(reader, i * 21 - 41);
        assert_int_equal(read.count, 20);
        assert_int_equal(read.last, i * 21 - 22);
        assert_int_equal(read_test_events(reader, i * 21 - 20).count, 0);
        journal_close(reader);
    }
    journal_close(journal);
}

/* The file that it is in goes, but is not used again, so it reads that one to its end; what it has
 * not reached of the others is trimmed for it too. */
static void a_long_read_keeps_its_file_and_costs_the_writer_nothing(void **state)
{
    (void)state;
    uint64_t number, first = 0, last = 0;
    struct journal_range *range = range_beside(path);
    struct journal *journal = open_beside(range, false);
    assert_int_equal(commit_test_events(journal, 10), STATUS_OK);
    while (count_segments() < 4)
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    struct test_child child = child_start("read_long", path);
    assert_true(receive_number(child.from, &number));
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(commit_and_trim(journal, 50, KEPT), STATUS_OK);
    assert_true(journal_bytes_used(journal) < SMALL_SIZE / 4);
    assert_true(count_segments() < 10);
    send_number(child.to, 1);
    assert_true(receive_number(child.from, &first) && receive_number(child.from, &last));
    assert_int_equal(first, 1);
    assert_int_equal(last, journal_last_sequence(journal) - 1);
    assert_int_equal(child_wait(&child), 0);
    journal_close(journal);
    range_unmap(range);
}

static void a_killed_reader_costs_the_writer_nothing(void **state)
{
    (void)state;
    uint64_t number;
    struct journal_range *range = range_beside(path);
    struct journal *journal = open_beside(range, false);
    assert_int_equal(commit_test_events(journal, 10), STATUS_OK);
    struct test_child child = child_start("read_long", path);
    assert_true(receive_number(child.from, &number));
    assert_int_equal(kill(child.pid, SIGKILL), 0);
    assert_int_equal(WTERMSIG(child_wait(&child)), SIGKILL);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(commit_and_trim(journal, 50, KEPT), STATUS_OK);
    assert_true(count_segments() < 10);
    journal_close(journal);
    range_unmap(range);
}

#define reader_test(function) cmocka_unit_test_setup_teardown(function, setup, scratch_teardown)

int main(int argc, char **argv)
{
    if (argc == 3) {
        snprintf(path, sizeof path, "%s", argv[2]);
        return strcmp(argv[1], "follow") == 0   ? follow()
               : strcmp(argv[1], "wander") == 0 ? wander()
                                                : read_long();
    }
    const struct CMUnitTest tests[] = {
        reader_test(a_reader_in_another_process_sees_each_commit),
        reader_test(a_reader_goes_anywhere_while_files_come_and_go),
        reader_test(reading_does_not_make_a_journal),
        reader_test(a_reader_waits_until_the_writer_has_told_of_something),
        reader_test(a_reader_sees_no_more_than_it_is_told),
        reader_test(a_long_read_keeps_its_file_and_costs_the_writer_nothing),
        reader_test(a_killed_reader_costs_the_writer_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
