#ifndef BOXOFFICE_LOG_H
#define BOXOFFICE_LOG_H

#include <stdbool.h>

/* Structured lines on stderr, one write(2) each: `time=… level=… role=… pid=… event=…
 * key=value …` (logfmt). Secrets, tokens and bodies are never passed here. */
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* `role` must outlive the process, e.g. "wallet-0". */
void log_open(const char *role, enum log_level level);
/* "debug", "info", "warn" or "error". */
bool log_level_parse(const char *text, enum log_level *level);
/* `event` is a stable word; the rest is printf to "key=value key=value". */
void log_write(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)

#endif
