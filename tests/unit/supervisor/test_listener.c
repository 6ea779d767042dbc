#include "listener.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* --listen, and the sockets that it becomes. */

static struct listen_address parsed(const char *text)
{
    struct listen_address address;
    assert_int_equal(listen_address_parse(&address, text), STATUS_OK);
    return address;
}

static void test_addresses(void **state)
{
    (void)state;
    struct listen_address v4 = parsed("127.0.0.1:8080"), all = parsed(":80"),
                          v6 = parsed("[::1]:9");
    assert_int_equal(v4.any.sa_family, AF_INET);
    assert_int_equal(ntohl(v4.v4.sin_addr.s_addr), 0x7f000001);
    assert_int_equal(ntohs(v4.v4.sin_port), 8080);
    assert_int_equal(all.v4.sin_addr.s_addr, INADDR_ANY);
    assert_int_equal(v6.any.sa_family, AF_INET6);
    assert_int_equal(ntohs(v6.v6.sin6_port), 9);
    assert_int_equal(ntohl(parsed("localhost:1").v4.sin_addr.s_addr), 0x7f000001);
    assert_int_equal(ntohs(parsed("0.0.0.0:65535").v4.sin_port), 65535);
}

static void test_wrong_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:999999",
        "127.0.0.1:8o",
        "127.0.0.1:-1",
        "127.0.0.1: 80",
        "::1:8080",
        "[::1]",
        "[::1:8080",
        "[]:80",
        "[:80",
        "[127.0.0.1]:80",
        "no such host:80",
        "256.0.0.1:80",
        "0123456789012345678901234567890123456789012345678901234567:80",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct listen_address address;
        if (listen_address_parse(&address, wrong[i]) != STATUS_INVALID)
            fail_msg("accepted '%s'", wrong[i]);
    }
}

static void connect_to(const char *text)
{
    struct listen_address address = parsed(text);
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &address.any, address.size), 0);
    close(fd);
}

static void test_port_0_takes_a_free_port_and_says_which(void **state)
{
    (void)state;
    struct listen_address address = parsed("127.0.0.1:0");
    struct listener listener;
    assert_int_equal(listener_open(&listener, &address, 1), STATUS_OK);
    assert_int_equal(strncmp(listener.text, "127.0.0.1:", 10), 0);
    assert_true(atoi(listener.text + 10) > 0);
    connect_to(listener.text);
    assert_true(fcntl(listener.fds[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(listener.fds[0], F_GETFD) & FD_CLOEXEC);
    listener_close(&listener);
}

static void test_several_fronts_share_one_address(void **state)
{
    (void)state;
    struct listen_address address = parsed("127.0.0.1:0");
    struct listener listener;
    assert_int_equal(listener_open(&listener, &address, 4), STATUS_OK);
    assert_int_equal(listener.count, 4);
    for (unsigned i = 0; i < listener.count; i++) {
        struct sockaddr_in name;
        socklen_t size = sizeof name;
        assert_int_equal(getsockname(listener.fds[i], (struct sockaddr *)&name, &size), 0);
        assert_int_equal(ntohs(name.sin_port), atoi(listener.text + 10));
    }
    listener_close(&listener);
    assert_int_equal(listener.count, 0);
}

static void test_an_address_in_use_is_busy_also_for_several_fronts(void **state)
{
    (void)state;
    struct listen_address address = parsed("127.0.0.1:0");
    struct listener first, second;
    for (unsigned fronts = 1; fronts <= 2; fronts++) {
        assert_int_equal(listener_open(&first, &address, fronts), STATUS_OK);
        struct listen_address taken = parsed(first.text);
        for (unsigned others = 1; others <= 2; others++) {
            assert_int_equal(listener_open(&second, &taken, others), STATUS_BUSY);
            assert_int_equal(errno, EADDRINUSE);
            assert_int_equal(second.count, 0);
        }
        listener_close(&first);
    }
}

static void test_a_refusing_listener_refuses_also_where_its_socket_was_inherited(void **state)
{
    (void)state;
    struct listen_address address = parsed("127.0.0.1:0");
    struct listener listener;
    assert_int_equal(listener_open(&listener, &address, 1), STATUS_OK);
    struct listen_address where = parsed(listener.text);
    int inherited = dup(listener.fds[0]), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(inherited >= 0 && fd >= 0);
    listener_refuse(&listener);
    assert_int_equal(connect(fd, &where.any, where.size), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
    close(inherited);
}

static void test_ipv6_is_printed_in_brackets(void **state)
{
    (void)state;
    struct listen_address address = parsed("[::1]:0");
    struct listener listener;
    if (listener_open(&listener, &address, 1) != STATUS_OK)
        skip(); /* no IPv6 here */
    assert_int_equal(strncmp(listener.text, "[::1]:", 6), 0);
    connect_to(listener.text);
    listener_close(&listener);
}

static void test_an_address_of_another_machine_is_an_error(void **state)
{
    (void)state;
    struct listen_address address = parsed("192.0.2.1:0");
    struct listener listener;
    assert_int_equal(listener_open(&listener, &address, 1), STATUS_IO);
    assert_int_equal(errno, EADDRNOTAVAIL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_wrong_addresses_are_refused),
        cmocka_unit_test(test_port_0_takes_a_free_port_and_says_which),
        cmocka_unit_test(test_several_fronts_share_one_address),
        cmocka_unit_test(test_an_address_in_use_is_busy_also_for_several_fronts),
        cmocka_unit_test(test_a_refusing_listener_refuses_also_where_its_socket_was_inherited),
        cmocka_unit_test(test_ipv6_is_printed_in_brackets),
        cmocka_unit_test(test_an_address_of_another_machine_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
