#include "child.h"
#include "last_words.h"
#include "crash_point.h"
#include "log.h"
#include "suspicion.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

static const struct transition {
    enum process_state from;
    enum child_event event;
    enum process_state to;
} transitions[] = {
    {PROCESS_STOPPED, CHILD_START, PROCESS_STARTING},
    {PROCESS_STARTING, CHILD_READY, PROCESS_READY},
    {PROCESS_STARTING, CHILD_STOP, PROCESS_STOPPING},
    {PROCESS_STARTING, CHILD_EXIT, PROCESS_BACKOFF},
    {PROCESS_STARTING, CHILD_PARK, PROCESS_PARKED},
    {PROCESS_READY, CHILD_STOP, PROCESS_STOPPING},
    {PROCESS_READY, CHILD_EXIT, PROCESS_BACKOFF},
    {PROCESS_READY, CHILD_PARK, PROCESS_PARKED},
    {PROCESS_STOPPING, CHILD_EXIT, PROCESS_STOPPED},
    {PROCESS_BACKOFF, CHILD_START, PROCESS_STARTING},
    {PROCESS_BACKOFF, CHILD_STOP, PROCESS_STOPPED},
    {PROCESS_PARKED, CHILD_START, PROCESS_STARTING},
    {PROCESS_PARKED, CHILD_STOP, PROCESS_STOPPED},
};

const char *child_event_text(enum child_event event)
{
    static const char *const texts[CHILD_EVENT_COUNT] = {[CHILD_START] = "start",
                                                         [CHILD_READY] = "ready",
                                                         [CHILD_STOP] = "stop",
                                                         [CHILD_EXIT] = "exit",
                                                         [CHILD_PARK] = "park"};
    return (unsigned)event < CHILD_EVENT_COUNT ? texts[event] : "unknown";
}

bool child_next(enum process_state state, enum child_event event, enum process_state *next)
{
    *next = state;
    for (size_t i = 0; i < sizeof transitions / sizeof transitions[0]; i++)
        if (transitions[i].from == state && transitions[i].event == event) {
            *next = transitions[i].to;
            return true;
        }
    return false;
}

uint64_t child_now_ms(struct child *child)
{
    return own_clock_now_ms(&child->context->clock, clock_monotonic_ns() / 1000000);
}

