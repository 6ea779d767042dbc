#ifndef BOXOFFICE_SIM_COVERAGE_H
#define BOXOFFICE_SIM_COVERAGE_H

#include "behaviour.h"
#include <stdio.h>

/* The workers' behaviours, with every decision compared with the transition table and counted.
 * The seats' read snapshots are not published. */
extern struct behaviour covered_seat_behaviour, covered_wallet_behaviour, covered_queue_behaviour;
void coverage_open(void); /* fills them */

enum { COVERAGE_ROWS_MAX = 128 };
/* How often each row of the tables was taken, in this process. */
struct coverage {
    uint64_t taken[COVERAGE_ROWS_MAX];
};
extern struct coverage coverage;
/* Prints the tables with counts; false when a row was never taken. */
bool coverage_print(const struct coverage *sum, FILE *to);

#endif
