#include "unit.h"
#include "audit.h"
#include "domain.h"
#include "schedule.h"
#include "seat.h"
#include "wallet.h"
#include <stdio.h>
#include <stdlib.h>

/* A seat worker and a wallet worker, their messages, and clients that wait for their answers, all
 * drawn from one seed. Messages from the seats to the wallets keep their order, as a ring does, but
 * are delayed, sent again after a crash while the first is still under way, decided twice, and
 * answered late, never, or with "unavailable". After each run nothing may be open, the audit finds
 * nothing, and what clients were told is what happened. */

enum {
    SEEDS = 3000,
    STEPS = 250,
    USERS = 4,
    SEATS = 6, /* in each schedule */
    RESERVATIONS_MAX = 512,
    CLIENTS_MAX = 64,
    MESSAGES_MAX = 256,
    TRANSACTIONS_MAX = 1024,
};

static const uint64_t schedules[] = {5, 70};

struct in_flight {
    struct domain_obligation obligation;
    enum outcome outcome; /* once answered */
    uint16_t reply_kind;
    struct wallet_entry entry;
    struct shortage shortage;
};

struct queue_of {
    struct in_flight items[MESSAGES_MAX];
    unsigned count;
};

struct client {
    uint16_t kind;
    union request request;
    uint64_t attempt;
};

/* What clients know of a reservation. */
struct known {
    uint64_t id, user;
    bool confirmed, cancelled;
    struct confirmed payment;
    struct cancelled refund;
};

struct sim {
    uint64_t seed, random;
    struct domain *seats, *wallets;
    struct queue_of requests, replies;
    uint64_t sent[MESSAGES_MAX]; /* obligations under way, by number */
    unsigned sent_count;
    struct client waiting[CLIENTS_MAX];
    unsigned waiting_count;
    struct known known[RESERVATIONS_MAX];
    unsigned known_count;
    uint64_t transactions[TRANSACTIONS_MAX]; /* that clients were told of */
    unsigned transaction_count;
    uint64_t balances[USERS + 1];                    /* as clients must see them at the end */
    uint64_t confirmed, cancelled, refused, crashes; /* that the runs do something */
};

static uint64_t draw(struct sim *sim, uint64_t below)
{
    return unit_random(&sim->random) % below;
}

static bool once_in(struct sim *sim, uint64_t n)
{
    return draw(sim, n) == 0;
}

static void remove_at(struct queue_of *queue, unsigned at)
{
    queue->count--;
    memmove(&queue->items[at], &queue->items[at + 1], (queue->count - at) * sizeof queue->items[0]);
}

/* ---- what clients are told ---- */

static bool is_new_transaction(struct sim *sim, uint64_t transaction)
{
    for (unsigned i = 0; i < sim->transaction_count; i++)
        if (sim->transactions[i] == transaction)
            return false;
    assert_true(sim->transaction_count < TRANSACTIONS_MAX);
    sim->transactions[sim->transaction_count++] = transaction;
    return true;
}

static struct known *known_of(struct sim *sim, uint64_t reservation)
{
    for (unsigned i = 0; i < sim->known_count; i++)
        if (sim->known[i].id == reservation)
            return &sim->known[i];
    fail();
    return NULL;
}

static void learn_confirmed(struct sim *sim, const struct confirmed *reply)
{
    struct known *known = known_of(sim, reply->reservation);
    if (known->confirmed) {
        assert_memory_equal(&known->payment, reply, sizeof *reply); /* a repeat is the same */
        return;
    }
    known->confirmed = true;
    known->payment = *reply;
    assert_true(is_new_transaction(sim, reply->payment));
    sim->balances[known->user] -= reply->paid;
    sim->confirmed++;
}

static void learn_cancelled(struct sim *sim, const struct cancelled *reply)
{
    struct known *known = known_of(sim, reply->reservation);
    if (known->cancelled) {
        assert_memory_equal(&known->refund, reply, sizeof *reply);
        return;
    }
    assert_true(known->confirmed);
    assert_int_equal(reply->refunded, known->payment.paid);
    known->cancelled = true;
    known->refund = *reply;
    sim->balances[known->user] += reply->refunded;
    sim->cancelled++;
}

