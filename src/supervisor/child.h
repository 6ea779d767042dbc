#ifndef BOXOFFICE_CHILD_H
#define BOXOFFICE_CHILD_H

#include "heritage.h"
#include "process_table.h"
#include "restart.h"
#include <uv.h>

/* One child process, from its first start to its last exit. Everything that decisions are made on
 * is in private memory; what children can write (struct process_entry) is a hint: garbage there can
 * make a child look READY too early, and nothing else.
 *
 *                 START              READY
 *   STOPPED ───────────→ STARTING ───────────→ READY
 *      ↑ ↑                 │ ↑  │               │ │
 *      │ │ STOP       EXIT │ │  │ STOP     STOP │ │ EXIT
 *      │ └───────── BACKOFF┘ │  └──→ STOPPING ←─┘ │
 *      │               ↑ └───┘          │         │
 *      │ EXIT          │ START          │         │
 *      └───────────────┼────────────────┘         │
 *                      └──────────────────────────┘
 */
enum child_event { CHILD_START, CHILD_READY, CHILD_STOP, CHILD_EXIT, CHILD_EVENT_COUNT };
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
    uint64_t restarts; /* all causes */
    bool ever_ready;
    bool reaping;                  /* dead, its handle is not closed yet */
    bool never_ready;              /* ended by us for that */
    uint64_t spawned_ms, ready_ms; /* monotonic */
    uint64_t due_ms;               /* BACKOFF: when to start again */
    uint64_t kill_ms;              /* when SIGKILL follows; 0: not */
    struct restart_record record;
    uv_process_t process;
};

void child_init(struct child *child, struct child_context *context, const struct child_spec *spec,
                unsigned index, unsigned instance, int listen_fd);
/* From STOPPED or BACKOFF: generation + 1 and a process. A failure to spawn counts as an exit. */
void child_start(struct child *child);
/* Asks for a graceful stop; SIGKILL follows after the shutdown time. */
void child_stop(struct child *child);
void child_kill(struct child *child);
/* Looks at readiness, deadlines and back-off. To be called often, at least every 100 ms. */
void child_tick(struct child *child);
/* STOPPED, and nothing of it is left. */
bool child_is_gone(const struct child *child);

#endif
