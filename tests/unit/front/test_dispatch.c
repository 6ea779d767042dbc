#include "fixture.h"

/* The application's callbacks are not under test here: only that each ask ends in exactly one. */
static struct {
    unsigned count;
    enum outcome outcome;
    uint16_t kind;
    uint64_t balance;
    unsigned retry_s;
    bool detailed;
    struct exchange *exchange;
} last;

static void remember(struct exchange *exchange, const struct dispatch_reply *reply)
{
    last.count++;
    last.outcome = reply->outcome;
    last.kind = reply->kind;
    last.exchange = exchange;
    last.retry_s = reply->retry_s;
    last.detailed = reply->detail != NULL;
    if (reply->kind == REPLY_BALANCE)
        last.balance = reply->value->balance.balance;
}

static void ask_balance(struct fixture *fixture, struct exchange *exchange, uint64_t user)
{
    union request request = {.balance_get = {.user = user}};
    memset(exchange, 0, sizeof *exchange);
    dispatch_ask(&fixture->application.dispatch, exchange, REQUEST_BALANCE_GET, &request, remember);
}

static int setup(void **state)
{
    *state = fixture_default();
    memset(&last, 0, sizeof last);
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static uint32_t slots_free(const struct fixture *fixture)
{
    return fixture->application.dispatch.pool.free_small_count;
}

static uint64_t orphans(const struct fixture *fixture)
{
    return stat_get(&fixture->application.dispatch.stats->replies_orphaned_total);
}

static void test_a_reply_reaches_the_exchange_that_asked(void **state)
{
    struct fixture *fixture = *state;
    struct exchange first, second;
    uint32_t free_before = slots_free(fixture);
    ask_balance(fixture, &first, 5);
    ask_balance(fixture, &second, 6);
    assert_int_equal(receive(&fixture->wallet, REQUEST_BALANCE_GET)->balance_get.user, 5);
    assert_int_equal(fixture->wallet.slot->actor, 5);
    uint64_t deadline = fixture->wallet.slot->deadline_ms, now = clock_now_ms();
    assert_in_range(deadline, now + DISPATCH_DEADLINE_MS - 1000, now + DISPATCH_DEADLINE_MS);
    struct worker early = fixture->wallet;
    assert_int_equal(receive(&fixture->wallet, REQUEST_BALANCE_GET)->balance_get.user, 6);
    union reply reply = {.balance = {.user = 6, .balance = 600}};
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_BALANCE, &reply);
    assert_int_equal(last.count, 1);
    assert_ptr_equal(last.exchange, &second);
    assert_int_equal(last.balance, 600);
    fixture->wallet.slot = early.slot;
    fixture->wallet.request_id = early.request_id;
    reply.balance = (struct balance){.user = 5, .balance = 500};
    reply_with(fixture, &fixture->wallet, OUTCOME_OK, REPLY_BALANCE, &reply);
    assert_ptr_equal(last.exchange, &first);
    assert_int_equal(last.balance, 500);
    assert_int_equal(slots_free(fixture), free_before);
}

static void test_garbage_in_a_reply_is_internal_not_fatal(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    uint32_t free_before = slots_free(fixture);
    static const struct {
        uint16_t outcome, kind;
        uint32_t size;
    } garbage[] = {{OUTCOME_OK, REPLY_BALANCE, 1},
                   {OUTCOME_OK, REPLY_BALANCE, SLOT_SMALL_REPLY_SIZE + 1},
                   {OUTCOME_OK, REPLY_BALANCE, UINT32_MAX},
                   {OUTCOME_OK, 999, 0},
                   {OUTCOME_COUNT, REPLY_NONE, 0},
                   {UINT16_MAX, REPLY_BALANCE, 0}};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        ask_balance(fixture, &exchange, 5);
        receive(&fixture->wallet, REQUEST_BALANCE_GET);
        fixture->wallet.slot->outcome = garbage[i].outcome;
        fixture->wallet.slot->reply_kind = garbage[i].kind;
        fixture->wallet.slot->reply_size = garbage[i].size;
        slot_reply(fixture->wallet.slot)[0] = 0xc1;
        publish(fixture, &fixture->wallet);
        assert_int_equal(last.count, i + 1);
        assert_int_equal(last.outcome, OUTCOME_INTERNAL);
        assert_int_equal(last.kind, REPLY_NONE);
    }
    assert_int_equal(slots_free(fixture), free_before);
}

