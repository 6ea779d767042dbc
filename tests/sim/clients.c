#include "clients.h"
#include "admission.h"
#include "channel.h"
#include "check.h"
#include "ledger_rooms.h"
#include "trace.h"
#include "world.h"
#include <string.h>

enum { ASKS_MAX = 256, AGAIN_MAX = 8, UNTOLD_MAX = 1024 };
static const uint64_t DEADLINE_MS = 5000;

/* The front's process: the real pool and channels; what it keeps is gone with it. */
struct front {
    struct slot_pool pool;
    struct channel_producer channels[WORKERS_MAX]; /* by worker */
};

static struct front front;
static struct ask asks[ASKS_MAX]; /* by slot number */
static unsigned waiting;
/* Requests whose outcome their users do not know: they ask again, now and then. */
static struct {
    uint16_t kind;
    union request request;
} again[AGAIN_MAX];
static unsigned again_count;
static bool patient;
/* Charges and uses without a key whose users were never told: each may have had its effect. */
static struct {
    uint64_t user, type, amount;
} untold[UNTOLD_MAX];
static unsigned untold_count;

static void unknown(const struct ask *ask)
{
    const struct charge *charge = &ask->request.charge; /* a use is alike */
    if ((ask->kind == REQUEST_CHARGE || ask->kind == REQUEST_USE) &&
        charge->idempotency_key.length == 0) {
        check(untold_count < UNTOLD_MAX);
        untold[untold_count].user = charge->user;
        untold[untold_count].type =
            ask->kind == REQUEST_CHARGE ? TRANSACTION_CHARGE : TRANSACTION_USE;
        untold[untold_count++].amount = charge->amount;
    }
    if (again_count == AGAIN_MAX)
        return;
    again[again_count].kind = ask->kind;
    again[again_count++].request = ask->request;
}

static void ask_end(struct ask *ask)
{
    ask->waits = false;
    waiting--;
}

void clients_reset(void)
{
    for (unsigned i = 0; i < ASKS_MAX; i++)
        asks[i].waits = false;
    waiting = again_count = untold_count = 0;
    patient = false;
}

void clients_be_patient(void)
{
    patient = true;
}

bool clients_wait(void)
{
    return waiting > 0;
}

static void open_front(void *unused)
{
    (void)unused;
    check(slot_pool_open(&front.pool, world.segment, world.front) == STATUS_OK);
    for (unsigned worker = 0; worker < world.worker_count; worker++)
        check(channel_producer_open(&front.channels[worker], &front.pool,
                                    world.workers[worker].process) == STATUS_OK);
    check(front.pool.small_count + front.pool.large_count <= ASKS_MAX);
}

void clients_front_start(void)
{
    task_start(&world.tasks[world.front], "front", NULL, NULL);
    world_spawn(world.front);
    if (task_call(&world.tasks[world.front], open_front, NULL) == TASK_DEAD)
        clients_front_died();
}

void clients_front_died(void)
{
    trace_line("front dies: %u clients are cut off", waiting);
    for (unsigned i = 0; i < ASKS_MAX; i++)
        if (asks[i].waits) {
            unknown(&asks[i]);
            ask_end(&asks[i]);
        }
}

/* ---- asking ---- */

static void submit(void *context)
{
    const struct ask *ask = context;
    const struct request_info *info = request_info(ask->kind);
    struct slot *slot = slot_pool_claim(&front.pool, (info->flags & REQUEST_LARGE) != 0);
    if (slot == NULL)
        return;
    size_t size =
        request_encode(ask->kind, &ask->request, slot_request(slot), slot_request_capacity(slot));
    check(size > 0);
    slot->kind = ask->kind;
    slot->actor = request_key(ask->kind, &ask->request);
    slot->deadline_ms = ask->deadline_ms;
    slot->request_size = (uint32_t)size;
    struct channel_producer *channel = &front.channels[worker_of(info->owner, slot->actor)];
    /* It is waited for before it is sent: once it is, it counts. */
    struct ask *kept = &asks[slot_pool_number(&front.pool, slot)];
    check(!kept->waits);
    *kept = *ask;
    kept->waits = true;
    waiting++;
    if (channel_submit(channel, slot) != STATUS_OK) {
        slot_pool_release(&front.pool, slot);
        ask_end(kept);
    }
    channel_flush(channel);
}

/* ---- tickets, as the front sees them in shared memory ---- */

