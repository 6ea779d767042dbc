#ifndef BOXOFFICE_CGROUP_H
#define BOXOFFICE_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

/* What the control group of this process allows and uses, v1 or v2; -1: unknown or no limit. */
struct cgroup_figures {
    double memory_limit, memory_usage; /* bytes */
    /* Usage without the pages that can be dropped because a file has them: what must fit below the
     * limit, or the kernel kills. */
    double memory_unreclaimable;
    double cpu_limit; /* processors */
    double throttled_seconds;
};

/* `cgroups`: /proc/self/cgroup; `root`: /sys/fs/cgroup. In a container the group's files may be at
 * the root of what is mounted. */
void cgroup_read(struct cgroup_figures *figures, const char *cgroups, const char *root);

/* The directory of the group that has the file `probe`: of `controller` in v1, or ("") v2's only
 * one. False: there is none, or its name is too long. */
bool cgroup_find(char *directory, size_t size, const char *cgroups, const char *root,
                 const char *controller, const char *probe);

/* The beginning of a small file, NUL-terminated; false when there is none or it is empty. */
bool cgroup_read_text(const char *path, char *text, size_t size);

#endif