static void learn(struct sim *sim, const struct client *client, struct told told)
{
    const union reply *reply = &sim->seats->reply;
    if (told.reply_kind == REPLY_CONFIRMED) {
        assert_int_equal(client->kind, REQUEST_CONFIRM);
        learn_confirmed(sim, &reply->confirmed);
    } else if (told.reply_kind == REPLY_CANCELLED) {
        assert_int_equal(client->kind, REQUEST_CANCEL);
        learn_cancelled(sim, &reply->cancelled);
    } else if (told.reply_kind == REPLY_SHORTAGE) {
        assert_int_equal(client->kind, REQUEST_CONFIRM);
        assert_true(reply->shortage.balance < reply->shortage.required);
        sim->refused++;
    } else if (told.reply_kind == REPLY_RESERVATION && told.outcome == OUTCOME_OK &&
               reply->reservation.is_new && client->kind == REQUEST_HOLD) {
        for (unsigned i = 0; i < sim->known_count; i++)
            if (sim->known[i].id == reply->reservation.reservation)
                return; /* a key's answer, again */
        assert_true(sim->known_count < RESERVATIONS_MAX);
        sim->known[sim->known_count++] =
            (struct known){.id = reply->reservation.reservation, .user = reply->reservation.user};
    }
}

/* ---- the seat worker ---- */

static bool is_sent(const struct sim *sim, uint64_t number)
{
    for (unsigned i = 0; i < sim->sent_count; i++)
        if (sim->sent[i] == number)
            return true;
    return false;
}

static void send_obligations(struct sim *sim)
{
    const struct domain_obligation *at = sim->seats->obligations;
    for (; at != NULL && sim->requests.count < MESSAGES_MAX && sim->sent_count < MESSAGES_MAX;
         at = at->next) {
        if (is_sent(sim, at->number))
            continue;
        sim->sent[sim->sent_count++] = at->number;
        sim->requests.items[sim->requests.count++] = (struct in_flight){.obligation = *at};
    }
}

static void forget_sent(struct sim *sim, uint64_t number)
{
    for (unsigned i = 0; i < sim->sent_count; i++)
        if (sim->sent[i] == number)
            sim->sent[i] = sim->sent[--sim->sent_count];
}

static void ask(struct sim *sim, struct client client)
{
    struct told told = domain_resume(sim->seats, client.kind, &client.request, client.attempt);
    if (told.deferred) {
        assert_true(sim->waiting_count < CLIENTS_MAX);
        client.attempt = told.wait_attempt;
        sim->waiting[sim->waiting_count++] = client;
    } else {
        learn(sim, &client, told);
    }
}

static void answer_waiters(struct sim *sim, struct told told)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < sim->waiting_count; i++) {
        const struct client *client = &sim->waiting[i];
        if (request_key(client->kind, &client->request) == told.wait_key)
            learn(sim, client, told);
        else
            sim->waiting[kept++] = *client;
    }
    sim->waiting_count = kept;
}

/* Its successor loads everything from rows, sends all that is owed again and decides anew what
 * waited. */
static void crash_seats(struct sim *sim)
{
    struct client waiting[CLIENTS_MAX];
    unsigned count = sim->waiting_count;
    memcpy(waiting, sim->waiting, sizeof waiting);
    domain_forget(sim->seats);
    sim->sent_count = 0;
    sim->waiting_count = 0;
    sim->crashes++;
    if (once_in(sim, 2))
        sim->replies.count = 0;
    send_obligations(sim);
    for (unsigned i = 0; i < count; i++)
        ask(sim, waiting[i]);
    send_obligations(sim);
}

static bool is_open(const struct sim *sim, uint64_t number)
{
    for (const struct domain_obligation *at = sim->seats->obligations; at != NULL; at = at->next)
        if (at->number == number)
            return true;
    return false;
}

static void take_reply(struct sim *sim)
{
    if (sim->replies.count == 0)
        return;
    unsigned at = (unsigned)draw(sim, sim->replies.count); /* workers answer in any order */
    struct in_flight message = sim->replies.items[at];
    remove_at(&sim->replies, at);
    if (!is_open(sim, message.obligation.number))
        return; /* nobody waits for it any more */
    union reply reply;
    if (message.reply_kind == REPLY_WALLET_ENTRY)
        reply.wallet_entry = message.entry;
    else
        reply.shortage = message.shortage;
    struct told told =
        domain_answer(sim->seats, &message.obligation, message.outcome, message.reply_kind, &reply);
    if (told.answers_waiters)
        answer_waiters(sim, told);
    forget_sent(sim, message.obligation.number); /* sent again if it is still open */
    send_obligations(sim);
}