static struct queue_ticket token_of(const struct ledger_ticket *ticket)
{
    return (struct queue_ticket){ticket->room, ticket->user, ticket->number, ticket->issued_at_ms};
}

static uint64_t waiting_before(const struct ledger_ticket *ticket)
{
    const struct ledger_ticket *other;
    uint64_t count = 0;
    for (unsigned i = 0; (other = ledger_ticket_at(i)) != NULL; i++)
        count += other->room == ticket->room && other->number < ticket->number &&
                 other->state == TICKET_WAITING;
    return count;
}

/* What shared memory says must have been true since the queue worker last published. */
static void check_standing(struct ledger_ticket *ticket, const struct standing *standing)
{
    uint64_t since = world.published_moment;
    unsigned long long number = ticket->number;
    bool admitted = ledger_ticket_was(ticket, TICKET_ADMITTED, since) ||
                    ledger_ticket_was(ticket, TICKET_CLAIMED, since);
    bool ended = ledger_ticket_was(ticket, TICKET_EXPIRED, since) ||
                 ledger_ticket_was(ticket, TICKET_DONE, since);
    switch (standing->state) {
    case STANDING_WAITING:
        require(ledger_ticket_was(ticket, TICKET_WAITING, since), "ticket %llu: does not wait",
                number);
        require(standing->ahead >= waiting_before(ticket), "ticket %llu: only %llu are ahead",
                number, (unsigned long long)standing->ahead);
        require(ticket->ahead == 0 || standing->ahead < ticket->ahead,
                "ticket %llu: goes back in the line", number);
        ticket->ahead = standing->ahead + 1;
        break;
    case STANDING_ADMITTED:
        require(admitted && machine_now_ms() < ticket->until_ms, "ticket %llu: is not admitted",
                number);
        break;
    case STANDING_ENDED:
        require(ended || (admitted && machine_now_ms() >= ticket->until_ms),
                "ticket %llu: has not ended", number);
        break;
    default: /* between the line and its session nobody is out of sight */
        require(
            ended || standing->room == NULL ||
                (ticket->state == TICKET_ADMITTED && machine_now_ms() >= ticket->claim_until_ms),
            "ticket %llu: nobody knows it, in state %llu", number,
            (unsigned long long)ticket->state);
    }
}

struct visit {
    struct ledger_ticket *ticket;
    struct queue_ticket token;
    struct standing standing;
    bool claims; /* and is the first to */
};

static void look(void *context)
{
    struct visit *visit = context;
    visit->standing =
        standing_of(segment_waiting_rooms(world.segment), &visit->token, machine_now_ms());
    check_standing(visit->ticket, &visit->standing);
}

static void take(void *context)
{
    struct visit *visit = context;
    machine_point("claim");
    visit->claims =
        standing_claim(segment_waiting_rooms(world.segment), &visit->token, &visit->standing);
    visit->ticket->claimed |= visit->claims;
    machine_point("claimed");
}

/* A request with this ticket claims it when it is admitted, as every request does. False: the front
 * has nothing to tell the queue. */
static bool claim(const struct ticket_claim *request)
{
    struct task *task = &world.tasks[world.front];
    struct visit visit = {.ticket = ledger_ticket(request->room, request->number)};
    visit.token = token_of(visit.ticket);
    enum task_end end = task_call(task, look, &visit);
    if (end != TASK_DEAD && once_in(3)) { /* the end of the claim time may come in between */
        machine_set_clock(machine_now_ms() + draw(2));
        workers_run(worker_of(ROLE_QUEUE, request->room), 1 + (unsigned)draw(12));
    }
    if (end != TASK_DEAD)
        end = task_call(task, take, &visit);
    if (end == TASK_DEAD)
        clients_front_died();
    return end != TASK_DEAD && visit.claims;
}

bool clients_ticket_admits(const struct ledger_ticket *ticket)
{
    struct queue_ticket token = token_of(ticket);
    struct standing standing =
        standing_of(segment_waiting_rooms(world.segment), &token, machine_now_ms());
    return standing.state == STANDING_ADMITTED;
}

/* The user's reservations that this seat worker has. */
static uint64_t reservations_known(const struct reservations_get *request)
{
    unsigned worker = worker_of(ROLE_SEAT, request->directory - DIRECTORY_BASE);
    const struct ledger_reservation *at;
    uint64_t count = 0;
    for (unsigned i = 0; (at = ledger_reservation_at(i)) != NULL; i++)
        count += at->user == request->user && worker_of(ROLE_SEAT, at->schedule) == worker;
    return count;
}

