#include "options.h"
#include "config.h"
#include <ctype.h>
#include <string.h>

const struct option_info option_table[] = {
#define OPTION_NUMBER(field_, name_, initial_, min_, max_, unit_, help_)                           \
    {.kind = OPTION_KIND_NUMBER,                                                                   \
     .name = name_,                                                                                \
     .help = help_,                                                                                \
     .placeholder = "N",                                                                           \
     .unit = unit_,                                                                                \
     .initial = "",                                                                                \
     .initial_number = initial_,                                                                   \
     .min = min_,                                                                                  \
     .max = max_,                                                                                  \
     .offset = offsetof(struct config, field_)},
#define OPTION_FLAG(field_, name_, help_)                                                          \
    {.kind = OPTION_KIND_FLAG,                                                                     \
     .name = name_,                                                                                \
     .help = help_,                                                                                \
     .placeholder = "",                                                                            \
     .unit = "",                                                                                   \
     .initial = "",                                                                                \
     .offset = offsetof(struct config, field_)},
#define OPTION_TEXT(field_, name_, initial_, size_, placeholder_, help_)                           \
    {.kind = OPTION_KIND_TEXT,                                                                     \
     .name = name_,                                                                                \
     .help = help_,                                                                                \
     .placeholder = placeholder_,                                                                  \
     .unit = "",                                                                                   \
     .initial = initial_,                                                                          \
     .offset = offsetof(struct config, field_),                                                    \
     .size = size_},
#define OPTION_LIST(field_, name_, count_, size_, placeholder_, help_)                             \
    {.kind = OPTION_KIND_LIST,                                                                     \
     .name = name_,                                                                                \
     .help = help_,                                                                                \
     .placeholder = placeholder_,                                                                  \
     .unit = "",                                                                                   \
     .initial = "",                                                                                \
     .offset = offsetof(struct config, field_.count),                                              \
     .items_offset = offsetof(struct config, field_.items),                                        \
     .size = size_,                                                                                \
     .count_max = count_},
#include "options.def"
#undef OPTION_NUMBER
#undef OPTION_FLAG
#undef OPTION_TEXT
#undef OPTION_LIST
};
const size_t option_count = sizeof option_table / sizeof option_table[0];
_Static_assert(sizeof option_table / sizeof option_table[0] <= OPTION_COUNT_MAX, "table too long");

/* Defaults keep to their own bounds, and names fit where they are spelt out. */
#define OPTION_NUMBER(field, name, initial, min, max, unit, help)                                  \
    _Static_assert((max) >= (initial) && (initial) + 1 > (min), name);                             \
    _Static_assert(sizeof name + sizeof "BOXOFFICE_" <= OPTION_VARIABLE_SIZE, name);
#define OPTION_FLAG(field, name, help)                                                             \
    _Static_assert(sizeof name + sizeof "BOXOFFICE_" <= OPTION_VARIABLE_SIZE, name);
#define OPTION_TEXT(field, name, initial, size, placeholder, help)                                 \
    _Static_assert(sizeof initial <= (size), name);                                                \
    _Static_assert(sizeof name + sizeof "BOXOFFICE_" <= OPTION_VARIABLE_SIZE, name);
#define OPTION_LIST(field, name, max_count, size, placeholder, help)                               \
    _Static_assert(sizeof name + sizeof "BOXOFFICE_" <= OPTION_VARIABLE_SIZE, name);
#include "options.def"
#undef OPTION_NUMBER
#undef OPTION_FLAG
#undef OPTION_TEXT
#undef OPTION_LIST

void option_variable(const struct option_info *option, char text[OPTION_VARIABLE_SIZE])
{
    static const char prefix[] = "BOXOFFICE_";
    size_t at = sizeof prefix - 1;
    memcpy(text, prefix, at);
    for (const char *from = option->name; *from != '\0'; from++)
        text[at++] = *from == '-' ? '_' : (char)toupper((unsigned char)*from);
    text[at] = '\0';
}