/* ---- the wallet worker ---- */

static void take_request(struct sim *sim, bool may_fail)
{
    if (sim->requests.count == 0 || sim->replies.count == MESSAGES_MAX)
        return;
    struct in_flight message = sim->requests.items[0];
    if (may_fail && once_in(sim, 6)) {
        message.outcome = OUTCOME_UNAVAILABLE;
        message.reply_kind = REPLY_NONE;
    } else {
        struct told told =
            domain_request(sim->wallets, message.obligation.kind, &message.obligation.request);
        message.outcome = told.outcome;
        message.reply_kind = told.reply_kind;
        message.entry = sim->wallets->reply.wallet_entry;
        message.shortage = sim->wallets->reply.shortage;
        if (may_fail && once_in(sim, 6)) {
            domain_forget(sim->wallets); /* dies after its commit; the successor decides again */
            return;
        }
    }
    remove_at(&sim->requests, 0);
    sim->replies.items[sim->replies.count++] = message;
}

/* ---- what users do ---- */

static void change_points(struct sim *sim)
{
    union request request;
    uint64_t user = 1 + draw(sim, USERS), amount = 10 + draw(sim, 90), key = draw(sim, 40);
    bool charges = !once_in(sim, 4);
    char text[16] = "";
    if (once_in(sim, 2))
        snprintf(text, sizeof text, "key-%d", (int)key);
    if (charges) {
        request.charge = (struct charge){.user = user, .amount = amount, .body_hash = amount};
        text_set(&request.charge.idempotency_key, text, strlen(text));
    } else {
        request.use = (struct use){.user = user, .amount = amount, .body_hash = amount};
        text_set(&request.use.idempotency_key, text, strlen(text));
    }
    struct told told =
        domain_request(sim->wallets, charges ? REQUEST_CHARGE : REQUEST_USE, &request);
    const struct wallet_entry *entry = &sim->wallets->reply.wallet_entry;
    if (told.outcome == OUTCOME_OK && is_new_transaction(sim, entry->transaction))
        sim->balances[user] += charges ? amount : 0 - amount;
}

static void place_hold(struct sim *sim)
{
    struct client client = {.kind = REQUEST_HOLD};
    struct hold *hold = &client.request.hold;
    uint64_t first = draw(sim, SEATS);
    hold->schedule = schedules[draw(sim, 2)];
    hold->user = 1 + draw(sim, USERS);
    hold->seats.count = 1 + (uint32_t)draw(sim, 3);
    for (uint32_t i = 0; i < hold->seats.count; i++)
        hold->seats.items[i] = seat_id(hold->schedule, 1 + (first + i) % SEATS);
    hold->body_hash = first * 10 + hold->seats.count;
    if (once_in(sim, 3))
        text_set(&hold->idempotency_key, "key", 3);
    ask(sim, client);
}

static void ask_about_reservation(struct sim *sim)
{
    if (sim->known_count == 0 || sim->waiting_count == CLIENTS_MAX)
        return;
    unsigned recent = sim->known_count < 12 ? sim->known_count : 12;
    const struct known *known = &sim->known[sim->known_count - 1 - draw(sim, recent)];
    static const uint16_t kinds[] = {REQUEST_CONFIRM, REQUEST_CONFIRM, REQUEST_CONFIRM,
                                     REQUEST_CANCEL,  REQUEST_RELEASE, REQUEST_RESERVATION_GET};
    struct client client = {.kind = kinds[draw(sim, sizeof kinds / sizeof kinds[0])]};
    client.request.confirm = (struct confirm){known->id, known->user};
    if (client.kind == REQUEST_CANCEL && !known->confirmed)
        return;
    if (client.kind == REQUEST_CONFIRM && once_in(sim, 8)) {
        /* It was marked as waiting, but its worker died before the commit. */
        struct reservation_row row;
        struct row_key key = reservation_key(known->id);
        assert_true(reservation_row_read(&sim->seats->view, &key, &row));
        client.attempt = row.attempt + 1;
    }
    ask(sim, client);
}

