#include "front.h"

#include "application.h"
#include "crash_point.h"
#include "log.h"
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>

/* A front process: the engine (server.c) turns sockets into requests, the application answers them
 * or asks a worker. Each turn: sockets, then replies, then one doorbell for each worker that got
 * something; then sleep, unless a reply came meanwhile. */

/* The supervisor gives a stop 5 s; what is left of them is for the children that stop after this.
 */
enum { DRAIN_MS = 4000 };

struct front {
    struct application application;
    struct process_entry *entry;
    struct process_stats *stats;
    bool ready;
};

static void heartbeat(struct front *front)
{
    atomic_store_explicit(&front->entry->heartbeat_ns, clock_monotonic_ns(), memory_order_relaxed);
}

static bool front_turn(void *context)
{
    struct front *front = context;
    if (!front->ready) { /* the first turn: the loop listens */
        segment_announce_ready(front->application.segment, front->application.self, PROCESS_READY);
        CRASH_POINT(READY_ANNOUNCED);
        front->ready = true;
    }
    unsigned delivered = dispatch_poll(&front->application.dispatch);
    if (front->application.followers.count > 0)
        followers_turn(&front->application.followers, clock_now_ms());
    dispatch_flush(&front->application.dispatch);
    heartbeat(front);
    stat_add(&front->entry->progress, delivered);
    return delivered > 0;
}

static bool front_sleep(void *context)
{
    struct front *front = context;
    const struct application *application = &front->application;
    segment_sleep_begin(application->segment, application->self);
    if (dispatch_is_idle(&application->dispatch))
        return true;
    segment_sleep_end(application->segment, application->self);
    return false;
}

static void front_wake(void *context)
{
    const struct application *application = &((struct front *)context)->application;
    segment_sleep_end(application->segment, application->self);
}

static bool front_tick(void *context)
{
    struct front *front = context;
    struct dispatch *dispatch = &front->application.dispatch;
    heartbeat(front);
    dispatch_expire(dispatch, clock_now_ms());
    dispatch_watch(dispatch);
    audit_run_tick(&front->application.audit_run);
    stat_set(&front->stats->slots_free,
             dispatch->pool.free_small_count + dispatch->pool.free_large_count);
    bool goes_on = atomic_load(&front->entry->stop) == 0 &&
                   atomic_load(&front->application.segment->header->draining) == 0;
    if (!goes_on) { /* the drain would wait for them */
        followers_close(&front->application.followers);
        audit_run_stop(&front->application.audit_run);
    }
    return goes_on;
}

static unsigned connections_share(const struct config *config)
{
    uint64_t fronts = config->fronts > 0 ? config->fronts : 1;
    return (unsigned)((config->connections + fronts - 1) / fronts);
}

static int front_serve(struct front *front, int listen_fd)
{
    const struct segment *segment = front->application.segment;
    const struct server_options options = {
        .listen_fd = listen_fd,
        .doorbell_fd = segment->doorbells[front->application.self],
        .connections_max = connections_share(front->application.config),
        .application = front,
        .on_request = application_request,
        .on_fault = application_fault,
        .on_done = application_done,
        .on_turn = front_turn,
        .on_sleep = front_sleep,
        .on_wake = front_wake,
        .on_tick = front_tick,
        .stats = front->stats,
    };
    return server_run(&options, DRAIN_MS);
}

/* One pointer serves the engine's callbacks of both files. */
_Static_assert(offsetof(struct front, application) == 0, "a front is an application");

int front_run(struct segment *segment, unsigned self, int listen_fd)
{
    struct front *front = calloc(1, sizeof *front);
    if (front == NULL)
        return EX_OSERR;
    signal(SIGPIPE, SIG_IGN); /* a client that goes is an error of its write, nothing more */
    front->entry = segment_process(segment, self);
    front->stats = segment_stats(segment, self);
    enum status status = application_init(&front->application, segment, self);
    if (status != STATUS_OK) {
        log_error("front_failed", "status=\"%s\"", status_text(status));
        free(front);
        return EX_SOFTWARE;
    }
    int code = front_serve(front, listen_fd);
    atomic_store(&front->entry->state, PROCESS_STOPPING);
    application_fini(&front->application);
    free(front);
    return code;
}
