#include "unit.h"

#include "routes.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

static struct router router;
static struct text name; /* of the path that was looked up last */

static enum route_number choose(enum http_method method, const char *path, uint64_t *id)
{
    const struct route_node *node = router_find(&router, text_of(path), id, &name);
    assert_non_null(node);
    return route_node_choose(node, method);
}

static void test_every_route_is_found_by_its_own_pattern(void **state)
{
    (void)state;
    for (unsigned number = ROUTE_UNMATCHED + 1; number < ROUTE_COUNT; number++) {
        const struct route *route = route_at(number);
        char path[128];
        uint64_t id = 0;
        const char *open = strchr(route->pattern, '{');
        if (open == NULL)
            snprintf(path, sizeof path, "%s", route->pattern);
        else
            snprintf(path, sizeof path, "%.*s77%s", (int)(open - route->pattern), route->pattern,
                     strchr(open, '}') + 1);
        bool named = strstr(route->pattern, "{name}") != NULL;
        assert_int_equal(choose(route->method, path, &id), number);
        assert_int_equal(id, open == NULL || named ? 0 : 77);
        assert_true(text_is(name, named ? "77" : ""));
        assert_non_null(route->handler);
    }
    assert_null(route_at(ROUTE_UNMATCHED));
    assert_null(route_at(ROUTE_COUNT));
}

static void test_unknown_paths_are_not_found(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "*",
        "livez",
        "/livez/",
        "//livez",
        "/Livez",
        "/live",
        "/livezz",
        "/api",
        "/api/v1",
        "/api/v1/users",
        "/api/v1/users/5",
        "/api/v1/reservations/",
        "/api/v1/reservations/5/confirm/",
        "/api/v1/reservations/5/5",
        "/queue/token/check/x",
        "/api/v1/queue/tokens/5",
    };
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        uint64_t id;
        if (router_find(&router, text_of(paths[i]), &id, &name) != NULL)
            fail_msg("found: %s", paths[i]);
    }
}

static void test_an_id_is_a_plain_number_up_to_2_53(void **state)
{
    static const char *const wrong[] = {"0",
                                        "-1",
                                        "+1",
                                        "01",
                                        "1.0",
                                        "abc",
                                        "1x",
                                        "",
                                        "%31",
                                        "9007199254740992",
                                        "18446744073709551617"};
    uint64_t id;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "/api/v1/users/%s/points", wrong[i]);
        if (router_find(&router, text_of(path), &id, &name) != NULL)
            fail_msg("found: %s", path);
    }
    assert_int_equal(choose(HTTP_METHOD_GET, "/api/v1/users/9007199254740991/points", &id),
                     ROUTE_BALANCE);
    assert_int_equal(id, UINT64_C(9007199254740991));
    assert_int_equal(choose(HTTP_METHOD_GET, "/api/v1/admin/rooms/0", &id), ROUTE_ROOM);
    assert_int_equal(id, 0);
}

static void test_head_goes_where_get_does(void **state)
{
    uint64_t id;
    (void)state;
    assert_int_equal(choose(HTTP_METHOD_HEAD, "/livez", &id), ROUTE_LIVEZ);
    assert_int_equal(choose(HTTP_METHOD_HEAD, "/queue/token", &id), ROUTE_UNMATCHED);
}

static void test_a_known_path_names_its_methods(void **state)
{
    char methods[64];
    uint64_t id;
    (void)state;
    assert_int_equal(choose(HTTP_METHOD_PUT, "/api/v1/reservations/5", &id), ROUTE_UNMATCHED);
    assert_int_equal(choose(HTTP_METHOD_OTHER, "/api/v1/reservations/5", &id), ROUTE_UNMATCHED);
    assert_int_equal(choose(HTTP_METHOD_OPTIONS, "/api/v1/reservations/5", &id), ROUTE_UNMATCHED);
    const struct route_node *node =
        router_find(&router, text_of("/api/v1/reservations/5"), &id, &name);
    route_node_methods(node, methods, sizeof methods);
    assert_string_equal(methods, "GET, HEAD, DELETE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_found_by_its_own_pattern),
        cmocka_unit_test(test_unknown_paths_are_not_found),
        cmocka_unit_test(test_an_id_is_a_plain_number_up_to_2_53),
        cmocka_unit_test(test_head_goes_where_get_does),
        cmocka_unit_test(test_a_known_path_names_its_methods),
    };
    router_init(&router);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
