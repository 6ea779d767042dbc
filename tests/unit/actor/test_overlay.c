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

/* The only owner that is dirty, copied. */
static struct overlay_owner *copied(struct overlay *overlay)
{
    assert_true(overlay_round_begin(overlay));
    struct overlay_owner *owner = overlay_round_next(overlay);
    assert_null(overlay_round_next(overlay));
    overlay_saving(overlay, owner);
    return owner;
}

static bool saved(struct overlay *overlay, struct overlay_owner *owner)
{
    size_t budget = SIZE_MAX;
    return overlay_saved(overlay, owner, &budget);
}

static void test_saved_rows_leave_memory_and_later_ones_stay(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put(fixture, 1, 10, row_of(1, 0, 0), "one");
    put(fixture, 2, 11, row_of(2, 0, 0), "two");
    struct overlay_owner *owners[2];
    assert_true(overlay_round_begin(overlay));
    for (unsigned i = 0; i < 2; i++) {
        owners[i] = overlay_round_next(overlay);
        overlay_saving(overlay, owners[i]);
    }
    assert_null(overlay_round_next(overlay));
    put(fixture, 2, 12, row_of(2, 'x', 12), "late");
    assert_int_equal(overlay_covered(overlay, 12), 11);
    save_row(fixture, row_of(1, 0, 0), "one");
    save_row(fixture, row_of(2, 0, 0), "two");
    assert_true(saved(overlay, owners[0]));
    assert_true(saved(overlay, owners[1]));
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
    struct overlay_owner *owner = copied(overlay);
    put(fixture, 1, 11, row_of(1, 0, 0), "eleven");
    assert_true(saved(overlay, owner));
    assert_row(fixture, row_of(1, 0, 0), "eleven");
    assert_int_equal(overlay_covered(overlay, 11), 10);
    assert_true(overlay_round_begin(overlay));
    assert_ptr_equal(overlay_round_next(overlay), owner);
}

static void test_row_written_before_it_is_copied_goes_with_the_round(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put(fixture, 1, 10, row_of(1, 0, 0), "ten");
    assert_true(overlay_round_begin(overlay));
    put(fixture, 1, 11, row_of(1, 0, 0), "eleven");
    struct overlay_owner *owner = overlay_round_next(overlay);
    put(fixture, 1, 12, row_of(1, 0, 0), "twelve");
    overlay_saving(overlay, owner);
    assert_int_equal(overlay_covered(overlay, 12), 12);
    assert_true(saved(overlay, owner));
    assert_int_equal(overlay->row_count, 0);
    assert_false(overlay_round_begin(overlay));
}

static void test_saved_rows_may_leave_piece_by_piece(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    enum { ROWS = 10 };
    for (uint64_t sub = 1; sub <= ROWS; sub++)
        put(fixture, 1, sub, row_of(1, 'x', sub), "x");
    struct overlay_owner *owner = copied(overlay);
    size_t budget = 4;
    assert_false(overlay_saved(overlay, owner, &budget));
    assert_int_equal(overlay->row_count, ROWS - 4);
    put(fixture, 1, 11, row_of(1, 'x', 5), "late"); /* the next to leave */
    put(fixture, 1, 12, row_of(1, 'x', 99), "new");
    budget = 100;
    assert_true(overlay_saved(overlay, owner, &budget));
    assert_int_equal(overlay->row_count, 2);
    assert_row(fixture, row_of(1, 'x', 5), "late");
    assert_row(fixture, row_of(1, 'x', 99), "new");
    assert_int_equal(overlay_covered(overlay, 12), 10);
}

/* ---- rows that are deleted before the environment has them ---- */

static void put_new(struct fixture *fixture, uint64_t id, uint64_t sequence, struct row_key key)
{
    struct overlay *overlay = &fixture->overlay;
    overlay_put_new(overlay, overlay_touch(overlay, KIND, id, sequence, NULL), &key, "new", 3);
}

static void test_new_row_that_is_deleted_leaves_nothing_to_save(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put(fixture, 1, 1, row_of(1, 0, 0), "head");
    put_new(fixture, 1, 1, row_of(1, 'x', 1));
    delete (fixture, 1, 2, row_of(1, 'x', 1));
    assert_int_equal(overlay->row_count, 1);
    assert_row(fixture, row_of(1, 'x', 1), NULL);
    put(fixture, 1, 3, row_of(1, 'x', 2), "not new");
    delete (fixture, 1, 4, row_of(1, 'x', 2)); /* the environment may have one */
    assert_int_equal(overlay->row_count, 2);
}

static void test_new_row_that_is_deleted_after_it_was_copied_is_deleted_again(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put_new(fixture, 1, 1, row_of(1, 'x', 1));
    put_new(fixture, 1, 2, row_of(1, 'x', 2));
    struct overlay_owner *owner = copied(overlay);
    put_new(fixture, 1, 3, row_of(1, 'x', 2)); /* written once more */
    put_new(fixture, 1, 3, row_of(1, 'x', 3));
    delete (fixture, 1, 4, row_of(1, 'x', 1));
    delete (fixture, 1, 5, row_of(1, 'x', 2));
    delete (fixture, 1, 6, row_of(1, 'x', 3)); /* this one was not in the slice */
    assert_int_equal(overlay->row_count, 2);
    save_row(fixture, row_of(1, 'x', 1), "new");
    save_row(fixture, row_of(1, 'x', 2), "new");
    assert_true(saved(overlay, owner));
    assert_int_equal(overlay->row_count, 2); /* deletions, for the next round */
    assert_row(fixture, row_of(1, 'x', 1), NULL);
    assert_row(fixture, row_of(1, 'x', 2), NULL);
}

