#ifndef BOXOFFICE_LIMITS_H
#define BOXOFFICE_LIMITS_H

/* This folder is on the include path of every target, so <limits.h> finds this file first. */
#include_next <limits.h>

/* Fixed limits that more than one folder relies on. What a person may tune is in options.def. */
enum {
    PARTITION_COUNT = 64,             /* id mod 64 is an actor's partition, for life */
    DIRECTORY_BASE = PARTITION_COUNT, /* + a seat worker's number: id of its own actor */
    RESERVATION_SEATS_MAX = 64,
    SECTIONS_MAX = 32,
    CATALOGUE_SCHEDULES_MAX = 50000,
    CATALOGUE_SEATS_MAX = 2000000,
    CATALOGUE_SECTIONS_MAX = 200000,   /* in the schedules of one seat worker */
    LIST_MAX = 1000,                   /* items in one list answer (transactions, reservations) */
    RESERVATION_LIST_SEATS_MAX = 4096, /* seats of all reservations in one list answer */
    SEAT_LIST_MAX = 10000,             /* seats in one seat map answer */
    SCHEDULE_SEATS_MAX = 0x1ffff,      /* a seat's index fills 17 bits of its id */
    CONCERT_SCHEDULES_MAX = 128,       /* made by one call; a body has room for few more */
    CONCERT_SECTIONS_MAX = 256,        /* in all schedules of one call */
    TEXT_NAME_MAX = 64,                /* section names, bytes */
    TEXT_TITLE_MAX = 200,              /* concert titles, bytes */
    IDEMPOTENCY_KEY_MAX = 64,
    EVENT_CURSOR_MAX = 512,      /* bytes of an event's cursor */
    EVENTS_TEXT_MAX = 96 * 1024, /* bytes of one page of events */
    IDEMPOTENCY_KEYS_PER_USER_MAX = 10000,
    ROOMS_MAX = 1024,           /* waiting rooms, the default one included */
    ACTIVE_LIMIT_MAX = 1000000, /* admitted at a time in one room */
    ADMIT_RATE_MAX = 1000000,   /* per second */
    ROOM_TTL_MAX_S = 86400,     /* of sessions and claims */
    LEAVERS_BLOCK = 4096,       /* ticket numbers whose leavers are kept together */
    LEAVERS_WORDS = LEAVERS_BLOCK / 64,
    JOURNAL_USED_PERCENT_MAX = 80, /* of a journal's size; trimming needs the rest */
};

#define ID_MAX ((UINT64_C(1) << 53) - 1)
#define AMOUNT_MAX UINT64_C(1000000000000)     /* points in one charge or use */
#define BALANCE_MAX UINT64_C(1000000000000000) /* points in one wallet */
#define IDEMPOTENCY_TTL_MS (UINT64_C(24) * 3600 * 1000)

#endif
