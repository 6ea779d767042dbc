#include "config.h"
#include "options.h"
#include <string.h>

enum {
    HELP_COLUMN = 30, /* where the sentences start */
    HELP_WIDTH = 80,
    HELP_TEXT_SIZE = 512,
    DEFAULT_TEXT_SIZE = 96,
};

/* Columns on a terminal: UTF-8's continuation bytes take none. */
static size_t text_width(const char *text, size_t length)
{
    size_t width = 0;
    for (size_t i = 0; i < length; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

static void print_spaces(FILE *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fputc(' ', to);
}

/* Prints `text` in the help column, broken at spaces. */
static void print_wrapped(FILE *to, const char *text)
{
    size_t column = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        size_t width = text_width(text, length);
        if (column > 0 && HELP_COLUMN + column + 1 + width > HELP_WIDTH) {
            fputc('\n', to);
            print_spaces(to, HELP_COLUMN);
            column = 0;
        } else if (column > 0) {
            fputc(' ', to);
            column++;
        }
        fprintf(to, "%.*s", (int)length, text);
        column += width;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', to);
}

static void format_default(const struct option_info *option, char *text, size_t size)
{
    switch (option->kind) {
    case OPTION_KIND_NUMBER:
        snprintf(text, size, "%llu", (unsigned long long)option->initial_number);
        break;
    case OPTION_KIND_FLAG:
        snprintf(text, size, "off");
        break;
    case OPTION_KIND_TEXT:
    case OPTION_KIND_LIST:
        snprintf(text, size, "%s", option->initial);
        break;
    }
}

static void format_help(const struct option_info *option, char *text, size_t size)
{
    char initial[DEFAULT_TEXT_SIZE];
    format_default(option, initial, sizeof initial);
    if (option->kind == OPTION_KIND_NUMBER)
        snprintf(text, size, "%s (%s, %llu to %llu; default %s)", option->help, option->unit,
                 (unsigned long long)option->min, (unsigned long long)option->max, initial);
    else if (option->kind == OPTION_KIND_TEXT && *initial != '\0')
        snprintf(text, size, "%s (default %s)", option->help, initial);
    else
        snprintf(text, size, "%s", option->help);
}

void config_print_help(FILE *to)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *option = &option_table[i];
        char left[HELP_TEXT_SIZE];
        snprintf(left, sizeof left, "  --%s%s%s", option->name,
                 option->kind == OPTION_KIND_FLAG ? "" : " ", option->placeholder);
        fputs(left, to);
        size_t width = text_width(left, strlen(left));
        if (width + 2 > HELP_COLUMN) {
            fputc('\n', to);
            width = 0;
        }
        print_spaces(to, HELP_COLUMN - width);
        char help[HELP_TEXT_SIZE];
        format_help(option, help, sizeof help);
        print_wrapped(to, help);
    }
}

void config_print_markdown(FILE *to)
{
    fputs("| Option | Environment | Default | Range | What it does |\n"
          "|---|---|---|---|---|\n",
          to);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_info *option = &option_table[i];
        char variable[OPTION_VARIABLE_SIZE], initial[DEFAULT_TEXT_SIZE];
        option_variable(option, variable);
        format_default(option, initial, sizeof initial);
        fprintf(to, "| `--%s%s%s` | `%s` | %s%s%s | ", option->name,
                option->kind == OPTION_KIND_FLAG ? "" : " ", option->placeholder, variable,
                *initial == '\0' ? "" : "`", initial, *initial == '\0' ? "" : "`");
        if (option->kind == OPTION_KIND_NUMBER)
            fprintf(to, "%llu – %llu %s", (unsigned long long)option->min,
                    (unsigned long long)option->max, option->unit);
        fprintf(to, " | %s |\n", option->help);
    }
}
