#include "metrics.h"
#include "metrics_internal.h"
#include "routes.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The statuses that have a place in http_stats; any other is counted in the last one. */
static const uint16_t statuses[] = {200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 410, 411,
                                    413, 414, 415, 422, 429, 431, 500, 501, 503, 505, 507, 0};
enum { STATUS_COUNT = sizeof statuses / sizeof statuses[0], LATENCY_UNIT_US = 32 };

_Static_assert((int)STATUS_COUNT <= (int)HTTP_STATUS_MAX, "a place for every status");
_Static_assert((int)ROUTE_COUNT <= (int)HTTP_ROUTE_MAX, "a place for every route");

static unsigned status_place(unsigned status)
{
    unsigned place = 0;
    while (place < STATUS_COUNT - 1 && statuses[place] != status)
        place++;
    return place;
}

void metrics_observe(struct http_stats *stats, unsigned route, unsigned status,
                     uint64_t duration_ns)
{
    if (route >= ROUTE_COUNT)
        route = ROUTE_UNMATCHED;
    histogram_observe(&stats->latency_us[route][status_place(status)], duration_ns / 1000,
                      LATENCY_UNIT_US);
}

void family_open(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static bool name_ends(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);
    return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* ---- histograms ---- */

struct histogram_sum {
    uint64_t buckets[HISTOGRAM_BUCKETS], sum, count;
};

static void histogram_add(struct histogram_sum *to, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t count = stat_get(&from->buckets[i]);
        to->buckets[i] += count;
        to->count += count;
    }
    to->sum += stat_get(&from->sum);
}

/* A histogram whose name ends in _seconds was observed in microseconds. */
static void histogram_print(FILE *out, const char *name, const char *labels,
                            const struct histogram_sum *from)
{
    bool seconds = name_ends(name, "_seconds");
    double scale = seconds ? 1e-6 : 1;
    uint64_t cumulated = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        uint64_t bound = histogram_bound(i, seconds ? LATENCY_UNIT_US : 1);
        cumulated += from->buckets[i];
        fprintf(out, "%s_bucket{%s,le=\"%.9g\"} %" PRIu64 "\n", name, labels, (double)bound * scale,
                cumulated);
    }
    fprintf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, from->count);
    fprintf(out, "%s_sum{%s} %.9g\n", name, labels, (double)from->sum * scale);
    fprintf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, from->count);
}

static void http_print(FILE *out, const struct segment *segment)
{
    static const char name[] = "boxoffice_http_request_duration_seconds";
    const unsigned fronts = (unsigned)segment->header->config.fronts;
    family_open(out, name, "histogram", "from the head's arrival to the answer's hand-over");
    for (unsigned route = 0; route < ROUTE_COUNT; route++) {
        const char *label = route == ROUTE_UNMATCHED ? "unmatched" : route_at(route)->label;
        for (unsigned place = 0; place < STATUS_COUNT; place++) {
            struct histogram_sum sum = {.count = 0};
            for (unsigned front = 0; front < fronts; front++)
                histogram_add(&sum, &segment_http_stats(segment, front)->latency_us[route][place]);
            if (sum.count == 0)
                continue;
            char labels[160];
            snprintf(labels, sizeof labels, "route=\"%s\",status=\"%u\"", label, statuses[place]);
            histogram_print(out, name, labels, &sum);
        }
    }
}

/* ---- what each process counts ---- */

void labels_of(const struct segment *segment, unsigned index, char *labels, size_t size)
{
    const struct process_entry *entry = segment_process(segment, index);
    snprintf(labels, size, "role=\"%s\",instance=\"%u\"", role_text((enum role)entry->role),
             (unsigned)entry->instance);
}

void processes_print(FILE *out, const struct segment *segment, const char *name, const char *type,
                     const char *help, process_value_cb value_of)
{
    family_open(out, name, type, help);
    for (unsigned index = 0; index < segment->header->process_count; index++) {
        char labels[64];
        double value = value_of(segment, index);
        if (value < 0)
            continue;
        labels_of(segment, index, labels, sizeof labels);
        fprintf(out, "%s{%s} %.15g\n", name, labels, value);
    }
}

static void stat_print(FILE *out, const struct segment *segment, const char *name, const char *type,
                       const char *help, size_t offset)
{
    double scale = name_ends(name, "_seconds") ? 1e-3 : 1; /* gauges of durations count ms */
    family_open(out, name, type, help);
    for (unsigned index = 0; index < segment->header->process_count; index++) {
        char labels[64];
        const char *stats = (const char *)segment_stats(segment, index);
        const _Atomic uint64_t *value = (const _Atomic uint64_t *)(const void *)(stats + offset);
        labels_of(segment, index, labels, sizeof labels);
        fprintf(out, "%s{%s} %.15g\n", name, labels, (double)stat_get(value) * scale);
    }
}

static void stat_histogram_print(FILE *out, const struct segment *segment, const char *name,
                                 const char *help, size_t offset)
{
    family_open(out, name, "histogram", help);
    for (unsigned index = 0; index < segment->header->process_count; index++) {
        char labels[64];
        struct histogram_sum sum = {.count = 0};
        const char *stats = (const char *)segment_stats(segment, index);
        histogram_add(&sum, (const struct histogram *)(const void *)(stats + offset));
        if (sum.count == 0)
            continue;
        labels_of(segment, index, labels, sizeof labels);
        histogram_print(out, name, labels, &sum);
    }
}

