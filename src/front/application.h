#ifndef BOXOFFICE_APPLICATION_H
#define BOXOFFICE_APPLICATION_H

#include "answer.h"
#include "audit_run.h"
#include "catalogue_view.h"
#include "cors.h"
#include "dispatch.h"
#include "followers.h"
#include "routes.h"

/* What one front process knows; exchange->application points to it. */
struct application {
    struct segment *segment;
    const struct config *config;
    unsigned self;
    struct http_stats *http_stats;
    struct dispatch dispatch;
    struct followers followers;
    struct router router;
    struct cors cors;
    struct scratch scratch;
    struct catalogue_view catalogue;
    struct ticket_cache tickets;
    struct waiting_rooms *rooms;
    struct audit_run audit_run;
    uint64_t creations; /* concerts asked for without an idempotency key */
};

/* `segment` must outlive it. */
enum status application_init(struct application *application, struct segment *segment,
                             unsigned self);
void application_fini(struct application *application);

/* The engine's callbacks (http.h); `context` is the application. */
void application_request(void *context, struct exchange *exchange,
                         const struct http_request *request);
void application_fault(void *context, unsigned status, const char *detail, char *body,
                       size_t body_size, size_t *body_used);
void application_done(void *context, const struct exchange *exchange, unsigned status);

static inline struct application *exchange_application(const struct exchange *exchange)
{
    return exchange->application;
}

#endif
