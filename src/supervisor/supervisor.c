#include "supervisor.h"
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
    TICK_MS = 100,
    SLEW_EVERY_TICKS = 10,
    REFUSE_AFTER_MS = 300, /* of a stop: by then the fronts have stopped to accept */
    STOP_LIMIT_MS = 15000, /* then it goes, whatever is left: children die with it */
};

enum supervisor_state {
    SUPERVISOR_STARTING,
    SUPERVISOR_RUNNING,
    SUPERVISOR_STOPPING,
    SUPERVISOR_STOPPED
};

struct supervisor {
    struct child_context context; /* first: callbacks get a pointer to it */
    const struct supervisor_options *options;
    enum supervisor_state state;
    unsigned phase; /* of start or stop */
    int exit_code;
    uint64_t tick_count;
    uint64_t stop_started_ns;
    struct process_entry *entry; /* its own, shared */
    struct clock_base *clock;
    _Atomic uint32_t *draining;
    struct child children[PROCESS_MAX];
    unsigned child_count;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_poll_t doorbell;
    uv_signal_t signals[3];
};

static void announce(const struct supervisor *supervisor)
{
    char line[LISTENER_TEXT_SIZE + 32];
    int length =
        snprintf(line, sizeof line, "listening on %s\n", supervisor->options->listener->text);
    ssize_t written = write(STDERR_FILENO, line, (size_t)length);
    (void)written; /* nobody may be reading stderr; the server serves all the same */
}

static bool phase_was_ready(const struct supervisor *supervisor, unsigned phase)
{
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (supervisor->children[i].spec->start_phase == phase &&
            !supervisor->children[i].ever_ready)
            return false;
    return true;
}

static void start_phase(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (supervisor->state == SUPERVISOR_STARTING &&
            supervisor->children[i].spec->start_phase == supervisor->phase)
            child_start(&supervisor->children[i]);
}

static void start_advance(struct supervisor *supervisor)
{
    while (supervisor->state == SUPERVISOR_STARTING &&
           phase_was_ready(supervisor, supervisor->phase)) {
        if (++supervisor->phase < START_PHASE_COUNT) {
            start_phase(supervisor);
            continue;
        }
        supervisor->state = SUPERVISOR_RUNNING;
        if (supervisor->options->on_ready != NULL)
            supervisor->options->on_ready(supervisor->options->context);
        announce(supervisor);
    }
}

static bool phase_is_gone(const struct supervisor *supervisor, unsigned phase)
{
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (supervisor->children[i].spec->stop_phase == phase &&
            !child_is_gone(&supervisor->children[i]))
            return false;
    return true;
}

/* The loop ends when the last handle is closed. */
static void finish(struct supervisor *supervisor)
{
    supervisor->state = SUPERVISOR_STOPPED;
    uv_close((uv_handle_t *)&supervisor->tick, NULL);
    uv_close((uv_handle_t *)&supervisor->doorbell, NULL);
    for (size_t i = 0; i < sizeof supervisor->signals / sizeof supervisor->signals[0]; i++)
        uv_close((uv_handle_t *)&supervisor->signals[i], NULL);
}

static void stop_phase(struct supervisor *supervisor)
{
    unsigned phase = supervisor->phase;
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (supervisor->children[i].spec->stop_phase == phase)
            child_stop(&supervisor->children[i]);
}

static void stop_advance(struct supervisor *supervisor)
{
    while (supervisor->state == SUPERVISOR_STOPPING &&
           phase_is_gone(supervisor, supervisor->phase)) {
        if (++supervisor->phase < STOP_PHASE_COUNT)
            stop_phase(supervisor);
        else
            finish(supervisor);
    }
}

static void stop_begin(struct supervisor *supervisor, int exit_code)
{
    if (supervisor->state >= SUPERVISOR_STOPPING)
        return;
    supervisor->state = SUPERVISOR_STOPPING;
    supervisor->phase = 0;
    supervisor->exit_code = exit_code;
    supervisor->stop_started_ns = clock_monotonic_ns();
    atomic_store(supervisor->draining, 1);
    stop_phase(supervisor);
    stop_advance(supervisor);
}

