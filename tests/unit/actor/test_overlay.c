#include "overlay.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The overlay over a real state environment in a fresh directory. */
struct fixture {
    char directory[64];
    struct state *state;
    struct state_reader *reader;
    struct overlay overlay;
    struct row_view view;
};

enum { KIND = 1 };

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->directory, "/tmp/boxoffice-overlay-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    char path[80];
    snprintf(path, sizeof path, "%s/state", fixture->directory);
    assert_int_equal(state_open(&fixture->state, path, UINT64_C(64) << 20, false), STATUS_OK);
    assert_int_equal(state_reader_open(&fixture->reader, fixture->state), STATUS_OK);
    assert_int_equal(overlay_init(&fixture->overlay, fixture->reader), STATUS_OK);
    fixture->view = overlay_view(&fixture->overlay);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    overlay_fini(&fixture->overlay);
    state_reader_close(fixture->reader);
    state_close(fixture->state);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

static struct row_key row_of(uint64_t user, char tag, uint64_t sub)
{
    struct row_key key = row_key_of('w', user);
    if (tag != 0) {
        row_key_add_tag(&key, tag);
        row_key_add_u64(&key, sub);
    }
    return key;
}

static void put(struct fixture *fixture, uint64_t user, uint64_t sequence, struct row_key key,
                const char *text)
{
    struct overlay *overlay = &fixture->overlay;
    overlay_put(overlay, overlay_touch(overlay, KIND, user, sequence, NULL), &key, text,
                strlen(text));
}

static void delete (struct fixture *fixture, uint64_t user, uint64_t sequence, struct row_key key)
{
    struct overlay *overlay = &fixture->overlay;
    overlay_delete(overlay, overlay_touch(overlay, KIND, user, sequence, NULL), &key);
}

static void assert_row(struct fixture *fixture, struct row_key key, const char *expected)
{
    struct row_bytes value;
    enum status status = row_get(&fixture->view, &key, &value);
    if (expected == NULL) {
        assert_int_equal(status, STATUS_NOT_FOUND);
        return;
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(value.size, strlen(expected));
    assert_memory_equal(value.data, expected, value.size);
}

static void save_row(struct fixture *fixture, struct row_key key, const char *text)
{
    assert_int_equal(state_begin(fixture->state), STATUS_OK);
    state_put(fixture->state, &key, text, strlen(text));
    assert_int_equal(state_commit(fixture->state, 0), STATUS_OK);
    assert_int_equal(state_reader_refresh(fixture->reader), STATUS_OK);
}

struct collected {
    char text[256];
    int left;
};

static bool collect(void *context, const struct row_key *key, struct row_bytes value)
{
    struct collected *collected = context;
    (void)key;
    strncat(collected->text, (const char *)value.data, value.size);
    return --collected->left != 0;
}

static void assert_scan(struct fixture *fixture, struct row_key prefix, const struct row_key *from,
                        bool descending, int limit, const char *expected)
{
    struct collected collected = {.left = limit};
    fixture->view.scan(fixture->view.context, &prefix, from, descending, collect, &collected);
    assert_string_equal(collected.text, expected);
}

static void test_memory_hides_the_saved_row(void **state)
{
    struct fixture *fixture = *state;
    struct row_key key = row_of(1, 0, 0);
    save_row(fixture, key, "old");
    assert_row(fixture, key, "old");
    put(fixture, 1, 5, key, "new");
    assert_row(fixture, key, "new");
    delete (fixture, 1, 6, key);
    assert_row(fixture, key, NULL);
}

static void test_scan_merges_memory_and_saved_rows_both_ways(void **state)
{
    struct fixture *fixture = *state;
    save_row(fixture, row_of(1, 'x', 1), "a");
    save_row(fixture, row_of(1, 'x', 2), "b");
    save_row(fixture, row_of(1, 'x', 4), "d");
    save_row(fixture, row_of(2, 'x', 1), "other");
    put(fixture, 1, 5, row_of(1, 'x', 3), "c");
    put(fixture, 1, 5, row_of(1, 'x', 4), "D");
    put(fixture, 1, 5, row_of(1, 'x', 5), "e");
    delete (fixture, 1, 6, row_of(1, 'x', 2));
    struct row_key prefix = row_key_of('w', 1);
    row_key_add_tag(&prefix, 'x');
    assert_scan(fixture, prefix, NULL, false, -1, "acDe");
    assert_scan(fixture, prefix, NULL, true, -1, "eDca");
    assert_scan(fixture, prefix, NULL, true, 2, "eD");
    struct row_key from = row_of(1, 'x', 4);
    assert_scan(fixture, prefix, &from, false, -1, "De");
    assert_scan(fixture, prefix, &from, true, -1, "ca");
}

static void test_scan_of_a_table_goes_through_all_actors_in_order(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, 3, 1, row_of(3, 'x', 1), "f");
    put(fixture, 3, 1, row_of(3, 0, 0), "e");
    put(fixture, 1, 2, row_of(1, 0, 0), "a");
    put(fixture, 1, 2, row_of(1, 'x', 9), "b");
    save_row(fixture, row_of(2, 0, 0), "c");
    put(fixture, 2, 3, row_of(2, 'x', 1), "d");
    struct row_key other = row_key_of('v', 2), last = row_key_of('x', 1);
    put(fixture, 9, 4, other, "before");
    put(fixture, 9, 4, last, "after");
    struct row_key table = {.size = 1, .data = {'w'}};
    assert_scan(fixture, table, NULL, false, -1, "abcdef");
    assert_scan(fixture, table, NULL, true, -1, "fedcba");
    struct row_key from = row_of(2, 'x', 1);
    assert_scan(fixture, table, &from, false, -1, "def");
    assert_scan(fixture, table, &from, true, -1, "cba");
    from = row_of(3, 'x', 1);
    assert_scan(fixture, table, &from, true, -1, "edcba");
    from = row_of(4, 0, 0);
    assert_scan(fixture, table, &from, false, -1, "");
    assert_scan(fixture, table, &from, true, -1, "fedcba");
    put(fixture, 4, 5, from, "g"); /* the order of actors is made anew */
    assert_scan(fixture, table, &from, false, -1, "g");
    assert_scan(fixture, table, NULL, true, -1, "gfedcba");
}

