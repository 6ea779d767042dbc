#include "child.h"
#include "log.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* A live child: is it READY in time, and does it go on afterwards? */

enum { ABORT_GRACE_MS = 2000 }; /* from SIGABRT to SIGKILL */

static bool says_ready(const struct child *child)
{
    uint32_t state = atomic_load(&child->entry->state);
    return atomic_load(&child->entry->ready_generation) == child->generation &&
           (state == PROCESS_READY || state == PROCESS_READ_ONLY);
}

/* A front consumes completions, any other child requests. */
static void sample_ring(const struct child *child, unsigned other, struct liveness_sample *sample)
{
    const struct segment *segment = child->context->segment;
    bool is_front = child->spec->role == ROLE_FRONT;
    struct ring *requests, *completions;
    if (!segment_rings(segment, is_front ? child->index : other, is_front ? other : child->index,
                       &requests, &completions))
        return;
    const struct ring *ring = is_front ? completions : requests;
    sample->waiting |= ring_depth(ring) > 0;
    sample->consumed += atomic_load_explicit(&ring->tail, memory_order_relaxed);
}

static struct liveness_sample sample_of(const struct child *child)
{
    struct liveness_sample sample = {.life = atomic_load(&child->entry->heartbeat_ns) +
                                             atomic_load(&child->entry->progress)};
    for (unsigned other = 0; other < child->context->process_count; other++)
        sample_ring(child, other, &sample);
    return sample;
}

void child_watch_begin(struct child *child)
{
    struct liveness_sample sample = sample_of(child);
    liveness_begin(&child->liveness, &sample, child_now_ms(child));
}

static struct process_look look_at(const struct child *child)
{
    struct process_look look = {'?', false};
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", uv_process_get_pid(&child->process));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return look;
    ssize_t used = read(fd, text, sizeof text - 1);
    close(fd);
    text[used > 0 ? used : 0] = '\0';
    process_look_parse(&look, text);
    return look;
}

static void abort_child(struct child *child, uint64_t now_ms)
{
    child->kill_ms = now_ms + ABORT_GRACE_MS;
    uv_process_kill(&child->process, SIGABRT);
}

static void ready_watch(struct child *child, uint64_t now_ms)
{
    struct liveness_sample sample = sample_of(child);
    liveness_note(&child->liveness, &sample, now_ms);
    uint64_t silent_ms = liveness_silent_ms(&child->liveness, now_ms);
    if (silent_ms < LIVENESS_DEADLINE_MS || child->hung)
        return;
    struct process_look look = look_at(child);
    if (!liveness_is_missed(silent_ms, &look))
        return;
    child->hung = true;
    child->frozen = look.state == 'T';
    log_warn("hang", "name=%s generation=%u silent_ms=%llu waiting=%d process_state=%c",
             child->name, child->generation, (unsigned long long)silent_ms, sample.waiting,
             look.state);
    abort_child(child, now_ms);
    if (child->frozen) /* only then does it get the signal */
        uv_process_kill(&child->process, SIGCONT);
}

static void starting_watch(struct child *child, uint64_t now_ms)
{
    if (child->never_ready || now_ms - child->spawned_ms < child->context->ready_deadline_ms)
        return;
    log_warn("never-ready", "name=%s generation=%u waited_ms=%llu", child->name, child->generation,
             (unsigned long long)(now_ms - child->spawned_ms));
    child->never_ready = true;
    abort_child(child, now_ms);
}

void child_watch(struct child *child, uint64_t now_ms)
{
    if (child->state == PROCESS_STARTING && says_ready(child))
        child_ready(child, now_ms);
    else if (child->state == PROCESS_STARTING)
        starting_watch(child, now_ms);
    else if (child->state == PROCESS_READY)
        ready_watch(child, now_ms);
}