/* Every change of state goes through here: table, shared copy, one line in the log. */
static bool enter(struct child *child, enum child_event event, enum log_level level,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
static bool enter(struct child *child, enum child_event event, enum log_level level,
                  const char *format, ...)
{
    enum process_state from = child->state;
    if (!child_next(from, event, &child->state))
        return false;
    /* A live child's word stands: from its start on it says READY or READ_ONLY itself. */
    if (event == CHILD_STOP || event == CHILD_EXIT || event == CHILD_PARK)
        atomic_store(&child->entry->state, (uint32_t)child->state);
    char detail[OBITUARY_SIZE + LAST_WORDS_DOING_SIZE + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    log_write(level, "child", "name=%s on=%s from=%s to=%s generation=%u %s", child->name,
              child_event_text(event), process_state_text(from), process_state_text(child->state),
              child->generation, detail);
    return true;
}

void child_init(struct child *child, struct child_context *context, const struct child_spec *spec,
                unsigned index, unsigned instance, int listen_fd)
{
    memset(child, 0, sizeof *child);
    child->context = context;
    child->spec = spec;
    child->entry = segment_process(context->segment, index);
    child->index = index;
    child->instance = instance;
    child->listen_fd = listen_fd;
    child->state = PROCESS_STOPPED;
    snprintf(child->name, sizeof child->name, "%s-%u", spec->entry, instance);
}

static void stdio_fd(uv_stdio_container_t *stdio, int fd)
{
    stdio->flags = UV_INHERIT_FD;
    stdio->data.fd = fd;
}

static void on_exit_cb(uv_process_t *process, int64_t status, int signal);
static void on_closed(uv_handle_t *handle);

/* Hands on exactly what heritage.h lists. */
static int spawn(struct child *child)
{
    struct child_context *context = child->context;
    uv_stdio_container_t stdio[HERITAGE_DOORBELL_FD + PROCESS_MAX];
    stdio_fd(&stdio[STDIN_FILENO], context->null_fd);
    stdio_fd(&stdio[STDOUT_FILENO], STDOUT_FILENO);
    stdio_fd(&stdio[STDERR_FILENO], STDERR_FILENO);
    stdio_fd(&stdio[HERITAGE_SEGMENT_FD], context->segment->fd);
    stdio_fd(&stdio[HERITAGE_LOCK_FD], context->lock_fd);
    stdio_fd(&stdio[HERITAGE_LISTEN_FD], child->listen_fd);
    for (unsigned i = 0; i < context->process_count; i++)
        stdio_fd(&stdio[HERITAGE_DOORBELL_FD + i], context->segment->doorbells[i]);
    char program[] = "boxoffice", command[] = "worker", entry[HERITAGE_NAME_SIZE], instance[12];
    snprintf(entry, sizeof entry, "%s", child->spec->entry);
    snprintf(instance, sizeof instance, "%u", child->instance);
    char *arguments[] = {program, command, entry, instance, NULL};
    uv_process_options_t options = {
        .exit_cb = on_exit_cb,
        .file = "/proc/self/exe",
        .args = arguments,
        .stdio_count = (int)(HERITAGE_DOORBELL_FD + context->process_count),
        .stdio = stdio,
    };
    child->process.data = child;
    return uv_spawn(context->loop, &child->process, &options);
}

static uint32_t random_number(void)
{
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint32_t)clock_monotonic_ns();
    return number;
}

static bool is_fatal_code(int code)
{
    return code == EX_CONFIG || code == EX_IOERR || code == EX_DATAERR;
}

/* How long until the next start. Storage that fails is tried again every second at least, so that a
 * worker is back soon after its disk is. */
static uint64_t restart_delay_ms(struct child *child, enum exit_cause cause, uint64_t now_ms)
{
    enum { STORAGE_DELAY_MAX_MS = 1000 };
    if (!exit_is_fault(cause))
        return 0;
    uint64_t well_ms = child->ready_ms == 0 ? 0 : now_ms - child->ready_ms;
    uint64_t delay_ms = restart_after_fault(&child->record, now_ms, well_ms, random_number());
    return cause == EXIT_CAUSE_STORAGE && delay_ms > STORAGE_DELAY_MAX_MS ? STORAGE_DELAY_MAX_MS
                                                                          : delay_ms;
}

/* The process is reaped, or never came to be; its handle is being closed. */
static void ended(struct child *child, const struct child_exit *end, enum exit_cause cause)
{
    uint64_t now_ms = child_now_ms(child);
    uint64_t delay_ms = restart_delay_ms(child, cause, now_ms);
    bool park = exit_is_fault(cause) && child->record.parked;
    struct last_words words;
    last_words_take(&words, child->context->segment, child->index);
    if (exit_is_suspicious(cause) && !child->frozen)
        suspicion_note(child->context->segment, child->index, cause, words.obituary);
    atomic_store(&child->entry->pid, 0);
    child->last_cause = cause;
    child->due_ms = now_ms + delay_ms;
    child->kill_ms = 0;
    child->ready_ms = 0;
    if (park)
        atomic_store(&child->entry->parked, 1);
    bool fatal = cause == EXIT_CAUSE_CODE && !child->ever_ready && is_fatal_code(end->code);
    fatal |= cause == EXIT_CAUSE_STORAGE && !child->ever_ready;
    enter(child, park ? CHILD_PARK : CHILD_EXIT,
          cause == EXIT_CAUSE_STOPPED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
          "cause=%s code=%d signal=%d lived_ms=%llu restart_in_ms=%llu doing=\"%s\" "
          "obituary=\"%s\"",
          exit_cause_text(cause), end->code, end->signal,
          (unsigned long long)(now_ms - child->spawned_ms), (unsigned long long)delay_ms,
          words.doing, words.obituary);
    if (fatal)
        child->context->on_fatal(child->context, end->code);
    child->context->on_change(child->context);
}

static void on_exit_cb(uv_process_t *process, int64_t status, int signal)
{
    struct child *child = process->data;
    struct child_exit end = {
        .signal = signal,
        .code = (int)status,
        .asked = child->state == PROCESS_STOPPING,
        .never_ready = child->never_ready,
        .hung = child->hung,
        .out_of_memory = signal == SIGKILL && oom_watch_explains(&child->context->oom),
    };
    child->reaping = true;
    CRASH_POINT(CHILD_REAPED);
    uv_close((uv_handle_t *)process, on_closed);
    segment_wake_all(child->context->segment); /* it may have died on the way to a doorbell */
    ended(child, &end, exit_classify(&end));
}

/* Only now may the handle be used again. */
static void on_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    child->reaping = false;
    child_tick(child);
    child->context->on_change(child->context);
}

