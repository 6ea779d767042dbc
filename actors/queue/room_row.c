#include "room.h"

/* A room's counts, limits and rate.
 *
 * The rate is a token bucket on the actor's clock: credit grows by admit_per_second thousandths a
 * millisecond up to what RATE_BURST_MS bring (at least one admission), and an admission takes
 * CREDIT_ONE. Below one the room waits for what RATE_BATCH_MS bring, so that a high rate is not one
 * commit for each admission. */
enum { CREDIT_ONE = 1000, RATE_BURST_MS = 100, RATE_BATCH_MS = 20 };

static uint64_t at_least_one(uint64_t credit)
{
    return credit < CREDIT_ONE ? CREDIT_ONE : credit;
}

static uint64_t credit_max(const struct room_row *row)
{
    return at_least_one(row->admit_per_second * RATE_BURST_MS);
}

static uint64_t credit_now(const struct room_row *row, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms > row->credit_at_ms ? now_ms - row->credit_at_ms : 0;
    uint64_t max = credit_max(row);
    if (row->admit_per_second == 0 || passed_ms >= max)
        return max;
    uint64_t credit = row->credit + passed_ms * row->admit_per_second;
    return credit < max ? credit : max;
}

static bool has_place(const struct room_row *row)
{
    return row->paused == 0 && row->waiting > 0 && row->admitted < row->active_limit;
}

bool room_may_admit(const struct room_row *row, uint64_t now_ms)
{
    return has_place(row) && (row->admit_per_second == 0 || credit_now(row, now_ms) >= CREDIT_ONE);
}

uint64_t room_admits_at_ms(const struct room_row *row, uint64_t now_ms)
{
    if (!has_place(row))
        return 0;
    if (room_may_admit(row, now_ms))
        return now_ms;
    uint64_t wanted = at_least_one(row->admit_per_second * RATE_BATCH_MS);
    uint64_t missing = wanted - credit_now(row, now_ms);
    return now_ms + (missing + row->admit_per_second - 1) / row->admit_per_second;
}

void room_row_issued(struct room_row *row)
{
    row->issued++;
    row->waiting++;
}

void room_row_admitted(struct room_row *row, uint64_t now_ms)
{
    check(room_may_admit(row, now_ms));
    if (row->admit_per_second != 0)
        row->credit = credit_now(row, now_ms) - CREDIT_ONE;
    row->credit_at_ms = now_ms;
    row->waiting--;
    row->admitted++;
}

void room_row_ended(struct room_row *row, enum ticket_state was, enum ticket_state is)
{
    uint64_t *from = was == TICKET_WAITING ? &row->waiting : &row->admitted;
    if (was == TICKET_EXPIRED)
        from = &row->expired;
    check(*from > 0 && was != TICKET_DONE);
    --*from;
    ++*(is == TICKET_DONE ? &row->done : &row->expired);
    uint64_t beyond = row->admitted > row->active_limit ? row->admitted - row->active_limit : 0;
    if (row->overhang > beyond)
        row->overhang = beyond;
}

void room_row_changed(struct room_row *row, const struct room_changed *body, uint64_t now_ms)
{
    /* Who was told when to ask again knows the old claim time. */
    uint64_t promised_ms = now_ms + row->claim_ttl_s * 1000 / 2;
    if (body->claim_ttl_s < row->claim_ttl_s && row->promised_until_ms < promised_ms)
        row->promised_until_ms = promised_ms;
    bool had_rate = row->active_limit != 0 && row->admit_per_second != 0;
    uint64_t credit = credit_now(row, now_ms);
    row->own = body->own;
    row->active_limit = body->active_limit;
    row->admit_per_second = body->admit_per_second;
    row->paused = body->paused;
    row->session_ttl_s = body->session_ttl_s;
    row->claim_ttl_s = body->claim_ttl_s;
    row->overhang = row->admitted > row->active_limit ? row->admitted - row->active_limit : 0;
    row->credit = had_rate && credit < credit_max(row) ? credit : credit_max(row);
    row->credit_at_ms = now_ms;
}

uint64_t room_claim_until_ms(const struct room_row *row, uint64_t now_ms)
{
    uint64_t until_ms = now_ms + row->claim_ttl_s * 1000;
    uint64_t promised_ms = row->promised_until_ms + row->claim_ttl_s * 1000 / 2;
    return until_ms > promised_ms ? until_ms : promised_ms;
}

bool room_settings(const struct room_row *row, uint64_t room, const struct config *config,
                   struct room_changed *wanted)
{
    *wanted = (struct room_changed){
        .room = room,
        .own = row->own,
        .active_limit = row->own & ROOM_ACTIVE_LIMIT ? row->active_limit : config->active_limit,
        .admit_per_second =
            row->own & ROOM_ADMIT_RATE ? row->admit_per_second : config->admit_per_second,
        .paused = row->own & ROOM_PAUSED ? row->paused : 0,
        .session_ttl_s = row->own & ROOM_SESSION_TTL ? row->session_ttl_s : config->session_ttl_s,
        .claim_ttl_s = row->own & ROOM_CLAIM_TTL ? row->claim_ttl_s : config->claim_ttl_s,
    };
    return wanted->active_limit != row->active_limit ||
           wanted->admit_per_second != row->admit_per_second || wanted->paused != row->paused ||
           wanted->session_ttl_s != row->session_ttl_s || wanted->claim_ttl_s != row->claim_ttl_s;
}