static void test_a_passed_deadline_is_unavailable_and_the_late_reply_an_orphan(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    uint32_t free_before = slots_free(fixture);
    ask_balance(fixture, &exchange, 5);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    uint64_t deadline = fixture->wallet.slot->deadline_ms;
    dispatch_expire(&fixture->application.dispatch, deadline - 1);
    assert_int_equal(last.count, 0);
    dispatch_expire(&fixture->application.dispatch, deadline);
    assert_int_equal(last.count, 1);
    assert_int_equal(last.outcome, OUTCOME_UNAVAILABLE);
    dispatch_expire(&fixture->application.dispatch, deadline + 1);
    assert_int_equal(slots_free(fixture), free_before - 1); /* the worker still has it */
    refuse_with(fixture, &fixture->wallet, OUTCOME_INTERNAL);
    assert_int_equal(last.count, 1);
    assert_int_equal(orphans(fixture), 1);
    assert_int_equal(slots_free(fixture), free_before);
}

static void test_only_what_is_due_expires(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchanges[3];
    struct dispatch *dispatch = &fixture->application.dispatch;
    for (unsigned i = 0; i < 3; i++)
        ask_balance(fixture, &exchanges[i], i + 1);
    struct dispatch_wait *middle = dispatch->list.newer->newer;
    middle->newer->deadline_ms += 10;
    dispatch_abandon(&exchanges[1]);
    dispatch_expire(dispatch, exchanges[0].started_ns + dispatch->list.newer->deadline_ms);
    assert_int_equal(last.count, 1);
    assert_ptr_equal(last.exchange, &exchanges[0]);
    dispatch_expire(dispatch, UINT64_MAX);
    assert_int_equal(last.count, 2);
    assert_ptr_equal(last.exchange, &exchanges[2]);
}

static void test_a_client_that_goes_is_never_called_back(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ask_balance(fixture, &exchange, 5);
    assert_ptr_equal(exchange.on_abandon, dispatch_abandon);
    exchange.on_abandon(&exchange);
    memset(&exchange, 0xa5, sizeof exchange);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    refuse_with(fixture, &fixture->wallet, OUTCOME_OK);
    dispatch_expire(&fixture->application.dispatch, UINT64_MAX);
    assert_int_equal(last.count, 0);
    assert_int_equal(orphans(fixture), 1);
}

static void test_without_a_free_slot_the_answer_is_overloaded_at_once(void **state)
{
    struct fixture *fixture = *state;
    static struct exchange exchanges[SLOT_LARGE_COUNT + 1];
    union request request = {.transactions_get = {.user = 5, .limit = 1}};
    for (unsigned i = 0; i <= SLOT_LARGE_COUNT; i++) {
        assert_int_equal(last.count, 0);
        memset(&exchanges[i], 0, sizeof exchanges[i]);
        dispatch_ask(&fixture->application.dispatch, &exchanges[i], REQUEST_TRANSACTIONS_GET,
                     &request, remember);
    }
    assert_int_equal(last.count, 1);
    assert_int_equal(last.outcome, OUTCOME_OVERLOADED);
    assert_ptr_equal(last.exchange, &exchanges[SLOT_LARGE_COUNT]);
    assert_int_equal(stat_get(&fixture->application.dispatch.stats->overloads_total), 1);
    struct exchange small; /* the other kind of slot is not used up */
    ask_balance(fixture, &small, 5);
    assert_int_equal(last.count, 1);
}

static void test_a_new_front_gives_its_predecessors_replies_to_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ask_balance(fixture, &exchange, 5);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    struct dispatch *dispatch = &fixture->application.dispatch;
    unsigned self = fixture->application.self;
    dispatch_close(dispatch);
    assert_int_equal(dispatch_open(dispatch, &fixture->segment, self), STATUS_OK);
    uint32_t free_before = slots_free(fixture);
    refuse_with(fixture, &fixture->wallet, OUTCOME_OK);
    assert_int_equal(last.count, 0);
    assert_int_equal(orphans(fixture), 1);
    assert_int_equal(slots_free(fixture), free_before + 1);
}

static void test_a_waiting_reply_forbids_sleep(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    struct dispatch *dispatch = &fixture->application.dispatch;
    dispatch_poll(dispatch);
    ask_balance(fixture, &exchange, 5);
    assert_true(dispatch_is_idle(dispatch));
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    fixture->wallet.slot->outcome = OUTCOME_OK;
    fixture->wallet.slot->reply_kind = REPLY_NONE;
    assert_true(channel_publish(&fixture->wallet.channel, fixture->wallet.slot,
                                fixture->wallet.request_id));
    assert_false(dispatch_is_idle(dispatch));
    assert_int_equal(dispatch_poll(dispatch), 1);
    assert_true(dispatch_is_idle(dispatch));
}

