#include "storage_unit.h"

/* Another process reads while this one writes. */

static struct journal *open_read_only(const char *path)
{
    struct journal *journal;
    const struct journal_options options = {.map_size = TEST_MAP_SIZE, .read_only = true};
    return journal_open(&journal, path, &options) == STATUS_OK ? journal : NULL;
}

/* Told up to which sequence the writer has committed, reads on from where it was; answers with the
 * last sequence of the journal as it sees it, or 0 when something is wrong. */
static int follow(const char *path)
{
    uint64_t committed, next = 1;
    struct journal *journal = NULL;
    while (receive_number(STDIN_FILENO, &committed)) {
        if (journal == NULL)
            journal = open_read_only(path);
        struct test_read read = {0};
        if (journal == NULL || journal_read(journal, next, note_test_event, &read) != STATUS_OK ||
            read.is_wrong || read.first > next + 1 ||
            journal_last_trailer(journal)->clock_ms != journal_last_sequence(journal)) {
            send_number(STDOUT_FILENO, 0);
            break;
        }
        next = read.count > 0 ? read.last + 1 : next;
        send_number(STDOUT_FILENO, journal_last_sequence(journal));
    }
    journal_close(journal);
    return 0;
}

static bool hold_on(void *context, const struct journal_event *event)
{
    uint64_t number;
    (void)event;
    (void)context;
    send_number(STDOUT_FILENO, 1);
    (void)receive_number(STDIN_FILENO, &number);
    return false;
}

/* Begins a read and stays in it until told. */
static int read_long(const char *path)
{
    struct journal *journal = open_read_only(path);
    if (journal == NULL)
        return 1;
    (void)journal_read(journal, 0, hold_on, NULL);
    journal_close(journal);
    return 0;
}

static void a_reader_in_another_process_sees_each_commit(void **state)
{
    (void)state;
    char path[TEST_PATH_MAX + 128];
    memcpy(path, scratch_path("journal"), sizeof path);
    struct test_child child = child_start("follow", path);
    struct journal *journal = journal_of("journal", 0);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t seen;
        assert_int_equal(commit_test_events(journal, 1 + i % 50), STATUS_OK);
        send_number(child.to, journal_last_sequence(journal));
        /* Goes on writing while it reads. */
        uint64_t committed = journal_last_sequence(journal);
        assert_int_equal(commit_test_events(journal, 1 + i % 7), STATUS_OK);
        assert_true(receive_number(child.from, &seen));
        assert_true(seen >= committed);
    }
    close(child.to);
    child.to = -1;
    assert_int_equal(child_wait(&child), 0);
    journal_close(journal);
}

static void reading_does_not_make_a_journal(void **state)
{
    (void)state;
    struct journal *journal;
    const struct journal_options options = {.map_size = TEST_MAP_SIZE, .read_only = true};
    assert_int_equal(journal_open(&journal, scratch_path("none/journal"), &options),
                     STATUS_NOT_FOUND);
    assert_null(journal);
    assert_int_not_equal(access(scratch_path("none"), F_OK), 0);
}

static enum status append_and_trim(struct journal *journal)
{
    const struct journal_trailer trailer = trailer_of(journal_next_sequence(journal) + 50);
    enum status status = journal_begin(journal);
    if (status != STATUS_OK)
        return status;
    for (unsigned i = 0; i < 50; i++)
        (void)append_test_event(journal, NULL);
    (void)journal_trim(journal, UINT64_MAX);
    return journal_commit(journal, &trailer);
}

/* Writes and trims beside a reader that does not end, until begin refuses. No commit may fail. */
static struct journal *fill_beside_reader(struct test_child *child)
{
    char path[TEST_PATH_MAX + 128];
    uint64_t number;
    struct journal *journal;
    const struct journal_options options = {.map_size = 4 << 20};
    memcpy(path, scratch_path("journal"), sizeof path);
    assert_int_equal(journal_open(&journal, path, &options), STATUS_OK);
    assert_int_equal(commit_test_events(journal, 10), STATUS_OK);
    *child = child_start("read_long", path);
    assert_true(receive_number(child->from, &number));
    enum status status = STATUS_OK;
    while (status == STATUS_OK)
        status = append_and_trim(journal);
    assert_int_equal(status, STATUS_FULL);
    assert_true(journal_bytes_used(journal) < 1 << 20); /* the records are not why */
    /* Trimming goes on for a while, and stops before it would fail. */
    const struct journal_trailer trailer = trailer_of(1);
    while ((status = journal_begin_trim(journal)) == STATUS_OK)
        assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
    assert_int_equal(status, STATUS_FULL);
    assert_int_equal(journal_probe(journal), STATUS_STORAGE_FULL);
    assert_int_equal(journal_begin(journal), STATUS_FULL);
    return journal;
}

static void writing_goes_on_when_a_long_read_ends(void **state)
{
    (void)state;
    struct test_child child;
    struct journal *journal = fill_beside_reader(&child);
    send_number(child.to, 1);
    assert_int_equal(child_wait(&child), 0);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(append_and_trim(journal), STATUS_OK);
    journal_close(journal);
}

static void writing_goes_on_when_a_reader_was_killed_and_cleared(void **state)
{
    (void)state;
    struct test_child child;
    struct journal *journal = fill_beside_reader(&child);
    assert_int_equal(kill(child.pid, SIGKILL), 0);
    assert_int_equal(WTERMSIG(child_wait(&child)), SIGKILL);
    assert_int_equal(journal_begin(journal), STATUS_FULL); /* its slot is still taken */
    journal_clear_readers(journal);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(append_and_trim(journal), STATUS_OK);
    journal_close(journal);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return strcmp(argv[1], "follow") == 0 ? follow(argv[2]) : read_long(argv[2]);
    const struct CMUnitTest tests[] = {
        scratch_test(a_reader_in_another_process_sees_each_commit),
        scratch_test(reading_does_not_make_a_journal),
        scratch_test(writing_goes_on_when_a_long_read_ends),
        scratch_test(writing_goes_on_when_a_reader_was_killed_and_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
