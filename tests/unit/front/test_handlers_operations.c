#include "fixture.h"

#include "metrics.h"
#include <ctype.h>
#include <unistd.h>

static int setup(void **state)
{
    struct fixture *fixture = fixture_default();
    for (unsigned i = 0; i < fixture->segment.header->process_count; i++)
        segment_process(&fixture->segment, i)->state = PROCESS_READY;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_destroy(*state);
    return 0;
}

static struct process_entry *entry_of(struct fixture *fixture, enum role role)
{
    return segment_process(&fixture->segment, segment_process_of(&fixture->segment, role, 0));
}

static unsigned ready(struct fixture *fixture)
{
    return ask(fixture, request_of(HTTP_METHOD_GET, "/readyz"));
}

static void test_live_is_200(void **state)
{
    assert_int_equal(ask(*state, request_of(HTTP_METHOD_GET, "/livez")), 200);
}

static void test_ready_lists_each_role(void **state)
{
    static const char *const roles[] = {"front", "queue", "seat", "wallet", "relay"};
    assert_int_equal(ready(*state), 200);
    assert_has("\"status\":\"ready\"");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        char member[96];
        snprintf(member, sizeof member,
                 "{\"role\":\"%s\",\"processes\":[{\"index\":0,\"state\":\"READY\"}]}", roles[i]);
        assert_has(member);
    }
}

static void test_without_a_needed_worker_the_server_is_not_ready(void **state)
{
    static const enum role needed[] = {ROLE_QUEUE, ROLE_SEAT, ROLE_WALLET};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        for (unsigned each = PROCESS_STOPPED; each <= PROCESS_PARKED; each++) {
            bool serves = each == PROCESS_READY || each == PROCESS_READ_ONLY;
            entry_of(fixture, needed[i])->state = each;
            assert_int_equal(ready(fixture), serves ? 200 : 503);
        }
        assert_problem(503, "unavailable");
        assert_has("\"roles\":[{\"role\":\"front\",");
        assert_non_null(strstr(answer.headers, "Retry-After: 1\r\n"));
        entry_of(fixture, needed[i])->state = PROCESS_READY;
    }
}

static void test_read_only_or_without_relay_the_server_is_degraded(void **state)
{
    struct fixture *fixture = *state;
    entry_of(fixture, ROLE_WALLET)->state = PROCESS_READ_ONLY;
    assert_int_equal(ready(fixture), 200);
    assert_has("\"status\":\"degraded\"");
    assert_has("\"state\":\"READ_ONLY\"");
    entry_of(fixture, ROLE_WALLET)->state = PROCESS_READY;
    entry_of(fixture, ROLE_RELAY)->state = PROCESS_PARKED;
    assert_int_equal(ready(fixture), 200);
    assert_has("\"status\":\"degraded\"");
}

static void test_a_server_that_drains_is_not_ready(void **state)
{
    struct fixture *fixture = *state;
    fixture->segment.header->draining = 1;
    assert_int_equal(ready(fixture), 503);
}

static void test_the_api_document_is_the_one_in_the_repository(void **state)
{
    assert_int_equal(ask(*state, request_of(HTTP_METHOD_GET, "/openapi.yaml")), 200);
    assert_string_equal(answer.content_type, "application/yaml");
    assert_int_equal(strncmp(answer.body, "openapi: 3.1.0\n", 15), 0);
    assert_int_equal(answer.body[answer.size - 1], '\n');
    for (unsigned number = ROUTE_UNMATCHED + 1; number < ROUTE_COUNT; number++) {
        char path[128];
        snprintf(path, sizeof path, "\n  %s:\n", route_at(number)->pattern);
        assert_has(path);
    }
    for (unsigned problem = PROBLEM_OK + 1; problem < PROBLEM_COUNT; problem++) {
        char code[64];
        snprintf(code, sizeof code, "\n            - %s\n", problem_code((enum problem)problem));
        assert_has(code);
    }
}

