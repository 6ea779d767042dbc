/* Preloaded into a server: lets the n-th call of one kind fail in the processes of one role, once
 * or from then on. libfiu, which the tests use too, fails calls at random or from a moment on, in
 * one process; it cannot count calls, nor follow a role through its restarts.
 *
 * FAIL_CONTROL names a file that every process maps; tests/fault/fail_control.py is the other side.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The order is that of fail_control.py. */
/* clang-format off */
#define CALLS(CALL) \
    CALL(open) CALL(mmap) CALL(pread) CALL(pwrite) CALL(writev) CALL(fdatasync) CALL(fsync) \
    CALL(ftruncate) CALL(rename) CALL(unlink) CALL(mkdir)
/* clang-format on */

enum call {
#define CALL(name) CALL_##name,
    CALLS(CALL)
#undef CALL
        CALL_COUNT
};

enum { ROLE_SIZE = 16 };

struct control {
    _Atomic uint64_t armed; /* call + 1; 0: none */
    _Atomic uint64_t left;  /* the call that takes this to 0 fails */
    _Atomic uint64_t error; /* errno */
    _Atomic uint64_t forever;
    _Atomic uint64_t fired;
    char role[ROLE_SIZE];
    _Atomic uint64_t seen[CALL_COUNT]; /* calls in that role */
};

static struct control *control; /* NULL: not of the role */
static void *real_calls[CALL_COUNT];

static void *real(enum call call, const char *name)
{
    if (real_calls[call] == NULL)
        real_calls[call] = dlsym(RTLD_NEXT, name);
    return real_calls[call];
}

#define REAL(name) ((__typeof__(name) *)real(CALL_##name, #name))

/* "worker ROLE INSTANCE" on the command line, or else the supervisor. */
static bool has_role(const char *role)
{
    char line[256] = "";
    int fd = REAL(open)("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, line, sizeof line - 1);
    close(fd);
    const char *own = "supervisor", *end = line + (size > 0 ? size : 0);
    const char *command = line + strlen(line) + 1;
    if (command < end && strcmp(command, "worker") == 0)
        own = command + strlen(command) + 1;
    return strncmp(own, role, ROLE_SIZE) == 0;
}

static void __attribute__((constructor)) attach(void)
{
    const char *path = getenv("FAIL_CONTROL");
    if (path == NULL)
        return;
    int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
    struct control *mapped =
        REAL(mmap)(NULL, sizeof *mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || mapped == MAP_FAILED)
        abort();
    close(fd);
    if (has_role(mapped->role))
        control = mapped;
}

static bool fails(enum call call)
{
    if (control == NULL)
        return false;
    atomic_fetch_add(&control->seen[call], 1);
    if (atomic_load(&control->armed) != (uint64_t)call + 1)
        return false;
    uint64_t left = atomic_load(&control->left);
    while (left > 0 && !atomic_compare_exchange_weak(&control->left, &left, left - 1))
        ;
    if (left > 1 || (left == 0 && atomic_load(&control->forever) == 0))
        return false;
    atomic_fetch_add(&control->fired, 1);
    errno = (int)atomic_load(&control->error);
    return true;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return fails(CALL_open) ? -1 : REAL(open)(path, flags, mode);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails(CALL_mmap) ? MAP_FAILED : REAL(mmap)(at, size, protection, flags, fd, offset);
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
    return fails(CALL_pread) ? -1 : REAL(pread)(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return fails(CALL_pwrite) ? -1 : REAL(pwrite)(fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    return fails(CALL_writev) ? -1 : REAL(writev)(fd, iov, count);
}

int fdatasync(int fd)
{
    return fails(CALL_fdatasync) ? -1 : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
    return fails(CALL_fsync) ? -1 : REAL(fsync)(fd);
}

int ftruncate(int fd, off_t size)
{
    return fails(CALL_ftruncate) ? -1 : REAL(ftruncate)(fd, size);
}

int rename(const char *from, const char *to)
{
    return fails(CALL_rename) ? -1 : REAL(rename)(from, to);
}

int unlink(const char *path)
{
    return fails(CALL_unlink) ? -1 : REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode)
{
    return fails(CALL_mkdir) ? -1 : REAL(mkdir)(path, mode);
}
