#include "unit.h"
#include "scratch.h"
#include "audit_state.h"
#include "state.h"
#include "wallet.h"
#include <stdlib.h>
#include <unistd.h>

/* A journal of many users, versions 1 … 3 of each in turn, but for what a test leaves out. */
enum { USERS = 500, VERSIONS = 3, MAP_SIZE = 16 << 20 };

struct fixture {
    char directory[64], journal_path[96], state_path[96];
    struct journal *journal;
    struct state *state;
    struct state_reader *reader;
    char *text;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const struct journal_options options = {.size_max = MAP_SIZE};
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/boxoffice-audit-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->journal_path, sizeof fixture->journal_path, "%s/journal", fixture->directory);
    snprintf(fixture->state_path, sizeof fixture->state_path, "%s/state", fixture->directory);
    assert_int_equal(journal_open(&fixture->journal, fixture->journal_path, &options), STATUS_OK);
    assert_int_equal(state_open(&fixture->state, fixture->state_path, MAP_SIZE, false), STATUS_OK);
    assert_int_equal(state_reader_open(&fixture->reader, fixture->state), STATUS_OK);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    state_reader_close(fixture->reader);
    journal_close(fixture->journal);
    state_close(fixture->state);
    scratch_remove(fixture->directory);
    free(fixture->text);
    free(fixture);
    return 0;
}

static void append(struct fixture *fixture, uint64_t user, uint64_t version, uint64_t at_ms)
{
    union event body;
    uint8_t payload[512];
    body.wallet_charged = (struct wallet_charged){.user = user, .amount = 1, .balance = version};
    size_t size = event_encode(EVENT_WALLET_CHARGED, &body, payload, sizeof payload);
    const struct journal_event event = {
        .aggregate = user,
        .aggregate_version = version,
        .actor = user,
        .at_ms = at_ms,
        .kind = EVENT_WALLET_CHARGED,
        .actor_kind = WALLET_KIND,
        .payload = payload,
        .payload_size = size,
    };
    uint64_t sequence;
    assert_int_equal(journal_append(fixture->journal, &event, &sequence), STATUS_OK);
}

static void commit(struct fixture *fixture, uint64_t clock_ms, uint64_t position)
{
    const struct journal_trailer trailer = {
        .clock_ms = clock_ms, .segment_id = 7, .mark_count = 1, .marks = {{1, position}}};
    assert_int_equal(journal_commit(fixture->journal, &trailer), STATUS_OK);
}

/* One transaction for each version. */
static void fill(struct fixture *fixture, uint64_t without_user)
{
    for (uint64_t version = 1; version <= VERSIONS; version++) {
        assert_int_equal(journal_begin(fixture->journal), STATUS_OK);
        for (uint64_t user = 1; user <= USERS; user++)
            if (user != without_user || version != 2)
                append(fixture, user, version, 1000 * version);
        commit(fixture, 1000 * version, version);
    }
}

static uint64_t audit(struct fixture *fixture, size_t heads_max)
{
    size_t size;
    free(fixture->text);
    FILE *to = open_memstream(&fixture->text, &size);
    struct audit *audit = audit_create(to);
    const struct audit_source source = {.name = "wallet-0",
                                        .role = ROLE_WALLET,
                                        .journal = fixture->journal,
                                        .reader = fixture->reader};
    audit->heads_max = heads_max;
    bool sound = audit_state(audit, &source);
    sound &= audit_journal(audit, &source);
    uint64_t violations = audit_finish(audit);
    fclose(to);
    assert_int_equal(sound, violations == 0);
    return violations;
}

static void a_sound_journal_passes_in_one_pass_and_in_many(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 0);
    assert_int_equal(audit(fixture, AUDIT_HEADS_MAX), 0);
    assert_non_null(strstr(fixture->text, "journal records 1503 of 500 ids"));
    assert_int_equal(audit(fixture, 128), 0);
    assert_non_null(strstr(fixture->text, "of 500 ids"));
}

static void a_missing_version_is_found_once_in_one_pass_and_in_many(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 321);
    for (size_t heads_max = AUDIT_HEADS_MAX; heads_max > 64; heads_max /= 64) {
        assert_int_equal(audit(fixture, heads_max), 1);
        assert_non_null(strstr(fixture->text, "wallet-0: version 3 of 321 follows version 1\n"));
    }
}

static void marks_that_go_back_are_found(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 0);
    assert_int_equal(journal_begin(fixture->journal), STATUS_OK);
    commit(fixture, 9000, VERSIONS - 1);
    assert_int_equal(audit(fixture, AUDIT_HEADS_MAX), 1);
    assert_non_null(strstr(fixture->text, "wallet-0: the marks of record 1504 go back\n"));
}

static void rows_that_cover_what_is_not_there_are_found(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture, 0);
    assert_int_equal(state_begin(fixture->state), STATUS_OK);
    assert_int_equal(state_commit(fixture->state, 5000), STATUS_OK);
    assert_int_equal(state_reader_refresh(fixture->reader), STATUS_OK);
    assert_int_equal(audit(fixture, AUDIT_HEADS_MAX), 1);
    assert_non_null(
        strstr(fixture->text, "wallet-0: its rows cover 5000, the journal ends at 1503\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_sound_journal_passes_in_one_pass_and_in_many),
        TEST(a_missing_version_is_found_once_in_one_pass_and_in_many),
        TEST(marks_that_go_back_are_found),
        TEST(rows_that_cover_what_is_not_there_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
