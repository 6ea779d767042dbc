#include "exit.h"
#include "unit.h"
#include <signal.h>
#include <string.h>

/* What a child died of. */

static void test_causes(void **state)
{
    static const struct {
        struct child_exit end;
        enum exit_cause cause;
    } cases[] = {
        {{.code = 0, .asked = true}, EXIT_CAUSE_STOPPED},
        {{.signal = SIGKILL, .asked = true}, EXIT_CAUSE_STOPPED},
        {{.signal = SIGKILL}, EXIT_CAUSE_KILLED},
        {{.signal = SIGTERM}, EXIT_CAUSE_KILLED},
        {{.signal = SIGTERM, .out_of_memory = true}, EXIT_CAUSE_KILLED},
        {{.signal = SIGKILL, .out_of_memory = true}, EXIT_CAUSE_OUT_OF_MEMORY},
        {{.signal = SIGKILL, .never_ready = true}, EXIT_CAUSE_NEVER_READY},
        {{.signal = SIGABRT, .never_ready = true}, EXIT_CAUSE_NEVER_READY},
        {{.signal = SIGABRT, .hung = true}, EXIT_CAUSE_HANG},
        {{.signal = SIGKILL, .hung = true, .out_of_memory = true}, EXIT_CAUSE_HANG},
        {{.signal = SIGSEGV}, EXIT_CAUSE_CRASH},
        {{.signal = SIGABRT}, EXIT_CAUSE_CRASH},
        {{.code = 0}, EXIT_CAUSE_CODE}, /* nobody asked it to */
        {{.code = 1}, EXIT_CAUSE_CODE},
        {{.code = 74}, EXIT_CAUSE_STORAGE},
        {{.code = 75}, EXIT_CAUSE_HEALED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(exit_classify(&cases[i].end), cases[i].cause);
}

static void test_what_others_did_is_no_fault(void **state)
{
    (void)state;
    for (unsigned cause = 0; cause < EXIT_CAUSE_COUNT; cause++)
        assert_int_equal(exit_is_fault((enum exit_cause)cause), cause != EXIT_CAUSE_STOPPED &&
                                                                    cause != EXIT_CAUSE_KILLED &&
                                                                    cause != EXIT_CAUSE_HEALED);
}

static void test_a_request_is_suspected_of_what_it_can_do(void **state)
{
    (void)state;
    for (unsigned cause = 0; cause < EXIT_CAUSE_COUNT; cause++)
        assert_int_equal(exit_is_suspicious((enum exit_cause)cause),
                         cause == EXIT_CAUSE_CRASH || cause == EXIT_CAUSE_HANG ||
                             cause == EXIT_CAUSE_OUT_OF_MEMORY || cause == EXIT_CAUSE_NEVER_READY);
}

static void test_every_cause_has_its_names(void **state)
{
    (void)state;
    for (unsigned a = 0; a < EXIT_CAUSE_COUNT; a++)
        for (unsigned b = 0; b < a; b++) {
            assert_string_not_equal(exit_cause_text((enum exit_cause)a),
                                    exit_cause_text((enum exit_cause)b));
            assert_string_not_equal(exit_cause_api((enum exit_cause)a),
                                    exit_cause_api((enum exit_cause)b));
        }
    assert_string_equal(exit_cause_text(EXIT_CAUSE_COUNT), "unknown");
    assert_string_equal(exit_cause_api(EXIT_CAUSE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_causes),
        cmocka_unit_test(test_what_others_did_is_no_fault),
        cmocka_unit_test(test_a_request_is_suspected_of_what_it_can_do),
        cmocka_unit_test(test_every_cause_has_its_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
