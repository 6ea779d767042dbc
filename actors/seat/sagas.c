#include "schedule.h"

/* The seat's side of confirm and cancel. Attempts of one reservation are numbered from 1, confirms
 * and its one cancel together:
 *
 *   HELD ─confirm→ CONFIRMING ─accepted→ CONFIRMED ─cancel→ CANCELLING ─refunded→ CANCELLED
 *     ↑                └─not enough points─┐
 *     └────────────────────────────────────┘
 *
 * Each arrow is an event. A debit or refund is owed from the event that starts its attempt to the
 * one that ends it. Obligations have the sequence of the event that opened them as their number. */

static void reply_confirmed(struct decision *decision, uint64_t reservation,
                            const struct reservation_row *row)
{
    decision->reply->confirmed =
        (struct confirmed){reservation, row->payment, row->amount, row->balance};
    decision_reply(decision, OUTCOME_OK, REPLY_CONFIRMED);
}

static void reply_shortage(struct decision *decision, const struct reservation_row *row)
{
    decision->reply->shortage = (struct shortage){row->amount, row->balance, row->expires_at_ms};
    decision_reply(decision, OUTCOME_INSUFFICIENT_POINTS, REPLY_SHORTAGE);
}

/* A request that waited when its worker died has learnt nothing yet. True when the attempt that it
 * waited for has ended: it is answered with that. (The attempt may also never have been committed;
 * then the request is as good as new.) */
static bool resumed_replies(struct decision *decision, uint64_t reservation,
                            const struct reservation_row *row)
{
    uint64_t waited_for = decision->resumed_attempt;
    if (waited_for == 0 || waited_for > row->attempt)
        return false;
    switch (row->state) {
    case RESERVATION_CONFIRMING:
        if (waited_for == row->attempt)
            return false;
        reply_shortage(decision, row);
        return true;
    case RESERVATION_HELD:
    case RESERVATION_RELEASED:
    case RESERVATION_EXPIRED:
        reply_shortage(decision, row);
        return true;
    case RESERVATION_CANCELLING:
    case RESERVATION_CANCELLED:
        if (waited_for + 1 != row->attempt)
            return false;
        reply_confirmed(decision, reservation, row);
        return true;
    default:
        return false;
    }
}

static void begin_confirm(struct decision *decision, uint64_t reservation,
                          const struct reservation_row *row)
{
    union event body;
    body.reservation_confirming = (struct reservation_confirming){
        .reservation = reservation,
        .schedule = row->schedule,
        .user = row->user,
        .amount = row->amount,
        .attempt = row->attempt + 1,
    };
    decision_emit(decision, EVENT_RESERVATION_CONFIRMING, reservation, VERSION_INTERNAL, &body);
    decision_defer(decision, reservation, row->attempt + 1);
}

void seat_decide_confirm(struct decision *decision, const struct schedule *schedule,
                         const struct confirm *request)
{
    struct reservation_row row;
    (void)schedule;
    if (!seat_read_owned(decision, request->reservation, request->user, &row) ||
        resumed_replies(decision, request->reservation, &row))
        return;
    switch (row.state) {
    case RESERVATION_HELD:
        if (reservation_lapsed(&row, decision->now_ms))
            decision_reply(decision, OUTCOME_HOLD_EXPIRED, REPLY_NONE);
        else
            begin_confirm(decision, request->reservation, &row);
        break;
    case RESERVATION_CONFIRMING:
        decision_defer(decision, request->reservation, row.attempt);
        break;
    case RESERVATION_CONFIRMED:
        reply_confirmed(decision, request->reservation, &row);
        break;
    case RESERVATION_EXPIRED:
        decision_reply(decision, OUTCOME_HOLD_EXPIRED, REPLY_NONE);
        break;
    default:
        decision_reply(decision, OUTCOME_RESERVATION_STATE, REPLY_NONE);
    }
}

static void begin_cancel(struct decision *decision, uint64_t reservation,
                         const struct reservation_row *row)
{
    union event body;
    body.reservation_cancelling = (struct reservation_cancelling){
        .reservation = reservation,
        .schedule = row->schedule,
        .user = row->user,
        .amount = row->amount,
        .attempt = row->attempt + 1,
    };
    decision_emit(decision, EVENT_RESERVATION_CANCELLING, reservation, VERSION_INTERNAL, &body);
    decision_defer(decision, reservation, row->attempt + 1);
}

void seat_decide_cancel(struct decision *decision, const struct schedule *schedule,
                        const struct cancel *request)
{
    struct reservation_row row;
    (void)schedule;
    if (!seat_read_owned(decision, request->reservation, request->user, &row))
        return;
    switch (row.state) {
    case RESERVATION_CONFIRMED:
        begin_cancel(decision, request->reservation, &row);
        break;
    case RESERVATION_CANCELLING:
        decision_defer(decision, request->reservation, row.attempt);
        break;
    case RESERVATION_CANCELLED:
        decision->reply->cancelled =
            (struct cancelled){request->reservation, row.amount, row.refund_balance};
        decision_reply(decision, OUTCOME_OK, REPLY_CANCELLED);
        break;
    default:
        decision_reply(decision, OUTCOME_RESERVATION_STATE, REPLY_NONE);
    }
}

/* ---- answers of the wallet ---- */

/* True when the answer is for what the reservation waits for. */
static bool is_current(const struct decision *decision, const struct message *message,
                       uint64_t reservation, enum reservation_state state, uint64_t attempt,
                       struct reservation_row *row)
{
    struct row_key key = reservation_key(reservation);
    return reservation_row_read(decision->rows, &key, row) && row->state == (uint64_t)state &&
           row->attempt == attempt && row->obligation == message->obligation;
}

