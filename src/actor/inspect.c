#include "check.h"
#include "runtime.h"
#include <stdlib.h>

/* The rows of a worker that does not run: its state environment and the events beyond it, in
 * memory. */

static const uint64_t CACHE_BYTES = UINT64_C(32) << 20;

static enum status open_and_replay(struct worker *worker, const char *journal_path,
                                   const char *state_path)
{
    struct journal_options journal = {.read_only = true};
    enum status status = state_open(&worker->state, state_path, 0, true);
    if (status == STATUS_OK)
        status = journal_open(&worker->journal, journal_path, &journal);
    if (status == STATUS_OK)
        status = state_reader_open(&worker->reader, worker->state);
    if (status == STATUS_OK)
        status = overlay_init(&worker->overlay, worker->reader);
    if (status == STATUS_OK)
        status = cache_init(&worker->cache, CACHE_BYTES);
    if (status != STATUS_OK)
        return status;
    worker->rows = overlay_view(&worker->overlay);
    uint64_t events = 0;
    return worker_replay(worker, &events);
}

enum status worker_inspect(const struct behaviour *behaviour, const char *journal_path,
                           const char *state_path, const struct config *config,
                           void (*visit)(void *context, const struct row_view *rows), void *context)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return STATUS_NO_MEMORY;
    worker->behaviour = behaviour;
    worker->config = config;
    enum status status = open_and_replay(worker, journal_path, state_path);
    if (status == STATUS_OK)
        visit(context, &worker->rows);
    if (worker->cache.buckets != NULL)
        cache_fini(&worker->cache);
    if (worker->overlay.buckets != NULL)
        overlay_fini(&worker->overlay);
    if (worker->reader != NULL)
        state_reader_close(worker->reader);
    if (worker->journal != NULL)
        journal_close(worker->journal);
    if (worker->state != NULL)
        state_close(worker->state);
    free(worker);
    return status;
}
