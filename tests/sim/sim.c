#include "check.h"
#include "coverage.h"
#include "disk.h"
#include "faults.h"
#include "ledger_rooms.h"
#include "schedule.h"
#include "seat.h"
#include "trace.h"
#include "world.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* A server's waiting room, seats and wallets in one process, from one seed: see docs/TESTING.md for
 * what is real here and what is modelled. */

enum {
    OPERATIONS_MIN = 200,
    FAULTS_MIN = 5,
    REST_TURNS_MAX = 2000,
    CALM_TURNS = 5, /* longer than a worker's poll and an obligation's pause */
    JOBS_MAX = 64,
    TWICE_EACH = 50, /* of so many seeds one runs twice */
};

/* ---- the beginning ---- */

static void choose_config(struct config *config)
{
    config->hold_ttl_s = 20 + draw(60);
    config->hold_grace_s = once_in(5) ? 0 : 1 + draw(40);
    config->active_limit = 1 + draw(3);
    config->admit_per_second = once_in(2) ? 0 : 1 + draw(20);
    config->session_ttl_s = 10 + draw(40);
    config->claim_ttl_s = 2 + draw(10);
    config->user_seat_limit = once_in(4) ? 4 : 0;
    config->actor_cache_mib = once_in(2) ? 0 : 32; /* 0: actors are loaded again and again */
}

static void seed_event(unsigned worker, const struct actor_kind *kind, uint64_t actor,
                       uint16_t event_kind, const union event *body)
{
    uint8_t payload[1024];
    disk_seed(worker, &(struct journal_event){
                          .aggregate = actor,
                          .actor = actor,
                          .at_ms = machine_now_ms(),
                          .kind = event_kind,
                          .actor_kind = kind->number,
                          .payload = payload,
                          .payload_size = event_encode(event_kind, body, payload, sizeof payload),
                      });
}

/* What the demo data does, but small. */
static void make_schedules(void)
{
    static union event body;
    for (unsigned i = 0; i < LEDGER_SCHEDULES; i++) {
        uint64_t schedule = ledger_schedules[i];
        uint64_t directory = DIRECTORY_BASE + schedule % world.segment->header->config.seat_workers;
        unsigned worker = worker_of(ROLE_SEAT, schedule);
        body.catalogue_grown = (struct catalogue_grown){
            .directory = directory, .schedules = 1, .seats = LEDGER_SEATS, .sections = 2};
        seed_event(worker, &directory_kind, directory, EVENT_CATALOGUE_GROWN, &body);
        body.schedule_created = (struct schedule_created){.schedule = schedule, .concert = 1};
        body.schedule_created.sections.count = 2;
        body.schedule_created.sections.items[0] = (struct section){{1, "A"}, 1, 4, 40};
        body.schedule_created.sections.items[1] = (struct section){{1, "B"}, 2, 1, 25};
        seed_event(worker, &schedule_kind, schedule, EVENT_SCHEDULE_CREATED, &body);
    }
}

static void on_event(unsigned disk, const struct journal_event *event)
{
    trace_number(disk);
    trace_number(event->sequence);
    trace_number(event->at_ms);
    trace_bytes(event->payload, event->payload_size);
    trace_line("%s commits %llu %s %llu/%llu", worker_name(disk),
               (unsigned long long)event->sequence, event_text(event->kind),
               (unsigned long long)event->aggregate, (unsigned long long)event->aggregate_version);
    ledger_event(event);
}

static void begin(uint64_t seed)
{
    static const uint64_t EPOCH_MS = UINT64_C(1700000000000);
    world.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    for (unsigned i = 0; i < 4; i++)
        (void)draw(2); /* neighbouring seeds part */
    world.faults = world.operations = 0;
    world.published_moment = 0;
    world.users = 3 + (unsigned)draw(3);
    world_use(once_in(4) ? 2 : 1);
    machine_set_clock(EPOCH_MS);
    struct config *config = &world.segment->header->config;
    choose_config(config);
    ledger_reset(config->hold_ttl_s * 1000, config->hold_grace_s * 1000);
    disks_reset(on_event);
    clients_reset();
    faults_reset();
    world_renew_segment();
    make_schedules();
    for (unsigned worker = 0; worker < world.worker_count; worker++)
        worker_start(worker);
    clients_front_start();
}

/* ---- the end ---- */

static bool all_rest(void)
{
    if (clients_wait() || !world.tasks[world.front].alive)
        return false;
    for (unsigned worker = 0; worker < world.worker_count; worker++) {
        const struct task *task = worker_task(worker);
        const struct process_entry *entry =
            segment_process(world.segment, world.workers[worker].process);
        if (!task->alive || !task->asleep || task->rung || task->thread_due ||
            atomic_load(&entry->state) != PROCESS_READY)
            return false;
    }
    return true;
}

/* Holds are under way too when they are all `due`. */
static void run_until_rest(bool due)
{
    unsigned calm = 0;
    for (unsigned turn = 0; calm < CALM_TURNS; turn++) {
        require(turn < REST_TURNS_MAX, "it does not come to rest");
        machine_set_clock(machine_now_ms() + 50);
        faults_tick();
        for (unsigned worker = 0; worker < world.worker_count; worker++)
            workers_run(worker, 0);
        clients_poll();
        bool rests = all_rest() && ledger_at_rest(machine_now_ms()) &&
                     ledger_rooms_at_rest(machine_now_ms());
        rests &= !due || ledger_held_until_ms() == 0;
        calm = rests ? calm + 1 : 0;
    }
}