static void confirmed(struct decision *decision, uint64_t reservation,
                      const struct reservation_row *row, const struct wallet_entry *payment)
{
    union event body;
    body.reservation_confirmed = (struct reservation_confirmed){
        .reservation = reservation,
        .schedule = row->schedule,
        .user = row->user,
        .amount = row->amount,
        .attempt = row->attempt,
        .payment = payment->transaction,
        .balance = payment->balance,
    };
    decision_emit(decision, EVENT_RESERVATION_CONFIRMED, reservation, row->version + 1, &body);
    decision->reply->confirmed =
        (struct confirmed){reservation, payment->transaction, row->amount, payment->balance};
    decision_answer_waiters(decision, reservation, OUTCOME_OK, REPLY_CONFIRMED);
}

/* At least the grace is left to charge and try again, but failed payments together never extend a
 * hold beyond its first expiry and the grace. */
static uint64_t expiry_with_grace(const struct decision *decision,
                                  const struct reservation_row *row)
{
    if (row->expires_at_ms == 0)
        return 0;
    uint64_t grace_ms = decision->config->hold_grace_s * 1000;
    uint64_t latest_ms = row->first_expires_at_ms + grace_ms;
    uint64_t wanted_ms = decision->now_ms + grace_ms;
    if (wanted_ms > latest_ms)
        wanted_ms = latest_ms;
    return wanted_ms > row->expires_at_ms ? wanted_ms : row->expires_at_ms;
}

static void payment_failed(struct decision *decision, uint64_t reservation,
                           const struct reservation_row *row, const struct shortage *shortage)
{
    union event body;
    body.payment_failed = (struct payment_failed){
        .reservation = reservation,
        .schedule = row->schedule,
        .user = row->user,
        .amount = row->amount,
        .attempt = row->attempt,
        .balance = shortage->balance,
        .expires_at_ms = expiry_with_grace(decision, row),
    };
    decision_emit(decision, EVENT_PAYMENT_FAILED, reservation, row->version + 1, &body);
    decision->reply->shortage =
        (struct shortage){row->amount, shortage->balance, body.payment_failed.expires_at_ms};
    decision_answer_waiters(decision, reservation, OUTCOME_INSUFFICIENT_POINTS, REPLY_SHORTAGE);
}

static void debit_answered(struct decision *decision, const struct message *message)
{
    const struct debit *debit = &message->request->debit;
    struct reservation_row row;
    if (!is_current(decision, message, debit->reservation, RESERVATION_CONFIRMING, debit->attempt,
                    &row))
        return;
    if (message->outcome == OUTCOME_OK && message->reply_kind == REPLY_WALLET_ENTRY)
        confirmed(decision, debit->reservation, &row, &message->reply->wallet_entry);
    else if (message->outcome == OUTCOME_INSUFFICIENT_POINTS &&
             message->reply_kind == REPLY_SHORTAGE)
        payment_failed(decision, debit->reservation, &row, &message->reply->shortage);
    /* Anything else is no verdict: the debit stays owed and is sent again. */
}

static void refund_answered(struct decision *decision, const struct message *message)
{
    const struct refund *refund = &message->request->refund;
    struct reservation_row row;
    if (!is_current(decision, message, refund->reservation, RESERVATION_CANCELLING, refund->attempt,
                    &row) ||
        message->outcome != OUTCOME_OK || message->reply_kind != REPLY_WALLET_ENTRY)
        return;
    uint64_t balance = message->reply->wallet_entry.balance;
    union event body;
    body.reservation_cancelled = (struct reservation_cancelled){
        .reservation = refund->reservation,
        .schedule = row.schedule,
        .user = row.user,
        .amount = row.amount,
        .attempt = row.attempt,
        .balance = balance,
    };
    decision_emit(decision, EVENT_RESERVATION_CANCELLED, refund->reservation, row.version + 1,
                  &body);
    decision->reply->cancelled = (struct cancelled){refund->reservation, row.amount, balance};
    decision_answer_waiters(decision, refund->reservation, OUTCOME_OK, REPLY_CANCELLED);
}

/* The waiting room acknowledges whatever it makes of the sale; anything else is sent again. */
static void purchased_answered(struct decision *decision, const struct message *message)
{
    const struct purchased *purchased = &message->request->purchased;
    struct reservation_row row;
    struct row_key key = reservation_key(purchased->reservation);
    check(reservation_row_read(decision->rows, &key, &row));
    if (message->outcome != OUTCOME_OK || row.report != message->obligation)
        return;
    union event body;
    body.purchase_reported = (struct purchase_reported){
        .reservation = purchased->reservation,
        .schedule = row.schedule,
        .obligation = message->obligation,
    };
    decision_emit(decision, EVENT_PURCHASE_REPORTED, purchased->reservation, VERSION_INTERNAL,
                  &body);
}

void seat_decide_reply(struct decision *decision, const struct schedule *schedule,
                       const struct message *message)
{
    (void)schedule;
    switch (message->kind) {
    case REQUEST_DEBIT:
        debit_answered(decision, message);
        break;
    case REQUEST_REFUND:
        refund_answered(decision, message);
        break;
    case REQUEST_PURCHASED:
        purchased_answered(decision, message);
        break;
    default:
        check_never("an answer to what seats never ask");
    }
}