static void test_processes_are_listed_for_the_admin(void **state)
{
    struct fixture *fixture = *state;
    struct process_entry *wallet = entry_of(fixture, ROLE_WALLET);
    wallet->pid = 4711;
    wallet->generation = 3;
    wallet->restarts[EXIT_CAUSE_KILLED] = 2;
    wallet->restarts[EXIT_CAUSE_HANG] = 1;
    wallet->started_ms = clock_now_ms() - 5500;
    ask(fixture,
        authorized(request_of(HTTP_METHOD_GET, "/api/v1/admin/processes"), "Bearer admin-key"));
    assert_has("{\"data\":{\"processes\":[{\"role\":\"supervisor\",");
    assert_has(
        "{\"role\":\"wallet\",\"index\":0,\"pid\":4711,\"generation\":3,"
        "\"state\":\"READY\",\"restarts\":{\"killed\":2,\"crash\":0,\"hang\":1,\"exitCode\":0,"
        "\"outOfMemory\":0,\"storage\":0,\"healed\":0,\"neverReady\":0,\"noSpawn\":0,"
        "\"total\":3},\"uptimeSeconds\":5}");
    assert_has("{\"role\":\"seat\",\"index\":0,\"pid\":null,");
}

/* ---- metrics ---- */

static void scrape(struct fixture *fixture)
{
    assert_int_equal(ask(fixture, request_of(HTTP_METHOD_GET, "/metrics")), 200);
    assert_string_equal(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
}

static void test_metrics_show_requests_by_route_and_status(void **state)
{
    struct fixture *fixture = *state;
    struct exchange done = {.route = ROUTE_CHARGE,
                            .started_ns = clock_monotonic_ns() - UINT64_C(100000)};
    application_done(&fixture->application, &done, 201);
    done.started_ns = clock_monotonic_ns() - UINT64_C(3000000000);
    application_done(&fixture->application, &done, 201);
    done.route = ROUTE_UNMATCHED;
    application_done(&fixture->application, &done, 404);
    scrape(fixture);
#define SERIES "boxoffice_http_request_duration_seconds"
#define CHARGED "{route=\"POST /api/v1/users/{userId}/points/charges\",status=\"201\""
    assert_has("# TYPE " SERIES " histogram\n");
    assert_has(SERIES "_bucket" CHARGED ",le=\"3.2e-05\"} 0\n");
    assert_has(SERIES "_bucket" CHARGED ",le=\"0.032768\"} 1\n");
    assert_has(SERIES "_bucket" CHARGED ",le=\"+Inf\"} 2\n");
    assert_has(SERIES "_count" CHARGED "} 2\n");
    assert_has(SERIES "_count{route=\"unmatched\",status=\"404\"} 1\n");
    const char *sum = strstr(answer.body, SERIES "_sum" CHARGED "} ");
    assert_non_null(sum);
    double seconds = atof(sum + strlen(SERIES "_sum" CHARGED "} "));
    assert_true(seconds >= 3.0001 && seconds < 4);
    assert_null(strstr(answer.body, "status=\"507\"")); /* empty series are left out */
}

static void test_metrics_show_every_process(void **state)
{
    struct fixture *fixture = *state;
    struct process_entry *wallet = entry_of(fixture, ROLE_WALLET);
    wallet->pid = getpid();
    wallet->restarts[EXIT_CAUSE_CRASH] = 7;
    wallet->heartbeat_ns = clock_monotonic_ns();
    unsigned index = segment_process_of(&fixture->segment, ROLE_WALLET, 0);
    struct process_stats *stats = segment_stats(&fixture->segment, index);
    stat_set(&stats->commits_total, 41);
    stat_set(&stats->recovery_ms, 1500);
    histogram_observe(&stats->batch_events, 3, 1);
    scrape(fixture);
#define WALLET "{role=\"wallet\",instance=\"0\""
    assert_has("boxoffice_process_state" WALLET ",state=\"ready\"} 1\n");
    assert_has("boxoffice_process_state" WALLET ",state=\"parked\"} 0\n");
    assert_has("boxoffice_process_restarts_total" WALLET ",cause=\"crash\"} 7\n");
    assert_has("boxoffice_process_restarts_total" WALLET ",cause=\"killed\"} 0\n");
    assert_has("boxoffice_process_up" WALLET "} 1\n");
    assert_has("boxoffice_process_up{role=\"seat\",instance=\"0\"} 0\n");
    assert_has("boxoffice_process_heartbeat_age_seconds" WALLET "} ");
    assert_has("boxoffice_process_resident_bytes" WALLET "} ");
    assert_has("boxoffice_process_cpu_seconds_total" WALLET "} ");
    assert_null(strstr(answer.body, "resident_bytes{role=\"seat\""));
    assert_has("boxoffice_commits_total" WALLET "} 41\n");
    assert_has("boxoffice_recovery_seconds" WALLET "} 1.5\n");
    assert_has("boxoffice_commit_batch_events_bucket" WALLET ",le=\"2\"} 0\n");
    assert_has("boxoffice_commit_batch_events_bucket" WALLET ",le=\"4\"} 1\n");
    assert_has("boxoffice_commit_batch_events_sum" WALLET "} 3\n");
}

/* The rules that `promtool check metrics` applies to names: HELP and TYPE before the samples, each
 * family once, _total on counters and on nothing else, base units. */
static void check_family(const char *name, const char *type)
{
    static const char *const not_base[] = {"_milliseconds", "_microseconds", "_ms",  "_us",
                                           "_kilobytes",    "_megabytes",    "_mib", "_minutes",
                                           "_percent",      "_bits"};
    size_t length = strlen(name);
    bool total = length > 6 && strcmp(name + length - 6, "_total") == 0;
    if (total != (strcmp(type, "counter") == 0))
        fail_msg("%s is a %s", name, type);
    for (size_t i = 0; i < sizeof not_base / sizeof not_base[0]; i++) {
        const char *found = strstr(name, not_base[i]);
        if (found != NULL && strchr("_", found[strlen(not_base[i])]) != NULL) /* a whole word */
            fail_msg("%s is not in base units", name);
    }
    for (const char *at = name; *at != '\0'; at++)
        assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '_');
    char again[160];
    snprintf(again, sizeof again, "# TYPE %s ", name);
    assert_true(strncmp(name, "boxoffice_", 10) == 0 || strncmp(name, "resilience4j_", 13) == 0);
    const char *first = strstr(answer.body, again);
    assert_non_null(first);
    assert_null(strstr(first + 1, again));
}

