#include "machine.h"
#include "check.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_SIZE = 512 * 1024, DOORBELLS_MAX = 64 };

static struct task *current;
static bool on_own_stack; /* the current task runs on its own stack, not the harness's */
static bool in_thread;    /* the current task's thread runs */
static jmp_buf harness, thread_exit;
static uint64_t now_ms;
static void (*abort_callback)(void);
static struct task *doorbells[DOORBELLS_MAX]; /* by descriptor */

/* ---- switching ---- */

#if defined(__SANITIZE_ADDRESS__)
static void *harness_fake_stack;
static const void *harness_stack;
static size_t harness_stack_size;
static void switching_to_task(struct task *task)
{
    __sanitizer_start_switch_fiber(&harness_fake_stack, task->stack, STACK_SIZE);
}
static void switched_to_task(struct task *task)
{
    __sanitizer_finish_switch_fiber(task->fake_stack, &harness_stack, &harness_stack_size);
}
static void switching_to_harness(struct task *task, bool for_good)
{
    __sanitizer_start_switch_fiber(for_good ? NULL : &task->fake_stack, harness_stack,
                                   harness_stack_size);
}
static void switched_to_harness(void)
{
    __sanitizer_finish_switch_fiber(harness_fake_stack, NULL, NULL);
}
/* Frames that a death left behind are no frames any more. */
static void stack_renew(struct task *task)
{
    task->fake_stack = NULL;
    __asan_unpoison_memory_region(task->stack, STACK_SIZE);
}
#else
static void switching_to_task(struct task *task)
{
    (void)task;
}
static void switched_to_task(struct task *task)
{
    (void)task;
}
static void switching_to_harness(struct task *task, bool for_good)
{
    (void)task;
    (void)for_good;
}
static void switched_to_harness(void)
{
}
static void stack_renew(struct task *task)
{
    task->fake_stack = NULL;
}
#endif

static _Noreturn void to_harness(bool for_good)
{
    if (on_own_stack)
        switching_to_harness(current, for_good);
    _longjmp(harness, 1);
}

static _Noreturn void die(int exit_code)
{
    current->alive = false;
    current->exit_code = exit_code;
    to_harness(true);
}

static void stop(void)
{
    struct task *task = current;
    check(on_own_stack && !in_thread);
    if (_setjmp(task->resume) == 0)
        to_harness(false);
    switched_to_task(task);
}

static void enter(void)
{
    switched_to_task(current);
    current->entry(current->context);
    die(0);
}

void task_start(struct task *task, const char *name, void (*entry)(void *context), void *context)
{
    check(!task->alive && task->blocks == NULL);
    uint8_t *stack = task->stack;
    if (stack == NULL) {
        stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        check(stack != MAP_FAILED);
    }
    *task = (struct task){.name = name, .alive = true, .exit_code = -1, .stack = stack};
    task->entry = entry;
    task->context = context;
    stack_renew(task);
    getcontext(&task->first);
    task->first.uc_stack.ss_sp = stack;
    task->first.uc_stack.ss_size = STACK_SIZE;
    makecontext(&task->first, enter, 0);
}

static void memory_free_all(struct task *task);

/* What has come of the task that gave way. */
static enum task_end ended(struct task *task)
{
    current = NULL;
    on_own_stack = in_thread = false;
    if (!task->alive) {
        memory_free_all(task);
        task->thread_main = NULL;
        return TASK_DEAD;
    }
    return task->asleep ? TASK_SLEEPS : TASK_STOPPED;
}

enum task_end task_run(struct task *task, unsigned points)
{
    check(current == NULL && task->alive);
    task->asleep = task->rung = false;
    task->stop_in = points;
    task->turns = 0;
    current = task;
    on_own_stack = true;
    if (_setjmp(harness) == 0) {
        switching_to_task(task);
        if (task->entered)
            _longjmp(task->resume, 1);
        task->entered = true;
        setcontext(&task->first);
        check_never("setcontext returned");
    }
    switched_to_harness();
    return ended(task);
}

static void run_thread(void)
{
    struct task *task = current;
    task->thread_due = false;
    in_thread = true;
    if (_setjmp(thread_exit) == 0)
        task->thread_main(task->thread_context);
    in_thread = false;
}

static void call_thread(void *unused)
{
    (void)unused;
    run_thread();
}

enum task_end task_run_thread(struct task *task)
{
    check(task->thread_main != NULL);
    bool asleep = task->asleep;
    enum task_end end = task_call(task, call_thread, NULL);
    task->asleep = asleep;
    return end;
}

enum task_end task_call(struct task *task, void (*function)(void *context), void *context)
{
    check(current == NULL && task->alive);
    current = task;
    if (_setjmp(harness) == 0)
        function(context);
    return ended(task);
}

void task_kill(struct task *task)
{
    check(current == NULL && task->alive);
    task->alive = false;
    (void)ended(task);
}

struct task *machine_current(void)
{
    return current;
}

struct task *machine_leave(void)
{
    struct task *task = current;
    current = NULL;
    return task;
}

void machine_return(struct task *task)
{
    current = task;
}

