#ifndef BOXOFFICE_CHILD_H
#define BOXOFFICE_CHILD_H

#include "exit.h"
#include "heritage.h"
#include "liveness.h"
#include "oom_watch.h"
#include "process_table.h"
#include "restart.h"
#include <uv.h>

/* One child process, from its first start to its last exit. Everything that decisions are made on
 * is in private memory; what children can write (struct process_entry) is a hint: garbage there can
 * make a child look READY too early, and nothing else.
 *
 *   STOPPED  ── start ──→ STARTING ── ready ──→ READY
 *   STARTING, READY ── exit ──→ BACKOFF ── start ──→ STARTING
 *   STARTING, READY ── park ──→ PARKED  ── start ──→ STARTING (a probe)
 *   STARTING, READY ── stop ──→ STOPPING ── exit ──→ STOPPED
 *   BACKOFF, PARKED ── stop ──→ STOPPED
 *
 * It exits, or exits once too often and is parked. A child that hangs stays READY until it is
 * ended; then that is an exit.
 */
enum child_event {
    CHILD_START,
    CHILD_READY,
    CHILD_STOP,
    CHILD_EXIT,
    CHILD_PARK, /* an exit after which it is parked */
    CHILD_EVENT_COUNT
};
const char *child_event_text(enum child_event event);
/* False when `event` means nothing in `state`; `next` is then `state`. */
bool child_next(enum process_state state, enum child_event event, enum process_state *next);

/* What all children of a supervisor have in common. One thread, one loop. */
struct child_context {
    uv_loop_t *loop;
    struct segment *segment;
    unsigned process_count;
    int lock_fd, null_fd;
    uint64_t ready_deadline_ms; /* from a start to READY */
    struct own_clock clock;
    struct oom_watch oom;
    /* After each transition; the child is in its new state. */
    void (*on_change)(struct child_context *context);
    /* A child that never was READY exited with a code that no restart mends. */
    void (*on_fatal)(struct child_context *context, int code);
};

struct child {
    struct child_context *context;
    const struct child_spec *spec;
    struct process_entry *entry; /* shared */
    char name[HERITAGE_NAME_SIZE];
    unsigned index, instance;
    int listen_fd; /* or null_fd */
    enum process_state state;
    uint32_t generation;
    uint64_t restarts[EXIT_CAUSE_COUNT];
    enum exit_cause last_cause;
    bool ever_ready;
    bool reaping;     /* dead, its handle is not closed yet */
    bool never_ready; /* ended by us for that */
    bool hung;        /* likewise */
    bool frozen;      /* it hung because somebody outside had stopped it */
    /* in the supervisor's own time */
    uint64_t spawned_ms, ready_ms;
    uint64_t due_ms;  /* BACKOFF, PARKED: when to start again */
    uint64_t kill_ms; /* when SIGKILL follows; 0: not */
    struct restart_record record;
    struct liveness liveness;
    uv_process_t process;
};

void child_init(struct child *child, struct child_context *context, const struct child_spec *spec,
                unsigned index, unsigned instance, int listen_fd);
/* From STOPPED or BACKOFF: generation + 1 and a process. A failure to spawn counts as an exit. */
void child_start(struct child *child);
/* Asks for a graceful stop; SIGKILL follows after the shutdown time. */
void child_stop(struct child *child);
void child_kill(struct child *child);
/* Looks at readiness, liveness, deadlines and back-off. To be called often, at least every 100 ms.
 */
void child_tick(struct child *child);
/* STOPPED, and nothing of it is left. */
bool child_is_gone(const struct child *child);

/* Between child.c and child_watch.c, which looks at a live child. */
uint64_t child_now_ms(struct child *child); /* the supervisor's own time */
void child_ready(struct child *child, uint64_t now_ms);
void child_watch_begin(struct child *child);
void child_watch(struct child *child, uint64_t now_ms);

#endif
