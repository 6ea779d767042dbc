#include "loss.h"

#include "audit.h"
#include "check.h"
#include "datadir.h"
#include "queue.h"
#include "row_io.h"
#include "schedule.h"
#include "seat.h"
#include "wallet.h"
#include "wallet_state.h"
#include "worker.h"
#include <stdlib.h>
#include <string.h>

ROW_IO(room_row)

enum { TOLD_NEWEST = 64, TOLD_OTHERS = 32 };

struct verdict {
    struct loss_case *state;
    struct audit *audit;
    FILE *text;
    bool is_wrong;
};

static void wrong(struct verdict *verdict, const struct loss_told *told, const char *what)
{
    verdict->is_wrong = true;
    fprintf(verdict->text, "told at %llu: %s: kind %llu, %llu %llu %llu %llu\n",
            (unsigned long long)told->at, what, (unsigned long long)told->kind,
            (unsigned long long)told->a, (unsigned long long)told->b, (unsigned long long)told->c,
            (unsigned long long)told->d);
}

static void look_for_transaction(struct verdict *verdict, const struct row_view *rows,
                                 const struct loss_told *told)
{
    struct transaction_row row;
    struct row_key key = transaction_key(told->a, told->b);
    if (!transaction_row_read(rows, &key, &row))
        wrong(verdict, told, "the transaction is lost");
    else if (row.amount != told->c || row.balance != told->d)
        wrong(verdict, told, "the transaction is another");
}

static bool agrees(uint64_t told, uint64_t state)
{
    switch (told) {
    case TOLD_HELD:
        return true;
    case TOLD_RELEASED:
        return state == RESERVATION_RELEASED;
    case TOLD_CONFIRMED:
        return state == RESERVATION_CONFIRMED || state == RESERVATION_CANCELLING ||
               state == RESERVATION_CANCELLED;
    default:
        return state == RESERVATION_CANCELLED;
    }
}

static void look_for_reservation(struct verdict *verdict, const struct row_view *rows,
                                 const struct loss_told *told)
{
    struct reservation_row row;
    struct row_key key = reservation_key(told->a);
    if (!reservation_row_read(rows, &key, &row))
        wrong(verdict, told, "the reservation is lost");
    else if (!agrees(told->b, row.state))
        wrong(verdict, told, "the reservation is in a state of before");
}

static void look_for_ticket(struct verdict *verdict, const struct row_view *rows,
                            const struct loss_told *told)
{
    struct room_row row;
    struct row_key key = row_key_of('q', told->a);
    if (!room_row_read(rows, &key, &row) || row.issued < told->b)
        wrong(verdict, told, "the ticket's number can be given to somebody else");
}

static void look_for(struct verdict *verdict, const struct row_view *rows, uint64_t kind,
                     const struct loss_told *told)
{
    if (told->kind != kind)
        return;
    if (kind == TOLD_TRANSACTION)
        look_for_transaction(verdict, rows, told);
    else if (kind == TOLD_RESERVATION)
        look_for_reservation(verdict, rows, told);
    else
        look_for_ticket(verdict, rows, told);
}

static void look_for_told(struct verdict *verdict, const struct row_view *rows, uint64_t kind)
{
    const struct loss_case *state = verdict->state;
    size_t newest =
        state->check_all || state->told_count < TOLD_NEWEST ? state->told_count : TOLD_NEWEST;
    for (size_t i = state->told_count - newest; i < state->told_count; i++)
        look_for(verdict, rows, kind, &state->told[i]);
    for (unsigned i = 0; newest < state->told_count && i < TOLD_OTHERS; i++)
        look_for(verdict, rows, kind, &state->told[loss_random(state->random) % state->told_count]);
}

static void visit_wallets(void *context, const struct row_view *rows)
{
    struct verdict *verdict = context;
    audit_wallets(verdict->audit, rows);
    look_for_told(verdict, rows, TOLD_TRANSACTION);
}

static void visit_seats(void *context, const struct row_view *rows)
{
    struct verdict *verdict = context;
    audit_seats(verdict->audit, rows);
    look_for_told(verdict, rows, TOLD_RESERVATION);
}

static void visit_queue(void *context, const struct row_view *rows)
{
    struct verdict *verdict = context;
    audit_queue(verdict->audit, rows);
    look_for_told(verdict, rows, TOLD_TICKET);
}

/* A worker that has not made its directory yet has told nobody anything. */
static void inspect(struct verdict *verdict, const struct behaviour *behaviour,
                    void (*visit)(void *context, const struct row_view *rows))
{
    static struct config config;
    struct datadir datadir = {.lock_fd = -1};
    char journal_path[DATADIR_PATH_MAX], state_path[DATADIR_PATH_MAX];
    config_init(&config);
    snprintf(datadir.path, sizeof datadir.path, "%s", verdict->state->path);
    const char *role = role_text(behaviour->role);
    datadir_worker_path(&datadir, role, 0, "journal", journal_path);
    datadir_worker_path(&datadir, role, 0, "state", state_path);
    enum status status =
        worker_inspect(behaviour, journal_path, state_path, &config, visit, verdict);
    if (status == STATUS_OK || (status == STATUS_NOT_FOUND && verdict->state->told_count == 0))
        return;
    verdict->is_wrong = true;
    fprintf(verdict->text, "%s: %s\n", role, status_text(status));
}

static void open_directory(struct verdict *verdict)
{
    struct datadir datadir;
    enum status status = datadir_open(&datadir, verdict->state->path, 0, 0, 0);
    if (status == STATUS_OK)
        datadir_close(&datadir);
    else if (status != STATUS_NOT_FOUND || verdict->state->told_count > 0) {
        verdict->is_wrong = true;
        fprintf(verdict->text, "data directory: %s\n", status_text(status));
    }
}

bool loss_check(struct loss_case *state)
{
    size_t size = 0;
    struct verdict verdict = {.state = state};
    state->report = NULL;
    verdict.text = open_memstream(&state->report, &size);
    check(verdict.text != NULL);
    verdict.audit = audit_create(verdict.text);
    open_directory(&verdict);
    inspect(&verdict, &wallet_behaviour, visit_wallets);
    inspect(&verdict, &seat_behaviour, visit_seats);
    inspect(&verdict, &queue_behaviour, visit_queue);
    bool is_wrong = audit_finish(verdict.audit) > 0 || verdict.is_wrong;
    fclose(verdict.text);
    if (is_wrong)
        return false;
    free(state->report);
    state->report = NULL;
    return true;
}