void machine_point(const char *what)
{
    (void)what;
    struct task *task = current;
    if (task == NULL)
        return;
    task->points++;
    if (task->die_in > 0 && --task->die_in == 0)
        die(-1);
    if (on_own_stack && !in_thread && task->stop_in > 0 && --task->stop_in == 0)
        stop();
}

uint64_t machine_now_ms(void)
{
    return now_ms;
}

void machine_set_clock(uint64_t ms)
{
    now_ms = ms;
}

void machine_doorbell(int fd, struct task *task)
{
    check(fd >= 0 && fd < DOORBELLS_MAX);
    doorbells[fd] = task;
}

void machine_on_abort(void (*callback)(void))
{
    abort_callback = callback;
}

/* ---- memory: a list for each task ---- */

enum { MEMORY_ALIGNMENT = 64 }; /* a cache line is the most that anything asks for */

struct memory_block {
    _Alignas(MEMORY_ALIGNMENT) struct memory_block *next, **link; /* NULL: the harness's */
    size_t size;
};

void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t size)
{
    void *memory = NULL;
    check(posix_memalign(&memory, MEMORY_ALIGNMENT, sizeof(struct memory_block) + size) == 0);
    struct memory_block *block = memory;
    *block = (struct memory_block){.size = size};
    if (current != NULL) {
        block->next = current->blocks;
        block->link = &current->blocks;
        if (block->next != NULL)
            block->next->link = &block->next;
        current->blocks = block;
    }
    return block + 1;
}

void __wrap_free(void *memory)
{
    if (memory == NULL)
        return;
    struct memory_block *block = (struct memory_block *)memory - 1;
    if (block->link != NULL) {
        *block->link = block->next;
        if (block->next != NULL)
            block->next->link = block->link;
    }
    __real_free(block);
}

static void memory_free_all(struct task *task)
{
    while (task->blocks != NULL)
        __wrap_free(task->blocks + 1);
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *memory = __wrap_malloc(count * size);
    memset(memory, 0, count * size);
    return memory;
}

void *__wrap_realloc(void *memory, size_t size)
{
    void *larger = __wrap_malloc(size);
    if (memory != NULL) {
        size_t old = ((struct memory_block *)memory - 1)->size;
        memcpy(larger, memory, old < size ? old : size);
        __wrap_free(memory);
    }
    return larger;
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    return __wrap_realloc(memory, count * size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    check(alignment <= MEMORY_ALIGNMENT);
    return __wrap_malloc(size);
}

/* ---- clock, sleep, doorbells, exit ---- */

int __wrap_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __real_write(int fd, const void *data, size_t size);
_Noreturn void __wrap_exit(int code);
_Noreturn void __real_exit(int code);
_Noreturn void __wrap_abort(void);
_Noreturn void __real_abort(void);

int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
    (void)id;
    time->tv_sec = (time_t)(now_ms / 1000);
    time->tv_nsec = (long)(now_ms % 1000) * 1000000;
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    (void)fds;
    (void)count;
    check(current != NULL && timeout_ms > 0);
    current->asleep = true;
    current->wake_ms = now_ms + (uint64_t)timeout_ms;
    stop();
    return 0;
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    if (fd >= 0 && fd < DOORBELLS_MAX && doorbells[fd] != NULL) {
        doorbells[fd]->rung = true;
        return (ssize_t)size;
    }
    return __real_write(fd, data, size);
}

/* Doorbells only; they are cleared by the wake-up itself. */
ssize_t __wrap_read(int fd, void *data, size_t size)
{
    (void)data;
    (void)size;
    check(fd >= 0 && fd < DOORBELLS_MAX && doorbells[fd] != NULL);
    errno = EAGAIN;
    return -1;
}

_Noreturn void __wrap_exit(int code)
{
    if (current == NULL)
        __real_exit(code);
    die(code);
}

_Noreturn void __wrap_abort(void)
{
    machine_leave();
    if (abort_callback != NULL)
        abort_callback();
    __real_abort();
}

/* ---- a worker's thread: runs when the harness says so, or when the worker waits for it ---- */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *context), void *context);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_pthread_sigmask(int how, const void *set, void *old);
int __wrap_setpriority(int which, unsigned who, int priority);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *context), void *context)
{
    (void)attributes;
    check(current != NULL && current->thread_main == NULL);
    memset(thread, 0, sizeof *thread);
    current->thread_main = start;
    current->thread_context = context;
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)thread;
    (void)result;
    current->thread_main = NULL;
    return 0;
}

/* One of both runs at a time, and gives way only where it holds no lock. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    (void)condition;
    (void)mutex;
    if (in_thread)
        _longjmp(thread_exit, 1);
    run_thread();
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
    (void)condition;
    if (!in_thread)
        current->thread_due = true;
    return 0;
}

int __wrap_pthread_sigmask(int how, const void *set, void *old)
{
    (void)how;
    (void)set;
    (void)old;
    return 0;
}

int __wrap_setpriority(int which, unsigned who, int priority)
{
    (void)which;
    (void)who;
    (void)priority;
    return 0;
}
