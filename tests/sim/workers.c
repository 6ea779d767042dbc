#include "audit.h"
#include "check.h"
#include "coverage.h"
#include "disk.h"
#include "faults.h"
#include "ledger.h"
#include "queue.h"
#include "trace.h"
#include "wallet_state.h"
#include "worker.h"
#include "world.h"
#include <stdio.h>
#include <string.h>

/* The workers: each runs worker_run, as its process does. */

static const char *const paths[WORKERS_MAX] = {"0", "1", "2", "3", "4"};
static const char *const whole_paths[WORKERS_MAX] = {"0!", "1!", "2!", "3!", "4!"};

static const struct behaviour *behaviour_of(unsigned worker)
{
    switch (world.workers[worker].role) {
    case ROLE_SEAT:
        return &covered_seat_behaviour;
    case ROLE_WALLET:
        return &covered_wallet_behaviour;
    default:
        return &covered_queue_behaviour;
    }
}

struct task *worker_task(unsigned worker)
{
    return &world.tasks[world.workers[worker].process];
}

unsigned worker_of(enum role role, uint64_t key)
{
    unsigned process = segment_owner(world.segment, role, key), worker = 0;
    while (world.workers[worker].process != process)
        worker++;
    return worker;
}

const char *worker_name(unsigned worker)
{
    return role_text(world.workers[worker].role);
}

static void run_worker(void *context)
{
    int code = worker_run(context);
    require(code == 0, "a worker could not start: exit code %d", code);
}

void worker_start(unsigned worker)
{
    static struct worker_options options[WORKERS_MAX];
    static struct queue_rooms rooms;
    unsigned process = world.workers[worker].process;
    options[worker] = (struct worker_options){
        .segment = world.segment,
        .self = process,
        .behaviour = behaviour_of(worker),
        .journal_path = paths[worker],
        .state_path = paths[worker],
    };
    if (world.workers[worker].role == ROLE_QUEUE) {
        queue_rooms_init(&rooms, segment_waiting_rooms(world.segment));
        options[worker].publish_context = &rooms;
        options[worker].claim_gate = &rooms.gate;
    }
    task_start(worker_task(worker), worker_name(worker), run_worker, &options[worker]);
    world_spawn(process);
}

void workers_run(unsigned worker, unsigned points)
{
    struct task *task = worker_task(worker);
    enum task_end end = TASK_SLEEPS;
    if (!task->alive || faults_is_stopped(worker))
        return;
    if (task->thread_due && once_in(2))
        end = task_run_thread(task);
    else if (!task->asleep || task->rung || task->wake_ms <= machine_now_ms())
        end = task_run(task, points);
    if (world.workers[worker].role == ROLE_QUEUE && end == TASK_SLEEPS)
        world.published_moment = ledger_moment(); /* all that it has committed */
    if (end == TASK_DEAD)
        faults_worker_died(worker);
}

/* ---- audits ---- */

static void inspect(unsigned worker, bool whole, void (*visit)(void *, const struct row_view *),
                    void *context)
{
    const char *path = whole ? whole_paths[worker] : paths[worker];
    check(worker_inspect(behaviour_of(worker), path, path, &world.segment->header->config, visit,
                         context) == STATUS_OK);
}

static void visit_seats(void *context, const struct row_view *rows)
{
    audit_seats(context, rows);
}

static void visit_rooms(void *context, const struct row_view *rows)
{
    audit_queue(context, rows);
}

static unsigned inspected; /* process of the worker at hand */

static void visit_wallets(void *context, const struct row_view *rows)
{
    audit_wallets(context, rows);
    for (uint64_t user = 1; user <= world.users; user++) {
        if (world.workers[worker_of(ROLE_WALLET, user)].process != inspected)
            continue;
        struct wallet_row row = {0};
        struct row_key key = wallet_key(user);
        (void)wallet_row_read(rows, &key, &row);
        require(row.balance == ledger_balance(user), "user %llu: balance %llu on disk, it is %llu",
                (unsigned long long)user, (unsigned long long)row.balance,
                (unsigned long long)ledger_balance(user));
    }
}

static bool hash_row(void *context, const struct row_key *key, struct row_bytes value)
{
    uint64_t hash = *(uint64_t *)context;
    for (unsigned i = 0; i < key->size; i++)
        hash = (hash ^ key->data[i]) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < value.size; i++)
        hash = (hash ^ value.data[i]) * UINT64_C(0x100000001b3);
    *(uint64_t *)context = hash;
    return true;
}

static void visit_all(void *context, const struct row_view *rows)
{
    static const char tables[] = "wsrctoq";
    for (const char *table = tables; *table != '\0'; table++) {
        struct row_key prefix = {.size = 1, .data = {(uint8_t)*table}};
        rows->scan(rows->context, &prefix, NULL, false, hash_row, context);
    }
}

/* Rows made from the journal alone are those of the checkpoints with the journal's tail. */
static void check_replay(unsigned worker)
{
    uint64_t kept = 1, replayed = 1;
    inspect(worker, false, visit_all, &kept);
    inspect(worker, true, visit_all, &replayed);
    require(kept == replayed, "%s: checkpoint and journal tail differ from the whole journal",
            worker_name(worker));
}

static void audit_role(struct audit *audit, enum role role,
                       void (*visit)(void *context, const struct row_view *rows))
{
    for (unsigned worker = 0; worker < world.worker_count; worker++)
        if (world.workers[worker].role == role) {
            inspected = world.workers[worker].process;
            inspect(worker, false, visit, audit);
        }
}

void workers_audit(bool at_rest)
{
    static char text[16384];
    FILE *to = fmemopen(text, sizeof text, "w");
    check(to != NULL);
    struct audit *audit = audit_create(to);
    audit_role(audit, ROLE_WALLET, visit_wallets);
    audit_role(audit, ROLE_SEAT, visit_seats);
    audit_role(audit, ROLE_QUEUE, visit_rooms);
    uint64_t violations = audit_finish(audit);
    fclose(to);
    require(violations == 0, "the audit finds:\n%s", text);
    require(!at_rest || strstr(text, "open obligations 0") != NULL, "obligations are open:\n%s",
            text);
    for (unsigned worker = 0; worker < world.worker_count; worker++)
        check_replay(worker);
}
