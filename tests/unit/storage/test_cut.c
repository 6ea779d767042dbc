#include "cut.h"
#include "storage_unit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sysexits.h>

/* A cut sees all workers at one instant, and costs nobody anything. */

static void make_datadir(struct datadir *datadir, uint64_t wallet_workers)
{
    assert_int_equal(datadir_open(datadir, scratch_path("data"), 1, wallet_workers, 0), STATUS_OK);
}

static struct journal *worker_journal(const struct datadir *datadir, const char *role,
                                      unsigned instance)
{
    char path[DATADIR_PATH_MAX];
    struct journal *journal;
    const struct journal_options options = {.size_max = 4 << 20};
    datadir_worker_path(datadir, role, instance, "journal", path);
    assert_int_equal(journal_open(&journal, path, &options), STATUS_OK);
    return journal;
}

static struct state *worker_state(const struct datadir *datadir, const char *role,
                                  unsigned instance)
{
    char path[DATADIR_PATH_MAX];
    struct state *made;
    datadir_worker_path(datadir, role, instance, "state", path);
    assert_int_equal(state_open(&made, path, TEST_MAP_SIZE, false), STATUS_OK);
    return made;
}

static void put_number(struct state *to, uint64_t number)
{
    struct row_key key = row_key_of('w', 1);
    assert_int_equal(state_begin(to), STATUS_OK);
    state_put(to, &key, &number, sizeof number);
    assert_int_equal(state_commit(to, number), STATUS_OK);
}

static uint64_t number_in(struct state_reader *reader)
{
    struct row_key key = row_key_of('w', 1);
    struct row_bytes value;
    uint64_t number;
    assert_int_equal(state_get(reader, &key, &value), STATUS_OK);
    assert_int_equal(value.size, sizeof number);
    memcpy(&number, value.data, sizeof number);
    return number;
}

/* What the child processes find: the directory is there, made by the test. */
static void open_as_guest(struct datadir *datadir, const char *path)
{
    enum status status = datadir_open(datadir, path, 0, 0, 0);
    if (status != STATUS_BUSY)
        _exit(1);
}

/* Sends the last sequences of wallet and seat as each cut shows them, as often as it is asked to.
 */
static int take_cuts(const char *path)
{
    struct datadir datadir;
    uint64_t number;
    open_as_guest(&datadir, path);
    while (receive_number(STDIN_FILENO, &number)) {
        struct cut *cut;
        if (cut_open(&cut, &datadir) != STATUS_OK)
            return 1;
        send_number(STDOUT_FILENO, journal_last_sequence(cut_view_of(cut, "wallet", 0)->journal));
        send_number(STDOUT_FILENO, journal_last_sequence(cut_view_of(cut, "seat", 0)->journal));
        cut_close(cut);
    }
    return 0;
}

struct writer {
    struct journal *wallet, *seat;
    atomic_bool stop;
};

enum { KEPT = 1000 };

/* The wallet's commit comes first, always. Files come and go meanwhile. */
static void *write_in_turn(void *context)
{
    struct writer *writer = context;
    while (!atomic_load(&writer->stop)) {
        if (commit_and_trim(writer->wallet, 1, KEPT) != STATUS_OK ||
            commit_and_trim(writer->seat, 1, KEPT) != STATUS_OK)
            abort();
    }
    return NULL;
}

/* In memory, where commits are so quick that several fit between two snapshots that are not of one
 * instant. */
static int memory_setup(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/dev/shm/boxoffice-cut-XXXXXX");
    return mkdtemp(scratch) != NULL ? 0 : -1;
}

static void a_cut_shows_all_workers_at_one_instant(void **state)
{
    enum { CUTS = 1000, WALLETS = 8 };
    (void)state;
    struct datadir datadir;
    struct state *states[WALLETS + 1];
    struct journal *idle[WALLETS] = {NULL};
    make_datadir(&datadir, WALLETS);
    struct writer writer = {.wallet = worker_journal(&datadir, "wallet", 0),
                            .seat = worker_journal(&datadir, "seat", 0)};
    for (unsigned i = 1; i < WALLETS; i++)
        idle[i] = worker_journal(&datadir, "wallet", i);
    for (unsigned i = 0; i < WALLETS; i++)
        states[i] = worker_state(&datadir, "wallet", i);
    states[WALLETS] = worker_state(&datadir, "seat", 0);
    struct test_child child = child_start("take_cuts", datadir.path);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_in_turn, &writer), 0);
    uint64_t wallet = 0, seat = 0, first = 0;
    for (unsigned i = 0; i < CUTS; i++) {
        send_number(child.to, i);
        assert_true(receive_number(child.from, &wallet));
        assert_true(receive_number(child.from, &seat));
        /* Each commit is two records, the event and its trailer. */
        assert_true(wallet == seat || wallet == seat + 2);
        first = i == 0 ? wallet : first;
    }
    assert_true(wallet > first);
    close(child.to);
    child.to = -1;
    assert_int_equal(child_wait(&child), 0);
    atomic_store(&writer.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    journal_close(writer.wallet);
    journal_close(writer.seat);
    for (unsigned i = 0; i < WALLETS; i++)
        journal_close(idle[i]);
    for (unsigned i = 0; i <= WALLETS; i++)
        state_close(states[i]);
    datadir_close(&datadir);
}

