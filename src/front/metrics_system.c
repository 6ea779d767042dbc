#include "catalogue.h"
#include "cgroup.h"
#include "limits.h"
#include "metrics_internal.h"
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

/* ---- of each process ---- */

/* The number behind `name` at the start of a line of /proc/PID/io. */
static double io_of(const struct segment *segment, unsigned index, const char *name)
{
    char text[512];
    uint64_t value;
    if (!proc_read(segment_process(segment, index)->pid, "io", text, sizeof text))
        return -1;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(line + strlen(name), " %" SCNu64, &value) == 1)
            return (double)value;
    }
    return -1;
}

static double value_disk_read(const struct segment *segment, unsigned index)
{
    return io_of(segment, index, "read_bytes:");
}

static double value_disk_written(const struct segment *segment, unsigned index)
{
    return io_of(segment, index, "write_bytes:");
}

static double value_descriptors(const struct segment *segment, unsigned index)
{
    char path[64];
    int32_t pid = segment_process(segment, index)->pid;
    if (pid <= 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -1;
    double count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* ---- of the whole server ---- */

static void gauge_print(FILE *out, const char *name, const char *help, double value)
{
    family_open(out, name, "gauge", help);
    fprintf(out, "%s %.15g\n", name, value);
}

static void seats_print(FILE *out, const struct segment *segment)
{
    uint64_t total = 0, available = 0;
    for (unsigned worker = 0;; worker++) {
        const struct catalogue *catalogue = segment_catalogue(segment, worker);
        if (catalogue == NULL)
            break;
        total += catalogue_seat_total(catalogue);
        for (uint32_t i = 0; i < catalogue_schedule_count(catalogue); i++)
            available +=
                atomic_load_explicit(&catalogue->schedules[i].free, memory_order_relaxed) >> 32;
    }
    gauge_print(out, "boxoffice_seats", "seats of all schedules", (double)total);
    gauge_print(out, "boxoffice_seats_available", "seats that are neither held nor sold",
                (double)available);
}

static void limits_print(FILE *out, const struct config *config)
{
    gauge_print(out, "boxoffice_connections_limit", "--connections", (double)config->connections);
    gauge_print(out, "boxoffice_journal_limit_bytes",
                "pages in use at which a journal takes no more",
                (double)(config->journal_size_mib << 20) / 100 * JOURNAL_USED_PERCENT_MAX);
    gauge_print(out, "boxoffice_unsaved_limit_bytes", "--unsaved-limit",
                (double)(config->unsaved_limit_mib << 20));
}

static void disk_print(FILE *out, const struct config *config)
{
    struct statvfs space;
    if (statvfs(config->data, &space) != 0)
        return;
    gauge_print(out, "boxoffice_disk_size_bytes", "of the data directory's file system",
                (double)space.f_blocks * (double)space.f_frsize);
    gauge_print(out, "boxoffice_disk_free_bytes", "left for the server on it",
                (double)space.f_bavail * (double)space.f_frsize);
}

static void cgroup_print(FILE *out)
{
    struct cgroup_figures figures;
    cgroup_read(&figures, "/proc/self/cgroup", "/sys/fs/cgroup");
    if (figures.memory_limit >= 0)
        gauge_print(out, "boxoffice_cgroup_memory_limit_bytes", "no sample: no limit",
                    figures.memory_limit);
    if (figures.memory_usage >= 0)
        gauge_print(out, "boxoffice_cgroup_memory_usage_bytes", "with the page cache",
                    figures.memory_usage);
    if (figures.memory_unreclaimable >= 0)
        gauge_print(out, "boxoffice_cgroup_memory_unreclaimable_bytes",
                    "usage without pages that are only a copy of files",
                    figures.memory_unreclaimable);
    if (figures.cpu_limit > 0)
        gauge_print(out, "boxoffice_cgroup_cpus_limit", "no sample: no limit", figures.cpu_limit);
    if (figures.throttled_seconds >= 0) {
        static const char name[] = "boxoffice_cgroup_cpu_throttled_seconds_total";
        family_open(out, name, "counter", "time in which the CPU limit kept it from running");
        fprintf(out, "%s %.9g\n", name, figures.throttled_seconds);
    }
}

void metrics_system_print(FILE *out, const struct segment *segment)
{
    const struct config *config = &segment->header->config;
    processes_print(out, segment, "boxoffice_process_disk_read_bytes_total", "counter",
                    "bytes that came from the disk", value_disk_read);
    processes_print(out, segment, "boxoffice_process_disk_written_bytes_total", "counter",
                    "bytes that went or will go to the disk", value_disk_written);
    processes_print(out, segment, "boxoffice_process_open_descriptors", "gauge",
                    "open file descriptors", value_descriptors);
    seats_print(out, segment);
    limits_print(out, config);
    disk_print(out, config);
    cgroup_print(out);
}
