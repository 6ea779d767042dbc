#include "faults.h"
#include "disk.h"
#include "ledger_rooms.h"
#include "trace.h"
#include "world.h"

static const uint64_t DAY_MS = UINT64_C(24) * 3600 * 1000;

static uint64_t due_ms[WORKERS_MAX]; /* a dead worker's next start */
static uint64_t stopped_until_ms[WORKERS_MAX], full_until_ms[WORKERS_MAX];

void faults_reset(void)
{
    for (unsigned worker = 0; worker < world.worker_count; worker++)
        due_ms[worker] = stopped_until_ms[worker] = full_until_ms[worker] = 0;
}

int faults_is_stopped(unsigned worker)
{
    return stopped_until_ms[worker] > machine_now_ms();
}

/* Nobody counts on a dead process's doorbell: the supervisor wakes everybody. */
static void reaped(unsigned process)
{
    struct process_entry *entry = segment_process(world.segment, process);
    atomic_store(&entry->pid, 0);
    atomic_store(&entry->state, (uint32_t)PROCESS_BACKOFF);
    segment_wake_all(world.segment);
    world.faults++;
}

void faults_worker_died(unsigned worker)
{
    const struct task *task = worker_task(worker);
    trace_line("%s dies at its %uth point, exit code %d", task->name, task->points,
               task->exit_code);
    trace_number(task->points);
    reaped(world.workers[worker].process);
    due_ms[worker] = machine_now_ms() + draw(once_in(4) ? 3000 : 20);
}

static void kill_worker(unsigned worker)
{
    struct task *task = worker_task(worker);
    if (!task->alive)
        return;
    task_kill(task);
    faults_worker_died(worker);
}

static void power_loss(void)
{
    trace_line("power is lost");
    struct task *front = &world.tasks[world.front];
    for (unsigned worker = 0; worker < world.worker_count; worker++)
        kill_worker(worker);
    if (front->alive) {
        task_kill(front);
        clients_front_died();
    }
    machine_set_clock(machine_now_ms() + draw(60000));
    world_renew_segment();
    for (unsigned worker = 0; worker < world.worker_count; worker++)
        worker_start(worker);
    clients_front_start();
}

static void jump(void)
{
    uint64_t by_ms = once_in(6) ? DAY_MS + draw(10000) : draw(once_in(2) ? 200000 : 20000);
    trace_line("the clock jumps by %llu ms", (unsigned long long)by_ms);
    machine_set_clock(machine_now_ms() + by_ms);
    world.faults++;
}

/* Time runs out between questions and their answers. */
static void race(uint64_t until_ms, unsigned worker, const struct ledger_reservation *reservation,
                 const struct ledger_ticket *ticket)
{
    if (until_ms <= machine_now_ms() + 1)
        return;
    machine_set_clock(until_ms - 1);
    for (unsigned i = 0; i < world.worker_count; i++)
        workers_run(i, 0);
    for (unsigned asks = 1 + (unsigned)draw(4); asks > 0; asks--) {
        if (reservation != NULL)
            clients_act_about(reservation);
        else
            clients_act_about_ticket(ticket);
    }
    workers_run(worker, 1 + (unsigned)draw(6));
    machine_set_clock(until_ms + draw(2));
    trace_line("a time is over");
}

static void race_with_hold(void)
{
    const struct ledger_reservation *next = NULL, *at;
    for (unsigned i = 0; (at = ledger_reservation_at(i)) != NULL; i++)
        if (at->state == RESERVATION_HELD &&
            (next == NULL || at->expires_at_ms < next->expires_at_ms))
            next = at;
    if (next != NULL)
        race(next->expires_at_ms, worker_of(ROLE_SEAT, next->schedule), next, NULL);
}

static uint64_t ticket_until_ms(const struct ledger_ticket *ticket)
{
    if (ticket->state == TICKET_WAITING)
        return ticket->issued_at_ms + DAY_MS;
    return ticket->state == TICKET_CLAIMED ? ticket->until_ms : ticket->claim_until_ms;
}

