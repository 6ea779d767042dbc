#include "application.h"
#include "dead_letters.h"
#include "handlers.h"
#include "text.h"
#include <string.h>

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

/* ---- circuit breakers ---- */

static const char *const mode_names[] = {
    [BREAKER_MODE_AUTO] = "AUTO",
    [BREAKER_MODE_FORCED_OPEN] = "FORCED_OPEN",
    [BREAKER_MODE_DISABLED] = "DISABLED",
};

static void rate_member(struct json_out *json, const char *name, uint32_t part, uint32_t calls)
{
    double rate = breaker_rate(part, calls);
    json_key(json, name);
    if (rate < 0)
        json_out_null(json);
    else
        json_u64(json, (uint64_t)(rate + 0.5));
}

/* False when there is no such breaker. */
static bool breaker_render(struct json_out *json, const struct segment *segment, unsigned target)
{
    static const char *const states[BREAKER_STATE_COUNT] = {"CLOSED", "OPEN", "HALF_OPEN",
                                                            "FORCED_OPEN", "DISABLED"};
    char name[BREAKER_NAME_SIZE];
    struct breaker_view view;
    if (!breaker_name(segment, target, name))
        return false;
    breaker_look(segment, target, &view);
    json_object_open(json);
    json_member_text(json, "name", name);
    json_member_text(json, "state", states[view.state]);
    json_member_text(json, "mode", mode_names[view.mode]);
    rate_member(json, "failureRate", view.window.failed, view.window.calls);
    rate_member(json, "slowCallRate", view.window.slow, view.window.calls);
    json_member_u64(json, "bufferedCalls", view.window.calls);
    json_member_u64(json, "failedCalls", view.window.failed);
    json_member_u64(json, "slowCalls", view.window.slow);
    json_member_u64(json, "notPermittedCalls", view.not_permitted_total);
    json_member_time(json, "nextProbeAt", view.next_probe_ms);
    json_object_close(json);
    return true;
}

static void breakers_render(struct json_out *json, const void *context)
{
    const struct segment *segment = context;
    json_object_open(json);
    json_key(json, "breakers");
    json_array_open(json);
    for (unsigned target = 0; target < segment->header->process_count; target++)
        (void)breaker_render(json, segment, target);
    json_array_close(json);
    json_object_close(json);
}

void handle_breakers_list(struct application *application, struct exchange *exchange,
                          const struct call *call)
{
    (void)call;
    answer_rendered(exchange, 200, breakers_render, application->segment);
}

static void answer_breaker(struct application *application, struct exchange *exchange,
                           unsigned target)
{
    char data[ANSWER_SIZE];
    struct json_out json;
    answer_open(&json, data, sizeof data);
    if (breaker_render(&json, application->segment, target))
        answer_close(exchange, 200, &json);
    else
        answer_problem(exchange, PROBLEM_NOT_FOUND, NULL);
}

static unsigned breaker_of(const struct application *application, const struct call *call)
{
    return breaker_find(application->segment, call->name.data, call->name.size);
}

void handle_breaker_get(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    answer_breaker(application, exchange, breaker_of(application, call));
}

void handle_breaker_set(struct application *application, struct exchange *exchange,
                        const struct call *call)
{
    unsigned target = breaker_of(application, call);
    struct text mode = {.data = NULL, .size = 0};
    if (target == PROCESS_MAX) {
        answer_problem(exchange, PROBLEM_NOT_FOUND, NULL);
        return;
    }
    if (body_text(&call->body, "mode", &mode) == BODY_FIELD_OK)
        for (unsigned each = 0; each < sizeof mode_names / sizeof mode_names[0]; each++)
            if (text_is(mode, mode_names[each])) {
                breaker_order(application->segment, target, (enum breaker_mode)each);
                dispatch_watch(&application->dispatch); /* so that the answer shows it */
                answer_breaker(application, exchange, target);
                return;
            }
    answer_invalid_field(exchange, "mode", "A mode is AUTO, FORCED_OPEN or DISABLED.");
}

/* ---- dead letters ---- */

static void dead_letter_render(struct json_out *json, const struct segment *segment,
                               const struct dead_letter *letter)
{
    const struct process_entry *worker = segment_process(segment, letter->worker);
    const struct process_entry *sender = segment_process(segment, letter->sender);
    const struct request_info *info = request_info((uint16_t)letter->kind);
    if (worker == NULL || sender == NULL)
        return;
    json_object_open(json);
    json_member_time(json, "at", letter->at_ms);
    json_member_text(json, "role", role_text((enum role)worker->role));
    json_member_u64(json, "index", worker->instance);
    json_member_text(json, "request", info != NULL ? info->name : "unknown");
    json_member_u64(json, "actorId", letter->actor);
    json_member_u64(json, "requestId", letter->request_id);
    json_member_text(json, "senderRole", role_text((enum role)sender->role));
    json_member_u64(json, "senderIndex", sender->instance);
    json_member_text(json, "cause", exit_cause_api((enum exit_cause)letter->cause));
    json_member_text(json, "obituary", letter->obituary);
    json_object_close(json);
}

static void dead_letters_render(struct json_out *json, const void *context)
{
    const struct segment *segment = context;
    const struct dead_letters *letters = segment_dead_letters(segment);
    uint64_t count = atomic_load(&letters->count);
    json_object_open(json);
    json_member_u64(json, "total", count);
    json_key(json, "deadLetters");
    json_array_open(json);
    for (unsigned back = 0; back < DEAD_LETTERS_MAX && back < count; back++) {
        struct dead_letter letter;
        if (dead_letters_read(letters, count - back, &letter))
            dead_letter_render(json, segment, &letter);
    }
    json_array_close(json);
    json_object_close(json);
}

void handle_dead_letters_list(struct application *application, struct exchange *exchange,
                              const struct call *call)
{
    (void)call;
    answer_rendered(exchange, 200, dead_letters_render, application->segment);
}