static void send(struct ask *ask)
{
    ask->moment = ledger_moment();
    ask->submitted_ms = machine_now_ms();
    ask->deadline_ms = ask->submitted_ms + DEADLINE_MS;
    if (ask->kind == REQUEST_TRANSACTIONS_GET)
        ask->known_count = ledger_transaction_count(ask->request.transactions_get.user);
    if (ask->kind == REQUEST_RESERVATIONS_GET)
        ask->known_count = reservations_known(&ask->request.reservations_get);
    world.operations++;
    if (ask->kind == REQUEST_TICKET_CLAIM && !claim(&ask->request.ticket_claim))
        return;
    trace_number(ask->kind);
    trace_line("asks %s %llu", request_info(ask->kind)->name,
               (unsigned long long)request_key(ask->kind, &ask->request));
    if (task_call(&world.tasks[world.front], submit, ask) == TASK_DEAD)
        clients_front_died();
}

void clients_act(void)
{
    static struct ask ask; /* large: its request is drawn anew each time */
    if (!world.tasks[world.front].alive)
        return;
    if (again_count > 0 && once_in(3)) {
        unsigned at = (unsigned)draw(again_count);
        ask.kind = again[at].kind;
        ask.request = again[at].request;
        again[at] = again[--again_count];
    } else {
        request_draw(&ask.kind, &ask.request);
    }
    send(&ask);
}

void clients_act_about(const struct ledger_reservation *reservation)
{
    static struct ask ask; /* large: its request is drawn anew each time */
    if (!world.tasks[world.front].alive)
        return;
    request_draw_about(reservation, &ask.kind, &ask.request);
    send(&ask);
}

void clients_act_about_ticket(const struct ledger_ticket *ticket)
{
    static struct ask ask; /* large: its request is drawn anew each time */
    if (!world.tasks[world.front].alive)
        return;
    request_draw_about_ticket(ticket, &ask.kind, &ask.request);
    send(&ask);
}

/* ---- answers ---- */

static void deliver(struct ask *ask, const struct slot *slot)
{
    static union reply reply;
    const uint8_t *data;
    size_t size;
    struct task *task = machine_leave();
    uint16_t outcome = slot->outcome, kind = slot->reply_kind;
    require(outcome < OUTCOME_COUNT, "outcome %u", outcome);
    if (kind != REPLY_NONE)
        require(slot_reply_view(slot, &data, &size) && reply_decode(kind, &reply, data, size),
                "a reply that does not decode");
    trace_line("told about %s %llu: %s", request_info(ask->kind)->name,
               (unsigned long long)request_key(ask->kind, &ask->request),
               outcome_text((enum outcome)outcome));
    trace_number(outcome);
    if (kind != REPLY_NONE)
        trace_bytes(data, size);
    answer_check(ask, (enum outcome)outcome, kind, &reply);
    if (answer_is_unknown((enum outcome)outcome))
        unknown(ask);
    ask_end(ask);
    machine_return(task);
}

static void expire(void)
{
    for (unsigned i = 0; i < ASKS_MAX; i++)
        if (asks[i].waits && asks[i].deadline_ms <= machine_now_ms()) {
            unknown(&asks[i]);
            ask_end(&asks[i]);
        }
}

static void poll_replies(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < world.worker_count; i++) {
        struct slot *slot;
        while ((slot = channel_next_reply(&front.channels[i])) != NULL) {
            struct ask *ask = &asks[slot_pool_number(&front.pool, slot)];
            if (ask->waits)
                deliver(ask, slot);
            slot_pool_release(&front.pool, slot);
        }
    }
    if (!patient)
        expire();
}

void clients_poll(void)
{
    if (world.tasks[world.front].alive &&
        task_call(&world.tasks[world.front], poll_replies, NULL) == TASK_DEAD)
        clients_front_died();
}

static bool was_untold(const struct ledger_transaction *transaction)
{
    for (unsigned i = 0; i < untold_count; i++)
        if (untold[i].user == transaction->user && untold[i].type == transaction->type &&
            untold[i].amount == transaction->amount) {
            untold[i] = untold[--untold_count];
            return true;
        }
    return false;
}

void clients_check_effects(void)
{
    const struct ledger_transaction *at;
    for (unsigned i = 0; (at = ledger_transaction_at(i)) != NULL; i++)
        require(at->told || at->keyed || at->reservation != 0 || was_untold(at),
                "user %llu: transaction %llu had no request", (unsigned long long)at->user,
                (unsigned long long)at->id);
}
