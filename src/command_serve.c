#include "check.h"
#include "command.h"
#include "crash_point.h"
#include "datadir.h"
#include "journal.h"
#include "log.h"
#include "supervisor.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

/* `boxoffice serve`: opens everything that the server stands on, in an order in which the cheapest
 * refusal comes first, and hands it to the supervisor. */

enum {
    KEY_TEXT_SIZE = 256,
    KEY_TEXT_MIN = 8,
    DESCRIPTORS_BESIDE_CONNECTIONS = 128, /* of a front: doorbells, loop, segment, logs */
};

struct server {
    struct config config;
    struct listen_address address;
    struct identity_key identity_key;
    struct datadir datadir;
    struct listener listener;
    struct segment segment;
    bool is_seeding; /* the data directory is marked: demo data may be incomplete */
};

static void raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    uint64_t needed = config->connections / config->fronts + DESCRIPTORS_BESIDE_CONNECTIONS;
    if (limit.rlim_cur < needed)
        log_warn("descriptor-limit", "limit=%llu needed=%llu connections=%llu",
                 (unsigned long long)limit.rlim_cur, (unsigned long long)needed,
                 (unsigned long long)config->connections);
}

static int fail_datadir(const struct server *server, enum status status)
{
    const struct config *config = &server->config;
    const struct datadir *datadir = &server->datadir;
    switch (status) {
    case STATUS_BUSY:
        return command_fail(EX_TEMPFAIL, "data directory %s is in use by another process",
                            config->data);
    case STATUS_MISMATCH:
        if (datadir->seat_workers == 0)
            return command_fail(EX_CONFIG, "data directory %s is of another format version",
                                config->data);
        return command_fail(
            EX_CONFIG,
            "data directory %s was made with %llu seat and %llu wallet workers, not %llu and %llu",
            config->data, (unsigned long long)datadir->seat_workers,
            (unsigned long long)datadir->wallet_workers, (unsigned long long)config->seat_workers,
            (unsigned long long)config->wallet_workers);
    case STATUS_CORRUPT:
        return command_fail(EX_DATAERR, "data directory %s is damaged", config->data);
    default:
        return command_fail(EX_IOERR, "data directory %s: %s", config->data, status_text(status));
    }
}

/* The last committed time of one journal; 0 when there is none yet. */
static enum status journal_clock(const struct datadir *datadir, enum role role, unsigned instance,
                                 uint64_t *clock_ms, bool *exists)
{
    char path[DATADIR_PATH_MAX];
    struct journal *journal = NULL;
    struct journal_options options = {.read_only = true};
    datadir_worker_path(datadir, role_text(role), instance, "journal", path);
    enum status status = journal_open(&journal, path, &options);
    *exists = status != STATUS_NOT_FOUND;
    *clock_ms = 0;
    if (status == STATUS_NOT_FOUND)
        return STATUS_OK;
    if (status == STATUS_OK) {
        *clock_ms = journal_last_trailer(journal)->clock_ms;
        journal_close(journal);
    }
    return status;
}

/* The newest time that any worker has committed, and whether any has ever run. */
static enum status stored_clock(const struct server *server, uint64_t *floor_ms, bool *is_empty)
{
    *floor_ms = 0;
    *is_empty = true;
    for (unsigned line = 0; line < process_table_count; line++) {
        const struct child_spec *spec = &process_table[line];
        if (spec->role == ROLE_FRONT || spec->role == ROLE_RELAY)
            continue;
        for (unsigned i = 0; i < spec->instances(&server->config); i++) {
            uint64_t clock_ms = 0;
            bool exists = false;
            enum status status = journal_clock(&server->datadir, spec->role, i, &clock_ms, &exists);
            if (status != STATUS_OK)
                return status;
            if (clock_ms > *floor_ms)
                *floor_ms = clock_ms;
            if (exists)
                *is_empty = false;
        }
    }
    return STATUS_OK;
}

/* Demo data goes into an empty directory, or into one where it was not completed. */
static int prepare_seeding(struct server *server, bool is_empty)
{
    struct config *config = &server->config;
    bool is_wanted = config->demo || config->demo_holds > 0;
    enum status status = datadir_marked(&server->datadir, "seeding");
    if (status == STATUS_NOT_FOUND && is_wanted && is_empty)
        status = datadir_mark(&server->datadir, "seeding");
    if (status != STATUS_OK && status != STATUS_NOT_FOUND)
        return fail_datadir(server, status);
    server->is_seeding = status == STATUS_OK;
    if (is_wanted && !server->is_seeding) {
        if (config->demo_holds > 0)
            log_warn("demo-holds-ignored", "data=%s reason=\"not an empty data directory\"",
                     config->data);
        config->demo = false;
        config->demo_holds = 0;
    }
    return EX_OK;
}