static void test_saved_rows_leave_memory_and_later_ones_stay(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put(fixture, 1, 10, row_of(1, 0, 0), "one");
    put(fixture, 2, 11, row_of(2, 0, 0), "two");
    struct overlay_owner *owners[2];
    assert_int_equal(overlay_round_begin(overlay, NULL), 2);
    assert_int_equal(overlay_round_begin(overlay, owners), 2);
    overlay_saving(owners[0]);
    overlay_saving(owners[1]);
    uint64_t stamp = overlay->stamp;
    put(fixture, 2, 12, row_of(2, 'x', 12), "late");
    assert_int_equal(overlay_covered(overlay, 12), 11);
    save_row(fixture, row_of(1, 0, 0), "one");
    save_row(fixture, row_of(2, 0, 0), "two");
    overlay_saved(overlay, owners[0], stamp);
    overlay_saved(overlay, owners[1], stamp);
    assert_int_equal(overlay->row_count, 1);
    assert_int_equal(overlay->owner_count, 1);
    assert_row(fixture, row_of(1, 0, 0), "one");
    assert_row(fixture, row_of(2, 0, 0), "two");
    assert_row(fixture, row_of(2, 'x', 12), "late");
    assert_int_equal(overlay_covered(overlay, 12), 11);
}

static void test_row_written_again_while_it_is_saved_is_not_lost(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put(fixture, 1, 10, row_of(1, 0, 0), "ten");
    struct overlay_owner *owner;
    overlay_round_begin(overlay, &owner);
    overlay_saving(owner);
    uint64_t stamp = overlay->stamp;
    put(fixture, 1, 11, row_of(1, 0, 0), "eleven");
    overlay_saved(overlay, owner, stamp);
    assert_row(fixture, row_of(1, 0, 0), "eleven");
    assert_int_equal(overlay_covered(overlay, 11), 10);
    assert_int_equal(overlay_round_begin(overlay, NULL), 1);
}

static void test_long_values_and_growth_keep_their_bytes(void **state)
{
    struct fixture *fixture = *state;
    char text[301];
    for (size_t size = 1; size <= 300; size += 13) {
        memset(text, 'a' + (int)(size % 26), size);
        text[size] = 0;
        put(fixture, 1, size, row_of(1, 0, 0), text);
        assert_row(fixture, row_of(1, 0, 0), text);
    }
    put(fixture, 1, 400, row_of(1, 0, 0), "short");
    assert_row(fixture, row_of(1, 0, 0), "short");
}

static void test_covers_everything_when_nothing_is_unsaved(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(overlay_covered(&fixture->overlay, 42), 42);
    put(fixture, 9, 43, row_of(9, 0, 0), "x");
    put(fixture, 8, 44, row_of(8, 0, 0), "y");
    assert_int_equal(overlay_covered(&fixture->overlay, 44), 42);
}

static void test_bytes_return_to_zero(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    for (uint64_t user = 1; user <= 5000; user++)
        put(fixture, user, user, row_of(user, 0, 0), "balance");
    size_t count = overlay_round_begin(overlay, NULL);
    assert_int_equal(count, 5000);
    struct overlay_owner **owners = malloc(count * sizeof *owners);
    overlay_round_begin(overlay, owners);
    for (size_t i = 0; i < count; i++) {
        overlay_saving(owners[i]);
        overlay_saved(overlay, owners[i], overlay->stamp);
    }
    free(owners);
    assert_int_equal(overlay->bytes, 0);
    assert_int_equal(overlay->row_count, 0);
    assert_int_equal(overlay->owner_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_memory_hides_the_saved_row),
        TEST(test_scan_merges_memory_and_saved_rows_both_ways),
        TEST(test_scan_of_a_table_goes_through_all_actors_in_order),
        TEST(test_saved_rows_leave_memory_and_later_ones_stay),
        TEST(test_row_written_again_while_it_is_saved_is_not_lost),
        TEST(test_long_values_and_growth_keep_their_bytes),
        TEST(test_covers_everything_when_nothing_is_unsaved),
        TEST(test_bytes_return_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
