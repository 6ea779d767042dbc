#include "backup.h"
#include "storage_unit.h"

/* A backup is whole, verified and a data directory of its own; or it is not there. */

static struct datadir datadir;
static char target[TEST_PATH_MAX + 128], unfinished[TEST_PATH_MAX + 160];

static void path_in(const char *directory, const char *role, const char *what,
                    char path[DATADIR_PATH_MAX])
{
    struct datadir at = {.lock_fd = -1};
    snprintf(at.path, sizeof at.path, "%s", directory);
    datadir_worker_path(&at, role, 0, what, path);
}

static struct journal *open_journal(const char *directory, const char *role)
{
    char path[DATADIR_PATH_MAX];
    struct journal *journal;
    const struct journal_options options = {.size_max = TEST_MAP_SIZE};
    path_in(directory, role, "journal", path);
    assert_int_equal(journal_open(&journal, path, &options), STATUS_OK);
    return journal;
}

static struct state *open_state(const char *directory, const char *role)
{
    char path[DATADIR_PATH_MAX];
    struct state *made;
    path_in(directory, role, "state", path);
    assert_int_equal(state_open(&made, path, TEST_MAP_SIZE, false), STATUS_OK);
    return made;
}

static void put_rows(struct state *to, uint64_t count, uint64_t covered)
{
    assert_int_equal(state_begin(to), STATUS_OK);
    for (uint64_t i = 1; i <= count; i++) {
        struct row_key key = row_key_of('w', i);
        uint64_t value = i * 7;
        state_put(to, &key, &value, sizeof value);
    }
    assert_int_equal(state_commit(to, covered), STATUS_OK);
}

/* Two workers with something stored, and the third one that never ran. */
static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    memcpy(target, scratch_path("copies/monday"), sizeof target);
    snprintf(unfinished, sizeof unfinished, "%s.tmp", target);
    assert_int_equal(datadir_open(&datadir, scratch_path("data"), 1, 1, 0), STATUS_OK);
    struct journal *wallet = open_journal(datadir.path, "wallet");
    struct journal *seat = open_journal(datadir.path, "seat");
    struct state *wallet_rows = open_state(datadir.path, "wallet");
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(commit_test_events(wallet, 200), STATUS_OK);
    assert_int_equal(commit_test_events(seat, 7), STATUS_OK);
    put_rows(wallet_rows, 50000, 4321);
    journal_close(wallet);
    journal_close(seat);
    state_close(wallet_rows);
    state_close(open_state(datadir.path, "seat"));
    return 0;
}

static int teardown(void **state)
{
    datadir_close(&datadir);
    return scratch_teardown(state);
}

static enum status backup(struct backup_report *report)
{
    static const volatile sig_atomic_t never = 0;
    return backup_write(&datadir, target, &never, report);
}

static void expect_nothing_left(void)
{
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(access(unfinished, F_OK), -1);
}

static void the_copy_holds_every_record_and_row(void **state)
{
    (void)state;
    struct backup_report report;
    assert_int_equal(backup(&report), STATUS_OK);
    assert_int_equal(report.records, 100 * 201 + 8);
    assert_int_equal(report.rows, 50000 + 1); /* and the covered mark */
    assert_int_equal(access(unfinished, F_OK), -1);

    struct journal *journal = open_journal(target, "wallet");
    struct test_read read = read_test_events(journal, 0);
    assert_int_equal(read.count, 20000);
    assert_int_equal(journal_last_sequence(journal), 100 * 201);
    assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    journal_close(journal);

    struct state *rows = open_state(target, "wallet");
    struct state_reader *reader;
    struct row_bytes value;
    assert_int_equal(state_covered(rows), 4321);
    assert_int_equal(state_reader_open(&reader, rows), STATUS_OK);
    for (uint64_t i = 1; i <= 50000; i++) {
        struct row_key key = row_key_of('w', i);
        uint64_t expected = i * 7;
        assert_int_equal(state_get(reader, &key, &value), STATUS_OK);
        assert_memory_equal(value.data, &expected, sizeof expected);
    }
    state_reader_close(reader);
    state_close(rows);
}