static int key_hash(const struct server *server, const char *option, const char *file,
                    uint8_t hash[SECRET_SIZE])
{
    char text[KEY_TEXT_SIZE] = "";
    enum status status = datadir_admin_key(&server->datadir, file, text, sizeof text);
    size_t length = strnlen(text, sizeof text);
    if (status != STATUS_OK)
        return command_fail(status == STATUS_IO ? EX_IOERR : EX_CONFIG, "--%s: %s: %s", option,
                            file, status_text(status));
    if (length < KEY_TEXT_MIN)
        return command_fail(EX_CONFIG, "--%s: the key is shorter than %d characters", option,
                            KEY_TEXT_MIN);
    crypto_generichash(hash, SECRET_SIZE, (const uint8_t *)text, length, NULL, 0);
    sodium_memzero(text, sizeof text);
    return EX_OK;
}

static void fill_identity(struct segment_header *header, struct identity_key *key)
{
    header->identity_kind = key->kind;
    header->identity_key_size = (uint32_t)key->size;
    memcpy(header->identity_key, key->bytes, sizeof header->identity_key);
    sodium_memzero(key->bytes, sizeof key->bytes);
}

static int fill_keys(struct server *server)
{
    struct segment_header *header = server->segment.header;
    const struct config *config = &server->config;
    enum status status = datadir_key(&server->datadir, "ticket.key", header->ticket_key);
    if (status != STATUS_OK)
        return fail_datadir(server, status);
    fill_identity(header, &server->identity_key);
    int code = key_hash(server, "admin-key-file", config->admin_key_file, header->admin_key_hash);
    if (code == EX_OK && *config->charge_key_file != '\0') {
        code =
            key_hash(server, "charge-key-file", config->charge_key_file, header->charge_key_hash);
        header->charge_key_set = 1;
    }
    return code;
}

static int open_listener(struct server *server)
{
    enum status status =
        listener_open(&server->listener, &server->address, (unsigned)server->config.fronts);
    if (status == STATUS_OK)
        return EX_OK;
    return command_fail(EX_IOERR, "cannot listen on %s: %s", server->config.listen,
                        strerror(errno));
}

static int open_segment(struct server *server, uint64_t floor_ms)
{
    enum status status = segment_create(&server->segment, &server->config);
    if (status != STATUS_OK)
        return command_fail(EX_OSERR, "shared memory: %s", status_text(status));
    struct segment_header *header = server->segment.header;
    header->incarnation = server->datadir.incarnation;
    clock_start(&header->clock, floor_ms);
    clock_attach(&header->clock);
    return fill_keys(server);
}

static int open_all(struct server *server)
{
    const struct config *config = &server->config;
    uint64_t floor_ms = 0;
    bool is_empty = false;
    enum status status = datadir_open(&server->datadir, config->data, config->seat_workers,
                                      config->wallet_workers, DATADIR_LOCK_WAIT_MS);
    if (status == STATUS_OK)
        status = stored_clock(server, &floor_ms, &is_empty);
    if (status != STATUS_OK)
        return fail_datadir(server, status);
    int code = prepare_seeding(server, is_empty);
    if (code == EX_OK)
        code = open_listener(server);
    if (code == EX_OK)
        code = open_segment(server, floor_ms);
    return code;
}

/* From now on a worker that is started again finds what it has, be it trimmed or not, and loads no
 * demo data a second time. */
static void on_ready(void *context)
{
    struct server *server = context;
    server->segment.header->config.demo = false;
    server->segment.header->config.demo_holds = 0;
    if (server->is_seeding && datadir_unmark(&server->datadir, "seeding") != STATUS_OK)
        log_warn("seeding-mark", "reason=\"cannot be removed; the next start looks again\"");
    server->is_seeding = false;
}

static int supervise(struct server *server)
{
    struct supervisor_options options = {
        .segment = &server->segment,
        .config = &server->config,
        .lock_fd = server->datadir.lock_fd,
        .listener = &server->listener,
        .ready_deadline_ms = SUPERVISOR_READY_DEADLINE_MS + server->config.demo_holds,
        .on_ready = on_ready,
        .context = server,
    };
    if (*server->config.identity_key == '\0')
        log_warn("open-tokens", "reason=\"a queue token is given to whoever names a userId\"");
    return supervisor_run(&options);
}

int command_serve(int argc, char **argv)
{
    static struct server server;
    char error[256] = "";
    config_init(&server.config);
    if (!config_parse(&server.config, argc, argv, error, sizeof error))
        return command_fail(EX_USAGE, "%s", error);
    int code = command_check_options(&server.config, &server.address);
    if (code != EX_OK)
        return code;
    enum log_level level = LOG_LEVEL_INFO;
    log_level_parse(server.config.log_level, &level);
    log_open("supervisor", level);
    crash_point_open("supervisor");
    if (heritage_seal() != STATUS_OK || sodium_init() < 0)
        return command_fail(EX_OSERR, "cannot set up the process: %s", strerror(errno));
    code = command_identity_key(server.config.identity_key, &server.identity_key);
    if (code != EX_OK)
        return code;
    command_plan_memory(&server.config);
    raise_descriptor_limit(&server.config);
    code = open_all(&server);
    if (code == EX_OK)
        code = supervise(&server);
    listener_close(&server.listener);
    return code;
}
