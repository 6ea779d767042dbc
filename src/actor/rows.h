#ifndef BOXOFFICE_ROWS_H
#define BOXOFFICE_ROWS_H

#include "keys.h"
#include "messages.h"
#include "state.h"
#include "status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the domain reads and writes rows: small tables of functions, so that a test can run
 * everything on a map in memory. What is visible is committed state plus the events of this batch
 * applied so far. */

/* Return false to stop. Key and value are valid during the call only; no other row call inside. */
typedef bool (*row_visit_cb)(void *context, const struct row_key *key, struct row_bytes value);

struct row_view {
    void *context;
    /* STATUS_OK or STATUS_NOT_FOUND. The value is valid until the next call. A corrupt row or a
     * failed read ends the process: the domain never sees it. */
    enum status (*get)(void *context, const struct row_key *key, struct row_bytes *value);
    /* Visits the rows whose key begins with `prefix`: ascending from the first key >= from, or
     * descending from the last key < from. from NULL: from the first or the last of the prefix. */
    void (*scan)(void *context, const struct row_key *prefix, const struct row_key *from,
                 bool descending, row_visit_cb visit, void *visit_context);
};

/* Its functions take view.context. */
struct row_sink {
    struct row_view view;
    void (*put)(void *context, const struct row_key *key, const void *payload, size_t size);
    void (*delete)(void *context, const struct row_key *key);
    /* Sets, moves or (0) drops the one timer of the actor that applies: it gets MESSAGE_TIMER then.
     */
    void (*timer)(void *context, uint64_t at_ms);
    /* Opens obligation `number` of this actor: the message is sent, and sent again after any
     * restart, until its reply has made this actor discharge it. Numbers are the actor's own
     * choice. */
    void (*oblige)(void *context, uint64_t number, uint16_t request_kind,
                   const union request *request);
    void (*discharge)(void *context, uint64_t number);
    /* A row of this key will be put soon: fetches what that touches. May be NULL. */
    void (*expect)(void *context, const struct row_key *key);
};

static inline enum status row_get(const struct row_view *view, const struct row_key *key,
                                  struct row_bytes *value)
{
    return view->get(view->context, key, value);
}

static inline void row_expect(struct row_sink *sink, const struct row_key *key)
{
    if (sink->expect != NULL)
        sink->expect(sink->view.context, key);
}

#endif
