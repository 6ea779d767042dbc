#include "datadir.h"
#include "records.h"
#include "storage_unit.h"
#include <time.h>

static const char *data_path(void)
{
    return scratch_path("a/data");
}

static struct datadir opened(uint64_t seat_workers, uint64_t wallet_workers)
{
    struct datadir datadir;
    assert_int_equal(datadir_open(&datadir, data_path(), seat_workers, wallet_workers, 0),
                     STATUS_OK);
    assert_true(datadir.lock_fd >= 0);
    return datadir;
}

static void write_file(const char *name, const char *text)
{
    int fd = open(scratch_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void it_is_made_once_and_keeps_its_incarnation(void **state)
{
    (void)state;
    struct datadir first = opened(2, 3);
    assert_true(first.is_new);
    assert_true(first.incarnation > 0 && first.incarnation < UINT64_C(1) << 53);
    datadir_close(&first);
    struct datadir again = opened(2, 3);
    assert_int_equal(again.incarnation, first.incarnation);
    assert_int_equal(again.seat_workers, 2);
    assert_int_equal(again.wallet_workers, 3);
    datadir_close(&again);
    struct datadir other;
    assert_int_equal(datadir_open(&other, scratch_path("other"), 2, 3, 0), STATUS_OK);
    assert_int_not_equal(other.incarnation, first.incarnation);
    datadir_close(&other);
}

static void it_is_new_until_a_worker_has_stored_something(void **state)
{
    (void)state;
    char path[DATADIR_PATH_MAX];
    struct datadir datadir = opened(1, 1);
    datadir_close(&datadir);
    datadir = opened(1, 1);
    assert_true(datadir.is_new);
    datadir_worker_path(&datadir, "wallet", 0, "journal", path);
    assert_string_equal(path, scratch_path("a/data/wallet-0/journal"));
    struct journal *journal = journal_of("a/data/wallet-0/journal", 0);
    journal_close(journal);
    datadir_close(&datadir);
    datadir = opened(1, 1);
    assert_false(datadir.is_new);
    datadir_close(&datadir);
}

static void other_worker_counts_are_a_mismatch_that_names_the_stored_ones(void **state)
{
    (void)state;
    struct datadir datadir = opened(2, 3);
    datadir_close(&datadir);
    static const uint64_t wrong[][2] = {{1, 3}, {2, 2}, {3, 2}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(datadir_open(&datadir, data_path(), wrong[i][0], wrong[i][1], 0),
                         STATUS_MISMATCH);
        assert_int_equal(datadir.seat_workers, 2);
        assert_int_equal(datadir.wallet_workers, 3);
        assert_int_equal(datadir.lock_fd, -1);
    }
    datadir = opened(2, 3); /* no lock was left behind */
    datadir_close(&datadir);
}

static void audits_take_the_stored_counts_and_make_nothing(void **state)
{
    (void)state;
    struct datadir audit;
    assert_int_equal(datadir_open(&audit, data_path(), 0, 0, 0), STATUS_NOT_FOUND);
    assert_int_not_equal(access(data_path(), F_OK), 0);
    struct datadir datadir = opened(2, 3);
    /* While a server has the lock: without it. */
    assert_int_equal(datadir_open(&audit, data_path(), 0, 0, 0), STATUS_BUSY);
    assert_int_equal(audit.lock_fd, -1);
    assert_int_equal(audit.wallet_workers, 3);
    assert_int_equal(audit.incarnation, datadir.incarnation);
    datadir_close(&audit);
    datadir_close(&datadir);
    assert_int_equal(datadir_open(&audit, data_path(), 0, 0, 0), STATUS_OK);
    assert_int_equal(audit.seat_workers, 2);
    datadir_close(&audit);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int hold_lock(const char *path)
{
    uint64_t number;
    struct datadir datadir;
    if (datadir_open(&datadir, path, 1, 1, 0) != STATUS_OK)
        return 1;
    send_number(STDOUT_FILENO, 1);
    (void)receive_number(STDIN_FILENO, &number);
    return 0;
}

static void the_lock_is_waited_for_but_not_for_ever(void **state)
{
    (void)state;
    uint64_t number;
    char path[DATADIR_PATH_MAX];
    struct datadir datadir;
    snprintf(path, sizeof path, "%s", data_path());
    struct test_child child = child_start("hold_lock", path);
    assert_true(receive_number(child.from, &number));
    assert_int_equal(datadir_open(&datadir, path, 1, 1, 0), STATUS_BUSY);
    uint64_t began = now_ms();
    assert_int_equal(datadir_open(&datadir, path, 1, 1, 100), STATUS_BUSY);
    assert_true(now_ms() - began >= 100);
    assert_int_equal(kill(child.pid, SIGKILL), 0); /* the lock goes with its holder */
    assert_int_equal(datadir_open(&datadir, path, 1, 1, 5000), STATUS_OK);
    datadir_close(&datadir);
    assert_int_equal(WTERMSIG(child_wait(&child)), SIGKILL);
}

static void the_lock_lives_as_long_as_an_inherited_descriptor(void **state)
{
    (void)state;
    struct datadir datadir = opened(1, 1), second;
    int inherited = dup(datadir.lock_fd);
    datadir_close(&datadir);
    assert_int_equal(datadir_open(&second, data_path(), 1, 1, 0), STATUS_BUSY);
    close(inherited);
    second = opened(1, 1);
    datadir_close(&second);
}

static void a_damaged_layout_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "format 1\n",
        "format 1\nrecords 4\nincarnation 5\nseat-workers 1\nwallet-workers 1",
        "format 1\nrecords 4\nincarnation 5\nseat-workers 1\nwallet-workers 1\nmore 1\n",
        "format 1\nrecords 4\nincarnation -5\nseat-workers 1\nwallet-workers 1\n",
        "format 1\nrecords 4\nincarnation 99999999999999999999\nseat-workers 1\nwallet-workers 1\n",
        "format 1\nrecords 4\nincarnation 5\nwallet-workers 1\nseat-workers 1\n",
        "format 1\nrecords 4\nincarnation \nseat-workers 1\nwallet-workers 1\n",
    };
    struct datadir datadir = opened(1, 1);
    datadir_close(&datadir);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file("a/data/layout", texts[i]);
        assert_int_equal(datadir_open(&datadir, data_path(), 1, 1, 0), STATUS_CORRUPT);
    }
    write_file("a/data/layout",
               "format 1\nrecords 4\nincarnation 5\nseat-workers 1\nwallet-workers 1\n");
    datadir = opened(1, 1);
    assert_int_equal(datadir.incarnation, 5);
    datadir_close(&datadir);
}

