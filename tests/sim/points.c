#include "check.h"
#include "log.h"
#include "machine.h"
#include "runtime.h"
#include "trace.h"
#include <stdarg.h>
#include <stdio.h>

/* The moves in shared memory that other processes see, each with a point before and behind it, and
 * the log, which goes into the trace. */

enum { TURNS_MAX = 1000 };

bool __real_slot_move(struct slot *slot, uint64_t request_id, enum slot_state from,
                      enum slot_state to);
bool __wrap_slot_move(struct slot *slot, uint64_t request_id, enum slot_state from,
                      enum slot_state to);
enum status __real_ring_publish(struct ring *ring, struct ring_entry entry);
enum status __wrap_ring_publish(struct ring *ring, struct ring_entry entry);
void __real_ring_consume(struct ring *ring, uint64_t cursor);
void __wrap_ring_consume(struct ring *ring, uint64_t cursor);
struct slot *__real_channel_receive(struct channel_consumer *channel, uint64_t *request_id,
                                    uint64_t *position);
struct slot *__wrap_channel_receive(struct channel_consumer *channel, uint64_t *request_id,
                                    uint64_t *position);
uint32_t __real_waiting_session_admit(struct waiting_rooms *rooms, uint64_t room, uint64_t number,
                                      uint64_t until_ms, bool claimed);
uint32_t __wrap_waiting_session_admit(struct waiting_rooms *rooms, uint64_t room, uint64_t number,
                                      uint64_t until_ms, bool claimed);
bool __real_waiting_session_close(struct waiting_rooms *rooms, uint64_t room, uint64_t number);
bool __wrap_waiting_session_close(struct waiting_rooms *rooms, uint64_t room, uint64_t number);
void __real_waiting_session_end(struct waiting_rooms *rooms, uint64_t room, uint64_t number);
void __wrap_waiting_session_end(struct waiting_rooms *rooms, uint64_t room, uint64_t number);
void __real_waiting_room_serve(struct waiting_room *room, uint64_t serving, leavers_cb leavers,
                               const void *context);
void __wrap_waiting_room_serve(struct waiting_room *room, uint64_t serving, leavers_cb leavers,
                               const void *context);
bool __wrap_check_contain(void (*run)(void *context), void *context, char *words, size_t size);
struct actor *__real_worker_actor(struct worker *worker, const struct actor_kind *kind,
                                  uint64_t id);
struct actor *__wrap_worker_actor(struct worker *worker, const struct actor_kind *kind,
                                  uint64_t id);
bool __real_worker_try_decide(struct worker *worker, struct actor *actor,
                              const struct message *message);
bool __wrap_worker_try_decide(struct worker *worker, struct actor *actor,
                              const struct message *message);
void __real_segment_sleep_end(const struct segment *segment, unsigned self);
void __wrap_segment_sleep_end(const struct segment *segment, unsigned self);
void __wrap_log_write(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool __wrap_slot_move(struct slot *slot, uint64_t request_id, enum slot_state from,
                      enum slot_state to)
{
    machine_point("slot");
    bool moved = __real_slot_move(slot, request_id, from, to);
    machine_point("slot moved");
    return moved;
}

enum status __wrap_ring_publish(struct ring *ring, struct ring_entry entry)
{
    machine_point("ring");
    enum status status = __real_ring_publish(ring, entry);
    machine_point("ring published");
    return status;
}

void __wrap_ring_consume(struct ring *ring, uint64_t cursor)
{
    machine_point("tail");
    __real_ring_consume(ring, cursor);
    machine_point("tail moved");
}

struct slot *__wrap_channel_receive(struct channel_consumer *channel, uint64_t *request_id,
                                    uint64_t *position)
{
    machine_point("receive");
    return __real_channel_receive(channel, request_id, position);
}

uint32_t __wrap_waiting_session_admit(struct waiting_rooms *rooms, uint64_t room, uint64_t number,
                                      uint64_t until_ms, bool claimed)
{
    uint32_t entry = __real_waiting_session_admit(rooms, room, number, until_ms, claimed);
    machine_point("session admitted");
    return entry;
}

bool __wrap_waiting_session_close(struct waiting_rooms *rooms, uint64_t room, uint64_t number)
{
    bool closed = __real_waiting_session_close(rooms, room, number);
    machine_point("session closing");
    return closed;
}

void __wrap_waiting_session_end(struct waiting_rooms *rooms, uint64_t room, uint64_t number)
{
    __real_waiting_session_end(rooms, room, number);
    machine_point("session ended");
}

void __wrap_waiting_room_serve(struct waiting_room *room, uint64_t serving, leavers_cb leavers,
                               const void *context)
{
    __real_waiting_room_serve(room, serving, leavers, context);
    machine_point("serving moved");
}

struct actor *__wrap_worker_actor(struct worker *worker, const struct actor_kind *kind, uint64_t id)
{
    struct task *task = machine_current();
    task->may_fail = true;
    struct actor *actor = __real_worker_actor(worker, kind, id);
    task->may_fail = false;
    return actor;
}

bool __wrap_worker_try_decide(struct worker *worker, struct actor *actor,
                              const struct message *message)
{
    struct task *task = machine_current();
    task->may_fail = true;
    bool decided = __real_worker_try_decide(worker, actor, message);
    task->may_fail = false;
    return decided;
}

/* A check that really fails is a bug and ends the run; one that is said to have failed tests how
 * the runtime goes on without that actor. */
bool __wrap_check_contain(void (*run)(void *context), void *context, char *words, size_t size)
{
    struct task *task = machine_current();
    if (task != NULL && task->may_fail && task->fail_in > 0 && --task->fail_in == 0) {
        snprintf(words, size, "the simulation says so");
        return false;
    }
    run(context);
    return true;
}

void __wrap_segment_sleep_end(const struct segment *segment, unsigned self)
{
    struct task *task = machine_current();
    require(++task->turns < TURNS_MAX, "%s spins: it goes on for ever without sleep", task->name);
    __real_segment_sleep_end(segment, self);
}

void __wrap_log_write(enum log_level level, const char *event, const char *format, ...)
{
    (void)level;
    if (!trace_shown())
        return;
    struct task *task = machine_leave();
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace_line("log %s %s", event, text);
    machine_return(task);
}
