#ifndef BOXOFFICE_CONFIG_H
#define BOXOFFICE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The settings of `boxoffice serve`, plain data: the supervisor copies it into shared memory.
 * Fields are generated from options.def. Texts are NUL-terminated. */
struct config {
#define OPTION_NUMBER(field, name, initial, min, max, unit, help) uint64_t field;
#define OPTION_FLAG(field, name, help) bool field;
#define OPTION_TEXT(field, name, initial, size, placeholder, help) char field[size];
#define OPTION_LIST(field, name, max_count, size, placeholder, help)                               \
    struct {                                                                                       \
        uint32_t count;                                                                            \
        char items[max_count][size];                                                               \
    } field;
#include "options.def"
#undef OPTION_NUMBER
#undef OPTION_FLAG
#undef OPTION_TEXT
#undef OPTION_LIST
};

void config_init(struct config *config); /* the defaults */

/* Environment first, then the command line wins. Takes `--name value`, `--name=value`; argv[0] is
 * the first option. False on a wrong option, with one line in `error` that names it. */
bool config_parse(struct config *config, int argc, char **argv, char *error, size_t error_size);

void config_print_help(FILE *to);     /* the option table for --help */
void config_print_markdown(FILE *to); /* the same for README */

#endif
