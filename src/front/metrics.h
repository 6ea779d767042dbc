#ifndef BOXOFFICE_METRICS_H
#define BOXOFFICE_METRICS_H

#include "http.h"
#include "segment.h"

/* The whole server's statistics in Prometheus' text format 0.0.4, from shared memory and, for
 * memory and CPU time, from /proc. */

/* Heap text that the caller frees, or NULL when memory is short. */
char *metrics_text(const struct segment *segment, size_t *size);

/* Counts one answered request of a route. */
void metrics_observe(struct http_stats *stats, unsigned route, unsigned status,
                     uint64_t duration_ns);

#endif
