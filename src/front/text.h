#ifndef BOXOFFICE_TEXT_H
#define BOXOFFICE_TEXT_H

#include "http.h"

/* Small questions about the texts of a request. Nothing here allocates or copies. */

bool text_is(struct text text, const char *other);               /* byte for byte */
bool text_is_ignoring_case(struct text text, const char *other); /* ASCII */
struct text text_of(const char *terminated);
struct text text_trim(struct text text); /* without spaces and tabs at both ends */

/* A decimal number without sign or leading zero, at most `max`. */
bool text_number(struct text text, uint64_t max, uint64_t *value);

/* The next of the segments that `separator` divides; false when there is none left. `rest` starts
 * as the whole text and shrinks. */
bool text_next(struct text *rest, char separator, struct text *part);

/* The value of the first parameter called `name` in a query string; names and values are compared
 * as they stand, because numbers and our cursors never need percent-encoding. False when it is
 * absent. */
bool query_find(struct text query, const char *name, struct text *value);

#endif
