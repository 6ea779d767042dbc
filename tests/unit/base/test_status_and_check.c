#include "check.h"
#include "status.h"
#include "unit.h"
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void every_status_has_a_text_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(status_text(STATUS_OK), "ok");
    assert_string_equal(status_text(STATUS_MISMATCH), "does not match what is stored");
    assert_string_equal(status_text((enum status)(STATUS_MISMATCH + 1)), "unknown status");
    assert_string_equal(status_text((enum status) - 1), "unknown status");
    for (int i = 0; i <= STATUS_MISMATCH; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(status_text((enum status)i), status_text((enum status)j));
}

static void a_check_that_holds_changes_nothing(void **state)
{
    (void)state;
    int calls = 0;
    check(++calls == 1);
    assert_int_equal(calls, 1);
}

static void count_to(void *context)
{
    int *count = context;
    ++*count;
    check(*count < 2);
    ++*count;
}

static void a_contained_check_ends_what_was_being_done_and_nothing_else(void **state)
{
    (void)state;
    char words[256];
    int count = 0;
    assert_true(check_contain(count_to, &count, words, sizeof words));
    assert_int_equal(count, 2);
    for (int again = 0; again < 3; again++) {
        count = 1;
        assert_false(check_contain(count_to, &count, words, sizeof words));
        assert_int_equal(count, 2);
        assert_non_null(strstr(words, "check failed: *count < 2"));
    }
}

/* Fails a check in a child whose stderr is `fd`; returns how it ended. */
static int fail_a_check(int fd, char *obituary, size_t size)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(fd, STDERR_FILENO);
        check_obituary(obituary, size);
        check(1 + 1 == 3);
        _exit(0);
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    return ended;
}

static void a_failed_check_aborts_and_leaves_its_last_words(void **state)
{
    (void)state;
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    int ends[2];
    assert_int_equal(pipe(ends), 0);

    int ended = fail_a_check(ends[1], shared, 256);
    assert_true(WIFSIGNALED(ended));
    assert_int_equal(WTERMSIG(ended), SIGABRT);
    assert_non_null(strstr(shared, "check failed: 1 + 1 == 3"));

    char said[512] = {0};
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "test_status_and_check.c:"));
    assert_non_null(strstr(said, "check failed: 1 + 1 == 3\n"));

    memset(shared, 'x', 256);
    fail_a_check(ends[1], shared, 8);
    assert_int_equal(shared[7], '\0');
    assert_int_equal(shared[8], 'x');

    close(ends[0]);
    close(ends[1]);
    munmap(shared, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_text_of_its_own),
        cmocka_unit_test(a_check_that_holds_changes_nothing),
        cmocka_unit_test(a_contained_check_ends_what_was_being_done_and_nothing_else),
        cmocka_unit_test(a_failed_check_aborts_and_leaves_its_last_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
