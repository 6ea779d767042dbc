#include "unit.h"
#include "window.h"

/* How delivery reports move the cursor. */

static struct window window;

static int set_up(void **state)
{
    (void)state;
    window_reset(&window, 10);
    return 0;
}

static void reports_in_any_order_move_the_cursor_in_order(void **state)
{
    (void)state;
    window_add(&window, 11);
    window_add(&window, 15);
    window_add(&window, 16);
    assert_int_equal(window_cursor(&window), 10);
    assert_true(window_delivered(&window, 15));
    assert_int_equal(window_cursor(&window), 10);
    assert_int_equal(window_in_flight(&window), 2);
    assert_true(window_delivered(&window, 11));
    assert_int_equal(window_cursor(&window), 15);
    assert_true(window_delivered(&window, 16));
    assert_int_equal(window_cursor(&window), 16);
    assert_int_equal(window_in_flight(&window), 0);
}

static void what_needs_no_sending_counts_once_all_before_it_is_delivered(void **state)
{
    (void)state;
    window_scanned(&window, 20);
    assert_int_equal(window_cursor(&window), 20);
    window_add(&window, 21);
    window_scanned(&window, 30);
    assert_int_equal(window_cursor(&window), 20);
    window_delivered(&window, 21);
    assert_int_equal(window_cursor(&window), 30);
    window_scanned(&window, 5);
    assert_int_equal(window_cursor(&window), 30);
}

static void a_report_about_something_else_changes_nothing(void **state)
{
    (void)state;
    window_add(&window, 12);
    window_add(&window, 14);
    assert_false(window_delivered(&window, 11));
    assert_false(window_delivered(&window, 13));
    assert_false(window_delivered(&window, 15));
    assert_int_equal(window_cursor(&window), 11);
    window_delivered(&window, 14);
    window_delivered(&window, 14);
    assert_int_equal(window_in_flight(&window), 1);
    window_delivered(&window, 12);
    assert_false(window_delivered(&window, 12));
}

static void beginning_again_forgets_what_was_under_way(void **state)
{
    (void)state;
    window_add(&window, 11);
    window_add(&window, 12);
    window_delivered(&window, 12);
    window_reset(&window, window_cursor(&window));
    assert_int_equal(window_cursor(&window), 10);
    assert_int_equal(window.scanned, 10);
    assert_false(window_delivered(&window, 11));
}

/* Against a plain model, around the ring several times. */
static void it_is_what_a_list_would_be(void **state)
{
    enum { EVENTS = 4 * WINDOW_MAX };
    static bool done[2 * EVENTS + 32];
    uint64_t seed = 20241124, next = 11, lowest = 11;
    (void)state;
    while (next < EVENTS) {
        for (uint64_t many = unit_random(&seed) % 600; many > 0 && !window_full(&window); many--) {
            uint64_t gap = unit_random(&seed) % 2;
            for (; gap > 0; gap--)
                done[next++] = true;
            window_add(&window, next++);
        }
        for (uint64_t many = unit_random(&seed) % 900; many > 0 && next > lowest; many--) {
            uint64_t sequence = lowest + unit_random(&seed) % (next - lowest);
            bool known = !done[sequence];
            if (known)
                assert_true(window_delivered(&window, sequence));
            done[sequence] = true;
            while (lowest < next && done[lowest])
                lowest++;
        }
        assert_in_range(window_cursor(&window), lowest - 1, lowest);
    }
    assert_true(lowest > WINDOW_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reports_in_any_order_move_the_cursor_in_order, set_up),
        cmocka_unit_test_setup(what_needs_no_sending_counts_once_all_before_it_is_delivered,
                               set_up),
        cmocka_unit_test_setup(a_report_about_something_else_changes_nothing, set_up),
        cmocka_unit_test_setup(beginning_again_forgets_what_was_under_way, set_up),
        cmocka_unit_test_setup(it_is_what_a_list_would_be, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