static void the_copy_keeps_the_keys_and_gets_an_incarnation_of_its_own(void **state)
{
    (void)state;
    struct backup_report report;
    uint8_t key[DATADIR_KEY_SIZE], copied[DATADIR_KEY_SIZE];
    char admin[128], copied_admin[128];
    struct stat found;
    assert_int_equal(datadir_key(&datadir, "ticket.key", key), STATUS_OK);
    assert_int_equal(datadir_admin_key(&datadir, NULL, admin, sizeof admin), STATUS_OK);
    assert_int_equal(backup(&report), STATUS_OK);

    struct datadir looked_at, served, served_again;
    assert_int_equal(datadir_open(&looked_at, target, 0, 0, 0), STATUS_OK);
    assert_int_equal(looked_at.incarnation, 0);
    datadir_close(&looked_at);
    assert_int_equal(datadir_open(&served, target, 1, 1, 0), STATUS_OK);
    assert_int_not_equal(served.incarnation, 0);
    assert_int_not_equal(served.incarnation, datadir.incarnation);
    assert_int_equal(datadir_key(&served, "ticket.key", copied), STATUS_OK);
    assert_memory_equal(copied, key, sizeof key);
    assert_int_equal(datadir_admin_key(&served, NULL, copied_admin, sizeof copied_admin),
                     STATUS_OK);
    assert_string_equal(copied_admin, admin);
    char path[TEST_PATH_MAX + 160];
    snprintf(path, sizeof path, "%s/ticket.key", target);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    datadir_close(&served);
    assert_int_equal(datadir_open(&served_again, target, 1, 1, 0), STATUS_OK);
    assert_int_equal(served_again.incarnation, served.incarnation);
    datadir_close(&served_again);
}

static void what_is_there_is_not_written_over(void **state)
{
    (void)state;
    struct backup_report report;
    assert_int_equal(backup(&report), STATUS_OK);
    assert_int_equal(backup(&report), STATUS_EXISTS);
    struct journal *journal = open_journal(target, "wallet");
    journal_close(journal);
    assert_int_equal(rename(target, unfinished), 0);
    assert_int_equal(backup(&report), STATUS_EXISTS);
    assert_int_equal(access(target, F_OK), -1);
}

static void damaged_records_are_not_copied(void **state)
{
    (void)state;
    struct backup_report report;
    char path[DATADIR_PATH_MAX], file[DATADIR_PATH_MAX + 32];
    uint64_t sequence = 150, repeated[2] = {sequence, sequence};
    path_in(datadir.path, "wallet", "journal", path);
    snprintf(file, sizeof file, "%s/0000000000000001.log", path);
    long at = file_find(file, repeated, sizeof repeated, 0);
    assert_true(at > 0);
    file_flip(file, at, 1);
    assert_int_equal(backup(&report), STATUS_CORRUPT);
    expect_nothing_left();
}

static void one_that_is_stopped_leaves_nothing(void **state)
{
    (void)state;
    static const volatile sig_atomic_t stopped = 1;
    struct backup_report report;
    assert_int_equal(backup_write(&datadir, target, &stopped, &report), STATUS_CLOSED);
    expect_nothing_left();
}

static void demo_data_that_is_being_loaded_is_not_copied(void **state)
{
    (void)state;
    struct backup_report report;
    assert_int_equal(datadir_mark(&datadir, "seeding"), STATUS_OK);
    assert_int_equal(backup(&report), STATUS_BUSY);
    expect_nothing_left();
}

#define backup_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        backup_test(the_copy_holds_every_record_and_row),
        backup_test(the_copy_keeps_the_keys_and_gets_an_incarnation_of_its_own),
        backup_test(what_is_there_is_not_written_over),
        backup_test(damaged_records_are_not_copied),
        backup_test(one_that_is_stopped_leaves_nothing),
        backup_test(demo_data_that_is_being_loaded_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
