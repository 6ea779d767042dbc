#include "log.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

/* Runs one log_write with stderr going to a pipe in packet mode, in which every write(2) is a read
 * of its own; returns what the first read got. */
static ssize_t logged(char *line, size_t size, enum log_level threshold, enum log_level level,
                      const char *value)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    log_open("wallet-0", threshold);
    log_write(level, "tested", "key=%s", value);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    ssize_t got = read(ends[0], line, size - 1);
    line[got > 0 ? got : 0] = '\0';
    char rest[8];
    assert_true(read(ends[0], rest, sizeof rest) <= 0);
    close(ends[0]);
    return got;
}

static void a_line_is_logfmt_in_one_write(void **state)
{
    (void)state;
    char line[4096], expected[128];
    assert_true(logged(line, sizeof line, LOG_LEVEL_INFO, LOG_LEVEL_WARN, "7") > 0);
    snprintf(expected, sizeof expected, "Z level=warn role=wallet-0 pid=%ld event=tested key=7\n",
             (long)getpid());
    assert_memory_equal(line, "time=2", 6);
    assert_string_equal(line + strlen("time=2026-11-23T21:12:00.123"), expected);
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    char line[4096];
    assert_true(logged(line, sizeof line, LOG_LEVEL_WARN, LOG_LEVEL_INFO, "7") <= 0);
    assert_true(logged(line, sizeof line, LOG_LEVEL_WARN, LOG_LEVEL_WARN, "7") > 0);
    assert_true(logged(line, sizeof line, LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, "7") > 0);
}

static void a_value_cannot_begin_a_line(void **state)
{
    (void)state;
    char line[4096];
    logged(line, sizeof line, LOG_LEVEL_INFO, LOG_LEVEL_INFO, "a\nlevel=error\r\x1b[2J\x7f");
    assert_non_null(strstr(line, "key=a level=error  [2J\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void a_long_line_is_cut_and_ends_with_a_newline(void **state)
{
    (void)state;
    char line[4096], value[3000];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    ssize_t got = logged(line, sizeof line, LOG_LEVEL_INFO, LOG_LEVEL_INFO, value);
    assert_int_equal(got, 1024);
    assert_string_equal(line + 1020, "vvv\n");
}

static void levels_are_read_by_name(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_INFO;
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_false(log_level_parse("Debug", &level));
    assert_false(log_level_parse("", &level));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_logfmt_in_one_write),
        cmocka_unit_test(what_is_below_the_level_is_not_written),
        cmocka_unit_test(a_value_cannot_begin_a_line),
        cmocka_unit_test(a_long_line_is_cut_and_ends_with_a_newline),
        cmocka_unit_test(levels_are_read_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
