#include "guard.h"
#include "metrics_internal.h"
#include <inttypes.h>

/* The circuit breakers, under the names that resilience4j gives its own through Micrometer, so that
 * dashboards made for those show ours. */

#define PREFIX "resilience4j_circuitbreaker_"

typedef void (*breaker_print_cb)(FILE *out, const char *name, const struct breaker_view *view);

static void breakers_print(FILE *out, const struct segment *segment, const char *family,
                           const char *type, const char *help, breaker_print_cb print)
{
    family_open(out, family, type, help);
    for (unsigned target = 0; target < segment->header->process_count; target++) {
        char name[BREAKER_NAME_SIZE];
        struct breaker_view view;
        if (!breaker_name(segment, target, name))
            continue;
        breaker_look(segment, target, &view);
        print(out, name, &view);
    }
}

static void state_print(FILE *out, const char *name, const struct breaker_view *view)
{
    for (unsigned state = 0; state < BREAKER_STATE_COUNT; state++)
        fprintf(out, PREFIX "state{name=\"%s\",state=\"%s\"} %d\n", name,
                breaker_state_text((enum breaker_state)state), view->state == state);
}

static void calls_print(FILE *out, const char *name, const struct breaker_view *view)
{
    static const char *const kinds[] = {"successful", "failed"};
    for (unsigned kind = 0; kind < 2; kind++)
        fprintf(out,
                PREFIX "calls_seconds_count{name=\"%s\",kind=\"%s\"} %" PRIu64 "\n" PREFIX
                       "calls_seconds_sum{name=\"%s\",kind=\"%s\"} %.9g\n",
                name, kinds[kind], view->calls_total[kind], name, kinds[kind],
                (double)view->calls_us[kind] * 1e-6);
}

static void buffered_print(FILE *out, const char *name, const struct breaker_view *view)
{
    fprintf(out,
            PREFIX "buffered_calls{name=\"%s\",kind=\"successful\"} %" PRIu32 "\n" PREFIX
                   "buffered_calls{name=\"%s\",kind=\"failed\"} %" PRIu32 "\n",
            name, view->window.calls - view->window.failed, name, view->window.failed);
}

static void failure_rate_print(FILE *out, const char *name, const struct breaker_view *view)
{
    fprintf(out, PREFIX "failure_rate{name=\"%s\"} %.6g\n", name,
            breaker_rate(view->window.failed, view->window.calls));
}

static void slow_call_rate_print(FILE *out, const char *name, const struct breaker_view *view)
{
    fprintf(out, PREFIX "slow_call_rate{name=\"%s\"} %.6g\n", name,
            breaker_rate(view->window.slow, view->window.calls));
}

static void not_permitted_print(FILE *out, const char *name, const struct breaker_view *view)
{
    fprintf(out,
            PREFIX "not_permitted_calls_total{name=\"%s\",kind=\"not_permitted\"} %" PRIu64 "\n",
            name, view->not_permitted_total);
}

void metrics_breakers_print(FILE *out, const struct segment *segment)
{
    breakers_print(out, segment, PREFIX "state", "gauge", "1 for the state that the breaker is in",
                   state_print);
    breakers_print(out, segment, PREFIX "calls_seconds", "summary", "calls that ended, by how",
                   calls_print);
    breakers_print(out, segment, PREFIX "buffered_calls", "gauge", "calls in the window",
                   buffered_print);
    breakers_print(out, segment, PREFIX "failure_rate", "gauge",
                   "failed calls of the window in percent, -1 for too few calls",
                   failure_rate_print);
    breakers_print(out, segment, PREFIX "slow_call_rate", "gauge",
                   "slow calls of the window in percent, -1 for too few calls",
                   slow_call_rate_print);
    breakers_print(out, segment, PREFIX "not_permitted_calls_total", "counter",
                   "calls refused by the breaker", not_permitted_print);
}
