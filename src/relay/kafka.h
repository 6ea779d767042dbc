#ifndef BOXOFFICE_KAFKA_H
#define BOXOFFICE_KAFKA_H

#include "cloudevent.h"
#include "config.h"

/* One librdkafka producer. It lives until something fails that could break the order of events;
 * then it is discarded, a new one is made, and its owner sends again from the lowest event that is
 * not delivered. One thread; librdkafka has its own. */
struct kafka;

struct kafka_owner {
    void *context;
    /* From kafka_poll, once for each event sent, in any order. `error`: NULL when it is delivered.
     * Events that fell with a producer that failed have no report. */
    void (*report)(void *context, uint64_t tag, const char *error);
    int doorbell; /* eventfd, non-blocking: written when kafka_poll has something to do */
};

enum kafka_settings {
    KAFKA_SETTINGS_GOOD,
    KAFKA_SETTINGS_WRONG,    /* there is no such property, or it takes other values */
    KAFKA_SETTINGS_UNUSABLE, /* together they make no producer: a file that cannot be read, … */
};
/* Checks them by making a producer; unless good, with a line in `error`. For a process that ends
 * afterwards: the producer stays, because closing it may take as long as a look-up of a name. */
enum kafka_settings kafka_check(const struct config *config, char *error, size_t error_size);

/* NULL with a line in `error`. */
struct kafka *kafka_open(const struct config *config, const struct kafka_owner *owner, char *error,
                         size_t error_size);
enum kafka_sent {
    KAFKA_SENT,    /* there will be a report */
    KAFKA_FULL,    /* poll, and try again later */
    KAFKA_REFUSED, /* for good; kafka_error says why */
};
/* Copies the event. `tag` comes back with its report. */
enum kafka_sent kafka_send(struct kafka *kafka, const struct cloudevent *event, uint64_t tag);
void kafka_poll(struct kafka *kafka);
bool kafka_has_failed(const struct kafka *kafka); /* a fatal error: nothing more will be sent */
const char *kafka_error(const struct kafka *kafka);

/* Lets go of it without waiting: no report comes any more, whatever is under way. Closing may take
 * as long as a look-up of a host name, so a thread of its own does it. */
void kafka_discard(struct kafka *kafka);
/* The discarded one has gone, and its memory with it. */
bool kafka_is_gone(struct kafka *kafka);

#endif