/* ---- breakers ---- */

static unsigned index_of(const struct fixture *fixture, enum role role)
{
    return segment_process_of(&fixture->segment, role, 0);
}

static struct process_entry *ready_worker(struct fixture *fixture, enum role role)
{
    struct process_entry *entry = segment_process(&fixture->segment, index_of(fixture, role));
    atomic_fetch_add(&entry->generation, 1);
    segment_announce_ready(&fixture->segment, index_of(fixture, role), PROCESS_READY);
    return entry;
}

static struct breaker *breaker_before(struct fixture *fixture, enum role role)
{
    return &fixture->application.dispatch.guards[index_of(fixture, role)].breaker;
}

static struct breaker_counts window_before(struct fixture *fixture, enum role role)
{
    return breaker_window(breaker_before(fixture, role), clock_monotonic_ns() / 1000000);
}

static void balance_round(struct fixture *fixture, enum outcome outcome)
{
    struct exchange exchange;
    ask_balance(fixture, &exchange, 5);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    refuse_with(fixture, &fixture->wallet, outcome);
}

static void trip(struct fixture *fixture)
{
    for (unsigned i = 0; i < BREAKER_CALLS_MIN; i++)
        balance_round(fixture, OUTCOME_INTERNAL);
    assert_int_equal(breaker_before(fixture, ROLE_WALLET)->state, BREAKER_OPEN);
    memset(&last, 0, sizeof last);
}

static void test_only_faults_of_the_worker_are_failures(void **state)
{
    struct fixture *fixture = *state;
    ready_worker(fixture, ROLE_WALLET);
    unsigned failures = 0;
    for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        balance_round(fixture, (enum outcome)outcome);
        failures += outcome == OUTCOME_UNAVAILABLE || outcome == OUTCOME_INTERNAL;
        struct breaker_counts window = window_before(fixture, ROLE_WALLET);
        assert_int_equal(window.calls, outcome + 1);
        assert_int_equal(window.failed, failures);
    }
}

static void test_an_open_breaker_answers_at_once_and_asks_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ready_worker(fixture, ROLE_WALLET);
    uint32_t free_before = slots_free(fixture);
    trip(fixture);
    ask_balance(fixture, &exchange, 5);
    assert_int_equal(last.count, 1);
    assert_int_equal(last.outcome, OUTCOME_UNAVAILABLE);
    assert_true(last.detailed);
    assert_in_range(last.retry_s, 1, 2);
    assert_true(is_idle(&fixture->wallet));
    assert_int_equal(slots_free(fixture), free_before);
    assert_int_equal(breaker_before(fixture, ROLE_SEAT)->state, BREAKER_CLOSED);
}

static void test_a_passed_deadline_is_a_failure(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ready_worker(fixture, ROLE_WALLET);
    ask_balance(fixture, &exchange, 5);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    dispatch_expire(&fixture->application.dispatch, UINT64_MAX);
    assert_int_equal(window_before(fixture, ROLE_WALLET).failed, 1);
    refuse_with(fixture, &fixture->wallet, OUTCOME_INTERNAL); /* late: counted already */
    assert_int_equal(window_before(fixture, ROLE_WALLET).calls, 1);
}

static void test_what_a_death_delays_is_no_failure(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ask_balance(fixture, &exchange, 5);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    refuse_with(fixture, &fixture->wallet, OUTCOME_INTERNAL); /* all before its first READY */
    ask_balance(fixture, &exchange, 5);
    struct process_entry *entry = ready_worker(fixture, ROLE_WALLET);
    receive(&fixture->wallet, REQUEST_BALANCE_GET);
    refuse_with(fixture, &fixture->wallet, OUTCOME_INTERNAL);
    ask_balance(fixture, &exchange, 5);
    entry->state = PROCESS_BACKOFF; /* it died, and is not back in time */
    dispatch_expire(&fixture->application.dispatch, UINT64_MAX);
    entry->state = PROCESS_READY;
    ask_balance(fixture, &exchange, 5);
    ready_worker(fixture, ROLE_WALLET); /* it died, and its successor answers */
    dispatch_expire(&fixture->application.dispatch, UINT64_MAX);
    assert_int_equal(last.count, 4);
    assert_int_equal(window_before(fixture, ROLE_WALLET).calls, 0);
}

