#include "cgroup.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, TEXT_SIZE = 8192 };

/* v1 says "no limit" with the largest multiple of a page. */
static const double NO_LIMIT = 4611686018427387904.0; /* 2^62 */

struct reading {
    char group[PATH_SIZE]; /* a directory */
    char text[TEXT_SIZE];
};

bool cgroup_read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t used = read(fd, text, size - 1);
    close(fd);
    text[used > 0 ? used : 0] = '\0';
    return used > 0;
}

static bool read_file(struct reading *reading, const char *name)
{
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", reading->group, name);
    return cgroup_read_text(path, reading->text, TEXT_SIZE);
}

/* The whole file is a number; a word like "max" gives -1. */
static double read_number(struct reading *reading, const char *name)
{
    char *end;
    if (!read_file(reading, name))
        return -1;
    double number = strtod(reading->text, &end);
    return end == reading->text ? -1 : number;
}

/* The number behind `key ` at the start of a line of what was read last. */
static double number_of(const struct reading *reading, const char *key)
{
    size_t length = strlen(key);
    for (const char *line = reading->text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return strtod(line + length, NULL);
    }
    return -1;
}

static bool try_group(char *directory, size_t size, const char *root, const char *controller,
                      const char *group, int length, const char *probe)
{
    char path[PATH_SIZE + 64];
    int used = snprintf(directory, size, "%s/%s%.*s", root, controller, length, group);
    if (used < 0 || (size_t)used >= size || (size_t)used >= PATH_SIZE)
        return false;
    snprintf(path, sizeof path, "%s/%s", directory, probe);
    return access(path, R_OK) == 0;
}

static bool names(const char *controllers, size_t length, const char *wanted)
{
    for (const char *at = controllers; at < controllers + length;) {
        size_t name_length = strcspn(at, ",:");
        if (name_length == strlen(wanted) && memcmp(at, wanted, name_length) == 0)
            return true;
        at += name_length + 1;
    }
    return false;
}

/* Lines are ID:CONTROLLERS:PATH. */
bool cgroup_find(char *directory, size_t size, const char *cgroups, const char *root,
                 const char *controller, const char *probe)
{
    static char text[TEXT_SIZE];
    if (!cgroup_read_text(cgroups, text, TEXT_SIZE))
        return false;
    for (const char *line = text; *line != '\0';) {
        int length = (int)strcspn(line, "\n");
        const char *controllers = memchr(line, ':', (size_t)length);
        const char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group != NULL && group < line + length) {
            size_t controllers_length = (size_t)(group - controllers - 1);
            bool matches = *controller == '\0'
                               ? controllers_length == 0
                               : names(controllers + 1, controllers_length, controller);
            int group_length = length - (int)(group + 1 - line);
            if (matches &&
                (try_group(directory, size, root, controller, group + 1, group_length, probe) ||
                 try_group(directory, size, root, controller, "", 0, probe)))
                return true;
        }
        line += length + (line[length] == '\n');
    }
    return false;
}

static bool find_group(struct reading *reading, const char *cgroups, const char *root,
                       const char *controller, const char *probe)
{
    return cgroup_find(reading->group, sizeof reading->group, cgroups, root, controller, probe);
}

static void read_memory(struct cgroup_figures *figures, struct reading *reading, const char *limit,
                        const char *usage, const char *active, const char *inactive)
{
    figures->memory_limit = read_number(reading, limit);
    if (figures->memory_limit >= NO_LIMIT)
        figures->memory_limit = -1;
    figures->memory_usage = read_number(reading, usage);
    if (figures->memory_usage < 0 || !read_file(reading, "memory.stat"))
        return;
    double files = number_of(reading, active) + number_of(reading, inactive);
    if (files >= 0 && files <= figures->memory_usage)
        figures->memory_unreclaimable = figures->memory_usage - files;
}

static void read_v2(struct cgroup_figures *figures, struct reading *reading)
{
    double quota, period;
    read_memory(figures, reading, "memory.max", "memory.current", "active_file", "inactive_file");
    if (read_file(reading, "cpu.max") && sscanf(reading->text, "%lf %lf", &quota, &period) == 2)
        figures->cpu_limit = quota / period;
    if (read_file(reading, "cpu.stat") && number_of(reading, "throttled_usec") >= 0)
        figures->throttled_seconds = number_of(reading, "throttled_usec") * 1e-6;
}

static void read_v1_cpu(struct cgroup_figures *figures, struct reading *reading)
{
    double quota = read_number(reading, "cpu.cfs_quota_us");
    double period = read_number(reading, "cpu.cfs_period_us");
    if (quota > 0 && period > 0)
        figures->cpu_limit = quota / period;
    if (read_file(reading, "cpu.stat") && number_of(reading, "throttled_time") >= 0)
        figures->throttled_seconds = number_of(reading, "throttled_time") * 1e-9;
}

void cgroup_read(struct cgroup_figures *figures, const char *cgroups, const char *root)
{
    static struct reading reading;
    *figures = (struct cgroup_figures){-1, -1, -1, -1, -1};
    if (find_group(&reading, cgroups, root, "", "memory.current")) {
        read_v2(figures, &reading);
        return;
    }
    if (find_group(&reading, cgroups, root, "memory", "memory.usage_in_bytes"))
        read_memory(figures, &reading, "memory.limit_in_bytes", "memory.usage_in_bytes",
                    "total_active_file", "total_inactive_file");
    if (find_group(&reading, cgroups, root, "cpu", "cpu.cfs_period_us"))
        read_v1_cpu(figures, &reading);
}