/* Nothing fails any more: everything that is under way must end, and holds with their time. */
static void come_to_rest(void)
{
    faults_end();
    clients_be_patient();
    run_until_rest(false);
    workers_audit(true);
    uint64_t until_ms = ledger_held_until_ms();
    if (until_ms < ledger_sessions_until_ms())
        until_ms = ledger_sessions_until_ms();
    if (until_ms > machine_now_ms())
        machine_set_clock(until_ms);
    run_until_rest(true);
    clients_check_effects();
    world_check_slots();
}

static void end(void)
{
    for (unsigned i = 0; i < world.segment->header->process_count; i++)
        if (world.tasks[i].alive)
            task_kill(&world.tasks[i]);
}

/* ---- one seed ---- */

static void step(void)
{
    faults_tick();
    unsigned at = (unsigned)draw(16);
    if (at < 4)
        clients_act();
    else if (at < 6)
        clients_poll();
    else if (at < 14)
        workers_run((unsigned)draw(world.worker_count), once_in(4) ? 1 + (unsigned)draw(30) : 0);
    else if (at < 15)
        machine_set_clock(machine_now_ms() + draw(once_in(10) ? 20000 : 300));
    else if (once_in(3))
        faults_draw();
}

static uint64_t run_seed(uint64_t seed, bool shown)
{
    trace_begin(seed, shown);
    begin(seed);
    while (world.operations < OPERATIONS_MIN || world.faults < FAULTS_MIN) {
        step();
        if (once_in(1500))
            workers_audit(false);
    }
    come_to_rest();
    end();
    trace_number(world.operations);
    trace_number(world.faults);
    return trace_hash();
}

/* ---- all seeds ---- */

/* What the processes that share the seeds have done; in shared memory. */
struct tally {
    uint64_t seeds, operations, faults, hash;
    struct coverage coverage;
};

static void run_share(uint64_t first, uint64_t count, unsigned share, unsigned shares,
                      struct tally *tally)
{
    world_create();
    for (uint64_t seed = first + share; seed < first + count; seed += shares) {
        uint64_t hash = run_seed(seed, false);
        tally->seeds++;
        tally->operations += world.operations;
        tally->faults += world.faults;
        tally->hash += hash; /* in any order */
        if (seed % TWICE_EACH == 0 && run_seed(seed, false) != hash)
            trace_fail("it does not replay: its trace differs the second time");
    }
    tally->coverage = coverage;
}

static void add(struct tally *sum, const struct tally *tally)
{
    sum->seeds += tally->seeds;
    sum->operations += tally->operations;
    sum->faults += tally->faults;
    sum->hash += tally->hash;
    for (size_t i = 0; i < COVERAGE_ROWS_MAX; i++)
        sum->coverage.taken[i] += tally->coverage.taken[i];
}

static bool run_all(uint64_t first, uint64_t count, unsigned jobs, struct tally *sum)
{
    struct tally *tallies = mmap(NULL, jobs * sizeof *tallies, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[JOBS_MAX];
    bool good = true;
    check(tallies != MAP_FAILED);
    for (unsigned job = 0; job < jobs; job++) {
        pids[job] = fork();
        check(pids[job] >= 0);
        if (pids[job] == 0) {
            run_share(first, count, job, jobs, &tallies[job]);
            _exit(0);
        }
    }
    for (unsigned ended = 0; ended < jobs; ended++) {
        int status = 0;
        pid_t pid = wait(&status);
        check(pid > 0);
        for (unsigned job = 0; job < jobs; job++)
            if (pids[job] == pid)
                pids[job] = 0;
        if (good && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
            good = false;
            for (unsigned job = 0; job < jobs; job++) /* one failure is enough */
                if (pids[job] != 0)
                    kill(pids[job], SIGTERM);
        }
    }
    for (unsigned job = 0; job < jobs; job++)
        add(sum, &tallies[job]);
    munmap(tallies, jobs * sizeof *tallies);
    return good;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "sim: not a number: %s\n", text);
        exit(64);
    }
    return value;
}

int main(int argc, char **argv)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 30); /* memory that comes and goes all the time */
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    static struct tally sum;
    uint64_t first = 1, count = 1000, jobs = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    bool one = false, shown = false, partial = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            shown = true;
        } else if (strcmp(argv[i], "--partial") == 0) {
            partial = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            first = number(argv[++i]);
            one = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--first") == 0) {
            first = number(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            count = number(argv[++i]);
        } else if (i + 1 < argc && strcmp(argv[i], "--jobs") == 0) {
            jobs = number(argv[++i]);
        } else {
            fprintf(stderr, "usage: sim [--seeds N] [--first N] [--jobs N] [--partial]\n"
                            "       sim --seed N [--trace]\n");
            return 64;
        }
    }
    if (one) {
        world_create();
        printf("seed %llu: trace %016llx\n", (unsigned long long)first,
               (unsigned long long)run_seed(first, shown));
        return 0;
    }
    jobs = jobs < 1 ? 1 : jobs > JOBS_MAX ? JOBS_MAX : jobs;
    bool good = run_all(first, count, (unsigned)jobs, &sum);
    printf("%llu seeds from %llu: %llu operations, %llu faults, trace %016llx\n",
           (unsigned long long)sum.seeds, (unsigned long long)first,
           (unsigned long long)sum.operations, (unsigned long long)sum.faults,
           (unsigned long long)sum.hash);
    bool covered = coverage_print(&sum.coverage, stdout);
    return good && (covered || partial) ? 0 : 1;
}