static void a_lost_layout_beside_stored_data_is_no_new_directory(void **state)
{
    (void)state;
    struct datadir datadir = opened(1, 1);
    assert_int_equal(mkdir(scratch_path("a/data/seat-0"), 0700), 0);
    datadir_close(&datadir);
    assert_int_equal(unlink(scratch_path("a/data/layout")), 0);
    assert_int_equal(datadir_open(&datadir, data_path(), 1, 1, 0), STATUS_CORRUPT);
}

static void another_format_or_other_records_are_refused(void **state)
{
    static const char *const texts[] = {
        "format 2\nwhatever it says\n",
        "format 1\nrecords 1000\nincarnation 5\nseat-workers 1\nwallet-workers 1\n",
        "format 1\nrecords 1\nincarnation 5\nseat-workers 1\nwallet-workers 1\n",
    };
    (void)state;
    struct datadir datadir = opened(1, 1);
    datadir_close(&datadir);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file("a/data/layout", texts[i]);
        assert_int_equal(datadir_open(&datadir, data_path(), 1, 1, 0), STATUS_MISMATCH);
        assert_int_equal(datadir.seat_workers, 0);
    }
}

static unsigned mode_of(const char *name)
{
    struct stat file;
    assert_int_equal(stat(scratch_path(name), &file), 0);
    return file.st_mode & 0777;
}