static void test_metric_names_follow_the_rules(void **state)
{
    char name[128], help_name[128], type[16];
    unsigned families = 0;
    scrape(*state);
    for (const char *at = answer.body; at != NULL && *at != '\0'; families++) {
        assert_int_equal(sscanf(at, "# HELP %127s", help_name), 1);
        at = strchr(at, '\n') + 1;
        assert_int_equal(sscanf(at, "# TYPE %127s %15s", name, type), 2);
        assert_string_equal(name, help_name);
        check_family(name, type);
        for (at = strchr(at, '\n') + 1; *at != '#' && *at != '\0'; at = strchr(at, '\n') + 1)
            assert_int_equal(strncmp(at, name, strlen(name)), 0);
    }
    assert_true(families > 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_live_is_200),
        TEST(test_ready_lists_each_role),
        TEST(test_without_a_needed_worker_the_server_is_not_ready),
        TEST(test_read_only_or_without_relay_the_server_is_degraded),
        TEST(test_a_server_that_drains_is_not_ready),
        TEST(test_the_api_document_is_the_one_in_the_repository),
        TEST(test_processes_are_listed_for_the_admin),
        TEST(test_metrics_show_requests_by_route_and_status),
        TEST(test_metrics_show_every_process),
        TEST(test_metric_names_follow_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
