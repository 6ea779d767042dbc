#include "log.h"
#include "clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 }; /* a longer line is cut; below PIPE_BUF, so lines never mix */

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *log_role = "-";
static enum log_level log_threshold = LOG_LEVEL_INFO;

void log_open(const char *role, enum log_level level)
{
    log_role = role;
    log_threshold = level;
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (level < log_threshold)
        return;
    char time[CLOCK_TEXT_SIZE];
    clock_format(clock_now_ms(), time);
    char line[LINE_SIZE + 1];
    int head = snprintf(line, LINE_SIZE, "time=%s level=%s role=%s pid=%ld event=%s ", time,
                        level_names[level], log_role, (long)getpid(), event);
    if (head < 0)
        return;
    size_t length = (size_t)head < LINE_SIZE ? (size_t)head : LINE_SIZE - 1;
    va_list arguments;
    va_start(arguments, format);
    int rest = vsnprintf(line + length, LINE_SIZE - length, format, arguments);
    va_end(arguments);
    if (rest > 0)
        length = (size_t)rest < LINE_SIZE - length ? length + (size_t)rest : LINE_SIZE - 1;
    for (size_t i = 0; i < length; i++) {
        /* whatever a value holds, it stays one line */
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    }
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, length) < 0) {
        /* nobody is left to tell */
    }
}
