#ifndef BOXOFFICE_ROUTES_H
#define BOXOFFICE_ROUTES_H

#include "admission.h"
#include "auth.h"
#include "body.h"
#include "http.h"

/* The table of calls (routes.def) and the tree that finds one by method and path. */

enum route_number {
    ROUTE_UNMATCHED, /* no such path or method; also preflights */
#define ROUTE(name, method, pattern, handler, access, flags) ROUTE_##name,
#include "routes.def"
#undef ROUTE
    ROUTE_COUNT
};

enum { ROUTE_BODY = 1, ROUTE_KEY = 2, ROUTE_ZERO = 4 };

struct application;
struct call;
typedef void (*route_handler_cb)(struct application *application, struct exchange *exchange,
                                 const struct call *call);

struct route {
    enum http_method method;
    const char *pattern;
    const char *label; /* "POST /api/v1/…", for the statistics */
    route_handler_cb handler;
    enum access access;
    unsigned flags;
};
const struct route *route_at(unsigned number); /* NULL for ROUTE_UNMATCHED and beyond */

/* A request that passed the gate; what a handler gets. Valid during the handler only. */
struct call {
    const struct http_request *request;
    const struct route *route;
    uint64_t id;                /* of the path; 0 when the pattern has none */
    struct text name;           /* likewise; empty */
    struct queue_ticket ticket; /* zero when the call was let in without one */
    struct standing standing;   /* of that ticket */
    struct body body;
    struct text idempotency_key; /* valid, or empty */
    uint64_t now_ms;
};

enum { ROUTE_NODES_MAX = 64, ROUTE_METHODS = HTTP_METHOD_OTHER };

/* One path segment. Children and siblings are indices of nodes, 0: none. */
struct route_node {
    const char *literal;
    uint8_t length;
    uint8_t first_child, next_sibling;
    uint8_t id_child, name_child;
    bool takes_zero;               /* 0 is an id here, too */
    uint8_t routes[ROUTE_METHODS]; /* route number for each method, ROUTE_UNMATCHED: none */
};
struct router {
    struct route_node nodes[ROUTE_NODES_MAX];
    unsigned node_count;
};

void router_init(struct router *router);
/* The node of a path, or NULL (404). *id and *name are the path's. */
const struct route_node *router_find(const struct router *router, struct text path, uint64_t *id,
                                     struct text *name);
/* ROUTE_UNMATCHED: the path takes other methods (405). */
enum route_number route_node_choose(const struct route_node *node, enum http_method method);
/* "GET, HEAD, POST", for Allow; returns its length. */
size_t route_node_methods(const struct route_node *node, char *text, size_t size);

#endif
