#include "coverage_internal.h"
#include "wallet.h"
#include "wallet_state.h"

/* What a wallet's decision about a payment was about: its verdict on the reservation. */

static unsigned state_of(const struct decision *decision, uint64_t user, uint64_t reservation,
                         uint64_t attempt)
{
    struct verdict_row verdict;
    struct row_key key = verdict_key(user, reservation);
    if (!verdict_row_read(decision->rows, &key, &verdict))
        return NO_VERDICT_YET;
    if (verdict.attempt != attempt)
        return verdict.attempt < attempt ? VERDICT_BEFORE : VERDICT_LATER;
    return verdict.accepted ? VERDICT_ACCEPTED : VERDICT_REFUSED;
}

void wallet_decide_covered(struct decision *decision, const void *object,
                           const struct message *message)
{
    const struct debit *debit = &message->request->debit; /* a refund is alike */
    bool pays = message->kind == REQUEST_DEBIT || message->kind == REQUEST_REFUND;
    unsigned state =
        pays ? state_of(decision, debit->user, debit->reservation, debit->attempt) : NONE;
    wallet_kind.decide(decision, object, message);
    if (pays)
        coverage_take(state, message->kind == REQUEST_DEBIT ? DEBIT : REFUND,
                      coverage_event(decision, debit->user), coverage_answer(decision));
}