static void stop_at_once(struct supervisor *supervisor, int exit_code)
{
    supervisor->exit_code = exit_code;
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        child_stop(&supervisor->children[i]);
        child_kill(&supervisor->children[i]);
    }
    stop_advance(supervisor);
}

/* A transition may cause further ones before it returns; phases only ever rise. */
static void on_change(struct child_context *context)
{
    struct supervisor *supervisor = (struct supervisor *)(void *)context;
    start_advance(supervisor);
    stop_advance(supervisor);
}

static void on_fatal(struct child_context *context, int code)
{
    struct supervisor *supervisor = (struct supervisor *)(void *)context;
    if (supervisor->state == SUPERVISOR_STARTING) {
        log_error("start-failed", "code=%d", code);
        stop_begin(supervisor, code);
        for (unsigned i = 0; i < supervisor->child_count; i++)
            child_stop(&supervisor->children[i]); /* nothing is in flight: no need for an order */
    }
}

static void on_signal(uv_signal_t *handle, int signal)
{
    struct supervisor *supervisor = handle->data;
    if (supervisor->state < SUPERVISOR_STOPPING) {
        log_info("stop", "signal=%d", signal);
        stop_begin(supervisor, EX_OK);
    } else if (supervisor->state == SUPERVISOR_STOPPING) {
        log_warn("stop-at-once", "signal=%d", signal);
        stop_at_once(supervisor, 128 + signal);
    }
}

/* As PID 1 of a container it inherits processes that it never started. Its own children are left to
 * the loop: a peek that finds one of those ends the round. */
