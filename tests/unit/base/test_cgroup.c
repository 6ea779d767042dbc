#include "cgroup.h"
#include "scratch.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Figures of control groups, from files as the kernel writes them. */

static char root[128], cgroups[160];

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/boxoffice-cgroup-XXXXXX");
    if (mkdtemp(root) == NULL)
        return -1;
    snprintf(cgroups, sizeof cgroups, "%s/self", root);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return scratch_remove(root);
}

/* Makes the directories above it too. */
static void write_file(const char *name, const char *text)
{
    char path[512];
    int length = snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    assert_true(length > 0 && length < (int)sizeof path);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void read_figures(struct cgroup_figures *figures)
{
    cgroup_read(figures, cgroups, root);
}

static void version_2_of_a_service(void **state)
{
    (void)state;
    struct cgroup_figures figures;
    write_file("self", "0::/system.slice/boxoffice.service\n");
    write_file("system.slice/boxoffice.service/memory.max", "1073741824\n");
    write_file("system.slice/boxoffice.service/memory.current", "300000000\n");
    write_file("system.slice/boxoffice.service/memory.stat",
               "anon 90000000\nfile 200000000\nshmem 10000000\ninactive_file 50000000\n"
               "active_file 140000000\n");
    write_file("system.slice/boxoffice.service/cpu.max", "50000 100000\n");
    write_file("system.slice/boxoffice.service/cpu.stat",
               "usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000\n");
    read_figures(&figures);
    assert_true(figures.memory_limit == 1073741824.0);
    assert_true(figures.memory_usage == 300000000.0);
    assert_true(figures.memory_unreclaimable == 110000000.0);
    assert_true(figures.cpu_limit == 0.5);
    assert_true(figures.throttled_seconds == 2.5);
}

static void version_2_without_limits(void **state)
{
    (void)state;
    struct cgroup_figures figures;
    write_file("self", "0::/user.slice\n");
    write_file("user.slice/memory.max", "max\n");
    write_file("user.slice/memory.current", "300\n");
    write_file("user.slice/cpu.max", "max 100000\n");
    read_figures(&figures);
    assert_true(figures.memory_limit < 0);
    assert_true(figures.memory_usage == 300.0);
    assert_true(figures.cpu_limit < 0);
}

static void version_1_in_a_container(void **state)
{
    (void)state;
    struct cgroup_figures figures;
    write_file("self", "9:memory:/libpod_parent/libpod-12\n4:cpu,cpuacct:/libpod_parent/libpod-12\n"
                       "1:name=systemd:/x\n");
    write_file("memory/memory.limit_in_bytes", "268435456\n");
    write_file("memory/memory.usage_in_bytes", "100000000\n");
    write_file("memory/memory.stat",
               "inactive_file 1\nactive_file 1\ntotal_inactive_file 20000000\n"
               "total_active_file 30000000\n");
    write_file("cpu/cpu.cfs_quota_us", "25000\n");
    write_file("cpu/cpu.cfs_period_us", "100000\n");
    write_file("cpu/cpu.stat", "nr_periods 4\nnr_throttled 1\nthrottled_time 1500000000\n");
    read_figures(&figures);
    assert_true(figures.memory_limit == 268435456.0);
    assert_true(figures.memory_usage == 100000000.0);
    assert_true(figures.memory_unreclaimable == 50000000.0);
    assert_true(figures.cpu_limit == 0.25);
    assert_true(figures.throttled_seconds == 1.5);
}

static void version_1_without_limits(void **state)
{
    (void)state;
    struct cgroup_figures figures;
    write_file("self", "9:memory:/a\n4:cpu,cpuacct:/a\n");
    write_file("memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    write_file("memory/a/memory.usage_in_bytes", "5\n");
    write_file("cpu/a/cpu.cfs_quota_us", "-1\n");
    write_file("cpu/a/cpu.cfs_period_us", "100000\n");
    read_figures(&figures);
    assert_true(figures.memory_limit < 0);
    assert_true(figures.memory_usage == 5.0);
    assert_true(figures.cpu_limit < 0);
}

static void nothing_to_read_is_nothing_known(void **state)
{
    (void)state;
    struct cgroup_figures figures;
    read_figures(&figures);
    assert_true(figures.memory_limit < 0 && figures.memory_usage < 0 && figures.cpu_limit < 0 &&
                figures.memory_unreclaimable < 0 && figures.throttled_seconds < 0);
    write_file("self", "garbage\n::\n9:memory\n");
    read_figures(&figures);
    assert_true(figures.memory_usage < 0);
}

#define cgroup_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cgroup_test(version_2_of_a_service),           cgroup_test(version_2_without_limits),
        cgroup_test(version_1_in_a_container),         cgroup_test(version_1_without_limits),
        cgroup_test(nothing_to_read_is_nothing_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
