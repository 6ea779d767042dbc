#include "routes.h"

#include "check.h"
#include "handlers.h"
#include "limits.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

static const struct route routes[ROUTE_COUNT] = {
/* clang-format off */
#define ROUTE(name, method_, pattern_, handler_, access_, flags_)                                  \
    [ROUTE_##name] = {.method = HTTP_METHOD_##method_, .pattern = pattern_,                        \
                      .label = #method_ " " pattern_, .handler = handle_##handler_,                \
                      .access = ACCESS_##access_, .flags = flags_},
#include "routes.def"
#undef ROUTE
    /* clang-format on */
};

const struct route *route_at(unsigned number)
{
    return number > ROUTE_UNMATCHED && number < ROUTE_COUNT ? &routes[number] : NULL;
}

static uint8_t node_add(struct router *router, const char *literal, size_t length)
{
    check(router->node_count < ROUTE_NODES_MAX && length < UINT8_MAX);
    router->nodes[router->node_count] =
        (struct route_node){.literal = literal, .length = (uint8_t)length};
    return (uint8_t)router->node_count++;
}

static uint8_t child_find(const struct router *router, const struct route_node *node,
                          struct text segment)
{
    for (uint8_t at = node->first_child; at != 0; at = router->nodes[at].next_sibling) {
        const struct route_node *child = &router->nodes[at];
        if (child->length == segment.size &&
            memcmp(child->literal, segment.data, segment.size) == 0)
            return at;
    }
    return 0;
}

static uint8_t child_make(struct router *router, uint8_t parent, struct text segment)
{
    bool is_name = text_is(segment, "{name}");
    bool is_id = !is_name && segment.size > 0 && segment.data[0] == '{';
    uint8_t found = is_name ? router->nodes[parent].name_child
                    : is_id ? router->nodes[parent].id_child
                            : child_find(router, &router->nodes[parent], segment);
    if (found != 0)
        return found;
    uint8_t made = node_add(router, segment.data, segment.size);
    if (is_name) {
        router->nodes[parent].name_child = made;
    } else if (is_id) {
        router->nodes[parent].id_child = made;
    } else {
        router->nodes[made].next_sibling = router->nodes[parent].first_child;
        router->nodes[parent].first_child = made;
    }
    return made;
}

void router_init(struct router *router)
{
    router->node_count = 0;
    node_add(router, "", 0);
    for (unsigned number = ROUTE_UNMATCHED + 1; number < ROUTE_COUNT; number++) {
        struct text rest = text_of(routes[number].pattern + 1), segment;
        uint8_t at = 0;
        while (text_next(&rest, '/', &segment))
            at = child_make(router, at, segment);
        uint8_t *place = &router->nodes[at].routes[routes[number].method];
        check(*place == ROUTE_UNMATCHED);
        *place = (uint8_t)number;
        router->nodes[at].takes_zero |= (routes[number].flags & ROUTE_ZERO) != 0;
    }
}

const struct route_node *router_find(const struct router *router, struct text path, uint64_t *id,
                                     struct text *name)
{
    *id = 0;
    *name = text_of("");
    if (path.size == 0 || path.data[0] != '/')
        return NULL;
    struct text rest = {.data = path.data + 1, .size = path.size - 1}, segment;
    const struct route_node *node = &router->nodes[0];
    while (text_next(&rest, '/', &segment)) {
        uint8_t next = child_find(router, node, segment);
        if (next == 0 && node->id_child != 0 && text_number(segment, ID_MAX, id) &&
            (*id > 0 || router->nodes[node->id_child].takes_zero))
            next = node->id_child;
        if (next == 0 && node->name_child != 0 && segment.size > 0) {
            next = node->name_child;
            *name = segment;
        }
        if (next == 0)
            return NULL;
        node = &router->nodes[next];
    }
    for (unsigned method = 0; method < ROUTE_METHODS; method++)
        if (node->routes[method] != ROUTE_UNMATCHED)
            return node;
    return NULL; /* a path on the way to others, not one of its own */
}

enum route_number route_node_choose(const struct route_node *node, enum http_method method)
{
    if (method == HTTP_METHOD_HEAD)
        method = HTTP_METHOD_GET;
    if ((unsigned)method >= ROUTE_METHODS)
        return ROUTE_UNMATCHED;
    return (enum route_number)node->routes[method];
}

size_t route_node_methods(const struct route_node *node, char *text, size_t size)
{
    static const struct {
        enum http_method method;
        const char *name;
    } names[] = {{HTTP_METHOD_GET, "GET, HEAD"},
                 {HTTP_METHOD_POST, "POST"},
                 {HTTP_METHOD_PUT, "PUT"},
                 {HTTP_METHOD_PATCH, "PATCH"},
                 {HTTP_METHOD_DELETE, "DELETE"}};
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (node->routes[names[i].method] == ROUTE_UNMATCHED)
            continue;
        int wrote = snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", names[i].name);
        check(wrote > 0 && (size_t)wrote < size - used);
        used += (size_t)wrote;
    }
    return used;
}
