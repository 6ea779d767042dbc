#ifndef BOXOFFICE_HTTP_H
#define BOXOFFICE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the connection engine (server.c, connection.c, framing.c) and the application (routes,
 * handlers) say to each other. One thread, one loop. */

struct text {
    const char *data; /* not terminated; NULL when absent */
    size_t size;
};

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER
};

/* A request as it was accepted by the framing rules. All texts point into the connection's buffer
 * and are valid only during the http_request_cb call. */
struct http_request {
    enum http_method method;
    struct text path, query; /* without '?'; query.data NULL when there is none */
    struct text authorization, idempotency_key, content_type, if_none_match, origin, accept,
        last_event_id, access_control_request_method, access_control_request_headers;
    bool has_body;     /* Content-Length > 0, or chunked with data */
    bool has_length;   /* Content-Length or Transfer-Encoding was sent */
    unsigned repeated; /* bit per text above that came more than once: REPEATED_… */
    struct text body;
};
enum { REPEATED_AUTHORIZATION = 1, REPEATED_IDEMPOTENCY_KEY = 2, REPEATED_CONTENT_TYPE = 4 };

struct connection;

/* One request and its answer. Owned by the engine from the http_request_cb call until it has been
 * answered; then it is gone. */
struct exchange {
    struct connection *connection;
    uint64_t started_ns;
    unsigned route; /* the application's number, for the latency statistics */
    bool head_only; /* HEAD: the engine drops the body and keeps its length */
    bool answered;
    /* The application's state while it waits. on_abandon is called when the client goes first; the
     * exchange is gone afterwards. */
    void (*on_abandon)(struct exchange *exchange);
    void *application;
    uint64_t values[6];
    const void *context;
    /* the engine's */
    struct exchange *next;
    struct buffer *held; /* an answer that waits for its turn in the pipeline */
    bool close_after, announce_keep_alive;
};

struct response {
    unsigned status;
    const char *content_type; /* NULL with an empty body */
    struct text headers;      /* further header lines, each with CRLF; may be empty */
    struct text body;         /* copied */
    bool streamed;            /* no length: the body goes on until the connection ends */
};

/* The engine calls this for each request, in order. The application answers at once or later. */
typedef void (*http_request_cb)(void *application, struct exchange *exchange,
                                const struct http_request *request);
/* A fault in head or framing (status 400, 408, 413, 414, 431, 501, 505), or no memory left for the
 * request (503, Retry-After is added): the application writes the problem body; the engine answers,
 * closes, and reads no more. */
typedef void (*http_fault_cb)(void *application, unsigned status, const char *detail, char *body,
                              size_t body_size, size_t *body_used);
/* After the answer is handed over, for statistics. */
typedef void (*http_done_cb)(void *application, const struct exchange *exchange, unsigned status);

/* Answers once. Adds status line, Date, Content-Length, Connection and Content-Type. Answers leave
 * in the order of the requests. They are written at the end of the loop's turn. */
void exchange_respond(struct exchange *exchange, const struct response *response);

/* An answer whose body has no end yet. Open sends the head; false while answers before it are owed:
 * try again later; exchange_make_last, called with the request, keeps requests after it from being
 * read. Write appends to the
 * body: false, with nothing written, when the client has too much to take already or memory is
 * short. on_abandon tells when the client has gone. Close ends the body when all is sent, and the
 * exchange with it; break does so at once, whatever is unsent. To a HEAD request open is the whole
 * answer: the exchange is gone then, too. */
void exchange_make_last(struct exchange *exchange);
enum stream_open { STREAM_OPEN, STREAM_NOT_YET, STREAM_OVER };
enum stream_open exchange_stream_open(struct exchange *exchange, const char *content_type,
                                      struct text headers);
bool exchange_stream_write(struct exchange *exchange, struct text data);
size_t exchange_stream_unsent(const struct exchange *exchange); /* bytes */
void exchange_stream_close(struct exchange *exchange);
void exchange_stream_break(struct exchange *exchange);

struct server;
struct server_options {
    int listen_fd;            /* listening, non-blocking; not closed by the server */
    int doorbell_fd;          /* eventfd: another process has something for this one */
    unsigned connections_max; /* beyond it accept stops until one closes */
    void *application;
    http_request_cb on_request;
    http_fault_cb on_fault;
    http_done_cb on_done;
    /* Each turn of the loop, after sockets were handled and before it blocks. Returns true when it
     * did something (the engine then writes answers and calls again before blocking). */
    bool (*on_turn)(void *application);
    /* Just before blocking: announce sleep and recheck. Returns false when there is work after all.
     */
    bool (*on_sleep)(void *application);
    void (*on_wake)(void *application);
    /* Every 100 ms: deadlines, heartbeats. Returns false once when the server shall stop. */
    bool (*on_tick)(void *application);
    struct process_stats *stats;        /* NULL: nothing is counted */
    unsigned idle_ms, head_ms, body_ms; /* 0: API.md's 60 s, 5 s and 10 s */
};

/* Runs until on_tick returns false, then stops accepting, lets requests in flight finish (at most
 * drain_ms), closes idle connections, and returns. */
int server_run(const struct server_options *options, unsigned drain_ms);

#endif
