#ifndef BOXOFFICE_LISTENER_H
#define BOXOFFICE_LISTENER_H

#include "status.h"
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

/* The listening sockets. They belong to the supervisor and stay open while a front is restarted, so
 * that clients that connect meanwhile wait instead of being refused. */
enum { LISTENER_MAX = 8, LISTENER_BACKLOG = 4096, LISTENER_TEXT_SIZE = 64 };

struct listen_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t size;
};

struct listener {
    unsigned count;
    int fds[LISTENER_MAX];
    char text[LISTENER_TEXT_SIZE]; /* "127.0.0.1:8080", "[::1]:8080": the real port */
};

/* ADDR:PORT with a numeric address, `localhost` or nothing (all addresses); IPv6 in brackets.
 * STATUS_INVALID. */
enum status listen_address_parse(struct listen_address *address, const char *text);

/* Binds `count` sockets to one address, non-blocking, listening; several share it by SO_REUSEPORT.
 * STATUS_BUSY: in use; STATUS_DENIED; STATUS_IO: errno says which. */
enum status listener_open(struct listener *listener, const struct listen_address *address,
                          unsigned count);
/* Ends the listening for every process that has the sockets: new connections are refused. Closes.
 */
void listener_refuse(struct listener *listener);
void listener_close(struct listener *listener);

#endif
