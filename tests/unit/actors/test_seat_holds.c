#include "seat_fixture.h"

static void a_hold_has_its_seats_and_their_price(void **state)
{
    struct domain *domain = *state;
    struct told told = hold(domain, USER, 6, 7);
    const struct reservation *reply = &domain->reply.reservation;
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.reply_kind, REPLY_RESERVATION);
    assert_int_equal(told.event_count, 1);
    assert_int_equal(reply->is_new, 1);
    assert_int_equal(reply->user, USER);
    assert_int_equal(reply->schedule, SCHEDULE);
    assert_int_equal(reply->state, RESERVATION_HELD);
    assert_int_equal(reply->amount, 170);
    assert_int_equal(reply->expires_at_ms, domain->now_ms + TTL_MS);
    assert_int_equal(reply->seats.count, 2);
    assert_int_equal(reply->seats.items[0], seat_id(SCHEDULE, 6));
    assert_int_equal(reply->reservation % PARTITION_COUNT, SCHEDULE % PARTITION_COUNT);
    assert_int_equal(reply->reservation, ((UINT64_C(1) << 20) + 2) * PARTITION_COUNT + SCHEDULE);
    assert_int_equal(seat_state(domain, 6), SEAT_TEMP_RESERVED);
    assert_int_equal(seat_state(domain, 5), SEAT_AVAILABLE);
    assert_int_equal(available(domain), SEAT_COUNT - 2);
}

static void a_hold_takes_all_or_nothing(void **state)
{
    struct domain *domain = *state;
    hold(domain, OTHER, 2, 4);
    struct told told = hold(domain, USER, 1, 2, 3, 4);
    assert_int_equal(told.outcome, OUTCOME_SEAT_TAKEN);
    assert_int_equal(told.reply_kind, REPLY_TAKEN);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.taken.seats.count, 2);
    assert_int_equal(domain->reply.taken.seats.items[0], seat_id(SCHEDULE, 2));
    assert_int_equal(domain->reply.taken.seats.items[1], seat_id(SCHEDULE, 4));
    assert_int_equal(seat_state(domain, 1), SEAT_AVAILABLE);
    assert_int_equal(available(domain), SEAT_COUNT - 2);
}

static void asking_again_for_the_same_seats_gets_the_same_hold(void **state)
{
    struct domain *domain = *state;
    hold(domain, USER, 1, 2);
    struct reservation first = domain->reply.reservation;
    domain->now_ms += 1000;
    domain_forget(domain);
    struct told told = hold(domain, USER, 2, 1);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.reservation.is_new, 0);
    assert_int_equal(domain->reply.reservation.reservation, first.reservation);
    assert_int_equal(domain->reply.reservation.expires_at_ms, first.expires_at_ms);
}

static void another_set_of_seats_is_not_the_same_hold(void **state)
{
    struct domain *domain = *state;
    hold(domain, USER, 1, 2);
    assert_int_equal(hold(domain, USER, 1).outcome, OUTCOME_SEAT_TAKEN);
    assert_int_equal(hold(domain, USER, 1, 2, 3).outcome, OUTCOME_SEAT_TAKEN);
    assert_int_equal(hold(domain, OTHER, 1, 2).outcome, OUTCOME_SEAT_TAKEN);
}

static void a_sold_seat_is_taken_for_its_owner_too(void **state)
{
    struct domain *domain = *state;
    sold(domain, USER, 3);
    assert_int_equal(hold(domain, USER, 3).outcome, OUTCOME_SEAT_TAKEN);
}

