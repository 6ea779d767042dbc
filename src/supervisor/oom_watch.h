#ifndef BOXOFFICE_OOM_WATCH_H
#define BOXOFFICE_OOM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Tells the kernel's kills for want of memory from others: the cgroup (v2 memory.events, v1
 * memory.oom_control) counts them. Where neither is there, no kill is taken for one. */
struct oom_watch {
    char path[512]; /* empty: there is no such file */
    uint64_t seen;  /* kills that are accounted for */
};

/* `cgroups`: "/proc/self/cgroup"; `root`: "/sys/fs/cgroup". */
void oom_watch_open(struct oom_watch *watch, const char *cgroups, const char *root);
/* For a child that SIGKILL has ended: whether there is a kill that is not accounted for yet. */
bool oom_watch_explains(struct oom_watch *watch);

#endif
