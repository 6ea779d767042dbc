#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

_Noreturn void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, detail);
    exit(1);
}

int dial(uint16_t port, int epoll_fd, struct epoll_event *event)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, event) != 0)
        give_up("connect", strerror(errno));
    return fd;
}

size_t answer_parse(const char *in, size_t in_size, int *status)
{
    static const char field[] = "\r\nContent-Length: ";
    const char *end = memmem(in, in_size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head_size = (size_t)(end - in) + 4;
    const char *length = memmem(in, head_size, field, sizeof field - 1);
    if (head_size < 13 || length == NULL)
        give_up("not an answer", in);
    *status = atoi(in + 9);
    size_t size = head_size + strtoul(length + sizeof field - 1, NULL, 10);
    return size <= in_size ? size : 0;
}
