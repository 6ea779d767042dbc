#ifndef BOXOFFICE_BEHAVIOUR_H
#define BOXOFFICE_BEHAVIOUR_H

#include "config.h"
#include "messages.h"
#include "records.h"
#include "rows.h"
#include <stddef.h>
#include <string.h>

/* An actor kind is a table of pure functions. decide looks at a message and the state and says what
 * happens: events and a reply. apply is the only place where state changes, for a live event and in
 * recovery alike. Neither does I/O, reads a clock or draws a random number. */

enum message_origin {
    MESSAGE_REQUEST, /* kind, request */
    MESSAGE_REPLY,   /* the answer to an obligation: kind and request as sent, outcome, reply */
    MESSAGE_TIMER,   /* the actor's timer is due */
};

struct message {
    enum message_origin origin;
    uint16_t kind; /* enum request_kind */
    const union request *request;
    uint64_t obligation; /* MESSAGE_REPLY: its number */
    enum outcome outcome;
    uint16_t reply_kind;
    const union reply *reply;
};

struct event_view {
    uint64_t sequence;
    uint64_t aggregate, aggregate_version;
    uint64_t at_ms;
    uint16_t kind; /* enum event_kind */
    const union event *body;
};

/* For apply: the aggregate's version after the event, when it was `version` before. */
uint64_t event_version(const struct event_view *event, uint64_t version);

enum { DECISION_EVENTS_MAX = 160, DECISION_BYTES_MAX = 64 * 1024 };
struct actor_kind;

/* Claims that fronts mark in shared memory (waiting_room.h). close: nobody can claim this session
 * any more; false: it has been claimed. Harmless when the decision is never committed: the
 * successor opens it again. */
struct claim_gate {
    void *context;
    bool (*close)(void *context, uint64_t room, uint64_t number);
};

/* The limits on all seat workers together. take: marks in shared memory what this worker is about
 * to have in all; false: with what the others have or are about to have that is too much, and
 * nothing is marked. Harmless when the decision is never committed: the successor marks what it
 * has. */
struct capacity_gate {
    void *context;
    bool (*take)(void *context, uint64_t schedules, uint64_t seats);
};

/* What decide is given, and what it gives back. */
struct decision {
    /* in */
    uint64_t now_ms;
    uint64_t started_at_ms;                    /* when the server (not just this worker) started */
    const struct claim_gate *claim_gate;       /* NULL: nobody claims there */
    const struct capacity_gate *capacity_gate; /* NULL: there are no other workers */
    uint64_t next_sequence;   /* of the first event emitted; unique and rising within the worker */
    uint64_t resumed_attempt; /* not 0: this request waited for that attempt when its worker died */
    const struct config *config;
    const struct row_view *rows;
    /* out; use the functions below */
    enum outcome outcome;
    uint16_t reply_kind;
    union reply *reply; /* room for any reply */
    bool replied;
    bool deferred;
    bool answers_waiters;
    uint64_t wait_key, wait_attempt;
    unsigned event_count;
    uint32_t bytes_used;
    /* from here on, what event_count and bytes_used say is valid */
    struct decided_event {
        const struct actor_kind *actor_kind; /* NULL: of the actor that decides */
        uint64_t actor;
        uint64_t aggregate, aggregate_version;
        uint32_t offset, size; /* in bytes[] */
        uint16_t kind;
    } events[DECISION_EVENTS_MAX];
    uint8_t bytes[DECISION_BYTES_MAX];
};

/* Makes it ready for a decision; the caller fills in what stands under "in". */
static inline void decision_init(struct decision *decision)
{
    memset(decision, 0, offsetof(struct decision, events));
}

/* `aggregate` is the id by which consumers order events (user, reservation, room).
 * aggregate_version counts its public events, those that the relay publishes, from 1 without gaps:
 * the version before plus one, or VERSION_INTERNAL for an event that concerns nobody outside. */
