#include "wallet_state.h"

/* The wallet's side of confirm and cancel. Each attempt has a number that rises with each saga of
 * the reservation. The verdict on the last one, a refusal too, is kept as long as the wallet, so a
 * message that is sent again, however late, is answered again and has no second effect. (Forgetting
 * it would take two more messages and two more commits for each payment, to save a row that is no
 * larger than that of the transaction.) */

enum attempt_age {
    ATTEMPT_NEW,
    ATTEMPT_SEEN,  /* its verdict is at hand */
    ATTEMPT_STALE, /* a later one has been here */
};

static enum attempt_age attempt_age(const struct decision *decision, uint64_t user,
                                    uint64_t reservation, uint64_t attempt,
                                    struct verdict_row *verdict)
{
    struct row_key key = verdict_key(user, reservation);
    if (!verdict_row_read(decision->rows, &key, verdict) || verdict->attempt < attempt)
        return ATTEMPT_NEW;
    return verdict->attempt == attempt ? ATTEMPT_SEEN : ATTEMPT_STALE;
}

/* The seat drops this answer: it is for an attempt that is not its current one. */
static void reply_stale(struct decision *decision)
{
    decision_reply(decision, OUTCOME_RESERVATION_STATE, REPLY_NONE);
}

static void reply_verdict(struct decision *decision, uint64_t user,
                          const struct verdict_row *verdict)
{
    if (verdict->accepted)
        wallet_reply_entry(decision, verdict->transaction, user, verdict->amount, verdict->balance);
    else
        wallet_reply_shortage(decision, verdict->amount, verdict->balance);
}

/* True when the attempt is new; otherwise it has been answered. */
static bool attempt_is_new(struct decision *decision, const struct wallet *wallet,
                           uint64_t reservation, uint64_t attempt)
{
    struct verdict_row verdict;
    switch (attempt_age(decision, wallet->base.id, reservation, attempt, &verdict)) {
    case ATTEMPT_SEEN:
        reply_verdict(decision, wallet->base.id, &verdict);
        return false;
    case ATTEMPT_STALE:
        reply_stale(decision);
        return false;
    default:
        return true;
    }
}

static void refuse_debit(struct decision *decision, const struct wallet *wallet,
                         const struct debit *request)
{
    union event body;
    body.wallet_refused = (struct wallet_refused){
        .user = wallet->base.id,
        .reservation = request->reservation,
        .attempt = request->attempt,
        .amount = request->amount,
        .balance = wallet->row.balance,
    };
    decision_emit(decision, EVENT_WALLET_REFUSED, wallet->base.id, VERSION_INTERNAL, &body);
    wallet_reply_shortage(decision, request->amount, wallet->row.balance);
}

void wallet_decide_debit(struct decision *decision, const struct wallet *wallet,
                         const struct debit *request)
{
    if (!attempt_is_new(decision, wallet, request->reservation, request->attempt))
        return;
    if (request->amount > wallet->row.balance) {
        refuse_debit(decision, wallet, request);
        return;
    }
    uint64_t user = wallet->base.id;
    union event body;
    body.wallet_debited = (struct wallet_debited){
        .user = user,
        .transaction = wallet_transaction_id(decision->next_sequence, user),
        .amount = request->amount,
        .balance = wallet->row.balance - request->amount,
        .reservation = request->reservation,
        .attempt = request->attempt,
    };
    decision_emit(decision, EVENT_WALLET_DEBITED, user, wallet->row.version + 1, &body);
    wallet_reply_entry(decision, body.wallet_debited.transaction, user, request->amount,
                       body.wallet_debited.balance);
}

void wallet_decide_refund(struct decision *decision, const struct wallet *wallet,
                          const struct refund *request)
{
    if (!attempt_is_new(decision, wallet, request->reservation, request->attempt))
        return;
    uint64_t user = wallet->base.id;
    union event body;
    body.wallet_refunded = (struct wallet_refunded){
        .user = user,
        .transaction = wallet_transaction_id(decision->next_sequence, user),
        .amount = request->amount,
        .balance = wallet->row.balance + request->amount, /* exempt from BALANCE_MAX */
        .reservation = request->reservation,
        .attempt = request->attempt,
    };
    decision_emit(decision, EVENT_WALLET_REFUNDED, user, wallet->row.version + 1, &body);
    wallet_reply_entry(decision, body.wallet_refunded.transaction, user, request->amount,
                       body.wallet_refunded.balance);
}
