#include "command.h"
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

/* `boxoffice health`: asks a server how it is, for a container's HEALTHCHECK, where there is no
 * other client. 0 when the answer is 2xx, else 1. */

enum { UNHEALTHY = 1, ANSWER_TIMEOUT_S = 3, HOST_SIZE = 256, PORT_SIZE = 8, PATH_SIZE = 512 };

struct target {
    char host[HOST_SIZE], port[PORT_SIZE], path[PATH_SIZE];
};

static bool copy_part(char *to, size_t size, const char *from, size_t length)
{
    if (length == 0 || length >= size)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

/* http://HOST[:PORT][/PATH]; an IPv6 address in brackets. */
static bool parse_url(struct target *target, const char *url)
{
    static const char scheme[] = "http://";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *host = url + sizeof scheme - 1;
    const char *path = host + strcspn(host, "/");
    const char *host_end = host + strcspn(host, ":/");
    if (*host == '[') {
        host_end = memchr(host, ']', (size_t)(path - host));
        if (host_end == NULL)
            return false;
        host++;
    }
    const char *colon = host_end + (*host_end == ']');
    if (!copy_part(target->host, HOST_SIZE, host, (size_t)(host_end - host)) ||
        !copy_part(target->path, PATH_SIZE, *path == '\0' ? "/" : path,
                   *path == '\0' ? 1 : strlen(path)))
        return false;
    if (colon == path)
        return copy_part(target->port, PORT_SIZE, "80", 2);
    return *colon == ':' &&
           copy_part(target->port, PORT_SIZE, colon + 1, (size_t)(path - colon - 1));
}

static int connect_to(const struct target *target)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct timeval limit = {.tv_sec = ANSWER_TIMEOUT_S};
    struct addrinfo *found;
    int fd = -1;
    if (getaddrinfo(target->host, target->port, &hints, &found) != 0)
        return -1;
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0)
            continue;
        /* The limit for sending is the one for connecting too. */
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* The status of the answer; 0: none. */
static unsigned ask(const struct target *target)
{
    char request[HOST_SIZE + PATH_SIZE + 64], line[64];
    size_t used = 0;
    unsigned status = 0;
    int fd = connect_to(target);
    if (fd < 0)
        return 0;
    int length =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n", target->path);
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) == length)
        for (ssize_t got; used < sizeof line - 1 &&
                          (got = recv(fd, line + used, sizeof line - 1 - used, 0)) > 0;)
            used += (size_t)got;
    close(fd);
    line[used] = '\0';
    return sscanf(line, "HTTP/1.%*1[01] %3u", &status) == 1 ? status : 0;
}

/* Where a server with the same environment listens. */
static void default_url(char *url, size_t size)
{
    const char *listen = getenv("BOXOFFICE_LISTEN");
    const char *port = listen == NULL ? NULL : strrchr(listen, ':');
    if (port == NULL) {
        listen = "127.0.0.1:8080";
        port = strrchr(listen, ':');
    }
    size_t length = (size_t)(port - listen);
    if (length == 7 && strncmp(listen, "0.0.0.0", 7) == 0)
        snprintf(url, size, "http://127.0.0.1%s/readyz", port);
    else if (length == 4 && strncmp(listen, "[::]", 4) == 0)
        snprintf(url, size, "http://[::1]%s/readyz", port);
    else
        snprintf(url, size, "http://%.*s%s/readyz", (int)length, listen, port);
}

int command_health(int argc, char **argv)
{
    char initial[HOST_SIZE];
    const char *url = initial;
    const struct command_text texts[] = {{"--url", &url}};
    struct target target;
    default_url(initial, sizeof initial);
    int code = command_texts("health", texts, 1, argc, argv);
    if (code != EX_OK)
        return code;
    if (!parse_url(&target, url))
        return command_fail(EX_USAGE, "health: --url takes http://HOST[:PORT][/PATH], not '%.200s'",
                            url);
    unsigned status = ask(&target);
    if (status >= 200 && status < 300)
        return EX_OK;
    if (status == 0)
        return command_fail(UNHEALTHY, "%s does not answer", url);
    return command_fail(UNHEALTHY, "%s answers %u", url, status);
}
