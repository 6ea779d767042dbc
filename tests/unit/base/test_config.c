#include "config.h"
#include "options.h"
#include "unit.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static char said[256];

static bool parse(struct config *config, int count, const char *const *arguments)
{
    char *argv[16];
    assert_true(count < 16);
    for (int i = 0; i < count; i++)
        argv[i] = (char *)(uintptr_t)arguments[i];
    config_init(config);
    said[0] = '\0';
    return config_parse(config, count, argv, said, sizeof said);
}

#define PARSE(config, ...)                                                                         \
    parse(config, (int)(sizeof(const char *[]){__VA_ARGS__} / sizeof(const char *)),               \
          (const char *[]){__VA_ARGS__})
#define REFUSED(message, ...)                                                                      \
    do {                                                                                           \
        struct config refused_;                                                                    \
        assert_false(PARSE(&refused_, __VA_ARGS__));                                               \
        assert_string_equal(said, message);                                                        \
    } while (0)

static int forget_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        char variable[OPTION_VARIABLE_SIZE];
        option_variable(&option_table[i], variable);
        unsetenv(variable);
    }
    return 0;
}

static void defaults_stand_when_nothing_is_said(void **state)
{
    (void)state;
    struct config config;
    assert_true(parse(&config, 0, NULL));
    assert_string_equal(config.listen, "0.0.0.0:8080");
    assert_int_equal(config.active_limit, 1000);
    assert_int_equal(config.hold_ttl_s, 300);
    assert_false(config.demo);
    assert_int_equal(config.cors_origin.count, 0);
    assert_string_equal(config.admitted_word, "SUCCESS");
}

static void the_command_line_takes_both_spellings_and_the_last_wins(void **state)
{
    (void)state;
    struct config config;
    assert_true(PARSE(&config, "--fronts", "3", "--hold-ttl=60", "--data", "a", "--data=b=c",
                      "--demo", "--identity-key="));
    assert_int_equal(config.fronts, 3);
    assert_int_equal(config.hold_ttl_s, 60);
    assert_string_equal(config.data, "b=c");
    assert_true(config.demo);
    assert_string_equal(config.identity_key, "");
}

static void every_number_takes_its_bounds_and_nothing_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *option = &option_table[i];
        if (option->kind != OPTION_KIND_NUMBER)
            continue;
        char argument[128];
        struct config config;
        uint64_t value = 0;
        const uint64_t good[] = {option->min, option->max};
        for (int j = 0; j < 2; j++) {
            snprintf(argument, sizeof argument, "--%s=%llu", option->name,
                     (unsigned long long)good[j]);
            assert_true(PARSE(&config, argument));
            memcpy(&value, (char *)&config + option->offset, sizeof value);
            assert_int_equal(value, good[j]);
        }
        snprintf(argument, sizeof argument, "--%s=%llu", option->name,
                 (unsigned long long)option->max + 1);
        assert_false(PARSE(&config, argument));
        assert_non_null(strstr(said, option->name));
        if (option->min > 0) {
            snprintf(argument, sizeof argument, "--%s=%llu", option->name,
                     (unsigned long long)option->min - 1);
            assert_false(PARSE(&config, argument));
        }
    }
}

static void a_number_is_digits_only(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    " 1",  "1 ", "+1",  "-1", "0x1",
                                        "1.0", "1e0", "1k", "1\n", "١",  "18446744073709551617"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct config config;
        char expected[256];
        assert_false(PARSE(&config, "--fronts", wrong[i]));
        snprintf(expected, sizeof expected,
                 "--fronts takes a number from 1 to 8 (processes), not '%s'", wrong[i]);
        assert_string_equal(said, expected);
    }
    struct config config;
    assert_true(PARSE(&config, "--fronts", "0002"));
    assert_int_equal(config.fronts, 2);
}

static void what_is_wrong_is_named_in_one_line(void **state)
{
    (void)state;
    REFUSED("unknown option '--front'", "--front", "1");
    REFUSED("unknown option '--'", "--");
    REFUSED("unexpected argument 'serve'", "serve");
    REFUSED("unexpected argument '-h'", "-h");
    REFUSED("--data takes a value (DIR)", "--data");
    REFUSED("--data takes a value (DIR)", "--data", "--demo");
    REFUSED("--data takes a value (DIR), not an empty one", "--data=");
    REFUSED("--demo takes 1, 0, true or false, not 'yes'", "--demo=yes");
    REFUSED("--log-level takes debug, info, warn or error, not 'loud'", "--log-level", "loud");
    REFUSED("--log-level takes at most 7 bytes", "--log-level", "warnings");
    REFUSED("--cors-origin takes a value (ORIGIN), not an empty one", "--cors-origin=");
}

static void the_environment_sets_and_the_command_line_wins(void **state)
{
    (void)state;
    struct config config;
    setenv("BOXOFFICE_ACTIVE_LIMIT", "77", 1);
    setenv("BOXOFFICE_HOLD_TTL", "88", 1);
    setenv("BOXOFFICE_DEMO", "true", 1);
    setenv("BOXOFFICE_OPEN_CONFIRM", "0", 1);
    setenv("BOXOFFICE_KAFKA", "", 1);
    setenv("BOXOFFICE_FRONTS", "", 1);
    assert_true(PARSE(&config, "--hold-ttl", "99"));
    assert_int_equal(config.active_limit, 77);
    assert_int_equal(config.hold_ttl_s, 99);
    assert_true(config.demo);
    assert_false(config.open_confirm);
    assert_int_equal(config.fronts, 1);
    assert_true(PARSE(&config, "--demo=false"));
    assert_false(config.demo);
}

