#include "config.h"
#include "log.h"
#include "options.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What is being filled, and where the one line about a wrong option goes. */
struct parse {
    struct config *config;
    char *error;
    size_t error_size;
};

static bool fail(struct parse *parse, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct parse *parse, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parse->error, parse->error_size, format, arguments);
    va_end(arguments);
    return false;
}

static void *field_at(struct config *config, size_t offset)
{
    return (char *)config + offset;
}

static bool number_parse(const char *text, uint64_t *value)
{
    *value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return true;
}

static bool set_number(struct parse *parse, const struct option_info *option, const char *label,
                       const char *value)
{
    uint64_t number = 0;
    if (!number_parse(value, &number) || number < option->min || number > option->max)
        return fail(parse, "%s takes a number from %llu to %llu (%s), not '%.64s'", label,
                    (unsigned long long)option->min, (unsigned long long)option->max, option->unit,
                    value);
    memcpy(field_at(parse->config, option->offset), &number, sizeof number);
    return true;
}

static bool set_flag(struct parse *parse, const struct option_info *option, const char *label,
                     const char *value)
{
    bool on = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
    if (!on && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
        return fail(parse, "%s takes 1, 0, true or false, not '%.64s'", label, value);
    memcpy(field_at(parse->config, option->offset), &on, sizeof on);
    return true;
}

static bool copy_text(struct parse *parse, const struct option_info *option, const char *label,
                      char *to, const char *from, size_t length)
{
    if (length >= option->size)
        return fail(parse, "%s takes at most %zu bytes", label, option->size - 1);
    memset(to, 0, option->size);
    memcpy(to, from, length);
    return true;
}

static bool set_text(struct parse *parse, const struct option_info *option, const char *label,
                     const char *value)
{
    if (*value == '\0' && *option->initial != '\0')
        return fail(parse, "%s takes a value (%s), not an empty one", label, option->placeholder);
    return copy_text(parse, option, label, field_at(parse->config, option->offset), value,
                     strlen(value));
}

static bool add_item(struct parse *parse, const struct option_info *option, const char *label,
                     const char *value, size_t length)
{
    uint32_t *count = field_at(parse->config, option->offset);
    if (length == 0)
        return fail(parse, "%s takes a value (%s), not an empty one", label, option->placeholder);
    if (*count >= option->count_max)
        return fail(parse, "%s takes at most %u values", label, option->count_max);
    char *item = field_at(parse->config, option->items_offset + *count * option->size);
    if (!copy_text(parse, option, label, item, value, length))
        return false;
    ++*count;
    return true;
}

static bool add_items(struct parse *parse, const struct option_info *option, const char *label,
                      const char *values)
{
    for (;;) {
        size_t length = strcspn(values, ",");
        if (!add_item(parse, option, label, values, length))
            return false;
        if (values[length] == '\0')
            return true;
        values += length + 1;
    }
}

/* What needs more than a type and bounds. */
static bool check_meaning(struct parse *parse, const char *label)
{
    enum log_level level = LOG_LEVEL_INFO;
    if (!log_level_parse(parse->config->log_level, &level))
        return fail(parse, "%s takes debug, info, warn or error, not '%s'", label,
                    parse->config->log_level);
    return true;
}

static bool set_value(struct parse *parse, const struct option_info *option, const char *label,
                      const char *value)
{
    switch (option->kind) {
    case OPTION_KIND_NUMBER:
        return set_number(parse, option, label, value);
    case OPTION_KIND_FLAG:
        return set_flag(parse, option, label, value);
    case OPTION_KIND_TEXT:
        return set_text(parse, option, label, value) && check_meaning(parse, label);
    case OPTION_KIND_LIST:
        return add_item(parse, option, label, value, strlen(value));
    }
    return false;
}

void config_init(struct config *config)
{
    memset(config, 0, sizeof *config);
#define OPTION_NUMBER(field, name, initial, min, max, unit, help) config->field = initial;
#define OPTION_FLAG(field, name, help)
#define OPTION_TEXT(field, name, initial, size, placeholder, help)                                 \
    memcpy(config->field, initial, sizeof initial);
#define OPTION_LIST(field, name, max_count, size, placeholder, help)
#include "options.def"
#undef OPTION_NUMBER
#undef OPTION_FLAG
#undef OPTION_TEXT
#undef OPTION_LIST
}

static bool parse_environment(struct parse *parse)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *option = &option_table[i];
        char variable[OPTION_VARIABLE_SIZE];
        option_variable(option, variable);
        const char *value = getenv(variable);
        if (value == NULL || *value == '\0')
            continue; /* compose files pass what is not set as empty */
        bool good = option->kind == OPTION_KIND_LIST ? add_items(parse, option, variable, value)
                                                     : set_value(parse, option, variable, value);
        if (!good)
            return false;
    }
    return true;
}

/* The option that an argument such as "--name=value" names; NULL when there is none. */
static const struct option_info *find_option(const char *name, size_t length)
{
    for (size_t i = 0; i < option_count; i++) {
        if (strlen(option_table[i].name) == length &&
            memcmp(option_table[i].name, name, length) == 0)
            return &option_table[i];
    }
    return NULL;
}

/* Takes the option at argv[*at] and moves *at behind it. `from_line` remembers, one for each
 * option, that the command line has named it. */
static bool parse_argument(struct parse *parse, int argc, char **argv, int *at, bool *from_line)
{
    const char *argument = argv[(*at)++];
    if (strncmp(argument, "--", 2) != 0)
        return fail(parse, "unexpected argument '%.64s'", argument);
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const struct option_info *option = find_option(name, length);
    if (option == NULL)
        return fail(parse, "unknown option '%.64s'", argument);
    char label[OPTION_VARIABLE_SIZE];
    snprintf(label, sizeof label, "--%s", option->name);

    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    if (value == NULL && option->kind == OPTION_KIND_FLAG)
        value = "1";
    if (value == NULL && *at < argc && strncmp(argv[*at], "--", 2) != 0)
        value = argv[(*at)++];
    if (value == NULL)
        return fail(parse, "%s takes a value (%s)", label, option->placeholder);

    if (option->kind == OPTION_KIND_LIST && !from_line[option - option_table])
        memset(field_at(parse->config, option->offset), 0, sizeof(uint32_t));
    from_line[option - option_table] = true;
    return set_value(parse, option, label, value);
}

bool config_parse(struct config *config, int argc, char **argv, char *error, size_t error_size)
{
    struct parse parse = {.config = config, .error = error, .error_size = error_size};
    bool from_line[OPTION_COUNT_MAX] = {false};
    if (!parse_environment(&parse))
        return false;
    for (int at = 0; at < argc;) {
        if (!parse_argument(&parse, argc, argv, &at, from_line))
            return false;
    }
    return true;
}