static void seats_that_are_not_this_schedules_or_repeated_are_invalid(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(hold(domain, USER, 0).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(hold(domain, USER, SEAT_COUNT + 1).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(hold(domain, USER, 1, 2, 1).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(hold_seats(domain, USER, 0, NULL).outcome, OUTCOME_INVALID_FIELD);
    union request request = hold_request(USER, 1, (uint64_t[]){1});
    request.hold.seats.items[0] = seat_id(SCHEDULE + 1, 1);
    assert_int_equal(domain_request(domain, REQUEST_HOLD, &request).outcome, OUTCOME_INVALID_FIELD);
    assert_int_equal(available(domain), SEAT_COUNT);
}

static void an_unknown_schedule_is_not_found(void **state)
{
    struct domain *domain = *state;
    union request request = hold_request(USER, 1, (uint64_t[]){1});
    request.hold.schedule = SCHEDULE + 1;
    assert_int_equal(domain_request(domain, REQUEST_HOLD, &request).outcome, OUTCOME_NOT_FOUND);
    request.hold.schedule = 0;
    assert_int_equal(domain_request(domain, REQUEST_HOLD, &request).outcome, OUTCOME_NOT_FOUND);
}

static void a_reservation_has_a_limited_number_of_seats(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(hold(domain, USER, 1, 2, 3, 4, 5).outcome, OUTCOME_SEAT_LIMIT);
    assert_int_equal(hold(domain, USER, 1, 2, 3, 4).outcome, OUTCOME_OK);
    domain->config.seat_limit = 1;
    assert_int_equal(hold(domain, USER, 5, 6).outcome, OUTCOME_SEAT_LIMIT);
}

static void a_user_may_have_a_limited_number_of_live_seats(void **state)
{
    struct domain *domain = *state;
    domain->config.user_seat_limit = 3;
    uint64_t first = held(domain, USER, 1);
    uint64_t second = sold(domain, USER, 2);
    assert_int_equal(hold(domain, USER, 3, 4).outcome, OUTCOME_SEAT_LIMIT);
    assert_int_equal(hold(domain, USER, 3).outcome, OUTCOME_OK);
    assert_int_equal(hold(domain, USER, 4).outcome, OUTCOME_SEAT_LIMIT);
    assert_int_equal(hold(domain, OTHER, 4).outcome, OUTCOME_OK);
    assert_int_equal(hold(domain, USER, 3).outcome, OUTCOME_OK); /* the one that there is */
    release(domain, first, USER);
    assert_int_equal(hold(domain, USER, 5).outcome, OUTCOME_OK);
    cancel(domain, second, USER);
    assert_int_equal(hold(domain, USER, 6).outcome, OUTCOME_SEAT_LIMIT);
    give_back(domain, 1000, 100);
    assert_int_equal(hold(domain, USER, 6).outcome, OUTCOME_OK);
}

static void the_same_key_gets_the_first_answer_whatever_became_of_the_hold(void **state)
{
    struct domain *domain = *state;
    assert_int_equal(hold_with_key(domain, USER, 1, "k", 1).outcome, OUTCOME_OK);
    struct reservation first = domain->reply.reservation;
    release(domain, first.reservation, USER);
    assert_int_equal(hold(domain, OTHER, 1).outcome, OUTCOME_OK);
    domain_forget(domain);
    struct told told = hold_with_key(domain, USER, 1, "k", 1);
    assert_int_equal(told.outcome, OUTCOME_OK);
    assert_int_equal(told.event_count, 0);
    assert_int_equal(domain->reply.reservation.reservation, first.reservation);
    assert_int_equal(domain->reply.reservation.state, RESERVATION_HELD);
    assert_int_equal(domain->reply.reservation.expires_at_ms, first.expires_at_ms);
    assert_int_equal(domain->reply.reservation.is_new, 1);
}

static void the_same_key_with_another_body_is_refused(void **state)
{
    struct domain *domain = *state;
    hold_with_key(domain, USER, 1, "k", 1);
    assert_int_equal(hold_with_key(domain, USER, 2, "k", 2).outcome,
                     OUTCOME_IDEMPOTENCY_KEY_REUSED);
    assert_int_equal(hold_with_key(domain, OTHER, 2, "k", 2).outcome, OUTCOME_OK);
}

static void a_key_on_a_hold_that_is_there_already_is_kept_too(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, USER, 1);
    assert_int_equal(hold_with_key(domain, USER, 1, "k", 1).event_count, 1);
    assert_int_equal(domain->reply.reservation.is_new, 0);
    release(domain, reservation, USER);
    assert_int_equal(hold_with_key(domain, USER, 1, "k", 1).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.reservation.reservation, reservation);
    assert_int_equal(domain->reply.reservation.is_new, 0);
    assert_int_equal(available(domain), SEAT_COUNT); /* one key, one effect */
}

static void after_a_refusal_the_key_is_free(void **state)
{
    struct domain *domain = *state;
    uint64_t reservation = held(domain, OTHER, 1);
    assert_int_equal(hold_with_key(domain, USER, 1, "k", 1).outcome, OUTCOME_SEAT_TAKEN);
    release(domain, reservation, OTHER);
    assert_int_equal(hold_with_key(domain, USER, 1, "k", 1).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.reservation.is_new, 1);
}

static bool count_row(void *context, const struct row_key *key, struct row_bytes value)
{
    (void)key;
    (void)value;
    ++*(size_t *)context;
    return true;
}

static size_t key_rows(struct domain *domain)
{
    size_t count = 0;
    struct row_key prefix = row_key_of('s', SCHEDULE);
    row_key_add_tag(&prefix, 'i');
    domain->view.scan(domain->view.context, &prefix, NULL, false, count_row, &count);
    return count;
}

static void keys_last_a_day_and_later_holds_drop_them(void **state)
{
    struct domain *domain = *state;
    hold_with_key(domain, USER, 1, "a", 1);
    hold_with_key(domain, OTHER, 2, "a", 1);
    hold_with_key(domain, OTHER, 3, "b", 1);
    assert_int_equal(key_rows(domain), 3);
    domain->now_ms += IDEMPOTENCY_TTL_MS;
    while (domain_fire(domain) > 0)
        ;
    assert_int_equal(hold_with_key(domain, USER, 1, "a", 2).outcome, OUTCOME_OK);
    assert_int_equal(domain->reply.reservation.is_new, 1);
    assert_int_equal(key_rows(domain), 2);
    hold(domain, USER, 2);
    assert_int_equal(key_rows(domain), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_hold_has_its_seats_and_their_price),
        TEST(a_hold_takes_all_or_nothing),
        TEST(asking_again_for_the_same_seats_gets_the_same_hold),
        TEST(another_set_of_seats_is_not_the_same_hold),
        TEST(a_sold_seat_is_taken_for_its_owner_too),
        TEST(seats_that_are_not_this_schedules_or_repeated_are_invalid),
        TEST(an_unknown_schedule_is_not_found),
        TEST(a_reservation_has_a_limited_number_of_seats),
        TEST(a_user_may_have_a_limited_number_of_live_seats),
        TEST(the_same_key_gets_the_first_answer_whatever_became_of_the_hold),
        TEST(the_same_key_with_another_body_is_refused),
        TEST(a_key_on_a_hold_that_is_there_already_is_kept_too),
        TEST(after_a_refusal_the_key_is_free),
        TEST(keys_last_a_day_and_later_holds_drop_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
