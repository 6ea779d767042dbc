#ifndef BOXOFFICE_DIRECTORY_H
#define BOXOFFICE_DIRECTORY_H

#include "schedule.h"

/* A seat worker's own actor: how much it has on sale, the ids that it gives, and the answers to
 * admin creations by idempotency key. Its id is DIRECTORY_BASE + the worker's number, which is of
 * one of the worker's partitions. */
struct directory {
    struct actor_base base;
    struct directory_row row;
    uint64_t oldest_key_ms; /* expiry of the first idempotency key; 0: none */
};

ROW_IO(directory_row)
ROW_IO(concert_key_row)

static inline struct row_key directory_key(uint64_t directory)
{
    return row_key_of('d', directory);
}

/* Below: demo data, and what tests make by hand. */
enum { DIRECTORY_FIRST_ID = 1024 * PARTITION_COUNT };

/* The id of the number-th (from 0) concert or schedule that seat worker `worker` of `workers`
 * makes. Ids rise with the number, are in partitions of that worker, and not below
 * DIRECTORY_FIRST_ID. */
uint64_t directory_id(uint64_t worker, uint64_t workers, uint64_t number);

enum status directory_load(void *object, const struct row_view *rows);
void directory_decide(struct decision *decision, const void *object, const struct message *message);
void directory_publish(const void *object, void *publish_context); /* publishing.c */
void directory_apply(void *object, const struct event_view *event, struct row_sink *sink);

#endif
