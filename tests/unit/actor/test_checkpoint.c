#include "checkpoint.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { KIND = 1 };

struct fixture {
    char directory[64];
    struct state *state;
    struct state_reader *reader;
    struct overlay overlay;
    struct checkpoint *checkpoint;
    int doorbell;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    strcpy(fixture->directory, "/tmp/boxoffice-checkpoint-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    char path[80];
    snprintf(path, sizeof path, "%s/state", fixture->directory);
    fixture->doorbell = eventfd(0, EFD_NONBLOCK);
    assert_int_equal(state_open(&fixture->state, path, UINT64_C(64) << 20, false), STATUS_OK);
    assert_int_equal(state_reader_open(&fixture->reader, fixture->state), STATUS_OK);
    assert_int_equal(overlay_init(&fixture->overlay, fixture->reader), STATUS_OK);
    assert_int_equal(
        checkpoint_open(&fixture->checkpoint, &fixture->overlay, fixture->state, fixture->doorbell),
        STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    checkpoint_close(fixture->checkpoint);
    overlay_fini(&fixture->overlay);
    state_reader_close(fixture->reader);
    state_close(fixture->state);
    close(fixture->doorbell);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* The wallet row of `id` says the number `value`, written by event `sequence`. */
static void put(struct fixture *fixture, uint64_t id, uint64_t sequence, uint64_t value)
{
    struct overlay *overlay = &fixture->overlay;
    struct row_key key = row_key_of('w', id);
    overlay_put(overlay, overlay_touch(overlay, KIND, id, sequence, NULL), &key, &value,
                sizeof value);
}

static uint64_t read_row(struct fixture *fixture, uint64_t id)
{
    struct row_view view = overlay_view(&fixture->overlay);
    struct row_key key = row_key_of('w', id);
    struct row_bytes bytes;
    uint64_t value = 0;
    assert_int_equal(row_get(&view, &key, &bytes), STATUS_OK);
    assert_int_equal(bytes.size, sizeof value);
    memcpy(&value, bytes.data, sizeof value);
    return value;
}

static void step(struct fixture *fixture, uint64_t last_sequence)
{
    checkpoint_wait(fixture->checkpoint);
    assert_int_equal(checkpoint_step(fixture->checkpoint, last_sequence, fixture->reader),
                     STATUS_OK);
}

static void finish_round(struct fixture *fixture, uint64_t last_sequence)
{
    while (checkpoint_active(fixture->checkpoint))
        step(fixture, last_sequence);
}

static void test_round_saves_everything_in_several_slices(void **state)
{
    struct fixture *fixture = *state;
    enum { ACTORS = CHECKPOINT_SLICE_ROWS * 3 + 17 };
    for (uint64_t id = ACTORS; id >= 1; id--)
        put(fixture, id, ACTORS + 1 - id, id * 10);
    checkpoint_begin(fixture->checkpoint);
    finish_round(fixture, ACTORS);
    assert_int_equal(fixture->overlay.row_count, 0);
    assert_int_equal(checkpoint_covered(fixture->checkpoint), ACTORS);
    assert_int_equal(state_covered(fixture->state), ACTORS);
    assert_int_equal(checkpoint_rows(fixture->checkpoint), ACTORS);
    for (uint64_t id = 1; id <= ACTORS; id++)
        assert_int_equal(read_row(fixture, id), id * 10);
}

static void test_covered_stays_below_what_was_written_during_the_round(void **state)
{
    struct fixture *fixture = *state;
    enum { ACTORS = CHECKPOINT_SLICE_ROWS * 2 };
    for (uint64_t id = 1; id <= ACTORS; id++)
        put(fixture, id, id, 1);
    const struct overlay_owner *first = overlay_touch(&fixture->overlay, KIND, 1, 1, NULL);
    checkpoint_begin(fixture->checkpoint);
    while (first->state == OWNER_DIRTY) /* until the first slice is under way */
        step(fixture, ACTORS);
    put(fixture, 1, ACTORS + 1, 2);          /* in that slice: dirty again */
    put(fixture, ACTORS, ACTORS + 2, 2);     /* not copied yet: goes with its slice */
    put(fixture, ACTORS + 9, ACTORS + 3, 2); /* new */
    finish_round(fixture, ACTORS + 3);
    assert_int_equal(checkpoint_covered(fixture->checkpoint), ACTORS);
    assert_int_equal(state_covered(fixture->state), ACTORS);
    assert_int_equal(read_row(fixture, 1), 2);
    assert_int_equal(read_row(fixture, ACTORS), 2);
    assert_int_equal(read_row(fixture, ACTORS + 9), 2);
    assert_int_equal(fixture->overlay.row_count, 2);
    checkpoint_begin(fixture->checkpoint);
    finish_round(fixture, ACTORS + 3);
    assert_int_equal(checkpoint_covered(fixture->checkpoint), ACTORS + 3);
    assert_int_equal(fixture->overlay.row_count, 0);
}

static bool is_saved(struct fixture *fixture, uint64_t sub)
{
    struct row_bytes bytes;
    struct row_key key = row_key_of('w', 2);
    row_key_add_tag(&key, 'x');
    row_key_add_u64(&key, sub);
    assert_int_equal(state_reader_refresh(fixture->reader), STATUS_OK);
    return state_get(fixture->reader, &key, &bytes) == STATUS_OK;
}

static void test_rows_of_an_actor_are_saved_together(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    enum { ROWS = CHECKPOINT_SLICE_ROWS + 500 };
    put(fixture, 1, 1, 1);
    for (uint64_t sub = 1; sub <= ROWS; sub++) {
        struct row_key key = row_key_of('w', 2);
        row_key_add_tag(&key, 'x');
        row_key_add_u64(&key, sub);
        overlay_put(overlay, overlay_touch(overlay, KIND, 2, 2, NULL), &key, &sub, sizeof sub);
    }
    checkpoint_begin(fixture->checkpoint);
    while (checkpoint_active(fixture->checkpoint)) {
        assert_int_equal(is_saved(fixture, 1), is_saved(fixture, ROWS));
        step(fixture, 2);
    }
    assert_int_equal(overlay->row_count, 0);
    assert_true(is_saved(fixture, ROWS));
}

static void test_steps_are_short_and_catch_up(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    enum { ACTORS = CHECKPOINT_STEP_ROWS * 8 };
    for (uint64_t id = 1; id <= ACTORS; id++)
        put(fixture, id, id, 1);
    checkpoint_begin(fixture->checkpoint);
    uint64_t sequence = ACTORS, later = ACTORS;
    while (checkpoint_active(fixture->checkpoint)) {
        size_t before = overlay->row_count;
        step(fixture, sequence);
        assert_true(before - overlay->row_count <= CHECKPOINT_STEP_ROWS + 2);
        put(fixture, ++later, ++sequence, 1); /* as fast as it steps */
    }
    assert_int_equal(checkpoint_covered(fixture->checkpoint), ACTORS);
}

static void test_deleted_rows_leave_the_environment(void **state)
{
    struct fixture *fixture = *state;
    struct overlay *overlay = &fixture->overlay;
    put(fixture, 1, 1, 5);
    checkpoint_begin(fixture->checkpoint);
    finish_round(fixture, 1);
    struct row_key key = row_key_of('w', 1);
    overlay_delete(overlay, overlay_touch(overlay, KIND, 1, 2, NULL), &key);
    checkpoint_begin(fixture->checkpoint);
    finish_round(fixture, 2);
    struct row_view view = overlay_view(overlay);
    struct row_bytes bytes;
    assert_int_equal(overlay->row_count, 0);
    assert_int_equal(row_get(&view, &key, &bytes), STATUS_NOT_FOUND);
}

static void test_nothing_to_save_begins_no_round(void **state)
{
    struct fixture *fixture = *state;
    checkpoint_begin(fixture->checkpoint);
    assert_false(checkpoint_active(fixture->checkpoint));
    assert_int_equal(checkpoint_rounds(fixture->checkpoint), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_round_saves_everything_in_several_slices),
        TEST(test_covered_stays_below_what_was_written_during_the_round),
        TEST(test_rows_of_an_actor_are_saved_together),
        TEST(test_steps_are_short_and_catch_up),
        TEST(test_deleted_rows_leave_the_environment),
        TEST(test_nothing_to_save_begins_no_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