static void test_a_client_that_goes_gives_its_permit_back(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ready_worker(fixture, ROLE_WALLET);
    struct process_entry *entry =
        segment_process(&fixture->segment, index_of(fixture, ROLE_WALLET));
    entry->parked = 1;
    dispatch_watch(&fixture->application.dispatch);
    entry->parked = 0;
    dispatch_watch(&fixture->application.dispatch);
    assert_int_equal(breaker_before(fixture, ROLE_WALLET)->state, BREAKER_HALF_OPEN);
    for (unsigned i = 0; i < 3 * BREAKER_PERMITS; i++) {
        ask_balance(fixture, &exchange, 5);
        exchange.on_abandon(&exchange);
    }
    assert_int_equal(last.count, 0); /* none was refused */
}

static void ask_confirm(struct fixture *fixture, struct exchange *exchange)
{
    union request request = {.confirm = {.reservation = 9, .user = 5}};
    memset(exchange, 0, sizeof *exchange);
    dispatch_ask(&fixture->application.dispatch, exchange, REQUEST_CONFIRM, &request, remember);
}

static void test_a_confirm_is_begun_while_its_wallet_is_away_but_does_not_wait(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ready_worker(fixture, ROLE_WALLET);
    ready_worker(fixture, ROLE_SEAT);
    uint32_t free_before = slots_free(fixture);
    ask_confirm(fixture, &exchange);
    receive(&fixture->seat, REQUEST_CONFIRM);
    assert_false(fixture->seat.slot->impatient);
    refuse_with(fixture, &fixture->seat, OUTCOME_OK);
    trip(fixture);
    ask_confirm(fixture, &exchange);
    assert_int_equal(last.count, 0);
    assert_int_equal(receive(&fixture->seat, REQUEST_CONFIRM)->confirm.reservation, 9);
    assert_true(fixture->seat.slot->impatient);
    refuse_with(fixture, &fixture->seat, OUTCOME_UNAVAILABLE);
    assert_int_equal(last.count, 1);
    assert_int_equal(last.outcome, OUTCOME_UNAVAILABLE);
    assert_true(last.retry_s >= 1);
    assert_true(last.detailed);
    assert_int_equal(window_before(fixture, ROLE_SEAT).calls, 2);
    assert_int_equal(window_before(fixture, ROLE_SEAT).failed, 0);
    ask_confirm(fixture, &exchange); /* one that is CONFIRMED already gets its answer */
    receive(&fixture->seat, REQUEST_CONFIRM);
    refuse_with(fixture, &fixture->seat, OUTCOME_OK);
    assert_int_equal(last.outcome, OUTCOME_OK);
    assert_int_equal(last.retry_s, 0);
    assert_int_equal(slots_free(fixture), free_before);
}

static void test_a_sagas_time_is_not_the_seat_workers_fault(void **state)
{
    struct fixture *fixture = *state;
    struct exchange exchange;
    ready_worker(fixture, ROLE_SEAT);
    for (unsigned i = 0; i < 2 * BREAKER_CALLS_MIN; i++) {
        ask_confirm(fixture, &exchange);
        fixture->application.dispatch.list.newer->asked_ns -= 5 * UINT64_C(1000000000);
        dispatch_expire(&fixture->application.dispatch, UINT64_MAX);
    }
    assert_int_equal(breaker_before(fixture, ROLE_SEAT)->state, BREAKER_CLOSED);
    assert_int_equal(window_before(fixture, ROLE_SEAT).calls, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_reply_reaches_the_exchange_that_asked),
        TEST(test_garbage_in_a_reply_is_internal_not_fatal),
        TEST(test_a_passed_deadline_is_unavailable_and_the_late_reply_an_orphan),
        TEST(test_only_what_is_due_expires),
        TEST(test_a_client_that_goes_is_never_called_back),
        TEST(test_without_a_free_slot_the_answer_is_overloaded_at_once),
        TEST(test_a_new_front_gives_its_predecessors_replies_to_nobody),
        TEST(test_a_waiting_reply_forbids_sleep),
        TEST(test_only_faults_of_the_worker_are_failures),
        TEST(test_an_open_breaker_answers_at_once_and_asks_nobody),
        TEST(test_a_passed_deadline_is_a_failure),
        TEST(test_what_a_death_delays_is_no_failure),
        TEST(test_a_client_that_goes_gives_its_permit_back),
        TEST(test_a_confirm_is_begun_while_its_wallet_is_away_but_does_not_wait),
        TEST(test_a_sagas_time_is_not_the_seat_workers_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