/* Says what the cut shows, waits until the writers have gone on, and says it again. */
static int look_twice(const char *path)
{
    struct datadir datadir;
    struct cut *cut;
    uint64_t number;
    open_as_guest(&datadir, path);
    if (cut_open(&cut, &datadir) != STATUS_OK)
        return 1;
    struct cut_view *view = cut_view_of(cut, "wallet", 0);
    for (unsigned i = 0; i < 2; i++) {
        struct test_read read = {0};
        if (journal_read(view->journal, 0, note_test_event, &read) != STATUS_OK || read.is_wrong)
            return 1;
        uint64_t covered;
        if (state_reader_covered(view->reader, &covered) != STATUS_OK)
            return 1;
        send_number(STDOUT_FILENO, read.last);
        send_number(STDOUT_FILENO, number_in(view->reader));
        send_number(STDOUT_FILENO, covered);
        (void)receive_number(STDIN_FILENO, &number);
    }
    cut_close(cut);
    return 0;
}

static void a_cut_stays_as_it_was_while_the_server_goes_on(void **state)
{
    (void)state;
    struct datadir datadir;
    make_datadir(&datadir, 1);
    struct journal *journal = worker_journal(&datadir, "wallet", 0);
    struct state *rows = worker_state(&datadir, "wallet", 0);
    assert_int_equal(commit_test_events(journal, 3), STATUS_OK);
    put_number(rows, 2);
    struct test_child child = child_start("look_twice", datadir.path);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t last = 0, number = 0, covered = 0;
        assert_true(receive_number(child.from, &last));
        assert_true(receive_number(child.from, &number));
        assert_true(receive_number(child.from, &covered));
        assert_int_equal(last, 3);
        assert_int_equal(number, 2);
        assert_int_equal(covered, 2);
        /* Files are used again meanwhile, but not the one that the cut has open. */
        for (unsigned n = 0; n < 4000; n++)
            assert_int_equal(commit_and_trim(journal, 50, 100), STATUS_OK);
        put_number(rows, journal_last_sequence(journal));
        send_number(child.to, 1);
    }
    assert_int_equal(child_wait(&child), 0);
    journal_close(journal);
    state_close(rows);
    datadir_close(&datadir);
}

static int open_cut(const char *path)
{
    struct datadir datadir;
    struct cut *cut;
    open_as_guest(&datadir, path);
    enum status status = cut_open(&cut, &datadir);
    cut_close(cut);
    return status == STATUS_OK ? 0 : 1;
}

/* The wallet's lock is taken before the seat's, which the test holds: the deadline ends the process
 * with the wallet's in its hands. */
static void a_worker_that_hangs_makes_the_cut_give_up_and_let_go(void **state)
{
    (void)state;
    struct datadir datadir;
    make_datadir(&datadir, 1);
    struct journal *wallet = worker_journal(&datadir, "wallet", 0);
    struct journal *seat = worker_journal(&datadir, "seat", 0);
    state_close(worker_state(&datadir, "wallet", 0));
    state_close(worker_state(&datadir, "seat", 0));
    assert_int_equal(commit_test_events(seat, 1), STATUS_OK);
    int lock = open(scratch_path("data/seat-0/journal"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* a process that gives up frees nothing */
    struct test_child child = child_start("open_cut", datadir.path);
    int how = child_wait(&child);
    unsetenv("ASAN_OPTIONS");
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), EX_TEMPFAIL);
    close(lock);
    assert_int_equal(commit_test_events(wallet, 4), STATUS_OK);
    assert_int_equal(commit_test_events(seat, 4), STATUS_OK);
    child = child_start("open_cut", datadir.path);
    assert_int_equal(child_wait(&child), 0);
    journal_close(wallet);
    journal_close(seat);
    datadir_close(&datadir);
}

static void workers_that_never_ran_are_left_out(void **state)
{
    (void)state;
    struct datadir datadir;
    struct cut *cut;
    make_datadir(&datadir, 1);
    assert_int_equal(cut_open(&cut, &datadir), STATUS_OK);
    assert_int_equal(cut_view_count(cut), 0);
    cut_close(cut);
    journal_close(worker_journal(&datadir, "seat", 0));
    state_close(worker_state(&datadir, "seat", 0));
    assert_int_equal(cut_open(&cut, &datadir), STATUS_OK);
    assert_int_equal(cut_view_count(cut), 1);
    assert_null(cut_view_of(cut, "wallet", 0));
    assert_ptr_equal(cut_view_of(cut, "seat", 0), cut_view(cut, 0));
    cut_release_journal(cut_view(cut, 0));
    cut_release(cut_view(cut, 0));
    cut_close(cut);
    datadir_close(&datadir);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "take_cuts") == 0)
        return take_cuts(argv[2]);
    if (argc == 3 && strcmp(argv[1], "look_twice") == 0)
        return look_twice(argv[2]);
    if (argc == 3 && strcmp(argv[1], "open_cut") == 0)
        return open_cut(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cut_shows_all_workers_at_one_instant, memory_setup,
                                        scratch_teardown),
        scratch_test(a_cut_stays_as_it_was_while_the_server_goes_on),
        scratch_test(a_worker_that_hangs_makes_the_cut_give_up_and_let_go),
        scratch_test(workers_that_never_ran_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
