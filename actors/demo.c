#include "demo.h"
#include "check.h"
#include "clock.h"
#include <stdio.h>

static const struct {
    const char *name;
    uint64_t rows, seats_per_row, amount;
} hall[] = {
    {"Front", 1, 10, 150000},
    {"Floor", 2, 10, 110000},
    {"Balcony", 2, 10, 80000},
};
_Static_assert(sizeof hall / sizeof hall[0] == DEMO_SECTIONS, "as the header says");

static const char *const bills[] = {
    "The Paper Lanterns", "Aurora Quartet", "Midnight Tram",      "Seven Rivers Orchestra",
    "Glass Harbour",      "Velvet Static",  "Old Pier Jazz Band", "Northern Choir",
};

static uint64_t div_up(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0);
}

uint64_t demo_schedule_count(uint64_t hold_count)
{
    if (hold_count == 0)
        return DEMO_SCHEDULES_MIN;
    return PARTITION_COUNT * div_up(hold_count, PARTITION_COUNT * DEMO_SEATS);
}

uint64_t demo_concert_count(uint64_t hold_count)
{
    return div_up(demo_schedule_count(hold_count), DEMO_SCHEDULES_PER_CONCERT);
}

uint64_t demo_schedules_of(uint64_t hold_count, uint64_t worker, uint64_t workers)
{
    uint64_t count = 0;
    for (uint64_t schedule = 1; schedule <= demo_schedule_count(hold_count); schedule++)
        count += schedule % PARTITION_COUNT % workers == worker;
    return count;
}

uint64_t demo_schedule_concert(uint64_t schedule)
{
    return (schedule - 1) / DEMO_SCHEDULES_PER_CONCERT + 1;
}

uint64_t demo_hold_user(uint64_t reservation)
{
    return reservation;
}

/* Reservation r is number (r - 1) / 64 of its partition; that partition's schedules are filled one
 * after the other. */
uint64_t demo_hold_schedule(uint64_t reservation)
{
    uint64_t partition = (reservation - 1) % PARTITION_COUNT;
    uint64_t number = (reservation - 1) / PARTITION_COUNT;
    return partition + 1 + number / DEMO_SEATS * PARTITION_COUNT;
}

uint64_t demo_hold_seat_index(uint64_t reservation)
{
    return (reservation - 1) / PARTITION_COUNT % DEMO_SEATS + 1;
}

uint64_t demo_hold_price(uint64_t reservation)
{
    uint64_t index = demo_hold_seat_index(reservation), section = 0;
    for (; index > hall[section].rows * hall[section].seats_per_row; section++)
        index -= hall[section].rows * hall[section].seats_per_row;
    return hall[section].amount;
}

static size_t title(uint64_t concert, char *text, size_t size)
{
    uint64_t round = (concert - 1) / (sizeof bills / sizeof bills[0]);
    const char *bill = bills[(concert - 1) % (sizeof bills / sizeof bills[0])];
    int length = round == 0
                     ? snprintf(text, size, "%s", bill)
                     : snprintf(text, size, "%s, hall %llu", bill, (unsigned long long)round + 1);
    check(length > 0 && (size_t)length < size);
    return (size_t)length;
}

void demo_concert(uint64_t concert, struct concert_created *created)
{
    char text[TEXT_TITLE_MAX];
    *created = (struct concert_created){.concert = concert};
    text_set(&created->title, text, title(concert, text, sizeof text));
}

void demo_schedule(uint64_t schedule, uint64_t now_ms, struct schedule_created *created)
{
    static const uint64_t day_ms = UINT64_C(24) * 3600 * 1000;
    uint64_t concert = demo_schedule_concert(schedule);
    char text[TEXT_TITLE_MAX], day[CLOCK_TEXT_SIZE];
    memset(created, 0, sizeof *created);
    created->schedule = schedule;
    created->concert = concert;
    text_set(&created->title, text, title(concert, text, sizeof text));
    clock_format(now_ms + (30 + schedule % 60) * day_ms, day);
    text_set(&created->open_date, day, sizeof created->open_date.data);
    text_set(&created->start_time, schedule % 2 == 0 ? "19:30" : "15:00", 5);
    text_set(&created->end_time, schedule % 2 == 0 ? "22:00" : "17:30", 5);
    created->sections.count = sizeof hall / sizeof hall[0];
    for (uint32_t i = 0; i < created->sections.count; i++) {
        struct section *section = &created->sections.items[i];
        text_set(&section->name, hall[i].name, strlen(hall[i].name));
        section->rows = hall[i].rows;
        section->seats_per_row = hall[i].seats_per_row;
        section->amount = hall[i].amount;
    }
}
