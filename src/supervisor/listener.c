#include "listener.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool port_parse(const char *text, in_port_t *port)
{
    unsigned long value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    for (; *text != '\0'; text++)
        value = value * 10 + (unsigned long)(*text - '0');
    *port = htons((uint16_t)value);
    return value <= UINT16_MAX;
}

enum status listen_address_parse(struct listen_address *address, const char *text)
{
    memset(address, 0, sizeof *address);
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    in_port_t port = 0;
    if (colon == NULL || (size_t)(colon - text) >= sizeof host || !port_parse(colon + 1, &port))
        return STATUS_INVALID;
    size_t length = (size_t)(colon - text);
    memcpy(host, text, length);
    host[length] = '\0';
    if (host[0] == '[') {
        if (host[length - 1] != ']')
            return STATUS_INVALID;
        host[length - 1] = '\0';
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = port;
        address->size = sizeof address->v6;
        return inet_pton(AF_INET6, host + 1, &address->v6.sin6_addr) == 1 ? STATUS_OK
                                                                          : STATUS_INVALID;
    }
    const char *numeric = host;
    if (length == 0)
        numeric = "0.0.0.0";
    else if (strcmp(host, "localhost") == 0)
        numeric = "127.0.0.1";
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = port;
    address->size = sizeof address->v4;
    return inet_pton(AF_INET, numeric, &address->v4.sin_addr) == 1 ? STATUS_OK : STATUS_INVALID;
}

static enum status errno_status(void)
{
    switch (errno) {
    case EADDRINUSE:
        return STATUS_BUSY;
    case EACCES:
    case EPERM:
        return STATUS_DENIED;
    default:
        return STATUS_IO;
    }
}

/* A bound, listening socket, or -1 with errno. */
static int socket_open(const struct listen_address *address, bool shared)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
        bind(fd, &address->any, address->size) == 0 && listen(fd, LISTENER_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void address_print(const struct listen_address *address, char text[LISTENER_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v6 = address->any.sa_family == AF_INET6;
    const void *bytes =
        v6 ? (const void *)&address->v6.sin6_addr : (const void *)&address->v4.sin_addr;
    inet_ntop(address->any.sa_family, bytes, host, sizeof host);
    unsigned port = ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port);
    snprintf(text, LISTENER_TEXT_SIZE, v6 ? "[%s]:%u" : "%s:%u", host, port);
}

enum status listener_open(struct listener *listener, const struct listen_address *address,
                          unsigned count)
{
    struct listen_address bound = *address;
    memset(listener, 0, sizeof *listener);
    if (count > LISTENER_MAX)
        return STATUS_INVALID;
    /* SO_REUSEPORT would silently share the port with another server of the same user; a socket
     * without it finds that one. */
    if (count > 1) {
        int probe = socket_open(address, false);
        if (probe < 0)
            return errno_status();
        close(probe);
    }
    for (unsigned i = 0; i < count; i++) {
        int fd = socket_open(&bound, count > 1);
        if (fd < 0) {
            enum status status = errno_status();
            int saved = errno;
            listener_close(listener);
            errno = saved;
            return status;
        }
        listener->fds[listener->count++] = fd;
        socklen_t size = sizeof bound.v6;
        if (i == 0 && getsockname(fd, &bound.any, &size) != 0) {
            listener_close(listener);
            return STATUS_IO;
        }
    }
    address_print(&bound, listener->text);
    return STATUS_OK;
}

void listener_refuse(struct listener *listener)
{
    for (unsigned i = 0; i < listener->count; i++)
        shutdown(listener->fds[i], SHUT_RDWR);
    listener_close(listener);
}

void listener_close(struct listener *listener)
{
    for (unsigned i = 0; i < listener->count; i++)
        close(listener->fds[i]);
    listener->count = 0;
}