static void keys_are_random_private_and_lasting(void **state)
{
    (void)state;
    uint8_t key[DATADIR_KEY_SIZE], again[DATADIR_KEY_SIZE], other[DATADIR_KEY_SIZE];
    struct datadir datadir = opened(1, 1);
    mode_t mask = umask(0);
    assert_int_equal(datadir_key(&datadir, "ticket.key", key), STATUS_OK);
    assert_int_equal(datadir_key(&datadir, "ticket.key", again), STATUS_OK);
    assert_int_equal(datadir_key(&datadir, "other.key", other), STATUS_OK);
    umask(mask);
    assert_memory_equal(key, again, sizeof key);
    assert_memory_not_equal(key, other, sizeof key);
    assert_int_equal(mode_of("a/data/ticket.key"), 0600);
    assert_int_equal(mode_of("a/data"), 0700);
    write_file("a/data/ticket.key", "too short");
    assert_int_equal(datadir_key(&datadir, "ticket.key", key), STATUS_CORRUPT);
    write_file("a/data/ticket.key", "this is more than thirty-two bytes");
    assert_int_equal(datadir_key(&datadir, "ticket.key", key), STATUS_CORRUPT);
    datadir_close(&datadir);
}

static void the_admin_key_is_made_or_taken_from_a_file(void **state)
{
    (void)state;
    char text[128], again[128], small[64];
    struct datadir datadir = opened(1, 1);
    assert_int_equal(datadir_admin_key(&datadir, NULL, text, sizeof text), STATUS_OK);
    assert_int_equal(strlen(text), 64);
    assert_int_equal(strspn(text, "0123456789abcdef"), 64);
    assert_int_equal(mode_of("a/data/admin.key"), 0600);
    assert_int_equal(datadir_admin_key(&datadir, "", again, sizeof again), STATUS_OK);
    assert_string_equal(text, again);
    assert_int_equal(datadir_admin_key(&datadir, NULL, small, sizeof small), STATUS_TOO_BIG);

    write_file("key", " \tsesame-42\r\n");
    assert_int_equal(datadir_admin_key(&datadir, scratch_path("key"), text, sizeof text),
                     STATUS_OK);
    assert_string_equal(text, "sesame-42");
    static const char *const bad[] = {"", " \n", "two words", "line\nline", "caf\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_file("key", bad[i]);
        assert_int_equal(datadir_admin_key(&datadir, scratch_path("key"), text, sizeof text),
                         STATUS_INVALID);
    }
    assert_int_equal(datadir_admin_key(&datadir, scratch_path("none"), text, sizeof text),
                     STATUS_NOT_FOUND);
    datadir_close(&datadir);
}

static void a_marker_is_there_until_it_is_removed(void **state)
{
    (void)state;
    struct datadir datadir = opened(1, 1);
    assert_int_equal(datadir_marked(&datadir, "seeding"), STATUS_NOT_FOUND);
    assert_int_equal(datadir_unmark(&datadir, "seeding"), STATUS_OK);
    assert_int_equal(datadir_mark(&datadir, "seeding"), STATUS_OK);
    assert_int_equal(datadir_mark(&datadir, "seeding"), STATUS_OK);
    datadir_close(&datadir);
    datadir = opened(1, 1);
    assert_int_equal(datadir_marked(&datadir, "seeding"), STATUS_OK);
    assert_int_equal(datadir_unmark(&datadir, "seeding"), STATUS_OK);
    assert_int_equal(datadir_marked(&datadir, "seeding"), STATUS_NOT_FOUND);
    datadir_close(&datadir);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return hold_lock(argv[2]);
    const struct CMUnitTest tests[] = {
        scratch_test(it_is_made_once_and_keeps_its_incarnation),
        scratch_test(it_is_new_until_a_worker_has_stored_something),
        scratch_test(other_worker_counts_are_a_mismatch_that_names_the_stored_ones),
        scratch_test(audits_take_the_stored_counts_and_make_nothing),
        scratch_test(the_lock_is_waited_for_but_not_for_ever),
        scratch_test(the_lock_lives_as_long_as_an_inherited_descriptor),
        scratch_test(a_damaged_layout_is_refused),
        scratch_test(a_lost_layout_beside_stored_data_is_no_new_directory),
        scratch_test(another_format_or_other_records_are_refused),
        scratch_test(keys_are_random_private_and_lasting),
        scratch_test(the_admin_key_is_made_or_taken_from_a_file),
        scratch_test(a_marker_is_there_until_it_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
