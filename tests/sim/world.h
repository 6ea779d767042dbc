#ifndef BOXOFFICE_SIM_WORLD_H
#define BOXOFFICE_SIM_WORLD_H

#include "behaviour.h"
#include "ledger_rooms.h"
#include "machine.h"
#include "segment.h"

/* One server: a segment, a front and the workers, on the machine of machine.h, with the disks of
 * disk.h. Everything that happens in it is drawn from one seed. */

enum { WORKERS_MAX = 5 };

struct world {
    uint64_t random;
    struct segment *segment; /* one of a few, made anew for each seed */
    struct task tasks[PROCESS_MAX];
    unsigned front; /* process index */
    unsigned worker_count;
    struct {
        enum role role;
        unsigned process;
    } workers[WORKERS_MAX];
    uint64_t published_moment; /* what was committed by then, waiting rooms show */
    unsigned users;
    unsigned faults, operations;
};
extern struct world world;

uint64_t draw(uint64_t below);
static inline bool once_in(uint64_t n)
{
    return draw(n) == 0;
}

void world_create(void);
/* From now on a server with so many seat and wallet workers: one or two of each. */
void world_use(unsigned workers);
/* As after a restart of everything: another segment, though at the same place. */
void world_renew_segment(void);
/* At rest: every slot of every pool is free. */
void world_check_slots(void);
/* The start of a process, as the supervisor does it. */
void world_spawn(unsigned process);

/* ---- clients.c: the front and those who use it ---- */

void clients_reset(void);
void clients_front_start(void);
/* The front's process is gone: whoever waits will never know. */
void clients_front_died(void);
/* A user asks for something. */
void clients_act(void);
void clients_act_about(const struct ledger_reservation *reservation);
void clients_act_about_ticket(const struct ledger_ticket *ticket);
/* The front takes up replies, and gives up on those who have waited too long. */
void clients_poll(void);
bool clients_wait(void); /* somebody is waiting for an answer */
/* From now on nobody gives up: every request that reached a worker must be answered. */
void clients_be_patient(void);
/* At rest: every effect was told to whoever asked for it, or to nobody for a reason. */
void clients_check_effects(void);

/* ---- workers.c ---- */

/* The worker that has this actor key. */
unsigned worker_of(enum role role, uint64_t key);
const char *worker_name(unsigned worker);
struct task *worker_task(unsigned worker);
/* Starts its process; it is READY once it has run for long enough. */
void worker_start(unsigned worker);
/* Lets it run, when it has something to do, until it sleeps or has passed so many points (0: any
 * number). */
void workers_run(unsigned worker, unsigned points);
/* Compares what is on the disks with the ledger and with each other; at rest nothing is open. */
void workers_audit(bool at_rest);

#endif