static void a_wrong_variable_is_named(void **state)
{
    (void)state;
    setenv("BOXOFFICE_SEAT_LIMIT", "many", 1);
    REFUSED("BOXOFFICE_SEAT_LIMIT takes a number from 1 to 64 (seats), not 'many'", "--demo");
    unsetenv("BOXOFFICE_SEAT_LIMIT");
    setenv("BOXOFFICE_DEMO", "on", 1);
    REFUSED("BOXOFFICE_DEMO takes 1, 0, true or false, not 'on'", "--fronts=1");
}

static void lists_repeat_on_the_line_and_have_commas_in_the_environment(void **state)
{
    (void)state;
    struct config config;
    setenv("BOXOFFICE_CORS_ORIGIN", "https://a,https://b", 1);
    assert_true(parse(&config, 0, NULL));
    assert_int_equal(config.cors_origin.count, 2);
    assert_string_equal(config.cors_origin.items[0], "https://a");
    assert_string_equal(config.cors_origin.items[1], "https://b");

    assert_true(PARSE(&config, "--cors-origin", "https://c", "--kafka-conf=a=1,2",
                      "--cors-origin=https://d", "--cors-origin=https://e"));
    assert_int_equal(config.cors_origin.count, 3);
    assert_string_equal(config.cors_origin.items[0], "https://c");
    assert_string_equal(config.cors_origin.items[2], "https://e");
    assert_int_equal(config.kafka_conf.count, 1);
    assert_string_equal(config.kafka_conf.items[0], "a=1,2");

    setenv("BOXOFFICE_CORS_ORIGIN", "https://a,,https://b", 1);
    REFUSED("BOXOFFICE_CORS_ORIGIN takes a value (ORIGIN), not an empty one", "--demo");
}

static void a_list_is_bounded(void **state)
{
    (void)state;
    struct config config;
    char values[64] = "0";
    for (int i = 1; i < 16; i++)
        strcat(values, ",x");
    setenv("BOXOFFICE_CORS_ORIGIN", values, 1);
    assert_true(parse(&config, 0, NULL));
    assert_int_equal(config.cors_origin.count, 16);
    strcat(values, ",x");
    setenv("BOXOFFICE_CORS_ORIGIN", values, 1);
    assert_false(parse(&config, 0, NULL));
    assert_string_equal(said, "BOXOFFICE_CORS_ORIGIN takes at most 16 values");
}

static void a_text_keeps_room_for_its_end(void **state)
{
    (void)state;
    struct config config;
    char value[66];
    memset(value, 'x', sizeof value);
    value[63] = '\0';
    assert_true(PARSE(&config, "--listen", value));
    assert_string_equal(config.listen, value);
    value[63] = 'x';
    value[64] = '\0';
    assert_false(PARSE(&config, "--listen", value));
    assert_string_equal(said, "--listen takes at most 63 bytes");
}

/* What a printer prints, as text. */
static char *printed(void (*print)(FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    print(to);
    fclose(to);
    return text;
}

static void help_names_every_option_within_80_columns(void **state)
{
    (void)state;
    char *text = printed(config_print_help);
    for (size_t i = 0; i < option_count; i++) {
        char name[64];
        snprintf(name, sizeof name, "  --%s", option_table[i].name);
        assert_non_null(strstr(text, name));
    }
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t columns = 0;
        for (const char *at = line; *at != '\0'; at++)
            columns += ((unsigned char)*at & 0xc0) != 0x80;
        assert_in_range(columns, 1, 80);
        assert_false(isspace((unsigned char)line[strlen(line) - 1]));
    }
    free(text);
}

static void the_table_has_a_line_of_five_columns_for_every_option(void **state)
{
    (void)state;
    char *text = printed(config_print_markdown);
    size_t lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        int bars = 0;
        for (const char *at = line; *at != '\0'; at++)
            bars += *at == '|';
        assert_int_equal(bars, 6);
    }
    assert_int_equal(lines, option_count + 2);
    free(text);
    text = printed(config_print_markdown);
    assert_non_null(
        strstr(text, "| `--hold-ttl N` | `BOXOFFICE_HOLD_TTL` | `300` | 1 – 86400 s | "));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_stand_when_nothing_is_said, forget_environment),
        cmocka_unit_test_setup(the_command_line_takes_both_spellings_and_the_last_wins,
                               forget_environment),
        cmocka_unit_test_setup(every_number_takes_its_bounds_and_nothing_beyond,
                               forget_environment),
        cmocka_unit_test_setup(a_number_is_digits_only, forget_environment),
        cmocka_unit_test_setup(what_is_wrong_is_named_in_one_line, forget_environment),
        cmocka_unit_test_setup(the_environment_sets_and_the_command_line_wins, forget_environment),
        cmocka_unit_test_setup(a_wrong_variable_is_named, forget_environment),
        cmocka_unit_test_setup(lists_repeat_on_the_line_and_have_commas_in_the_environment,
                               forget_environment),
        cmocka_unit_test_setup(a_list_is_bounded, forget_environment),
        cmocka_unit_test_setup(a_text_keeps_room_for_its_end, forget_environment),
        cmocka_unit_test_setup(help_names_every_option_within_80_columns, forget_environment),
        cmocka_unit_test_setup(the_table_has_a_line_of_five_columns_for_every_option,
                               forget_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
