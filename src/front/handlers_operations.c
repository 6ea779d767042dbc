#include "application.h"
#include "handlers.h"
#include "metrics.h"
#include "openapi.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

/* What operators and their tools ask. */

void handle_live(struct application *application, struct exchange *exchange,
                 const struct call *call)
{
    (void)application;
    (void)call;
    answer_bytes(exchange, 200, "application/json", NULL,
                 text_of("{\"data\":{\"status\":\"live\"}}"));
}

/* ---- readiness ---- */

/* The relay is not needed to sell. */
static bool is_needed(enum role role)
{
    return role == ROLE_FRONT || role == ROLE_QUEUE || role == ROLE_SEAT || role == ROLE_WALLET;
}

enum readiness { READINESS_READY, READINESS_DEGRADED, READINESS_UNAVAILABLE };

/* Events wait in the journals: nothing is lost, and selling goes on until these are full. */
static bool kafka_is_away(const struct segment *segment)
{
    struct breaker_view kafka;
    unsigned relay = segment_process_of(segment, ROLE_RELAY, 0);
    if (*segment->header->config.kafka == '\0')
        return false;
    breaker_look(segment, relay, &kafka);
    return (kafka.state != BREAKER_CLOSED && kafka.state != BREAKER_DISABLED) ||
           stat_get(&segment_stats(segment, relay)->relay_journals_failing) > 0;
}

static enum readiness readiness_of(const struct segment *segment)
{
    enum readiness worst = kafka_is_away(segment) ? READINESS_DEGRADED : READINESS_READY;
    if (atomic_load(&segment->header->draining) != 0)
        return READINESS_UNAVAILABLE;
    for (unsigned index = PROCESS_SUPERVISOR + 1; index < segment->header->process_count; index++) {
        const struct process_entry *entry = segment_process(segment, index);
        unsigned state = entry->state;
        enum readiness here = state == PROCESS_READY              ? READINESS_READY
                              : state == PROCESS_READ_ONLY        ? READINESS_DEGRADED
                              : is_needed((enum role)entry->role) ? READINESS_UNAVAILABLE
                                                                  : READINESS_DEGRADED;
        if (here > worst)
            worst = here;
    }
    return worst;
}

static void role_render(struct json_out *json, const struct segment *segment, enum role role)
{
    json_object_open(json);
    json_member_text(json, "role", role_text(role));
    json_key(json, "processes");
    json_array_open(json);
    for (unsigned index = 0; index < segment->header->process_count; index++) {
        const struct process_entry *entry = segment_process(segment, index);
        if (entry->role != role)
            continue;
        json_object_open(json);
        json_member_u64(json, "index", entry->instance);
        json_member_state(json, (enum process_state)entry->state);
        json_object_close(json);
    }
    json_array_close(json);
    json_object_close(json);
}

static void roles_member(struct json_out *json, const struct segment *segment)
{
    json_key(json, "roles");
    json_array_open(json);
    for (unsigned role = ROLE_FRONT; role < ROLE_COUNT; role++)
        role_render(json, segment, (enum role)role);
    json_array_close(json);
}

void handle_ready(struct application *application, struct exchange *exchange,
                  const struct call *call)
{
    enum { SIZE = ANSWER_SIZE + PROCESS_MAX * 64 };
    char data[SIZE];
    struct json_out json;
    const struct segment *segment = application->segment;
    enum readiness readiness = readiness_of(segment);
    (void)call;
    if (readiness == READINESS_UNAVAILABLE) {
        json_out_init(&json, data, sizeof data);
        problem_open(&json, PROBLEM_UNAVAILABLE, "A process that selling needs is not ready.");
        roles_member(&json, segment);
        answer_problem_close(exchange, PROBLEM_UNAVAILABLE, &json, NULL);
        return;
    }
    answer_open(&json, data, sizeof data);
    json_object_open(&json);
    json_member_text(&json, "status", readiness == READINESS_READY ? "ready" : "degraded");
    roles_member(&json, segment);
    json_object_close(&json);
    answer_close(exchange, 200, &json);
}

void handle_metrics(struct application *application, struct exchange *exchange,
                    const struct call *call)
{
    size_t size;
    char *text = metrics_text(application->segment, &size);
    (void)call;
    if (text == NULL)
        answer_problem(exchange, PROBLEM_OVERLOADED, NULL);
    else
        answer_bytes(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
                     (struct text){.data = text, .size = size});
    free(text);
}

void handle_openapi(struct application *application, struct exchange *exchange,
                    const struct call *call)
{
    (void)application;
    (void)call;
    answer_bytes(exchange, 200, "application/yaml", NULL, openapi_text());
}

void handle_audit(struct application *application, struct exchange *exchange,
                  const struct call *call)
{
    (void)call;
    audit_run_start(&application->audit_run, exchange, application->config->data);
}
