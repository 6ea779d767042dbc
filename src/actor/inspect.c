#include "check.h"
#include "runtime.h"
#include <stdlib.h>

/* The rows of a worker that does not run here: its state environment and the events beyond it, in
 * memory. */

static const uint64_t CACHE_BYTES = UINT64_C(32) << 20;

typedef void (*visit_cb)(void *context, const struct row_view *rows);

static enum status open_storage(struct worker *worker, const char *journal_path,
                                const char *state_path)
{
    struct journal_options journal = {.read_only = true};
    enum status status = state_open(&worker->state, state_path, 0, true);
    if (status == STATUS_OK)
        status = journal_open(&worker->journal, journal_path, &journal);
    if (status == STATUS_OK)
        status = state_reader_open(&worker->reader, worker->state);
    return status;
}

static enum status replay_and_visit(struct worker *worker, visit_cb visit, void *context)
{
    uint64_t events = 0;
    enum status status = overlay_init(&worker->overlay, worker->reader);
    if (status == STATUS_OK)
        status = cache_init(&worker->cache, CACHE_BYTES);
    if (status != STATUS_OK)
        return status;
    worker->rows = overlay_view(&worker->overlay);
    status = worker_replay(worker, &events);
    if (status == STATUS_OK)
        visit(context, &worker->rows);
    return status;
}

static struct worker *inspected(const struct behaviour *behaviour, const struct config *config)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker != NULL) {
        worker->behaviour = behaviour;
        worker->config = config;
    }
    return worker;
}

static void forget(struct worker *worker)
{
    if (worker->cache.buckets != NULL)
        cache_fini(&worker->cache);
    if (worker->overlay.buckets != NULL)
        overlay_fini(&worker->overlay);
    free(worker);
}

enum status worker_inspect(const struct behaviour *behaviour, const char *journal_path,
                           const char *state_path, const struct config *config, visit_cb visit,
                           void *context)
{
    struct worker *worker = inspected(behaviour, config);
    if (worker == NULL)
        return STATUS_NO_MEMORY;
    enum status status = open_storage(worker, journal_path, state_path);
    if (status == STATUS_OK)
        status = replay_and_visit(worker, visit, context);
    struct journal *journal = worker->journal;
    struct state *state = worker->state;
    struct state_reader *reader = worker->reader;
    forget(worker);
    state_reader_close(reader);
    journal_close(journal);
    state_close(state);
    return status;
}

enum status worker_inspect_cut(const struct behaviour *behaviour, const struct cut_view *view,
                               const struct config *config, visit_cb visit, void *context)
{
    struct worker *worker = inspected(behaviour, config);
    if (worker == NULL)
        return STATUS_NO_MEMORY;
    worker->journal = view->journal;
    worker->state = view->state;
    worker->reader = view->reader;
    enum status status = replay_and_visit(worker, visit, context);
    forget(worker);
    return status;
}

enum status worker_rebuild(const struct behaviour *behaviour, struct journal *journal,
                           const struct config *config, visit_cb visit, void *context)
{
    struct worker *worker = inspected(behaviour, config);
    if (worker == NULL)
        return STATUS_NO_MEMORY;
    worker->journal = journal;
    enum status status = replay_and_visit(worker, visit, context);
    forget(worker);
    return status;
}
