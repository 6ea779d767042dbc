#ifndef BOXOFFICE_EVENTS_H
#define BOXOFFICE_EVENTS_H

#include "channel.h"
#include "cloudevent.h"
#include "position.h"

/* Answers the fronts' EVENTS_GET: pages of public events over all journals. Within a journal in its
 * order, across journals by time as far as it goes; what a page leaves out comes with the next. It
 * keeps nothing: the position is in the request. */
struct events {
    struct segment *segment;
    struct process_stats *stats;
    struct process_entry *entry;
    struct source *sources;
    unsigned source_count;
    unsigned channel_count;
    struct channel_consumer channels[PROCESS_MAX];
    struct batch *batches; /* by source; NULL until somebody asks */
    struct cloudevent event;
    union request request;
    union reply reply;
};

/* `sources` stay the caller's. */
enum status events_open(struct events *events, struct segment *segment, unsigned self,
                        struct source *sources, unsigned source_count);
void events_close(struct events *events);
/* Answers some requests. *more: others wait. STATUS_CORRUPT, STATUS_IO: a journal is unreadable. */
enum status events_turn(struct events *events, bool *more);
bool events_waiting(const struct events *events);

#endif
