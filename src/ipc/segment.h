#ifndef BOXOFFICE_SEGMENT_H
#define BOXOFFICE_SEGMENT_H

#include "clock.h"
#include "config.h"
#include "messages.h"
#include "ring.h"
#include "slot.h"
#include "stats.h"
#include <sys/types.h>

/* The one shared-memory segment: a sealed memfd that the supervisor makes and every child maps.
 * Layout: header, process table, statistics, catalogue, slot pools, channels. */

enum {
    PROCESS_MAX = 48,
    PROCESS_SUPERVISOR = 0, /* its index in the process table */
    OBITUARY_SIZE = 256,
    SLOT_LARGE_COUNT = 64,   /* large slots in a front's pool */
    SEAT_POOL_SLOTS = 4096,  /* small slots of a seat worker, towards wallets and queue */
    SECRET_SIZE = 32,
};
#define SEGMENT_MAGIC UINT64_C(0x45434946464f584f) /* "OXOFFICE" */
enum { SEGMENT_VERSION = 1 };

enum process_state {
    PROCESS_STOPPED,
    PROCESS_STARTING,
    PROCESS_READY,
    PROCESS_READ_ONLY, /* READY, but its storage takes no writes at the moment */
    PROCESS_STOPPING,
    PROCESS_BACKOFF, /* dead, its restart is due later */
    PROCESS_PARKED,
};
const char *process_state_text(enum process_state state);

/* One line of the process table. `spawn` fields are written by the supervisor, `live` ones by the
 * process itself. */
struct process_entry {
    _Alignas(64) _Atomic uint32_t role; /* enum role; spawn */
    _Atomic uint32_t instance;          /* 0-based within the role; spawn */
    _Atomic int32_t pid;                /* spawn; 0 when none is alive */
    _Atomic uint32_t generation;        /* spawn; rises with every start */
    _Atomic uint32_t state;             /* enum process_state; both (live: READY, READ_ONLY) */
    _Atomic uint32_t ready_generation;  /* live: set to `generation` when READY; producers watch it */
    _Atomic uint32_t stop;              /* spawn: 1 asks for a graceful stop */
    _Atomic uint32_t sleeping;          /* live: about to block; see channel_sleep_begin */
    _Alignas(64) _Atomic uint64_t heartbeat_ns; /* live: CLOCK_MONOTONIC of its last turn */
    _Atomic uint64_t progress;                  /* live: messages consumed */
    _Atomic uint64_t deciding_id;               /* live: request being decided, 0: none */
    _Atomic uint32_t deciding_pool;             /* its pool: index of the producer's process */
    _Atomic uint32_t deciding_slot;
    _Atomic uint64_t started_ms;       /* spawn: clock_now_ms */
    _Atomic uint64_t restarts;         /* spawn: all causes */
    _Atomic uint64_t released_sequence; /* relay: this worker's events up to here may be trimmed */
    char obituary[OBITUARY_SIZE];      /* live: last words (check_obituary) */
};

struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t messages_version;
    uint64_t size;        /* bytes of the whole segment */
    uint64_t layout_hash; /* of the offsets below and the struct sizes; a child with others refuses */
    uint64_t segment_id;  /* random; marks of other segments in journals are ignored */
    uint64_t incarnation; /* random, of the data directory (part of event ids) */
    uint32_t process_count;
    uint32_t slots_per_front; /* small slots */
    struct clock_base clock;
    _Atomic uint32_t draining; /* 1: the whole server is stopping */
    uint8_t ticket_key[SECRET_SIZE];
    uint8_t admin_key_hash[SECRET_SIZE];  /* crypto_generichash of the key's text */
    uint32_t charge_key_set;              /* 1: charges need the charge key */
    uint8_t charge_key_hash[SECRET_SIZE]; /* likewise, of the charge key */
    struct config config;
    /* offsets from the segment's start */
    uint64_t processes_at, stats_at, http_stats_at, catalogue_at, pools_at[PROCESS_MAX];
    uint64_t channels_at[PROCESS_MAX][PROCESS_MAX]; /* [producer][consumer]; 0: none */
};

/* A process's mapping. Doorbells are inherited descriptors, one eventfd for each process. */
struct segment {
    struct segment_header *header;
    int fd;
    int doorbells[PROCESS_MAX];
};

/* Supervisor: lays out and seals a segment for `config`, makes the doorbells (close-on-exec; the
 * supervisor passes them on explicitly) and fills the process table: supervisor, fronts, queue,
 * seats, wallets, relay, in this order. STATUS_NO_MEMORY, STATUS_IO. */
enum status segment_create(struct segment *segment, const struct config *config);
/* Child: maps fd and checks magic, versions, size, hash and seals. doorbell i is descriptor
 * first_doorbell + i. STATUS_MISMATCH, STATUS_IO. */
enum status segment_open(struct segment *segment, int fd, int first_doorbell);
void segment_close(struct segment *segment);

struct process_entry *segment_process(const struct segment *segment, unsigned index);
/* Index of the instance-th process of a role; PROCESS_MAX when there is none. */
unsigned segment_process_of(const struct segment *segment, enum role role, unsigned instance);
struct process_stats *segment_stats(const struct segment *segment, unsigned index);
struct http_stats *segment_http_stats(const struct segment *segment, unsigned front_instance);
struct catalogue *segment_catalogue(const struct segment *segment, unsigned seat_instance);
/* Which worker owns an actor key: its partition's (key mod 64) worker. */
unsigned segment_owner(const struct segment *segment, enum role role, uint64_t key);

/* Writes the doorbell of process `index` when it sleeps. Async-signal-safe. */
void segment_wake(const struct segment *segment, unsigned index);
/* Before blocking on the own doorbell: announces it (seq_cst). Then recheck all rings, and block only
 * when they are empty. segment_sleep_end clears the flag and the doorbell. */
void segment_sleep_begin(const struct segment *segment, unsigned self);
void segment_sleep_end(const struct segment *segment, unsigned self);

#endif
