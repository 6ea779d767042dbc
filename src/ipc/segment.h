#ifndef BOXOFFICE_SEGMENT_H
#define BOXOFFICE_SEGMENT_H

#include "clock.h"
#include "config.h"
#include "journal_range.h"
#include "messages.h"
#include "ring.h"
#include "slot.h"
#include "stats.h"
#include "waiting_room.h"
#include <sys/types.h>

/* The one shared-memory segment: a sealed memfd that the supervisor makes and every child maps.
 * Layout: header, process table, statistics, breakers, dead letters, catalogue, slot pools,
 * channels, guard. Everything after the header is written by several processes and trusted by none;
 * the header is written by the supervisor alone, and children map it read-only. Most of the segment
 * is address space: a page gets memory when it is first touched. */

enum {
    PROCESS_MAX = 48,
    PROCESS_SUPERVISOR = 0, /* its index in the process table */
    OBITUARY_SIZE = 256,
    SLOT_LARGE_COUNT = 64,  /* large slots in a front's pool */
    SEAT_POOL_SLOTS = 4096, /* small slots of a seat worker, towards wallets and queue */
    SECRET_SIZE = 32,
    IDENTITY_KEY_SIZE = 256, /* the most bytes of an identity key */
};
/* Unused bytes at the end: the most that a garbled ring capacity or slot size can lead astray. */
enum { SEGMENT_GUARD_SIZE = 4 * 1024 * 1024 };
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

/* What a process died of: CAUSE(NAME, "text in logs and metrics", "name in the API"). */
/* clang-format off */
#define EXIT_CAUSES(CAUSE) \
    CAUSE(STOPPED,       "stopped",       "stopped")     /* it was asked to */ \
    CAUSE(KILLED,        "killed",        "killed")      /* by a signal from outside */ \
    CAUSE(CRASH,         "crash",         "crash")       /* by a signal of its own making */ \
    CAUSE(HANG,          "hang",          "hang")        /* ended, because it did not go on */ \
    CAUSE(CODE,          "exit-code",     "exitCode")    /* it exited */ \
    CAUSE(OUT_OF_MEMORY, "out-of-memory", "outOfMemory") /* by the kernel, for want of memory */ \
    CAUSE(STORAGE,       "storage",       "storage")     /* it exited: its storage failed */ \
    CAUSE(HEALED,        "healed",        "healed")      /* it exited: its disk has room again */ \
    CAUSE(NEVER_READY,   "never-ready",   "neverReady")  /* ended at its start's deadline */ \
    CAUSE(NO_SPAWN,      "no-spawn",      "noSpawn")     /* it could not be started */
/* clang-format on */
enum exit_cause {
#define CAUSE(name, text, api) EXIT_CAUSE_##name,
    EXIT_CAUSES(CAUSE)
#undef CAUSE
        EXIT_CAUSE_COUNT
};
const char *exit_cause_text(enum exit_cause cause);
const char *exit_cause_api(enum exit_cause cause);

/* What a worker is at, for its obituary. Only a request has a slot (deciding_id). */
enum deciding { DECIDING_NOTHING, DECIDING_REQUEST, DECIDING_REPLY, DECIDING_TIMER };

/* One line of the process table. `spawn` fields are written by the supervisor, `live` ones by the
 * process itself. */
struct process_entry {
    _Alignas(64) _Atomic uint32_t role; /* enum role; spawn */
    _Atomic uint32_t instance;          /* 0-based within the role; spawn */
    _Atomic int32_t pid;                /* spawn; 0 when none is alive */
    _Atomic uint32_t generation;        /* spawn; rises with every start */
    _Atomic uint32_t state;             /* enum process_state; both (live: READY, READ_ONLY) */
    _Atomic uint32_t ready_generation;  /* live: see segment_announce_ready; producers watch it */
    _Atomic uint32_t stop;              /* spawn: 1 asks for a graceful stop */
    _Atomic uint32_t sleeping;          /* live: about to block; a waker takes it back to 0 */
    _Atomic uint32_t rings;             /* wakers: doorbell writes announced so far */
    _Atomic uint32_t rings_drained;     /* live: of these, dealt with */
    _Atomic uint32_t sleeps;            /* live */
    _Alignas(64) _Atomic uint64_t heartbeat_ns; /* live: CLOCK_MONOTONIC of its last turn */
    _Atomic uint64_t progress;                  /* live: messages consumed */
    _Atomic uint64_t deciding_id;               /* live: request being decided, 0: none */
    _Atomic uint32_t deciding_pool;             /* its pool: index of the producer's process */
    _Atomic uint32_t deciding_slot;
    _Atomic uint64_t deciding_actor; /* live: whose message is being decided */
    _Atomic uint32_t deciding_kind;  /* live: enum request_kind */
    _Atomic uint32_t deciding_what;  /* live: enum deciding */
    _Atomic uint64_t started_ms;     /* spawn: clock_now_ms */
    _Atomic uint32_t parked;         /* spawn: 1 from parking until a probe has found it well */
    _Atomic uint64_t restarts[EXIT_CAUSE_COUNT]; /* spawn: by the cause of the death before */
    _Atomic uint64_t released_sequence; /* relay: this worker's events up to here may be trimmed */
    struct journal_range journal;       /* live: what a worker's journal holds, for the relay */
    char obituary[OBITUARY_SIZE];       /* live: last words (check_obituary) */
};