static void race_with_ticket(void)
{
    const struct ledger_ticket *next = NULL, *at;
    bool waits = once_in(4);
    for (unsigned i = 0; (at = ledger_ticket_at(i)) != NULL; i++)
        if (ledger_ticket_is_live(at) && waits == (at->state == TICKET_WAITING) &&
            (next == NULL || ticket_until_ms(at) < ticket_until_ms(next)))
            next = at;
    if (next != NULL)
        race(ticket_until_ms(next), worker_of(ROLE_QUEUE, 0), NULL, next);
}

static void fail_commit(unsigned worker)
{
    static const enum commit_fault faults[] = {COMMIT_LOST, COMMIT_DISK_FULL, COMMIT_UNKNOWN};
    disk_at(worker)->next_commit = faults[draw(3)];
    trace_line("the next commit of disk %u fails", worker);
}

static void fill_journal(unsigned worker)
{
    trace_line("journal %u is full", worker);
    disk_at(worker)->journal_full = true;
    full_until_ms[worker] = machine_now_ms() + draw(2000);
    world.faults++;
}

/* Reads go on; the worker comes back by itself when there is space again. */
static void fill_disk(unsigned worker)
{
    trace_line("disk %u is full", worker);
    disk_at(worker)->full = true;
    full_until_ms[worker] = machine_now_ms() + draw(6000);
    world.faults++;
}

static void stop_worker(unsigned worker)
{
    stopped_until_ms[worker] = machine_now_ms() + draw(8000);
    trace_line("worker %u is stopped", worker);
    world.faults++;
}

void faults_draw(void)
{
    unsigned worker = (unsigned)draw(world.worker_count), process = world.workers[worker].process;
    struct process_entry *entry = segment_process(world.segment, process);
    switch (draw(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
        world.tasks[process].die_in = 1 + (unsigned)draw(60);
        break;
    case 4:
        kill_worker(worker);
        break;
    case 5:
        world.tasks[world.front].die_in = 1 + (unsigned)draw(12);
        break;
    case 6:
        fail_commit(worker);
        break;
    case 7:
        fill_journal(worker);
        break;
    case 8:
    case 9:
        jump();
        break;
    case 10:
        stop_worker(worker);
        break;
    case 11:
        if (once_in(2))
            power_loss();
        break;
    case 12:
        if (once_in(2))
            race_with_hold();
        else
            race_with_ticket();
        break;
    case 13:
        atomic_store(&entry->stop, 1); /* a graceful end */
        break;
    case 14:
        if (atomic_load(&entry->state) == PROCESS_READY) /* in a recovery it would be for good */
            world.tasks[process].fail_in = 1 + (unsigned)draw(10);
        break;
    case 15:
        fill_disk(worker);
        break;
    case 16:
        disk_at(worker)->fail_checkpoint = true;
        break;
    default: /* no fault: the relay has taken everything up to here */
        atomic_store(&entry->released_sequence, disk_at(worker)->last_sequence);
    }
}

void faults_tick(void)
{
    for (unsigned worker = 0; worker < world.worker_count; worker++) {
        if (full_until_ms[worker] <= machine_now_ms())
            disk_at(worker)->journal_full = disk_at(worker)->full = false;
        if (!worker_task(worker)->alive && due_ms[worker] <= machine_now_ms())
            worker_start(worker);
    }
    if (!world.tasks[world.front].alive && once_in(8)) {
        reaped(world.front);
        clients_front_start();
    }
}

void faults_end(void)
{
    for (unsigned worker = 0; worker < world.worker_count; worker++) {
        disk_at(worker)->next_commit = COMMIT_WELL;
        disk_at(worker)->journal_full = disk_at(worker)->full = false;
        disk_at(worker)->fail_checkpoint = false;
        stopped_until_ms[worker] = 0;
        worker_task(worker)->die_in = 0;
        worker_task(worker)->fail_in = 0;
    }
    world.tasks[world.front].die_in = 0;
}
