#ifndef BOXOFFICE_SERVER_H
#define BOXOFFICE_SERVER_H

#include "buffers.h"
#include "http.h"
#include "http_answer.h"
#include "stats.h"
#include "timeouts.h"

#include <sys/queue.h>
#include <uv.h>

/* The inside of the connection engine, shared by server.c and connection.c. */

enum {
    READ_SIZE = 65536,  /* one read, into a buffer that all connections share */
    PIPELINED_MAX = 16, /* requests of a connection under way; then reading stops */
    OUTPUT_SIZE_PAUSE =
        65536,        /* bytes not yet taken by the client; beyond it no request is begun */
    LINGER_MS = 2000, /* how long a client may take to read the last answer and close */
    LINGER_SIZE_MAX = 256 * 1024, /* what it may still send meanwhile */
    STALL_MS = 60000,             /* without taking a byte of its answers */
};

struct server {
    uv_loop_t loop;
    uv_poll_t listener, doorbell;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t busy; /* active when the loop may not block */
    uv_timer_t tick;
    const struct server_options *options;
    struct process_stats *stats;

    TAILQ_HEAD(, connection) connections;
    TAILQ_HEAD(, connection) dirty; /* have something to send, or to look at, this turn */
    struct connection *spare_connections;
    struct exchange *spare_exchanges;
    unsigned connection_count; /* until their handles are closed */
    struct timeouts timeouts;
    struct buffers buffers;
    char *read_buffer;
    int reserve_fd; /* given up to accept one more when descriptors are out */

    bool accepting;
    bool starved;    /* accepting again at the next tick */
    bool dispatched; /* the application has got a request since its last on_turn */
    bool asleep;     /* on_sleep returned true and on_wake has not been called */
    bool stopping, ended;
    uint64_t drain_deadline_ms;

    bool now_known; /* this turn's time stamps have been taken */
    uint64_t now_ns, date_second;
    char date[HTTP_DATE_SIZE];
};

/* Takes the turn's time stamps, at most once a turn. */
void server_take_time(struct server *server);
/* To be called first by every callback of a descriptor. */
void server_woken(struct server *server);
/* A connection's handle has been closed. */
void server_connection_gone(struct server *server);

#endif
