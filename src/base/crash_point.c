#include "crash_point.h"

#ifdef BOXOFFICE_CRASH_POINTS

#include "log.h"
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct crash_control *control; /* NULL: nobody counts */
static char own_role[CRASH_ROLE_SIZE];

void crash_point_open(const char *role)
{
    const char *path = getenv("BOXOFFICE_CRASH_CONTROL");
    struct stat file;
    log_warn("crash-points", "reason=\"a test build: it can be told to die\" control=%s",
             path == NULL ? "none" : path);
    if (path == NULL)
        return;
    strncpy(own_role, role, sizeof own_role - 1);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *mapped = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &file) == 0 && (size_t)file.st_size >= sizeof *control)
        mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (mapped == MAP_FAILED) {
        log_error("crash-points", "reason=\"no usable control file\"");
        _exit(EXIT_FAILURE); /* a test that asks for deaths must not run without */
    }
    control = mapped;
}

/* Whether this is the hit that the order waits for. */
static bool fires(struct crash_order *order, uint64_t key)
{
    uint64_t wanted = atomic_load(&order->key);
    if ((wanted != 0 && wanted != key) ||
        (order->role[0] != '\0' && strncmp(order->role, own_role, CRASH_ROLE_SIZE) != 0))
        return false;
    bool forever = atomic_load(&order->forever) != 0;
    uint64_t left = atomic_load(&order->left);
    while (left > 1 || (left == 1 && !forever))
        if (atomic_compare_exchange_weak(&order->left, &left, left - 1))
            return left == 1;
    return forever;
}

void crash_point_hit(enum crash_point point, uint64_t key)
{
    if (control == NULL)
        return;
    atomic_fetch_add(&control->hits[point][key % CRASH_KEYS], 1);
    for (unsigned i = 0; i < CRASH_ORDERS_MAX; i++) {
        struct crash_order *order = &control->orders[i];
        if (atomic_load(&order->armed) != (uint64_t)point + 1 || !fires(order, key))
            continue;
        if (atomic_load(&order->forever) == 0)
            atomic_store(&order->armed, 0);
        atomic_fetch_add(&order->fired, 1);
        int number = (int)atomic_load(&order->signal);
        kill(getpid(), number == 0 ? SIGKILL : number);
    }
}

void crash_point_hit_each(enum crash_point point, uint64_t keys)
{
    for (uint64_t key = 0; key < 64 && keys >> key != 0; key++)
        if ((keys >> key & 1) != 0)
            crash_point_hit(point, key);
}

#endif
