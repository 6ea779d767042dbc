#ifndef BOXOFFICE_RELAY_H
#define BOXOFFICE_RELAY_H

#include "datadir.h"
#include "segment.h"

/* The relay process. It reads every worker's journal, and once a second says for each up to which
 * sequence its events are delivered to Kafka or, without Kafka, past the retention
 * (process_entry.released_sequence), so that the worker may trim them. Durable is its cursor alone
 * (relay_cursor.h). */
struct relay_options {
    struct segment *segment;
    unsigned self;                 /* process index */
    const struct datadir *datadir; /* its path only */
};

/* Runs until the process table's stop flag is set; the result is the exit code. */
int relay_run(const struct relay_options *options);

#endif
