#include "queue_fixture.h"

/* A room in which something of everything has happened; then each test breaks one row. */

static int set_up_line(void **state)
{
    set_up(state);
    struct domain *domain = *state;
    issue_all(domain, 1, 9);
    purchased(domain, 1, 1);
    leave(domain, 2, 2);
    domain_fire(domain); /* 3 and 4 are admitted */
    claim(domain, 3, 3);
    leave(domain, 7, 7);
    return 0;
}

static int drop(void **state)
{
    domain_destroy(*state);
    return 0;
}

#define CHANGE(domain, tag, at, change)                                                            \
    do {                                                                                           \
        struct row_key key_ = (at);                                                                \
        struct tag row;                                                                            \
        uint8_t bytes_[ROW_SIZE_MAX(tag)];                                                         \
        assert_true(tag##_read(&(domain)->view, &key_, &row));                                     \
        change;                                                                                    \
        size_t size_ = tag##_encode(&row, bytes_, sizeof bytes_);                                  \
        memory_rows_put(&(domain)->rows, &key_, bytes_, size_);                                    \
    } while (0)

static void a_sound_room_has_no_violation(void **state)
{
    assert_int_equal(violations(*state), 0);
}

static void a_wrong_count_is_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, room_row, room_key(0), (row.done++, row.expired--));
    assert_int_equal(violations(domain), 0); /* the sum is right */
    CHANGE(domain, room_row, room_key(0), row.done++);
    assert_int_equal(violations(domain), 1);
}

static void a_lost_ticket_is_found(void **state)
{
    struct domain *domain = *state;
    struct row_key key = ticket_key(0, 6);
    memory_rows_delete(&domain->rows, &key);
    assert_true(violations(domain) >= 2);
}

static void an_admission_out_of_turn_is_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, ticket_row, ticket_key(0, 8), row.admitted_at_ms = 1);
    assert_true(violations(domain) >= 1);
}

static void admissions_in_the_wrong_order_are_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, ticket_row, ticket_key(0, 4), row.admitted_at_ms = 1);
    assert_int_equal(violations(domain), 1);
}

static void more_sessions_than_the_limit_are_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, room_row, room_key(0), row.active_limit = 1);
    assert_int_equal(violations(domain), 1);
}

static void a_second_ticket_of_a_user_is_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, ticket_row, ticket_key(0, 6), row.user = 5);
    assert_true(violations(domain) >= 1);
}

static void a_lost_deadline_is_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, ticket_row, ticket_key(0, 3), row.due_ms++);
    assert_int_equal(violations(domain), 1);
}

static void a_place_in_the_line_that_is_not_noted_is_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, leavers_row, leavers_key(0, 0), row.words.items[0] = 0);
    assert_int_equal(violations(domain), 1);
    CHANGE(domain, leavers_row, leavers_key(0, 0), row.words.items[0] = 1 << 7 | 1 << 8);
    assert_int_equal(violations(domain), 1);
}

static void somebody_who_was_passed_over_is_found(void **state)
{
    struct domain *domain = *state;
    CHANGE(domain, room_row, room_key(0), row.serving = 5);
    assert_true(violations(domain) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_line, drop)
        TEST(a_sound_room_has_no_violation),
        TEST(a_wrong_count_is_found),
        TEST(a_lost_ticket_is_found),
        TEST(an_admission_out_of_turn_is_found),
        TEST(admissions_in_the_wrong_order_are_found),
        TEST(more_sessions_than_the_limit_are_found),
        TEST(a_second_ticket_of_a_user_is_found),
        TEST(a_lost_deadline_is_found),
        TEST(a_place_in_the_line_that_is_not_noted_is_found),
        TEST(somebody_who_was_passed_over_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
