#include "oom_watch.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The cgroup's count of kills for want of memory, in both versions of cgroups. */

struct tree {
    char root[64], cgroups[96];
};

static void put(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void put_below(const struct tree *tree, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", tree->root, name);
    for (char *at = path + strlen(tree->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    put(path, text);
}

static int setup(void **state)
{
    struct tree *tree = calloc(1, sizeof *tree);
    strcpy(tree->root, "/tmp/boxoffice-oom-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    snprintf(tree->cgroups, sizeof tree->cgroups, "%s/cgroup", tree->root);
    *state = tree;
    return 0;
}

static int teardown(void **state)
{
    struct tree *tree = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", tree->root);
    assert_int_equal(system(command), 0);
    free(tree);
    return 0;
}

static void test_version_2_of_this_cgroup(void **state)
{
    struct tree *tree = *state;
    struct oom_watch watch;
    put(tree->cgroups, "0::/system.slice/boxoffice\n");
    put_below(tree, "system.slice/boxoffice/memory.events", "low 0\noom 9\noom_kill 3\n");
    oom_watch_open(&watch, tree->cgroups, tree->root);
    assert_false(oom_watch_explains(&watch)); /* three kills before our time */
    put_below(tree, "system.slice/boxoffice/memory.events", "low 0\noom 9\noom_kill 4\n");
    assert_true(oom_watch_explains(&watch));
    assert_false(oom_watch_explains(&watch)); /* the next one was somebody else */
}

static void test_version_2_in_a_container(void **state)
{
    struct tree *tree = *state;
    struct oom_watch watch;
    put(tree->cgroups, "0::/\n");
    put_below(tree, "memory.events", "oom_kill 0\noom_group_kill 0\n");
    oom_watch_open(&watch, tree->cgroups, tree->root);
    put_below(tree, "memory.events", "oom_kill 1\noom_group_kill 0\n");
    assert_true(oom_watch_explains(&watch));
}

static void test_version_1_beside_an_empty_version_2(void **state)
{
    struct tree *tree = *state;
    struct oom_watch watch;
    put(tree->cgroups, "9:name=systemd:/\n5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n");
    put_below(tree, "memory/docker/abc/memory.oom_control",
              "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n");
    oom_watch_open(&watch, tree->cgroups, tree->root);
    assert_false(oom_watch_explains(&watch));
    put_below(tree, "memory/docker/abc/memory.oom_control",
              "oom_kill_disable 0\nunder_oom 0\noom_kill 8\n");
    assert_true(oom_watch_explains(&watch));
}

static void test_without_a_count_no_kill_is_explained(void **state)
{
    struct tree *tree = *state;
    struct oom_watch watch;
    oom_watch_open(&watch, tree->cgroups, tree->root);
    assert_false(oom_watch_explains(&watch));
    put(tree->cgroups, "garbage\n:\n::\n4:memory:/nowhere\n0::/nowhere");
    oom_watch_open(&watch, tree->cgroups, tree->root);
    assert_string_equal(watch.path, "");
    assert_false(oom_watch_explains(&watch));
    put(tree->cgroups, "0::/\n");
    put_below(tree, "memory.events", "oom 1\noom_kill_count 3\n");
    oom_watch_open(&watch, tree->cgroups, tree->root);
    assert_string_equal(watch.path, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_version_2_of_this_cgroup),
        TEST(test_version_2_in_a_container),
        TEST(test_version_1_beside_an_empty_version_2),
        TEST(test_without_a_count_no_kill_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
