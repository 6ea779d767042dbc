#ifndef BOXOFFICE_OPTIONS_H
#define BOXOFFICE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

/* options.def as a table, for the parser and the printers of config.h. */
enum option_kind { OPTION_KIND_NUMBER, OPTION_KIND_FLAG, OPTION_KIND_TEXT, OPTION_KIND_LIST };

struct option_info {
    enum option_kind kind;
    const char *name;        /* without the dashes */
    const char *help;        /* a sentence */
    const char *placeholder; /* what stands for the value */
    const char *unit;        /* numbers */
    const char *initial;     /* texts */
    uint64_t initial_number, min, max;
    size_t offset;       /* of the field in struct config; a list's is its count */
    size_t items_offset; /* lists */
    size_t size;         /* bytes of a text or an item, with its NUL */
    uint32_t count_max;  /* lists */
};

enum { OPTION_COUNT_MAX = 128, OPTION_VARIABLE_SIZE = 64 };

extern const struct option_info option_table[];
extern const size_t option_count;

/* "BOXOFFICE_SEAT_LIMIT" for "seat-limit". */
void option_variable(const struct option_info *option, char text[OPTION_VARIABLE_SIZE]);

#endif
