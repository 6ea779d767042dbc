#ifndef BOXOFFICE_PUBLISHER_H
#define BOXOFFICE_PUBLISHER_H

#include "kafka.h"
#include "relay_cursor.h"
#include "source.h"
#include "window.h"

/* Sends the public events of every journal to Kafka, each journal's in order.
 *
 * Happy path: a batch is copied out of a journal, handed to the producer and kept in the journal's
 * window until its reports are in; the cursor follows them and is stored once a second; what is
 * below the stored cursor may be trimmed.
 *
 * When a message fails, or the producer does, it is discarded with everything under way; a new one
 * begins again at the lowest event of each journal that is not delivered. The journal whose event
 * failed waits before it is tried again, longer each time; the others go on at once.
 *
 * After every beginning a journal sends one event alone, and more only when that one is delivered:
 * with a topic that is missing, or that may not be written to, nothing later can overtake it. */

struct feed {
    struct source *source;
    struct window window;
    bool proven; /* an event has been delivered since the beginning */
    bool more;   /* the journal has more than was read, as far as is known */
    unsigned failures;
    uint64_t retry_at_ms;
};

struct publisher {
    const struct config *config;
    uint64_t incarnation;
    int doorbell;
    struct process_stats *stats;
    struct relay_cursor cursor;
    struct kafka *kafka, *going; /* in use; discarded and not gone yet */
    uint64_t open_at_ms;
    unsigned open_failures;
    bool begin_again;
    unsigned feed_count;
    struct feed *feeds; /* by source */
    struct batch batch;
    struct cloudevent event;
};

/* `sources` stay the caller's. STATUS_NO_MEMORY, or what the cursor's file says. */
enum status publisher_open(struct publisher *publisher, const struct segment *segment,
                           unsigned self, const struct datadir *datadir, struct source *sources,
                           unsigned source_count);
/* Stores the cursor. What is still under way is sent again by a successor. */
void publisher_close(struct publisher *publisher);

/* One turn: reports, then events. `may_send`: false keeps the producer from getting more. True when
 * there is more to do at once. STATUS_CORRUPT, STATUS_IO: a journal is unreadable. */
enum status publisher_turn(struct publisher *publisher, uint64_t now_ms, bool may_send, bool *more);
/* Once a second: stores the cursor when it has moved. */
enum status publisher_store(struct publisher *publisher);
/* Up to here the events of a journal are delivered, durably. */
uint64_t publisher_released(const struct publisher *publisher, unsigned source);
unsigned publisher_in_flight(const struct publisher *publisher);

#endif
