#include "unit.h"
#include "behaviour.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct decision decision;
static union reply reply;

static int set_up(void **state)
{
    (void)state;
    memset(&decision, 0, sizeof decision);
    decision.reply = &reply;
    return 0;
}

static union event used(uint64_t amount)
{
    union event body;
    body.wallet_used = (struct wallet_used){.user = 7, .amount = amount};
    return body;
}

static void events_are_kept_in_order_as_they_are_written(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= 3; i++) {
        union event body = used(i);
        decision_emit(&decision, EVENT_WALLET_USED, 7, i, &body);
    }
    assert_int_equal(decision.event_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        union event body;
        assert_int_equal(decision.events[i].kind, EVENT_WALLET_USED);
        assert_int_equal(decision.events[i].aggregate, 7);
        assert_int_equal(decision.events[i].aggregate_version, i + 1);
        assert_true(event_decode(EVENT_WALLET_USED, &body,
                                 decision.bytes + decision.events[i].offset,
                                 decision.events[i].size));
        assert_int_equal(body.wallet_used.amount, i + 1);
    }
    assert_int_equal(decision.bytes_used, decision.events[2].offset + decision.events[2].size);
}

static void an_internal_event_leaves_the_version(void **state)
{
    (void)state;
    struct event_view event = {.aggregate_version = VERSION_INTERNAL};
    assert_int_equal(event_version(&event, 3), 3);
    event.aggregate_version = 4;
    assert_int_equal(event_version(&event, 3), 4);
}

static void a_reply_ends_the_request(void **state)
{
    (void)state;
    decision_reply(&decision, OUTCOME_SEAT_TAKEN, REPLY_TAKEN);
    assert_true(decision.replied && !decision.deferred && !decision.answers_waiters);
    assert_int_equal(decision.outcome, OUTCOME_SEAT_TAKEN);
    assert_int_equal(decision.reply_kind, REPLY_TAKEN);
}

static void a_deferred_request_says_what_it_waits_for(void **state)
{
    (void)state;
    decision_defer(&decision, 69, 2);
    assert_true(decision.deferred && !decision.replied);
    assert_int_equal(decision.wait_key, 69);
    assert_int_equal(decision.wait_attempt, 2);
}

static void an_answer_to_waiters_says_to_which(void **state)
{
    (void)state;
    decision_answer_waiters(&decision, 69, OUTCOME_OK, REPLY_CONFIRMED);
    assert_true(decision.answers_waiters && !decision.replied);
    assert_int_equal(decision.wait_key, 69);
    assert_int_equal(decision.reply_kind, REPLY_CONFIRMED);
}

/* ---- mistakes of the domain end the process ---- */

static void assert_aborts(void (*mistake)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        mistake();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void reply_twice(void)
{
    decision_reply(&decision, OUTCOME_OK, REPLY_NONE);
    decision_reply(&decision, OUTCOME_OK, REPLY_NONE);
}

static void reply_and_defer(void)
{
    decision_reply(&decision, OUTCOME_OK, REPLY_NONE);
    decision_defer(&decision, 1, 1);
}

static void defer_without_attempt(void)
{
    decision_defer(&decision, 1, 0);
}

static void skip_a_version(void)
{
    struct event_view event = {.aggregate_version = 5};
    event_version(&event, 3);
}

static void repeat_a_version(void)
{
    struct event_view event = {.aggregate_version = 3};
    event_version(&event, 3);
}

static void emit_too_many(void)
{
    union event body = used(1);
    for (uint64_t i = 0; i <= DECISION_EVENTS_MAX; i++)
        decision_emit(&decision, EVENT_WALLET_USED, 7, i + 1, &body);
}

static void mistakes_of_the_domain_are_not_survived(void **state)
{
    (void)state;
    assert_aborts(reply_twice);
    assert_aborts(reply_and_defer);
    assert_aborts(defer_without_attempt);
    assert_aborts(skip_a_version);
    assert_aborts(repeat_a_version);
    assert_aborts(emit_too_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(events_are_kept_in_order_as_they_are_written, set_up),
        cmocka_unit_test_setup(an_internal_event_leaves_the_version, set_up),
        cmocka_unit_test_setup(a_reply_ends_the_request, set_up),
        cmocka_unit_test_setup(a_deferred_request_says_what_it_waits_for, set_up),
        cmocka_unit_test_setup(an_answer_to_waiters_says_to_which, set_up),
        cmocka_unit_test_setup(mistakes_of_the_domain_are_not_survived, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
