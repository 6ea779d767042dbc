#ifndef BOXOFFICE_HANDLERS_H
#define BOXOFFICE_HANDLERS_H

#include "routes.h"

/* One function for each handler named in routes.def. Each answers the exchange once, at once or
 * when its worker has replied. */
#define ROUTE(name, method, pattern, handler, access, flags)                                       \
    void handle_##handler(struct application *application, struct exchange *exchange,              \
                          const struct call *call);
#include "routes.def"
#undef ROUTE

#endif
