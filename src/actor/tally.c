#include "tally.h"

void tally_note(struct tally *tally, uint16_t kind, const union event *event)
{
    switch (kind) {
    case EVENT_RESERVATION_HELD:
        tally->holds_placed++;
        tally->seats_held += event->reservation_held.seats.count;
        break;
    case EVENT_RESERVATION_EXPIRED:
        tally->holds_expired++;
        break;
    case EVENT_RESERVATION_RELEASED:
        tally->holds_released++;
        break;
    case EVENT_RESERVATION_CONFIRMED:
        tally->reservations_confirmed++;
        break;
    case EVENT_RESERVATION_CANCELLED:
        tally->reservations_cancelled++;
        break;
    case EVENT_PAYMENT_FAILED:
        tally->payments_failed++;
        break;
    case EVENT_WALLET_CHARGED:
        tally->points_charged += event->wallet_charged.amount;
        break;
    case EVENT_WALLET_USED:
        tally->points_used += event->wallet_used.amount;
        break;
    case EVENT_WALLET_DEBITED:
        tally->points_paid += event->wallet_debited.amount;
        break;
    case EVENT_WALLET_REFUNDED:
        tally->points_refunded += event->wallet_refunded.amount;
        break;
    default:
        break;
    }
}

void tally_commit(struct tally *tally, struct process_stats *stats)
{
    stat_add(&stats->holds_placed_total, tally->holds_placed);
    stat_add(&stats->seats_held_total, tally->seats_held);
    stat_add(&stats->holds_expired_total, tally->holds_expired);
    stat_add(&stats->holds_released_total, tally->holds_released);
    stat_add(&stats->reservations_confirmed_total, tally->reservations_confirmed);
    stat_add(&stats->reservations_cancelled_total, tally->reservations_cancelled);
    stat_add(&stats->payments_failed_total, tally->payments_failed);
    stat_add(&stats->points_charged_total, tally->points_charged);
    stat_add(&stats->points_spent_total, tally->points_used);
    stat_add(&stats->points_paid_total, tally->points_paid);
    stat_add(&stats->points_refunded_total, tally->points_refunded);
    *tally = (struct tally){0};
}
