#ifndef BOXOFFICE_EXCHANGE_H
#define BOXOFFICE_EXCHANGE_H

#include "connection.h"

/* The requests of a connection that are under way, and their answers in order. */

/* A new one behind the others. NULL (and the connection is broken) when memory is out. */
struct exchange *exchange_begin(struct connection *connection);
/* Answers with the application's problem body for a fault. */
void exchange_fault(struct exchange *exchange, unsigned status, const char *detail);
/* Sends "100 Continue" when it is owed and all earlier requests are answered. */
void exchange_continue(struct connection *connection);
/* The connection is going: tells the application, and frees them all. */
void exchanges_abandon(struct connection *connection);
void exchanges_fini(struct server *server);

#endif
