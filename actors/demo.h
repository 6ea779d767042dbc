#ifndef BOXOFFICE_DEMO_H
#define BOXOFFICE_DEMO_H

#include "config.h"
#include "records.h"

/* The demo data, as pure functions, so that seat workers and wallet workers agree on it without a
 * message. With N demo holds, reservation r of 1…N is user r's hold of one seat. Its schedule's id
 * is r modulo PARTITION_COUNT, because a reservation lives in its schedule's partition. */

enum {
    DEMO_SEATS = 50,
    DEMO_SECTIONS = 3,
    DEMO_SCHEDULES_PER_CONCERT = 4,
    DEMO_SCHEDULES_MIN = 16
};

/* Schedules have the ids 1…count, concerts likewise. */
uint64_t demo_schedule_count(uint64_t hold_count);
uint64_t demo_concert_count(uint64_t hold_count);
/* How many of the schedules seat worker `worker` of `workers` has. */
uint64_t demo_schedules_of(uint64_t hold_count, uint64_t worker, uint64_t workers);
uint64_t demo_schedule_concert(uint64_t schedule);

uint64_t demo_hold_user(uint64_t reservation);
uint64_t demo_hold_schedule(uint64_t reservation);
uint64_t demo_hold_seat_index(uint64_t reservation); /* 1…DEMO_SEATS */
uint64_t demo_hold_price(uint64_t reservation);

void demo_concert(uint64_t concert, struct concert_created *created);
/* `now_ms`: the shows are on the days after. */
void demo_schedule(uint64_t schedule, uint64_t now_ms, struct schedule_created *created);

#endif