static void stats_print(FILE *out, const struct segment *segment)
{
#define COUNTER(field, name, help)                                                                 \
    stat_print(out, segment, name, "counter", help, offsetof(struct process_stats, field));
#define GAUGE(field, name, help)                                                                   \
    stat_print(out, segment, name, "gauge", help, offsetof(struct process_stats, field));
#define HISTOGRAM(field, name, help)                                                               \
    stat_histogram_print(out, segment, name, help, offsetof(struct process_stats, field));
#include "stats.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
}

/* ---- the process table and /proc ---- */

static double value_up(const struct segment *segment, unsigned index)
{
    return segment_process(segment, index)->pid != 0;
}

static double value_generation(const struct segment *segment, unsigned index)
{
    return segment_process(segment, index)->generation;
}

static double value_heartbeat_age(const struct segment *segment, unsigned index)
{
    uint64_t beat = segment_process(segment, index)->heartbeat_ns, now = clock_monotonic_ns();
    if (beat == 0)
        return -1;
    return now > beat ? (double)(now - beat) * 1e-9 : 0;
}

bool proc_read(int32_t pid, const char *file, char *text, size_t size)
{
    char path[64];
    if (pid <= 0)
        return false;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *in = fopen(path, "re");
    if (in == NULL)
        return false;
    size_t used = fread(text, 1, size - 1, in);
    fclose(in);
    text[used] = '\0';
    return used > 0;
}

static double memory_of(const struct segment *segment, unsigned index, bool shared_only)
{
    char text[256];
    unsigned long total, resident, shared;
    if (!proc_read(segment_process(segment, index)->pid, "statm", text, sizeof text) ||
        sscanf(text, "%lu %lu %lu", &total, &resident, &shared) != 3)
        return -1;
    return (double)(shared_only ? shared : resident) * (double)sysconf(_SC_PAGESIZE);
}

static double value_resident(const struct segment *segment, unsigned index)
{
    return memory_of(segment, index, false);
}

static double value_shared(const struct segment *segment, unsigned index)
{
    return memory_of(segment, index, true);
}

static double value_cpu(const struct segment *segment, unsigned index)
{
    char text[1024];
    unsigned long user, kernel;
    if (!proc_read(segment_process(segment, index)->pid, "stat", text, sizeof text))
        return -1;
    const char *after_name = strrchr(text, ')'); /* the name may hold anything, a ')' too */
    if (after_name == NULL ||
        sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &kernel) != 2)
        return -1;
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static void states_print(FILE *out, const struct segment *segment)
{
    static const char name[] = "boxoffice_process_state";
    family_open(out, name, "gauge", "1 for the state that the process is in");
    for (unsigned index = 0; index < segment->header->process_count; index++) {
        char labels[64];
        unsigned state = segment_process(segment, index)->state;
        labels_of(segment, index, labels, sizeof labels);
        for (unsigned each = PROCESS_STOPPED; each <= PROCESS_PARKED; each++)
            fprintf(out, "%s{%s,state=\"%s\"} %d\n", name, labels,
                    process_state_text((enum process_state)each), each == state);
    }
}

static void restarts_print(FILE *out, const struct segment *segment)
{
    static const char name[] = "boxoffice_process_restarts_total";
    family_open(out, name, "counter", "restarts by the cause of the death before");
    for (unsigned index = PROCESS_SUPERVISOR + 1; index < segment->header->process_count; index++) {
        const struct process_entry *entry = segment_process(segment, index);
        char labels[64];
        labels_of(segment, index, labels, sizeof labels);
        for (unsigned cause = EXIT_CAUSE_STOPPED + 1; cause < EXIT_CAUSE_COUNT; cause++)
            fprintf(out, "%s{%s,cause=\"%s\"} %" PRIu64 "\n", name, labels,
                    exit_cause_text((enum exit_cause)cause), (uint64_t)entry->restarts[cause]);
    }
}

static void process_table_print(FILE *out, const struct segment *segment)
{
    processes_print(out, segment, "boxoffice_process_up", "gauge", "1 when it has a pid", value_up);
    restarts_print(out, segment);
    processes_print(out, segment, "boxoffice_process_generation", "gauge", "rises with every start",
                    value_generation);
    processes_print(out, segment, "boxoffice_process_heartbeat_age_seconds", "gauge",
                    "since its last turn", value_heartbeat_age);
    processes_print(out, segment, "boxoffice_process_resident_bytes", "gauge",
                    "resident memory, with what is shared", value_resident);
    processes_print(out, segment, "boxoffice_process_shared_bytes", "gauge",
                    "resident memory that is file-backed or shared", value_shared);
    processes_print(out, segment, "boxoffice_process_cpu_seconds_total", "counter",
                    "CPU time, user and kernel", value_cpu);
}

char *metrics_text(const struct segment *segment, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (out == NULL)
        return NULL;
    states_print(out, segment);
    process_table_print(out, segment);
    metrics_breakers_print(out, segment);
    stats_print(out, segment);
    metrics_rooms_print(out, segment);
    metrics_system_print(out, segment);
    http_print(out, segment);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