struct breaker_table;
struct dead_letters;

/* What an identity key verifies. */
enum identity_kind {
    IDENTITY_NONE, /* tokens are given to whoever names a user */
    IDENTITY_HS256,
    IDENTITY_EDDSA,
};

struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t messages_version;
    uint64_t size;        /* bytes of the whole segment */
    uint64_t layout_hash; /* of offsets and struct sizes; a child with others refuses */
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
    uint32_t identity_kind;               /* enum identity_kind */
    uint32_t identity_key_size;
    uint8_t identity_key[IDENTITY_KEY_SIZE]; /* a secret, or a public key */
    struct config config;
    /* offsets from the segment's start */
    uint64_t processes_at, stats_at, http_stats_at, breakers_at, dead_letters_at, catalogue_at;
    uint64_t waiting_rooms_at;
    uint64_t pools_at[PROCESS_MAX];
    uint64_t channels_at[PROCESS_MAX][PROCESS_MAX]; /* [producer][consumer]; 0: none */
};

/* A process's mapping. Doorbells are inherited descriptors, one eventfd for each process. */
struct segment {
    struct segment_header *header;
    size_t size; /* of the mapping */
    int fd;
    int doorbells[PROCESS_MAX];
};

/* Supervisor: lays out and seals a segment for `config`, makes the doorbells (close-on-exec; the
 * supervisor passes them on explicitly) and fills the process table: supervisor, fronts, queue,
 * seats, wallets, relay, in this order. Ids, incarnation and keys begin as random bytes; the
 * supervisor overwrites those that are durable before it starts a child. STATUS_INVALID when the
 * config's counts are out of range, STATUS_NO_MEMORY, STATUS_IO. */
enum status segment_create(struct segment *segment, const struct config *config);
/* Child: maps fd and checks seals, size, magic, versions, that header->config gives the very layout
 * that the header describes, and that every doorbell is open and non-blocking. Doorbell i is
 * descriptor first_doorbell + i. The segment owns the descriptors from success on; at a failure
 * they stay the caller's. STATUS_MISMATCH, STATUS_IO. */
enum status segment_open(struct segment *segment, int fd, int first_doorbell);
void segment_close(struct segment *segment); /* unmaps, closes fd and doorbells */

/* The next four: NULL for an index that does not exist. */
struct process_entry *segment_process(const struct segment *segment, unsigned index);
/* Index of the instance-th process of a role; PROCESS_MAX when there is none. */
unsigned segment_process_of(const struct segment *segment, enum role role, unsigned instance);
struct process_stats *segment_stats(const struct segment *segment, unsigned index);
struct http_stats *segment_http_stats(const struct segment *segment, unsigned front_instance);
struct catalogue *segment_catalogue(const struct segment *segment, unsigned seat_instance);
struct waiting_rooms *segment_waiting_rooms(const struct segment *segment);
struct breaker_table *segment_breakers(const struct segment *segment);    /* guard.h */
struct dead_letters *segment_dead_letters(const struct segment *segment); /* dead_letters.h */
/* Which worker owns an actor key: the process whose instance is (key mod 64) mod the number of the
 * role's workers. */
unsigned segment_owner(const struct segment *segment, enum role role, uint64_t key);

/* A process's slots; false when it has none. */
bool segment_slot_area(const struct segment *segment, unsigned process, struct slot_area *area);
/* The two rings of a channel; false when there is no such channel. Each has at least twice as many
 * entries as the producer has slots (channel.h says why that is enough). */
bool segment_rings(const struct segment *segment, unsigned producer, unsigned consumer,
                   struct ring **requests, struct ring **completions);

/* Process `self` has dealt with what its predecessor left and takes requests: sets `state` (READY
 * or READ_ONLY) and ready_generation, and wakes everyone, so that producers rescan their slots now.
 */
void segment_announce_ready(const struct segment *segment, unsigned self, enum process_state state);

/* Sleeping without a lost or a needless wake-up.
 *
 * sleeper:  sleeping = 1, fence, recheck everything, block, segment_sleep_end
 * waker:    publish, fence, sleeping == 1 ? exchange(sleeping, 0) == 1 ? rings += 1, write eventfd
 *
 * With both fences sequentially consistent, either the sleeper's recheck sees what was published or
 * the waker sees the flag. The exchange lets one waker through, so there is one write for each
 * sleep and none for a process that is awake. `rings` is raised before the write, so the sleeper
 * calls read(2) only when a write was announced since its last sleep. Writes that come later than
 * that, or that nobody announced (a signal handler's, say), cut up to SLEEPS_PER_READ sleeps short;
 * then one ends with a read in any case. A waker killed between exchange and write takes its ring
 * with it: whoever reaps a process calls segment_wake_all, and nobody blocks without a coarse
 * time-out. Sleepers need not read the eventfd themselves.
 *
 * segment_wake and segment_wake_all are async-signal-safe. */
enum { SLEEPS_PER_READ = 16 };
void segment_wake(const struct segment *segment, unsigned index); /* when it sleeps */
void segment_wake_all(const struct segment *segment);             /* whether they sleep or not */
void segment_sleep_begin(const struct segment *segment, unsigned self);
/* After blocking, or instead of it when the recheck found something: clears flag and doorbell. */
void segment_sleep_end(const struct segment *segment, unsigned self);

#endif
