#ifndef BOXOFFICE_SIM_FAULTS_H
#define BOXOFFICE_SIM_FAULTS_H

/* What goes wrong: deaths of every process at any point, stops of one while others go on, commits
 * and checkpoints that fail or only say so, full disks and journals, checks that fail in one actor,
 * power loss, and clocks that jump forward. */

void faults_reset(void);
/* Perhaps something goes wrong. */
void faults_draw(void);
/* The supervisor: what is dead starts again when its time has come. */
void faults_tick(void);
void faults_worker_died(unsigned worker);
int faults_is_stopped(unsigned worker); /* by SIGSTOP */
/* Nothing more goes wrong, and what did is over. */
void faults_end(void);

#endif
