#ifndef BOXOFFICE_SIM_MACHINE_H
#define BOXOFFICE_SIM_MACHINE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

/* The machine that the simulated processes run on. Each is a task: a coroutine that runs the real
 * code of its process, with heap of its own. What such code asks of the kernel and of libc is
 * answered here instead (the linker's --wrap, see CMakeLists.txt): memory, clock, poll, eventfds,
 * exit, and the one thread that a worker has. Each call that matters to others (shared memory
 * moves, storage) passes a point, at which the task may be made to die, as by kill -9, or to wait
 * while others run. */

struct memory_block;

struct task {
    const char *name; /* while it lives */
    bool alive, asleep;
    bool rung;                /* its doorbell was written while it slept */
    uint64_t wake_ms;         /* asleep: its poll ends then */
    unsigned points;          /* passed in this life */
    unsigned turns;           /* since it slept: many without rest are a loop that eats a core */
    unsigned die_in, stop_in; /* at the n-th point from now; 0: not */
    unsigned fail_in;         /* at the n-th load or decision from now a check fails; 0: not */
    bool may_fail;            /* it is in one that the runtime can do without */
    int exit_code;            /* dead: by itself; -1: killed */
    /* the rest is the machine's */
    void (*entry)(void *context);
    void *context;
    struct memory_block *blocks;
    void *(*thread_main)(void *context);
    void *thread_context;
    bool thread_due; /* its thread was given something */
    bool entered;
    uint8_t *stack;
    void *fake_stack; /* the address sanitizer's */
    jmp_buf resume;
    ucontext_t first;
};

enum task_end { TASK_SLEEPS, TASK_STOPPED, TASK_DEAD };

/* The new life of a task that is not alive. */
void task_start(struct task *task, const char *name, void (*entry)(void *context), void *context);
/* Lets it run until it sleeps, or is stopped at its `points`-th point (0: not), or dies. */
enum task_end task_run(struct task *task, unsigned points);
/* Runs its thread, which has something to do, until it waits. */
enum task_end task_run_thread(struct task *task);
/* Runs a function that never sleeps as this task, which need not have an entry. */
enum task_end task_call(struct task *task, void (*function)(void *context), void *context);
/* kill -9. Its memory goes with it. */
void task_kill(struct task *task);

/* The task that runs; NULL: the harness. */
struct task *machine_current(void);
/* Harness code that a task calls: what it allocates is the harness's. */
struct task *machine_leave(void);
void machine_return(struct task *task);
void machine_point(const char *what);

uint64_t machine_now_ms(void);
void machine_set_clock(uint64_t now_ms);
void machine_doorbell(int fd, struct task *task); /* fd is `task`'s */
/* Called instead of abort(). */
void machine_on_abort(void (*callback)(void));

#endif
