#ifndef BOXOFFICE_SOURCE_H
#define BOXOFFICE_SOURCE_H

#include "datadir.h"
#include "journal.h"
#include "segment.h"

/* One worker's journal, as the relay reads it beside the worker. */

enum { SOURCES_MAX = PROCESS_MAX };

struct source {
    struct process_entry *worker;
    struct journal *journal; /* NULL until its worker has opened it */
    char name[16];           /* "seat-0" */
    char path[DATADIR_PATH_MAX];
};

void source_init(struct source *source, const struct segment *segment,
                 const struct datadir *datadir, enum role role, unsigned instance);
/* STATUS_OK with journal NULL: not made yet. */
enum status source_open(struct source *source);
void source_close(struct source *source);

/* Public events, copied out of the journal. */
enum { BATCH_EVENTS_MAX = 128, BATCH_SIZE = JOURNAL_PAYLOAD_MAX };
struct batch {
    unsigned count;
    struct journal_event events[BATCH_EVENTS_MAX]; /* payloads are in `bytes` */
    uint64_t scanned; /* the journal's records up to here have been looked at */
    bool more;        /* there are some behind them */
    size_t used;
    uint8_t bytes[BATCH_SIZE];
};

/* At most `count_max` public events behind sequence `after`. STATUS_CORRUPT, STATUS_IO. */
enum status source_read(struct source *source, uint64_t after, unsigned count_max,
                        struct batch *batch);
/* The time of the first event behind `after`; 0: there is none. */
enum status source_next_time(struct source *source, uint64_t after, uint64_t *at_ms);

#endif