static void reap_strangers(const struct supervisor *supervisor)
{
    for (unsigned rounds = 0; rounds < PROCESS_MAX; rounds++) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        for (unsigned i = 0; i < supervisor->child_count; i++)
            if (uv_process_get_pid(&supervisor->children[i].process) == info.si_pid)
                return;
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static void look_at_children(struct supervisor *supervisor)
{
    /* Children ring only who sleeps; this one always does. */
    atomic_store(&supervisor->entry->sleeping, 1);
    for (unsigned i = 0; i < supervisor->child_count; i++)
        child_tick(&supervisor->children[i]);
}

static void stopping_tick(struct supervisor *supervisor, uint64_t now_ns)
{
    uint64_t since_ms = (now_ns - supervisor->stop_started_ns) / 1000000;
    /* While the fronts answer what is in flight, who comes now is to go elsewhere and not to wait.
     */
    if (since_ms >= REFUSE_AFTER_MS)
        listener_refuse(supervisor->options->listener);
    if (since_ms >= STOP_LIMIT_MS) {
        log_error("stop-gave-up", "after_ms=%d", STOP_LIMIT_MS);
        uv_stop(&supervisor->loop);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct supervisor *supervisor = timer->data;
    uint64_t now_ns = clock_monotonic_ns();
    atomic_store(&supervisor->entry->heartbeat_ns, now_ns);
    if (++supervisor->tick_count % SLEW_EVERY_TICKS == 0)
        clock_slew(supervisor->clock);
    if (getpid() == 1)
        reap_strangers(supervisor);
    look_at_children(supervisor);
    if (supervisor->state == SUPERVISOR_STOPPING)
        stopping_tick(supervisor, now_ns);
}

static void on_doorbell(uv_poll_t *handle, int status, int events)
{
    struct supervisor *supervisor = handle->data;
    uint64_t count;
    (void)status;
    (void)events;
    ssize_t got =
        read(supervisor->options->segment->doorbells[PROCESS_SUPERVISOR], &count, sizeof count);
    (void)got; /* it is looked at in any case */
    look_at_children(supervisor);
}

/* A server started with nohup keeps ignoring SIGHUP. */
static bool is_ignored(int signal)
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static int loop_open(struct supervisor *supervisor)
{
    static const int stops[] = {SIGTERM, SIGINT, SIGHUP};
    uv_loop_t *loop = &supervisor->loop;
    int error = uv_loop_init(loop);
    if (error != 0)
        return error;
    for (size_t i = 0; i < sizeof stops / sizeof stops[0] && error == 0; i++) {
        error = uv_signal_init(loop, &supervisor->signals[i]);
        supervisor->signals[i].data = supervisor;
        if (error == 0 && !(stops[i] == SIGHUP && is_ignored(SIGHUP)))
            error = uv_signal_start(&supervisor->signals[i], on_signal, stops[i]);
    }
    if (error == 0)
        error = uv_poll_init(loop, &supervisor->doorbell,
                             supervisor->options->segment->doorbells[PROCESS_SUPERVISOR]);
    supervisor->doorbell.data = supervisor;
    if (error == 0)
        error = uv_poll_start(&supervisor->doorbell, UV_READABLE, on_doorbell);
    if (error == 0)
        error = uv_timer_init(loop, &supervisor->tick);
    supervisor->tick.data = supervisor;
    return error == 0 ? uv_timer_start(&supervisor->tick, on_tick, TICK_MS, TICK_MS) : error;
}

static void children_init(struct supervisor *supervisor)
{
    const struct supervisor_options *options = supervisor->options;
    for (unsigned line = 0; line < process_table_count; line++) {
        const struct child_spec *spec = &process_table[line];
        uint64_t instances = spec->instances(options->config);
        for (unsigned instance = 0; instance < instances; instance++) {
            unsigned index = segment_process_of(options->segment, spec->role, instance);
            int listen_fd =
                spec->listens ? options->listener->fds[instance] : supervisor->context.null_fd;
            child_init(&supervisor->children[supervisor->child_count++], &supervisor->context, spec,
                       index, instance, listen_fd);
        }
    }
}

static void supervisor_init(struct supervisor *supervisor, const struct supervisor_options *options,
                            int null_fd)
{
    memset(supervisor, 0, sizeof *supervisor);
    supervisor->options = options;
    supervisor->context = (struct child_context){
        .loop = &supervisor->loop,
        .segment = options->segment,
        .process_count = options->segment->header->process_count,
        .lock_fd = options->lock_fd,
        .null_fd = null_fd,
        .ready_deadline_ms = options->ready_deadline_ms,
        .on_change = on_change,
        .on_fatal = on_fatal,
    };
    oom_watch_open(&supervisor->context.oom, "/proc/self/cgroup", "/sys/fs/cgroup");
    supervisor->clock = &options->segment->header->clock;
    supervisor->draining = &options->segment->header->draining;
    supervisor->entry = segment_process(options->segment, PROCESS_SUPERVISOR);
    atomic_store(&supervisor->entry->pid, (int32_t)getpid());
    atomic_store(&supervisor->entry->generation, 1);
    atomic_store(&supervisor->entry->ready_generation, 1);
    atomic_store(&supervisor->entry->state, PROCESS_READY);
    atomic_store(&supervisor->entry->started_ms, clock_now_ms());
    atomic_store(&supervisor->entry->heartbeat_ns, clock_monotonic_ns());
    atomic_store(&supervisor->entry->sleeping, 1);
    children_init(supervisor);
}

int supervisor_run(const struct supervisor_options *options)
{
    static struct supervisor supervisor;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0) {
        log_error("start-failed", "error=\"/dev/null: %s\"", strerror(errno));
        return EX_OSERR;
    }
    signal(SIGPIPE, SIG_IGN);
    supervisor_init(&supervisor, options, null_fd);
    int error = loop_open(&supervisor);
    if (error != 0) {
        log_error("start-failed", "error=\"%s\"", uv_strerror(error));
        close(null_fd);
        return EX_OSERR;
    }
    start_phase(&supervisor);
    uv_run(&supervisor.loop, UV_RUN_DEFAULT);
    uv_loop_close(&supervisor.loop);
    close(null_fd);
    return supervisor.exit_code;
}
