#ifndef BOXOFFICE_CONNECTION_H
#define BOXOFFICE_CONNECTION_H

#include "framing.h"
#include "server.h"

/* One client connection: bytes in, requests to the application in order, answers out in order.
 *
 * A request is parsed where it was read, in the loop's shared buffer; only an incomplete rest is
 * copied to a buffer of the connection. Answers are put one behind the other and sent with one call
 * at the end of the loop's turn. While the client does not take them, nothing is read from it.
 * After the last answer (Connection: close, or a fault) the sending side is shut down and what
 * still comes is thrown away for a short time, so that the client is not cut off from the answer by
 * a reset. */
struct connection {
    uv_poll_t poll;
    struct server *server;
    int fd;
    int watched; /* events that `poll` waits for */
    TAILQ_ENTRY(connection) link, dirty_link;
    struct timeout timeout;

    struct framing framing;        /* of the message that is being received */
    struct buffer *input;          /* received and not yet understood; NULL when there is none */
    struct exchange *first, *last; /* requests under way, in order */
    unsigned exchange_count;
    struct buffer *output, *output_last;
    size_t output_size;
    size_t lingered_size;

    bool dirty;
    bool blocked;      /* the client's window is full */
    bool last_taken;   /* no further request is read */
    bool eof;          /* the client has sent all */
    bool continue_due; /* "100 Continue" is owed for the message being received */
    bool last_put;     /* the last answer is in `output` */
    bool lingering, broken, closed;
};

/* Takes over the descriptor, closed already when this fails (no memory). */
bool connection_open(struct server *server, int fd);
/* Gives up at once what is under way. The memory goes when libuv has let go of the handle. */
void connection_close(struct connection *connection);
/* Has it flushed at the end of this turn. */
void connection_mark(struct connection *connection);
/* Sends what there is, then goes on with what was held up by it. */
void connection_flush(struct connection *connection);
void connection_expire(struct connection *connection);
/* The server is stopping: nothing new is begun; closes when nothing is under way. */
void connection_drain(struct connection *connection);
/* Frees the memory that is kept for reuse. */
void connections_fini(struct server *server);

#endif
