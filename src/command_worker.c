#include "command.h"
#include "crash_point.h"
#include "datadir.h"
#include "front.h"
#include "heritage.h"
#include "queue.h"
#include "relay.h"
#include "relay_cursor.h"
#include "seat.h"
#include "wallet.h"
#include "worker.h"
#include <stdio.h>
#include <sysexits.h>

/* A child of the supervisor: the one place that knows which code serves which role. */

static struct queue_rooms rooms;
static struct seat_capacity capacity;

static int run_actors(struct heritage *heritage, const struct datadir *datadir)
{
    char journal_path[DATADIR_PATH_MAX], state_path[DATADIR_PATH_MAX];
    char cursor_path[DATADIR_PATH_MAX], name[RELAY_CURSOR_NAME_SIZE];
    const char *role = role_text(heritage->role);
    datadir_worker_path(datadir, role, heritage->instance, "journal", journal_path);
    datadir_worker_path(datadir, role, heritage->instance, "state", state_path);
    struct worker_options options = {
        .segment = &heritage->segment,
        .self = heritage->self,
        .journal_path = journal_path,
        .state_path = state_path,
    };
    switch (heritage->role) {
    case ROLE_QUEUE:
        options.behaviour = &queue_behaviour;
        queue_rooms_init(&rooms, segment_waiting_rooms(&heritage->segment));
        options.publish_context = &rooms;
        options.claim_gate = &rooms.gate;
        break;
    case ROLE_SEAT:
        options.behaviour = &seat_behaviour;
        options.publish_context =
            seat_catalogue_create(segment_catalogue(&heritage->segment, heritage->instance));
        if (options.publish_context == NULL)
            return EX_OSERR;
        seat_capacity_init(&capacity, &heritage->segment, heritage->instance);
        options.capacity_gate = &capacity.gate;
        break;
    default:
        options.behaviour = &wallet_behaviour;
        break;
    }
    datadir_worker_path(datadir, role_text(ROLE_RELAY), 0, "cursor", cursor_path);
    snprintf(name, sizeof name, "%s-%u", role, heritage->instance);
    enum status status = relay_cursor_peek(cursor_path, name, &options.sequence_floor);
    if (status != STATUS_OK)
        return command_fail(EX_IOERR, "%s: %s", cursor_path, status_text(status));
    int code = worker_run(&options);
    if (heritage->role == ROLE_SEAT)
        seat_catalogue_destroy(options.publish_context);
    return code;
}

static int run(struct heritage *heritage)
{
    struct datadir datadir = {.lock_fd = HERITAGE_LOCK_FD};
    snprintf(datadir.path, sizeof datadir.path, "%s", heritage->segment.header->config.data);
    if (heritage->role == ROLE_FRONT)
        return front_run(&heritage->segment, heritage->self, HERITAGE_LISTEN_FD);
    if (heritage->role == ROLE_RELAY) {
        struct relay_options options = {&heritage->segment, heritage->self, &datadir};
        return relay_run(&options);
    }
    return run_actors(heritage, &datadir);
}

int command_worker(int argc, char **argv)
{
    static struct heritage heritage;
    if (argc != 2)
        return command_fail(EX_USAGE, "worker processes are started by `boxoffice serve`");
    enum status status = heritage_receive(&heritage, argv[0], argv[1]);
    switch (status) {
    case STATUS_OK:
        crash_point_open(argv[0]);
        return run(&heritage);
    case STATUS_STALE: /* nobody is left who would want to know */
        return EX_TEMPFAIL;
    case STATUS_MISMATCH:
        return command_fail(EX_CONFIG, "worker %s %s: the shared memory is not of this version",
                            argv[0], argv[1]);
    default:
        return command_fail(EX_USAGE, "worker processes are started by `boxoffice serve` (%s)",
                            status_text(status));
    }
}
