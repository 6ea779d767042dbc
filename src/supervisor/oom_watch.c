#include "oom_watch.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t used = read(fd, text, size - 1);
    close(fd);
    text[used > 0 ? used : 0] = '\0';
    return used > 0;
}

/* The number behind "oom_kill " at the start of a line. */
static bool read_kills(const char *path, uint64_t *kills)
{
    char text[1024];
    if (!read_text(path, text, sizeof text))
        return false;
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (sscanf(line, "oom_kill %" SCNu64, kills) == 1)
            return true;
    }
    return false;
}

static bool try_path(struct oom_watch *watch, const char *root, const char *group, int length,
                     const char *file)
{
    snprintf(watch->path, sizeof watch->path, "%s%.*s/%s", root, length, group, file);
    return read_kills(watch->path, &watch->seen);
}

/* In a container the file may be at the root of what is mounted. */
static bool try_group(struct oom_watch *watch, const char *root, const char *group, int length,
                      const char *file)
{
    return try_path(watch, root, group, length, file) || try_path(watch, root, "", 0, file);
}

/* Lines are ID:CONTROLLERS:PATH; v2's is 0::PATH. */
static bool try_line(struct oom_watch *watch, const char *line, int length, const char *root)
{
    char memory_root[256];
    const char *controllers = memchr(line, ':', (size_t)length);
    if (controllers == NULL)
        return false;
    const char *group =
        memchr(controllers + 1, ':', (size_t)length - (size_t)(controllers + 1 - line));
    if (group == NULL)
        return false;
    int group_length = length - (int)(group + 1 - line);
    size_t controllers_length = (size_t)(group - controllers - 1);
    if (controllers_length == 0)
        return try_group(watch, root, group + 1, group_length, "memory.events");
    if (controllers_length != strlen("memory") ||
        memcmp(controllers + 1, "memory", controllers_length) != 0)
        return false;
    snprintf(memory_root, sizeof memory_root, "%s/memory", root);
    return try_group(watch, memory_root, group + 1, group_length, "memory.oom_control");
}

void oom_watch_open(struct oom_watch *watch, const char *cgroups, const char *root)
{
    char text[4096];
    memset(watch, 0, sizeof *watch);
    if (!read_text(cgroups, text, sizeof text))
        return;
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (try_line(watch, line, (int)length, root))
            return;
        line += length + (line[length] == '\n');
    }
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