static uint64_t audit_sale(struct sim *sim, bool at_rest)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    struct audit *audit = audit_create(to);
    audit_wallets(audit, &sim->wallets->view);
    audit_seats(audit, &sim->seats->view);
    uint64_t violations = audit_finish(audit);
    fclose(to);
    if (at_rest &&
        (strstr(text, " confirming 0 ") == NULL || strstr(text, " cancelling 0 ") == NULL ||
         strstr(text, "open obligations 0") == NULL))
        violations++;
    if (violations != 0)
        print_message("seed %llu\n%s", (unsigned long long)sim->seed, text);
    free(text);
    return violations;
}

static void advance(struct sim *sim, uint64_t by_ms)
{
    sim->seats->now_ms += by_ms;
    sim->wallets->now_ms += by_ms;
}

static void step(struct sim *sim)
{
    switch (draw(sim, 12)) {
    case 0:
    case 1:
        place_hold(sim);
        break;
    case 2:
    case 3:
    case 4:
        ask_about_reservation(sim);
        break;
    case 5:
        change_points(sim);
        break;
    case 6:
    case 7:
        take_request(sim, true);
        break;
    case 8:
    case 9:
        take_reply(sim);
        break;
    case 10:
        advance(sim, draw(sim, once_in(sim, 50) ? IDEMPOTENCY_TTL_MS : 8000));
        if (once_in(sim, 2))
            domain_fire(sim->seats);
        break;
    default:
        if (once_in(sim, 2))
            crash_seats(sim);
        else
            domain_forget(sim->wallets);
    }
    send_obligations(sim);
}

static void come_to_rest(struct sim *sim)
{
    for (unsigned turn = 0; sim->seats->obligations != NULL; turn++) {
        assert_in_range(turn, 0, 10000);
        send_obligations(sim);
        take_request(sim, false);
        take_reply(sim);
    }
    assert_int_equal(sim->waiting_count, 0);
    assert_int_equal(audit_sale(sim, true), 0);
    for (uint64_t user = 1; user <= USERS; user++) {
        union request request = {.balance_get = {user}};
        domain_request(sim->wallets, REQUEST_BALANCE_GET, &request);
        assert_int_equal(sim->wallets->reply.balance.balance, sim->balances[user]);
    }
    assert_true(domain_replays(sim->seats));
    assert_true(domain_replays(sim->wallets));
}

static void make_schedules(struct sim *sim)
{
    for (size_t i = 0; i < 2; i++) {
        union event body;
        body.schedule_created = (struct schedule_created){.schedule = schedules[i], .concert = 1};
        body.schedule_created.sections.count = 2;
        body.schedule_created.sections.items[0] = (struct section){{1, "A"}, 1, 4, 40};
        body.schedule_created.sections.items[1] = (struct section){{1, "B"}, 2, 1, 25};
        domain_event(sim->seats, &schedule_kind, schedules[i], EVENT_SCHEDULE_CREATED, schedules[i],
                     1, &body);
    }
}

static void run(struct sim *sim, uint64_t seed)
{
    memset(sim, 0, offsetof(struct sim, confirmed));
    sim->seed = seed;
    sim->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    sim->seats = domain_create(&seat_behaviour);
    sim->wallets = domain_create(&wallet_behaviour);
    sim->seats->config.hold_ttl_s = 60;
    sim->seats->config.hold_grace_s = 20;
    make_schedules(sim);
    for (unsigned i = 0; i < STEPS; i++) {
        step(sim);
        if (once_in(sim, 60))
            assert_int_equal(audit_sale(sim, false), 0);
    }
    come_to_rest(sim);
    domain_destroy(sim->seats);
    domain_destroy(sim->wallets);
}

static void a_sale_survives_crashes_at_any_moment(void **state)
{
    (void)state;
    struct sim *sim = calloc(1, sizeof *sim);
    assert_non_null(sim);
    const char *only = getenv("SEED");
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    uint64_t last = only != NULL ? first : SEEDS;
    for (uint64_t seed = first; seed <= last; seed++)
        run(sim, seed);
    print_message("confirmed %llu, cancelled %llu, not enough points %llu, crashes %llu\n",
                  (unsigned long long)sim->confirmed, (unsigned long long)sim->cancelled,
                  (unsigned long long)sim->refused, (unsigned long long)sim->crashes);
    if (only == NULL) {
        assert_true(sim->confirmed > SEEDS && sim->cancelled > SEEDS / 4);
        assert_true(sim->refused > SEEDS && sim->crashes > SEEDS);
    }
    free(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sale_survives_crashes_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
