#include "application.h"
#include "handlers.h"

/* Calls with the admin key. */

static void restarts_render(struct json_out *json, const struct process_entry *entry)
{
    uint64_t total = 0;
    json_key(json, "restarts");
    json_object_open(json);
    for (unsigned cause = EXIT_CAUSE_STOPPED + 1; cause < EXIT_CAUSE_COUNT; cause++) {
        json_member_u64(json, exit_cause_api((enum exit_cause)cause), entry->restarts[cause]);
        total += entry->restarts[cause];
    }
    json_member_u64(json, "total", total);
    json_object_close(json);
}

static void process_render(struct json_out *json, const struct process_entry *entry,
                           uint64_t now_ms)
{
    uint64_t started = entry->started_ms;
    bool alive = entry->pid != 0;
    json_object_open(json);
    json_member_text(json, "role", role_text((enum role)entry->role));
    json_member_u64(json, "index", entry->instance);
    json_key(json, "pid");
    if (alive)
        json_u64(json, (uint64_t)entry->pid);
    else
        json_out_null(json);
    json_member_u64(json, "generation", entry->generation);
    json_member_state(json, (enum process_state)entry->state);
    restarts_render(json, entry);
    json_member_u64(json, "uptimeSeconds",
                    alive && started > 0 && now_ms > started ? (now_ms - started) / 1000 : 0);
    json_object_close(json);
}

static void processes_render(struct json_out *json, const void *context)
{
    const struct segment *segment = context;
    uint64_t now_ms = clock_now_ms();
    json_object_open(json);
    json_key(json, "processes");
    json_array_open(json);
    for (unsigned index = 0; index < segment->header->process_count; index++)
        process_render(json, segment_process(segment, index), now_ms);
    json_array_close(json);
    json_object_close(json);
}

void handle_processes_list(struct application *application, struct exchange *exchange,
                           const struct call *call)
{
    (void)call;
    answer_rendered(exchange, 200, processes_render, application->segment);
}