void child_start(struct child *child)
{
    struct process_entry *entry = child->entry;
    enum process_state next;
    if (child->reaping || !child_next(child->state, CHILD_START, &next))
        return;
    if (child->generation > 0)
        child->restarts[child->last_cause]++;
    child->generation++;
    child->never_ready = child->hung = child->frozen = false;
    child->spawned_ms = child_now_ms(child);
    /* What only the supervisor writes is written again: a process gone mad may have spoilt it. */
    struct process_entry *parent = segment_process(child->context->segment, PROCESS_SUPERVISOR);
    atomic_store(&parent->pid, (int32_t)getpid());
    atomic_store(&entry->role, (uint32_t)child->spec->role);
    atomic_store(&entry->instance, child->instance);
    last_words_clear(entry);
    atomic_store(&entry->stop, 0);
    atomic_store(&entry->parked, child->record.parked);
    for (unsigned cause = 0; cause < EXIT_CAUSE_COUNT; cause++)
        atomic_store(&entry->restarts[cause], child->restarts[cause]);
    atomic_store(&entry->heartbeat_ns, clock_monotonic_ns());
    atomic_store(&entry->started_ms, clock_now_ms());
    atomic_store(&entry->state, PROCESS_STARTING);
    atomic_store(&entry->generation, child->generation);
    int error = spawn(child);
    CRASH_POINT(CHILD_SPAWNED);
    if (error == 0)
        atomic_store(&entry->pid, (int32_t)uv_process_get_pid(&child->process));
    enter(child, CHILD_START, LOG_LEVEL_INFO, "pid=%d",
          error == 0 ? uv_process_get_pid(&child->process) : 0);
    if (error != 0) {
        log_error("spawn", "name=%s error=\"%s\"", child->name, uv_strerror(error));
        struct child_exit end = {.code = error};
        child->reaping = true;
        uv_close((uv_handle_t *)&child->process, on_closed);
        ended(child, &end, EXIT_CAUSE_NO_SPAWN);
    }
}

static bool is_alive(const struct child *child)
{
    return !child->reaping && (child->state == PROCESS_STARTING || child->state == PROCESS_READY ||
                               child->state == PROCESS_STOPPING);
}

void child_stop(struct child *child)
{
    if (!enter(child, CHILD_STOP, LOG_LEVEL_INFO, "shutdown_ms=%llu",
               (unsigned long long)child->spec->shutdown_ms))
        return;
    if (is_alive(child)) {
        child->kill_ms = child_now_ms(child) + child->spec->shutdown_ms;
        atomic_store(&child->entry->stop, 1);
        segment_wake_all(child->context->segment);
    }
}

void child_kill(struct child *child)
{
    if (is_alive(child))
        uv_process_kill(&child->process, SIGKILL);
    child->kill_ms = 0;
}

void child_ready(struct child *child, uint64_t now_ms)
{
    child->ready_ms = now_ms;
    child->ever_ready = true;
    atomic_store(&child->entry->parked, 0); /* the breakers before it try it from now on */
    child_watch_begin(child);
    enter(child, CHILD_READY, LOG_LEVEL_INFO, "after_ms=%llu",
          (unsigned long long)(now_ms - child->spawned_ms));
    child->context->on_change(child->context);
}

void child_tick(struct child *child)
{
    uint64_t now_ms = child_now_ms(child);
    if (child->reaping)
        return;
    if (is_alive(child))
        child_watch(child, now_ms);
    bool waits = child->state == PROCESS_BACKOFF || child->state == PROCESS_PARKED;
    if (waits && now_ms >= child->due_ms)
        child_start(child);
    if (child->kill_ms != 0 && now_ms >= child->kill_ms) {
        log_warn("kill", "name=%s generation=%u reason=\"did not end in time\"", child->name,
                 child->generation);
        child_kill(child);
    }
}

bool child_is_gone(const struct child *child)
{
    return child->state == PROCESS_STOPPED && !child->reaping;
}
