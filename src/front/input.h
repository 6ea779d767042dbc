#ifndef BOXOFFICE_INPUT_H
#define BOXOFFICE_INPUT_H

#include "cursor.h"
#include "routes.h"

/* What a handler takes out of a call. Each returns false after it has answered the exchange with
 * the problem of what it found. */

bool input_id(struct exchange *exchange, const struct call *call, const char *name, uint64_t *id);
/* The same; 0 when the field is absent or null. */
bool input_optional_id(struct exchange *exchange, const struct call *call, const char *name,
                       uint64_t *id);
/* An optional integer from min to max: sets it and `bit` in *bits when it is there. */
bool input_setting(struct exchange *exchange, const struct call *call, const char *name,
                   uint64_t min, uint64_t max, uint64_t *value, uint64_t *bits, uint64_t bit);
/* The same for true or false. */
bool input_switch(struct exchange *exchange, const struct call *call, const char *name,
                  uint64_t *value, uint64_t *bits, uint64_t bit);
/* "amount": an integer outside 1 … AMOUNT_MAX is 422, anything else 400. */
bool input_amount(struct exchange *exchange, const struct call *call, uint64_t *amount);

/* The query's `limit`: 1 … max, or `initial` when absent. */
bool input_limit(struct exchange *exchange, const struct call *call, uint64_t initial, uint64_t max,
                 uint64_t *limit);
/* An id in the query; 0 when absent. */
bool input_query_id(struct exchange *exchange, const struct call *call, const char *name,
                    uint64_t *id);
/* The query's `cursor`; 0 when absent. */
bool input_cursor(struct exchange *exchange, const struct call *call, enum cursor_kind kind,
                  uint64_t *position);
bool input_cursor_pair(struct exchange *exchange, const struct call *call, enum cursor_kind kind,
                       struct cursor_pair *position);

#endif
