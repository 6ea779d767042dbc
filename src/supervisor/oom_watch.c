#include "oom_watch.h"
#include "cgroup.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The number behind "oom_kill " at the start of a line. */
static bool read_kills(const char *path, uint64_t *kills)
{
    char text[1024];
    if (!cgroup_read_text(path, text, sizeof text))
        return false;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "oom_kill %" SCNu64, kills) == 1)
            return true;
    }
    return false;
}

static bool try_controller(struct oom_watch *watch, const char *cgroups, const char *root,
                           const char *controller, const char *file)
{
    char directory[sizeof watch->path];
    if (!cgroup_find(directory, sizeof directory, cgroups, root, controller, file))
        return false;
    int used = snprintf(watch->path, sizeof watch->path, "%s/%s", directory, file);
    return used < (int)sizeof watch->path && read_kills(watch->path, &watch->seen);
}

void oom_watch_open(struct oom_watch *watch, const char *cgroups, const char *root)
{
    memset(watch, 0, sizeof *watch);
    if (!try_controller(watch, cgroups, root, "", "memory.events") &&
        !try_controller(watch, cgroups, root, "memory", "memory.oom_control"))
        watch->path[0] = '\0';
}

bool oom_watch_explains(struct oom_watch *watch)
{
    uint64_t kills;
    if (watch->path[0] == '\0' || !read_kills(watch->path, &kills) || kills <= watch->seen)
        return false;
    watch->seen = kills;
    return true;
}
