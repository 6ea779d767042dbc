#ifndef BOXOFFICE_PUBLISHER_H
#define BOXOFFICE_PUBLISHER_H

#include "guard.h"
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
 * with a topic that is missing, or that may not be written to, nothing later can overtake it.
 *
 * Kafka's breaker judges calls: from an event that is handed over to the next report. One that has
 * none for PUBLISHER_STALL_MS has failed, and counts as many times as a breaker needs to be sure.
 * An open breaker stops events from being handed over; those under way stay with the producer,
 * which keeps looking for its brokers, and the first report ends the wait. FORCED_OPEN discards
 * them. */
enum {
    PUBLISHER_STALL_MS = 3000,
    PUBLISHER_CALL_MS = 100, /* calls begin at least this far apart */
};

struct feed {
    struct source *source;
    struct window window;
    bool begun;
    bool proven; /* an event has been delivered since the beginning */
    unsigned failures;
    uint64_t retry_at_ms;
    uint64_t waits_since_ns; /* with events under way: the last report, or the first of them */
};

struct publisher {
    const struct config *config;
    uint64_t incarnation;
    int doorbell;
    struct process_stats *stats;
    struct guard guard;
    struct relay_cursor cursor;
    struct kafka *kafka, *going; /* in use; discarded and not gone yet */
    uint64_t open_at_ms;         /* no other before */
    unsigned falls;   /* of producers in a row, without a delivery and a journal at fault */
    bool begin_again; /* a message failed */
    struct {
        bool open;
        uint32_t permit;
        uint64_t began_ns;
    } call;
    uint64_t reported_ns; /* the last report of a delivery */
    unsigned feed_count;
    unsigned first; /* feed of the next turn: taken in turn */
    struct feed *feeds;
    struct batch batch;
    struct cloudevent event;
};

/* `sources` stay the caller's. STATUS_NO_MEMORY, or what the cursor's file or the breaker says. */
enum status publisher_open(struct publisher *publisher, const struct segment *segment,
                           unsigned self, const char *cursor_path, struct source *sources,
                           unsigned source_count);
/* Stores the cursor. What is still under way is sent again by a successor. */
void publisher_close(struct publisher *publisher);

/* One turn: reports, then events. *more: there is something to send at once. STATUS_CORRUPT,
 * STATUS_IO: a journal is unreadable. */
enum status publisher_turn(struct publisher *publisher, bool *more);
/* Now and then (a second): stores the cursor when it has moved. A failure is logged and tried again
 * the next time; meanwhile nothing more is released. */
void publisher_store(struct publisher *publisher);
/* Up to here the events of a journal are delivered, and this is durable. */
uint64_t publisher_released(const struct publisher *publisher, unsigned source);
/* How many journals' events Kafka refuses, or leaves without an answer, at the moment. */
unsigned publisher_failing(const struct publisher *publisher);
unsigned publisher_in_flight(const struct publisher *publisher);

#endif