static void test_new_row_that_is_deleted_while_others_leave_is_no_obstacle(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put(fixture, 1, 1, row_of(1, 0, 0), "head");
    struct overlay_owner *owner = copied(overlay);
    put_new(fixture, 1, 2, row_of(1, 'x', 1));
    put(fixture, 1, 2, row_of(1, 'y', 1), "last");
    size_t budget = 1;
    assert_false(overlay_saved(overlay, owner, &budget)); /* the new one is next */
    delete (fixture, 1, 3, row_of(1, 'x', 1));
    assert_true(saved(overlay, owner));
    assert_int_equal(overlay->row_count, 1);
    assert_row(fixture, row_of(1, 'y', 1), "last");
}

/* ---- order ---- */

static void test_rows_are_in_order_whatever_came_and_went(void **state)
{
    struct fixture *fixture = *state;
    enum { ROWS = 26 };
    char expected[ROWS + 1] = "", text[2] = "";
    for (uint64_t round = 0, sequence = 1; round < 200; round++, sequence++) {
        uint64_t sub = round % 3 == 0 ? ROWS - round % ROWS : round * 11 % ROWS + 1;
        struct row_key key = row_of(1, 'x', sub);
        struct row_bytes value;
        if (row_get(&fixture->view, &key, &value) == STATUS_OK) {
            delete (fixture, 1, sequence, key);
            expected[sub - 1] = 0;
        } else {
            put_new(fixture, 1, sequence, key);
            text[0] = expected[sub - 1] = (char)('a' + sub - 1);
            put(fixture, 1, sequence, key, text);
        }
        char up[ROWS + 1] = "", down[ROWS + 1] = "";
        for (int i = 0, count = 0; i < ROWS; i++)
            if (expected[i] != 0)
                up[count++] = expected[i];
        for (size_t i = 0; i < strlen(up); i++)
            down[i] = up[strlen(up) - 1 - i];
        struct row_key prefix = row_key_of('w', 1);
        assert_scan(fixture, prefix, NULL, false, -1, up);
        assert_scan(fixture, prefix, NULL, true, -1, down);
    }
}

/* Two tables' rows whose ids differ in what the hash takes for the table: each has a namesake. */
static struct row_key namesake(unsigned number)
{
    uint64_t id = number / 2 + 1;
    return number % 2 == 0 ? row_key_of('w', id)
                           : row_key_of('v', id ^ (uint64_t)('v' ^ 'w') << 56);
}

static void test_groups_are_found_whatever_came_and_went(void **state)
{
    struct fixture *fixture = *state;
    enum { ROWS = 3000, STEPS = 30000 };
    static bool present[ROWS];
    memset(present, 0, sizeof present);
    uint64_t random = 1;
    for (uint64_t step = 1; step <= STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        /* More and more, then less and less. */
        unsigned number = (unsigned)((random >> 33) % ROWS);
        bool wanted = step <= STEPS / 2 || (random >> 32) % 8 == 0;
        if (present[number] && !wanted)
            delete (fixture, 1, step, namesake(number));
        else if (!present[number] && wanted)
            put_new(fixture, 1, step, namesake(number));
        present[number] = wanted;
        for (unsigned i = 0; step % 1000 == 0 && i < ROWS; i++)
            assert_row(fixture, namesake(i), present[i] ? "new" : NULL);
    }
    for (unsigned i = 0; i < ROWS; i++)
        if (present[i])
            delete (fixture, 1, STEPS, namesake(i));
    assert_int_equal(fixture->overlay.group_count, 0);
    assert_int_equal(fixture->overlay.row_count, 0);
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
    assert_true(overlay_round_begin(overlay));
    struct overlay_owner *owner;
    while ((owner = overlay_round_next(overlay)) != NULL) {
        overlay_saving(overlay, owner);
        assert_true(saved(overlay, owner));
    }
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
        TEST(test_row_written_before_it_is_copied_goes_with_the_round),
        TEST(test_saved_rows_may_leave_piece_by_piece),
        TEST(test_new_row_that_is_deleted_leaves_nothing_to_save),
        TEST(test_new_row_that_is_deleted_after_it_was_copied_is_deleted_again),
        TEST(test_new_row_that_is_deleted_while_others_leave_is_no_obstacle),
        TEST(test_rows_are_in_order_whatever_came_and_went),
        TEST(test_groups_are_found_whatever_came_and_went),
        TEST(test_long_values_and_growth_keep_their_bytes),
        TEST(test_covers_everything_when_nothing_is_unsaved),
        TEST(test_bytes_return_to_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
