#include "process_table.h"

static uint64_t one(const struct config *config)
{
    (void)config;
    return 1;
}

static uint64_t fronts(const struct config *config)
{
    return config->fronts;
}

static uint64_t seat_workers(const struct config *config)
{
    return config->seat_workers;
}

static uint64_t wallet_workers(const struct config *config)
{
    return config->wallet_workers;
}

/* Fronts come last and go first, so that a request always finds its worker. They have 5 s to answer
 * what is in flight; the workers behind them have nothing left to wait for. */
const struct child_spec process_table[] = {
    {ROLE_QUEUE, "queue", one, RESTART_PERMANENT, 0, 2, 1000, false},
    {ROLE_SEAT, "seat", seat_workers, RESTART_PERMANENT, 0, 1, 1000, false},
    {ROLE_WALLET, "wallet", wallet_workers, RESTART_PERMANENT, 0, 3, 1000, false},
    {ROLE_RELAY, "relay", one, RESTART_PERMANENT, 0, 4, 500, false},
    {ROLE_FRONT, "front", fronts, RESTART_PERMANENT, 1, 0, 5500, true},
};
const unsigned process_table_count = sizeof process_table / sizeof process_table[0];

const struct child_spec *process_table_find(enum role role)
{
    for (unsigned i = 0; i < process_table_count; i++)
        if (process_table[i].role == role)
            return &process_table[i];
    return NULL;
}
