#include "cgroup.h"
#include "command.h"
#include "log.h"
#include <stdio.h>
#include <unistd.h>

/* The defaults are planned for 1 GiB (docs/OPERATIONS.md, "Sizing"). With less, those that are
 * memory's bounds shrink in proportion, so that load is shed before the kernel has to kill. */

static const uint64_t PLANNED_MIB = 1024;

static uint64_t memory_mib(void)
{
    struct cgroup_figures figures;
    cgroup_read(&figures, "/proc/self/cgroup", "/sys/fs/cgroup");
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (figures.memory_limit > 0 && figures.memory_limit < bytes)
        bytes = figures.memory_limit;
    return (uint64_t)bytes >> 20;
}

static bool shrink(uint64_t *value, uint64_t initial, uint64_t least, uint64_t have_mib)
{
    if (*value != initial) /* chosen by a person */
        return false;
    uint64_t share = initial * have_mib / PLANNED_MIB;
    *value = share > least ? share : least;
    return true;
}

void command_plan_memory(struct config *config)
{
    static struct config initial;
    uint64_t have_mib = memory_mib();
    if (have_mib >= PLANNED_MIB)
        return;
    config_init(&initial);
    bool shrunk = shrink(&config->unsaved_limit_mib, initial.unsaved_limit_mib, 4, have_mib);
    shrunk |= shrink(&config->actor_cache_mib, initial.actor_cache_mib, 2, have_mib);
    shrunk |= shrink(&config->connections, initial.connections, 256, have_mib);
    if (shrunk)
        log_info(
            "memory-plan", "memory_mib=%llu unsaved_limit=%llu actor_cache=%llu connections=%llu",
            (unsigned long long)have_mib, (unsigned long long)config->unsaved_limit_mib,
            (unsigned long long)config->actor_cache_mib, (unsigned long long)config->connections);
}
