#include "unit.h"

#include "json_out.h"
#include "problem.h"
#include <string.h>

static void test_a_problem_is_an_rfc_9457_object_with_a_code(void **state)
{
    char data[512];
    struct json_out json;
    (void)state;
    json_out_init(&json, data, sizeof data);
    problem_open(&json, PROBLEM_SEAT_TAKEN, "Both.");
    json_object_close(&json);
    assert_false(json.failed);
    data[json.used] = '\0';
    assert_string_equal(data, "{\"type\":\"urn:boxoffice:problem:seat-taken\","
                              "\"title\":\"Seat taken\",\"status\":409,\"detail\":\"Both.\","
                              "\"code\":\"seat-taken\"}");
}

static void test_every_code_is_one_of_its_own(void **state)
{
    (void)state;
    for (unsigned i = PROBLEM_OK + 1; i < PROBLEM_COUNT; i++) {
        assert_in_range(problem_status((enum problem)i), 400, 599);
        for (unsigned j = PROBLEM_OK + 1; j < i; j++)
            assert_string_not_equal(problem_code((enum problem)i), problem_code((enum problem)j));
    }
}

static void test_every_outcome_but_ok_has_a_problem(void **state)
{
    (void)state;
    assert_int_equal(problem_of_outcome(OUTCOME_OK), PROBLEM_OK);
    for (unsigned outcome = OUTCOME_OK + 1; outcome < OUTCOME_COUNT; outcome++)
        assert_int_not_equal(problem_of_outcome((enum outcome)outcome), PROBLEM_OK);
    assert_int_equal(problem_of_outcome((enum outcome)OUTCOME_COUNT), PROBLEM_INTERNAL);
    assert_int_equal(problem_status(problem_of_outcome(OUTCOME_STORAGE_FULL)), 507);
    assert_int_equal(problem_status(problem_of_outcome(OUTCOME_HOLD_EXPIRED)), 410);
}

static void test_a_framing_fault_has_the_problem_of_its_status(void **state)
{
    static const struct {
        unsigned status;
        const char *code;
    } expected[] = {{400, "bad-request"},     {408, "request-timeout"}, {411, "length-required"},
                    {413, "body-too-large"},  {414, "uri-too-long"},    {431, "headers-too-large"},
                    {501, "not-implemented"}, {503, "overloaded"},      {505, "http-version"},
                    {599, "internal"}};
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_string_equal(problem_code(problem_of_status(expected[i].status)), expected[i].code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_problem_is_an_rfc_9457_object_with_a_code),
        cmocka_unit_test(test_every_code_is_one_of_its_own),
        cmocka_unit_test(test_every_outcome_but_ok_has_a_problem),
        cmocka_unit_test(test_a_framing_fault_has_the_problem_of_its_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
