#include "storage_unit.h"
#include <errno.h>
#include <sys/mount.h>

enum { SMALL_SIZE = 4 << 20 };

static struct journal *small_journal(const char *name, uint64_t size_max)
{
    struct journal *journal;
    const struct journal_options options = {.size_max = size_max};
    assert_int_equal(journal_open(&journal, scratch_path(name), &options), STATUS_OK);
    return journal;
}

static enum status fill_up(struct journal *journal)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK)
        status = commit_test_events(journal, 100);
    return status;
}

static void trim_all(struct journal *journal)
{
    struct journal_trailer trailer = trailer_of(5);
    while (journal_record_count(journal) > 2 || journal_bytes_used(journal) > SMALL_SIZE / 10) {
        assert_int_equal(journal_begin_trim(journal), STATUS_OK);
        journal_trim(journal, UINT64_MAX);
        assert_int_equal(journal_commit(journal, &trailer), STATUS_OK);
    }
}

static void begin_refuses_at_the_limit_and_trimming_heals(void **state)
{
    (void)state;
    struct journal *journal = small_journal("journal", SMALL_SIZE);
    uint64_t first_fill = 0;
    for (unsigned round = 0; round < 20; round++) {
        uint64_t before = journal_last_sequence(journal);
        assert_int_equal(fill_up(journal), STATUS_FULL);
        uint64_t appended = journal_last_sequence(journal) - before;
        if (round == 0)
            first_fill = appended;
        /* What was trimmed is used again, round after round. */
        assert_true(appended > first_fill / 10 * 9);
        uint64_t used = journal_bytes_used(journal);
        assert_true(used * 100 >= SMALL_SIZE * 79ull && used * 100 < SMALL_SIZE * 85ull);
        assert_int_equal(journal_begin(journal), STATUS_FULL);
        read_test_events(journal, 0);
        assert_int_equal(journal_probe(journal), STATUS_OK);
        trim_all(journal);
        assert_true(journal_bytes_used(journal) < SMALL_SIZE / 10);
        assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    }
    journal_close(journal);
}

static void a_full_journal_is_trimmed_after_reopening_too(void **state)
{
    (void)state;
    struct journal *journal = small_journal("journal", SMALL_SIZE);
    assert_int_equal(fill_up(journal), STATUS_FULL);
    uint64_t last = journal_last_sequence(journal);
    journal_close(journal);
    journal = small_journal("journal", SMALL_SIZE);
    assert_int_equal(journal_last_sequence(journal), last);
    assert_int_equal(journal_begin(journal), STATUS_FULL);
    trim_all(journal);
    assert_int_equal(commit_test_events(journal, 1), STATUS_OK);
    journal_close(journal);
}

/* A file system of `size` bytes on the scratch directory; false: this user may not mount. */
static bool mount_small(const char *path, const char *size)
{
    char options[64];
    snprintf(options, sizeof options, "size=%s,mode=0700", size);
    assert_int_equal(mkdir(path, 0700), 0);
    if (mount("tmpfs", path, "tmpfs", 0, options) == 0)
        return true;
    print_message("skipped: no tmpfs can be mounted here: %s\n", strerror(errno));
    return false;
}

/* Also after a failed test: a mounted directory can't be removed. */
static int unmount_teardown(void **state)
{
    umount2(scratch_path("disk"), MNT_DETACH);
    return scratch_teardown(state);
}

/* What was acknowledged is there after reopening, and at most the one unknown transaction more. */
static struct journal *reopen_with(const char *name, uint64_t acknowledged, unsigned in_doubt)
{
    struct journal *journal = small_journal(name, TEST_MAP_SIZE);
    uint64_t last = journal_last_sequence(journal);
    assert_true(last == acknowledged || last == acknowledged + in_doubt);
    struct test_read read = read_test_events(journal, 0);
    assert_int_equal(read.first, 1);
    assert_int_equal(read.last, last - 1);
    return journal;
}

static void remove_journal(const char *name)
{
    for (unsigned number = 1; number < 100; number++) {
        char file[96];
        snprintf(file, sizeof file, "%s/%016u.log", name, number);
        unlink(scratch_path(file));
    }
}

static void no_commit_is_acknowledged_that_a_full_disk_has_not_taken(void **state)
{
    (void)state;
    char disk[TEST_PATH_MAX + 128];
    memcpy(disk, scratch_path("disk"), sizeof disk);
    if (!mount_small(disk, "2m"))
        skip();
    for (unsigned round = 0; round < 10; round++) {
        char name[32], block[32];
        snprintf(name, sizeof name, "disk/journal-%u", round);
        snprintf(block, sizeof block, "disk/block-%u", round);
        struct journal *journal = small_journal(name, TEST_MAP_SIZE);
        assert_int_equal(commit_test_events(journal, 1 + round), STATUS_OK);
        /* Fills the disk but for a few pages, another number of them in each round. */
        int fd = open(scratch_path(block), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        static const uint8_t zeros[4096];
        while (write(fd, zeros, sizeof zeros) == sizeof zeros)
            ;
        struct stat file;
        assert_int_equal(fstat(fd, &file), 0);
        assert_int_equal(ftruncate(fd, file.st_size - 4096 * (off_t)(3 * round)), 0);
        close(fd);

        enum status status = fill_up(journal);
        assert_int_equal(status, STATUS_STORAGE_FULL);
        uint64_t acknowledged = journal_last_sequence(journal);
        assert_int_equal(journal_begin(journal), STATUS_STORAGE_FULL); /* closed for good */
        journal_close(journal);

        /* Full at start: the probe says so as often as asked, reading works, and when there is
         * space again the next probe heals without a new open. */
        journal = reopen_with(name, acknowledged, 101);
        uint64_t last = journal_last_sequence(journal);
        status = STATUS_OK;
        for (unsigned i = 0; i < 200 && status == STATUS_OK; i++) {
            last = journal_last_sequence(journal);
            status = journal_probe(journal);
        }
        assert_int_equal(status, STATUS_STORAGE_FULL);
        assert_int_equal(journal_probe(journal), STATUS_STORAGE_FULL);
        assert_int_equal(journal_last_sequence(journal), last);
        read_test_events(journal, 0);
        assert_int_equal(unlink(scratch_path(block)), 0);
        assert_int_equal(journal_probe(journal), STATUS_OK);
        assert_int_equal(commit_test_events(journal, 100), STATUS_OK);
        journal_close(journal);
        remove_journal(name);
    }
}

static void filling_ahead_on_a_full_disk_fails_nothing(void **state)
{
    (void)state;
    char disk[TEST_PATH_MAX + 128];
    memcpy(disk, scratch_path("disk"), sizeof disk);
    if (!mount_small(disk, "2500k"))
        skip();
    struct journal *journal;
    const struct journal_options options = {.size_max = TEST_MAP_SIZE, .fill_ahead = 32 << 20};
    assert_int_equal(journal_open(&journal, scratch_path("disk/journal"), &options), STATUS_OK);
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(commit_test_events(journal, 20), STATUS_OK);
    read_test_events(journal, 0);
    journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(begin_refuses_at_the_limit_and_trimming_heals),
        scratch_test(a_full_journal_is_trimmed_after_reopening_too),
        cmocka_unit_test_setup_teardown(no_commit_is_acknowledged_that_a_full_disk_has_not_taken,
                                        scratch_setup, unmount_teardown),
        cmocka_unit_test_setup_teardown(filling_ahead_on_a_full_disk_fails_nothing, scratch_setup,
                                        unmount_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