enum { VERSION_INTERNAL = 0 };
void decision_emit(struct decision *decision, enum event_kind kind, uint64_t aggregate,
                   uint64_t aggregate_version, const union event *body);
/* The same for an event of another actor of this worker (its owner must be this worker). All events
 * of a decision are in one transaction. */
void decision_emit_to(struct decision *decision, const struct actor_kind *actor_kind,
                      uint64_t actor, enum event_kind kind, uint64_t aggregate,
                      uint64_t aggregate_version, const union event *body);
/* Ends a request: OK or a refusal; the caller has filled decision->reply. REPLY_NONE: no body. */
void decision_reply(struct decision *decision, enum outcome outcome, enum reply_kind kind);
/* The request waits until a later decision answers wait_key; when its worker dies it is decided
 * again with resumed_attempt = attempt. */
void decision_defer(struct decision *decision, uint64_t wait_key, uint64_t attempt);
/* outcome and reply go to every request that waits for wait_key. */
void decision_answer_waiters(struct decision *decision, uint64_t wait_key, enum outcome outcome,
                             enum reply_kind kind);

/* Every actor object begins with this; the runtime keeps it. */
struct actor_base {
    uint64_t id;
    uint64_t last_sequence; /* of the last event applied; load restores it from the head row, apply
                               finds it already set to the event's sequence and stores it there */
};

struct actor_kind {
    const char *name;
    uint8_t number;      /* in journals; never reused */
    bool wakes_at_start; /* its timers go off once when a worker starts, due or not */
    size_t object_size;  /* the struct that begins with actor_base; zeroed before load */
    /* Fills the object from rows. STATUS_NOT_FOUND: there is no such actor yet (the object stays a
     * valid empty one: decide sees it, and apply of a creating event fills it). */
    enum status (*load)(void *object, const struct row_view *rows);
    void (*unload)(void *object);         /* frees what load and apply allocated; may be NULL */
    size_t (*weight)(const void *object); /* heap bytes beyond object_size; may be NULL */
    /* True: it stays in memory whatever the cache's limit, because loading it again costs too much.
     * The kind bounds what these are together. May be NULL: never. */
    bool (*keeps)(const void *object);
    void (*decide)(struct decision *decision, const void *object, const struct message *message);
    void (*apply)(void *object, const struct event_view *event, struct row_sink *sink);
    /* After a commit, for each actor that changed: read snapshots. May be NULL. */
    void (*publish)(const void *object, void *publish_context);
};

enum { ACTOR_KINDS_MAX = 8 };

/* One event of the demo data. */
struct seed_event {
    const struct actor_kind *kind;
    uint64_t actor;
    uint16_t event_kind;
    uint64_t aggregate, aggregate_version;
    union event body;
};

/* What deciding a request looks at first: the actor and the rows whose id is the request's key. */
struct expectation {
    const struct actor_kind *kind; /* NULL: none is known yet */
    char table;                    /* of the rows; 0: none */
};

/* What a worker runs. */
struct behaviour {
    enum role role;
    const struct actor_kind *const *kinds; /* NULL-terminated */
    /* Which actor a request is for. STATUS_NOT_FOUND: reply with that. */
    enum status (*route)(const struct message *message, const struct row_view *rows,
                         const struct actor_kind **kind, uint64_t *id);
    /* So that it can be fetched while others are decided. May be NULL. */
    struct expectation (*expect)(uint16_t request_kind);
    /* Before READY, when state is recovered: rebuilds read snapshots. May be NULL. */
    void (*start)(const struct row_view *rows, void *publish_context);
    /* An empty data directory with --demo: emits the events of item `index` (0, 1, …) for this
     * worker, each with its actor; false when there are no more. May be NULL. */
    bool (*seed)(const struct config *config, uint64_t index, uint64_t now_ms,
                 uint64_t next_sequence, struct seed_event *event);
};

#endif
